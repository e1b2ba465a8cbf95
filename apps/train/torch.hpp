#pragma once

// What the trainer uses of LibTorch. ivalue.h comes first: clang with C++20 takes the other headers only after it.
#include <ATen/core/ivalue.h>
#include <torch/types.h>
