// Preloaded into a helper: fsync() hangs for as long as the file that STUCK_FSYNC names is there, as on a file system that has
// stopped answering.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fsync(int fd) {
  static int (*next)(int);
  const char* file = getenv("STUCK_FSYNC");
  while (file != NULL && access(file, F_OK) == 0) usleep(10000);
  if (next == NULL) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return next(fd);
}
