#pragma once

/// Makes a symbol visible outside the shared library; all others are hidden.
#define HOLDFAST_API __attribute__((visibility("default")))
