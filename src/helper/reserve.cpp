#include <holdfast/checkpointer.hpp>

#include "helper/helper.hpp"
#include "launch/reservation.hpp"

namespace holdfast {

MPI_Comm reserve_helper_ranks(MPI_Comm comm) {
  launch::Reservation reservation = launch::reserve(comm);
  if (!reservation.helper) return reservation.training.get();
  launch::ReservedHelper& helper = *reservation.helper;
  helper::become_helper();
  const auto await_end = [&helper] {
    while (helper.next_order()) {
    }
  };
  while (const auto order = helper.next_order())
    helper::serve({.nonce = order->nonce,
                   .timeout_s = order->timeout_s,
                   .helper_timeout_s = order->helper_timeout_s,
                   .end_survivors = order->end_survivors,
                   .await_program_end = await_end},
                  helper.helpers());
  return MPI_COMM_NULL;
}

}  // namespace holdfast
