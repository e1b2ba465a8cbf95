#include "base/environment.hpp"

#include <cstdlib>

namespace holdfast {

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace holdfast
