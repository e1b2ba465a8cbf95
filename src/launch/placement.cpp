#include <algorithm>

#include "launch/launcher.hpp"

namespace holdfast::launch {
namespace {

struct NodeMember {
  std::int32_t leader_of = -1;  ///< number of the helper that this rank leads; -1: none
  static void fields(auto& c, auto& s) { c(s.leader_of); }
};

/// Collective over the node. Returns the number of the helper that rank `leader` of the node leads.
int helper_of(const mpi::Communicator& node, const NodeMember& self, int leader) {
  return decode<NodeMember>(node.all_gather(encode(self))[static_cast<std::size_t>(leader)]).leader_of;
}

std::vector<std::string> gather_hosts(const mpi::Communicator& comm, bool leader, const std::string& node) {
  mpi::Communicator leaders = comm.split(leader ? 0 : 1, comm.rank());
  std::vector<std::string> hosts;
  if (leader)
    for (const Bytes& host : leaders.all_gather(encode(node))) hosts.push_back(decode<std::string>(host));
  leaders.free();
  return hosts;
}

}  // namespace

Placement place(const mpi::Communicator& comm, int ranks_per_helper, const std::string& node_name) {
  mpi::Communicator node = comm.split_by_node();
  const int group_size = ranks_per_helper > 0 ? std::min(ranks_per_helper, node.size()) : node.size();
  const int leader = node.rank() / group_size * group_size;

  Placement placement;
  placement.leader = node.rank() == leader;
  placement.number_on_node = leader / group_size;
  placement.ranks_on_node = node.size();
  placement.helper_ranks = std::min(group_size, node.size() - leader);
  NodeMember self;
  const std::uint64_t leaders_before = comm.exclusive_sum(placement.leader ? 1 : 0);
  if (placement.leader) self.leader_of = static_cast<std::int32_t>(leaders_before);
  placement.helper = helper_of(node, self, leader);
  placement.hosts = gather_hosts(comm, placement.leader, node_name);
  std::int64_t helpers[] = {placement.leader ? 1 : 0};
  comm.allreduce(std::span<std::int64_t>(helpers), MPI_SUM);
  placement.helpers = static_cast<int>(helpers[0]);
  node.free();
  return placement;
}

}  // namespace holdfast::launch
