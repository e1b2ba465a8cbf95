// Says which GPU there is. Exit status 77, for ctest, and a line that says why, if there is none.
#include <cuda_runtime_api.h>

#include <cstdio>

int main() {
  int count = 0, driver = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result != cudaSuccess || count == 0) {
    std::printf("skipped: no CUDA device (%s)\n", result != cudaSuccess ? cudaGetErrorString(result) : "there are 0");
    return 77;
  }
  cudaDriverGetVersion(&driver);
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return 1;
    std::printf("device %d: %s, compute capability %d.%d, %.0f GiB; driver for CUDA %d.%d\n", device, properties.name,
                properties.major, properties.minor, static_cast<double>(properties.totalGlobalMem) / (1U << 30),
                driver / 1000, driver % 1000 / 10);
  }
  return 0;
}
