#include "mpi_calls.hpp"

#include <mpi.h>

#include <atomic>

namespace {

std::atomic<int> collective = 0, point_to_point = 0;

}  // namespace

holdfast::test::MpiCalls holdfast::test::mpi_calls() {
  return {collective, point_to_point};
}

#define HOLDFAST_COUNT(counter, function, parameters, ...)                  \
  extern "C" [[gnu::visibility("default")]] int MPI_##function parameters { \
    ++counter;                                                              \
    return PMPI_##function(__VA_ARGS__);                                    \
  }

HOLDFAST_COUNT(collective, Barrier, (MPI_Comm comm), comm)
HOLDFAST_COUNT(collective, Ibarrier, (MPI_Comm comm, MPI_Request* request), comm, request)
HOLDFAST_COUNT(collective, Bcast, (void* data, int count, MPI_Datatype type, int root, MPI_Comm comm), data, count,
               type, root, comm)
HOLDFAST_COUNT(collective, Allreduce,
               (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm), in, out, count,
               type, op, comm)
HOLDFAST_COUNT(collective, Reduce,
               (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm), in, out,
               count, type, op, root, comm)
HOLDFAST_COUNT(collective, Exscan, (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
               in, out, count, type, op, comm)
HOLDFAST_COUNT(collective, Allgather,
               (const void* in, int in_count, MPI_Datatype in_type, void* out, int out_count, MPI_Datatype out_type,
                MPI_Comm comm),
               in, in_count, in_type, out, out_count, out_type, comm)
HOLDFAST_COUNT(collective, Allgatherv,
               (const void* in, int in_count, MPI_Datatype in_type, void* out, const int* counts, const int* offsets,
                MPI_Datatype out_type, MPI_Comm comm),
               in, in_count, in_type, out, counts, offsets, out_type, comm)
HOLDFAST_COUNT(collective, Alltoall,
               (const void* in, int in_count, MPI_Datatype in_type, void* out, int out_count, MPI_Datatype out_type,
                MPI_Comm comm),
               in, in_count, in_type, out, out_count, out_type, comm)
HOLDFAST_COUNT(collective, Alltoallv,
               (const void* in, const int* in_counts, const int* in_offsets, MPI_Datatype in_type, void* out,
                const int* counts, const int* offsets, MPI_Datatype out_type, MPI_Comm comm),
               in, in_counts, in_offsets, in_type, out, counts, offsets, out_type, comm)
HOLDFAST_COUNT(collective, Comm_dup, (MPI_Comm comm, MPI_Comm* copy), comm, copy)
HOLDFAST_COUNT(collective, Comm_split, (MPI_Comm comm, int color, int key, MPI_Comm* part), comm, color, key, part)
HOLDFAST_COUNT(point_to_point, Isend,
               (const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request* request),
               data, count, type, to, tag, comm, request)
HOLDFAST_COUNT(point_to_point, Send, (const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm),
               data, count, type, to, tag, comm)
HOLDFAST_COUNT(point_to_point, Recv,
               (void* data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm, MPI_Status* status), data,
               count, type, from, tag, comm, status)
HOLDFAST_COUNT(point_to_point, Iprobe, (int from, int tag, MPI_Comm comm, int* flag, MPI_Status* status), from, tag,
               comm, flag, status)
