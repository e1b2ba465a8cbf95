// Stands in for an HDF5 without symbol versions and without MPI, of a version that never was.
int H5open(void) { return 0; }

int H5get_libversion(unsigned* major, unsigned* minor, unsigned* release) {
  *major = 9;
  *minor = 8;
  *release = 7;
  return 0;
}
