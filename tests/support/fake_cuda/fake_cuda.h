#pragma once

#include <cuda.h>

/// A stand-in for CUDA's driver library, by the name libcuda.so.1: two devices of host memory that only copies reach. It proves
/// our logic (order, arguments, errors, lifetimes), and nothing about a real device.
///
/// What streams have to do is done in calls that ask (cuEventQuery, cuCtxSynchronize), the youngest stream first, so that
/// whatever is not ordered by events comes in the wrong order. Device memory cannot be touched by the host; a copy reaches
/// only what is allocated, and host memory in a copy has to be page-locked, or counts as "pageable".
extern "C" {
/// Forgets failures and counts.
void fake_cuda_reset();
/// Lets `times` calls (-1: all) of a function return `result`, after the next `after` ones. The name is the one in cuda.h.
void fake_cuda_fail(const char* function, CUresult result, int after, int times);
/// Calls of a function since the last reset; "pageable": copies of host memory that was not page-locked.
int fake_cuda_calls(const char* function);
/// Keeps a stream from doing anything, or lets it go on.
void fake_cuda_hold(CUstream stream, int held);
/// What is allocated, registered or made, and not given back.
int fake_cuda_objects();
}
