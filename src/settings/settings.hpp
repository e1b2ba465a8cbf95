#pragma once

#include <cstdint>
#include <holdfast/options.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/codec.hpp"
#include "wrap/mpi.hpp"

namespace holdfast::settings {

/// Returns `options` with members that have their default replaced by values of the environment. Hints of the
/// environment are added to those of `options`, which take precedence. Throws Error(invalid_argument) for a value that
/// cannot be read.
[[nodiscard]] Options with_environment(Options options);
/// Makes this process copy in the way that HOLDFAST_COPY names, if it is set. Throws Error(invalid_argument) for a way
/// that this processor does not have.
void copy_as_environment_says();

/// Pure. Throws Error(invalid_argument) for the first option that breaks its limit.
void check(const Options& options);
void check(const SaveOptions& options);
void check(const LoadOptions& options);

/// Collective. Throws Error(plan_conflict) on all ranks if their options differ; it names the first such option, its
/// values and the ranks. Costs one small allreduce if they are the same.
void require_same(const mpi::Communicator& comm, const Options& options);
void require_same(const mpi::Communicator& comm, const LoadOptions& options);
/// Collective. Throws as require_same() does; the fingerprints of the ranks' options are known to differ.
[[noreturn]] void explain_difference(const mpi::Communicator& comm, const SaveOptions& mine);

/// Pure. Returns a number that is equal where all settings are.
[[nodiscard]] std::int64_t fingerprint(const SaveOptions& options);
/// Pure. Encodes the options for a helper. A change of it is a change of transport::protocol_version.
[[nodiscard]] Bytes encode(const Options& options);
/// Pure. The inverse of encode(). Throws Error(communication) for more settings than this version has.
[[nodiscard]] Options decode(std::span<const std::byte> bytes);

/// The name of a setting, and its value in words.
struct Setting {
  std::string name, value;
  static void fields(auto& c, auto& s) { c(s.name, s.value); }
};
/// Pure. Returns all settings, in order.
[[nodiscard]] std::vector<Setting> settings_of(const Options& options);

}  // namespace holdfast::settings
