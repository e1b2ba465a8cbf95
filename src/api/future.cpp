#include <holdfast/future.hpp>
#include <utility>

#include "base/owner.hpp"
#include "save/save.hpp"

namespace holdfast {
namespace {

save::Save& checked(const std::shared_ptr<save::Save>& save) {
  if (!save) throw Error(ErrorCode::invalid_state, "the SaveFuture belongs to no save");
  require_owner(save, "SaveFuture");
  return *save;
}

}  // namespace

std::int64_t SaveFuture::step() const {
  return checked(save_).step();
}
bool SaveFuture::skipped() const {
  return checked(save_).skipped();
}
void SaveFuture::wait_staged() const {
  checked(save_).wait_staged();
}
void SaveFuture::wait_staged(CUstream_st* stream) const {
  checked(save_).wait_staged(stream);
}
bool SaveFuture::ready() const {
  return checked(save_).ready();
}
void SaveFuture::on_done(std::function<void()> function) const {
  checked(save_).on_done(std::move(function));
}
SaveStats SaveFuture::wait() const {
  return wait(checked(save_).default_timeout());
}
SaveStats SaveFuture::wait(std::chrono::duration<double> timeout) const {
  return checked(save_).wait(timeout);
}

}  // namespace holdfast
