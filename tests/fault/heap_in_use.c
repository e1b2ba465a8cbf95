// Preloaded into a helper: appends to the file that HEAP_IN_USE names, at each rename() to a checkpoint's final name, how many
// bytes of the heap are in use. That is once per save, at the same place of each.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note(void) {
  const struct mallinfo2 heap = mallinfo2();
  char line[32];
  const int length = snprintf(line, sizeof line, "%zu\n", heap.uordblks + heap.hblkhd);
  const int fd = open(getenv("HEAP_IN_USE"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line, (size_t)length) != length) abort();
  close(fd);
}

int rename(const char* from, const char* to) {
  static int (*next)(const char*, const char*);
  if (next == NULL) next = (int (*)(const char*, const char*))dlsym(RTLD_NEXT, "rename");
  const char* suffix = strrchr(to, '.');
  if (suffix != NULL && strcmp(suffix, ".h5") == 0) note();
  return next(from, to);
}
