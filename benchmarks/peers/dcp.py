"""Saves the same state as peers.cpp by PyTorch Distributed Checkpoint (torch.distributed.checkpoint), and answers like that program:
a line "round" by one line of JSON, with the times of the slowest rank; the end of the input ends it. benchmarks/peers/run starts it.

usage: dcp.py --directory DIR --mib N --ranks N --device cpu|cuda
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import sys
import time

TENSORS, COLUMNS = 16, 1024
MOST_STEPS_ALONE = 100
STEP_S = 4e-3
END_S = 30


def why_not(device):
    """None where this can be measured."""
    try:
        import torch
    except ImportError as error:
        return f"torch cannot be imported ({error})"
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 11):
        return f"torch is {torch.__version__}, and 2.11 is needed"
    if device == "cuda" and not torch.cuda.is_available():
        return "torch finds no CUDA device"
    return None


class CpuStep:
    """As in step.cpp, by one thread: torch uses several from 32768 elements on."""

    ELEMENTS = 32000

    def __init__(self, torch):
        self.cached = torch.ones(self.ELEMENTS, dtype=torch.float64)
        self.streamed = torch.ones(1024, self.ELEMENTS, dtype=torch.float64)
        self.at = 0
        self.repeats = 200
        least_s = min(self.run() for _ in range(20))
        self.repeats = max(1, round(self.repeats * STEP_S / least_s))

    def run(self):
        start = time.monotonic()
        for _ in range(self.repeats):
            self.cached.mul_(0.999).add_(0.001)
        for row in self.streamed[self.at:self.at + 8]:
            row.mul_(0.999).add_(0.001)
        self.at = (self.at + 8) % 1024
        return time.monotonic() - start


class CudaStep:
    """Products of matrices, one after the other, until the device has done them."""

    def __init__(self, torch):
        self.torch = torch
        self.a = torch.zeros(2048, 2048, device="cuda")
        self.repeats = 20
        least_s = min(self.run() for _ in range(20))
        self.repeats = max(1, round(self.repeats * STEP_S / least_s))

    def run(self):
        start = time.monotonic()
        for _ in range(self.repeats):
            self.torch.mm(self.a, self.a)
        self.torch.cuda.synchronize()
        return time.monotonic() - start


def kept_memory(torch, on_gpu):
    """The fastest that DCP has: staging into memory that stays from save to save, shared with the process, and pinned where there is
    a GPU. torch's own DefaultStager is made of the same, but that of torch 2.11 serves for one save."""
    from torch.distributed.checkpoint._state_dict_stager import StateDictStager
    from torch.distributed.checkpoint.staging import AsyncStager

    class KeptMemory(AsyncStager):
        def __init__(self):
            self.stager = StateDictStager(pin_memory=on_gpu, share_memory=True)

        def stage(self, state_dict):
            staged = self.stager.stage(state_dict, non_blocking=on_gpu)
            if on_gpu:
                torch.cuda.synchronize()
            return staged

        def synchronize_staging(self):
            """Is done when stage() returns."""

        def close(self):
            self.stager.close()

    return KeptMemory()


class Rank:
    """One rank of the program that saves."""

    def __init__(self, rank, options):
        import torch
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import DTensor, Shard

        self.torch, self.dist, self.rank = torch, dist, rank
        self.directory = pathlib.Path(options.directory) / f"dcp-{options.device}"
        self.on_gpu = options.device == "cuda"
        dist.init_process_group("cpu:gloo,cuda:gloo" if self.on_gpu else "gloo", init_method=f"file://{options.directory}/meeting-{options.device}",
                                rank=rank, world_size=options.ranks)
        if self.on_gpu:
            torch.cuda.set_device(rank % torch.cuda.device_count())
        mesh = init_device_mesh(options.device, (options.ranks,))
        rows = (options.mib << 20) // TENSORS // COLUMNS // 4
        self.tensors = [torch.ones(rows, COLUMNS, device=options.device) for _ in range(TENSORS)]
        self.copies = [torch.zeros(rows, COLUMNS, pin_memory=self.on_gpu) for _ in range(TENSORS)]
        self.state = {f"layer{i}": DTensor.from_local(tensor, mesh, [Shard(0)], run_check=False) for i, tensor in enumerate(self.tensors)}
        self.step = CudaStep(torch) if self.on_gpu else CpuStep(torch)
        self.ways = self.all_ways()
        self.count = 0

    def all_ways(self):
        """Each saves into the directory that it is given, and returns what says done(), or None when it is. All keep their plan from
        save to save, as Holdfast does."""
        import torch.distributed.checkpoint as dcp
        from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType

        def planner():
            return dcp.DefaultSavePlanner(enable_plan_caching=True)

        def asynchronously(kind, **more):
            return lambda path: dcp.async_save(self.state, checkpoint_id=path, async_checkpointer_type=kind, planner=planner(), **more)

        return {"dcp.save": lambda path: dcp.save(self.state, checkpoint_id=path, planner=planner()) and None,
                "dcp.async_save, thread": asynchronously(AsyncCheckpointerType.THREAD),
                "dcp.async_save, process": asynchronously(AsyncCheckpointerType.PROCESS),
                "dcp.async_save, process, kept memory": asynchronously(AsyncCheckpointerType.PROCESS,
                                                                       async_stager=kept_memory(self.torch, self.on_gpu))}

    def copy_s(self):
        """One plain copy of the state: memcpy, or from the GPU into pinned memory."""
        start = self.start()
        for copy, tensor in zip(self.copies, self.tensors):
            if self.on_gpu:
                copy.copy_(tensor, non_blocking=True)
            else:
                ctypes.memmove(copy.data_ptr(), tensor.data_ptr(), tensor.nbytes)
        if self.on_gpu:
            self.torch.cuda.synchronize()
        return time.monotonic() - start

    def start(self):
        self.dist.barrier()
        return time.monotonic()

    def save(self, way):
        """The directory of the save before is gone, as in a program that keeps one checkpoint."""
        if self.rank == 0:
            shutil.rmtree(self.directory, ignore_errors=True)
        sample = {"way": self.label(way), "copy_s": self.copy_s(), "step_ratio": 0}
        start = self.start()
        saving = self.ways[way](str(self.directory))
        sample["blocked_s"] = time.monotonic() - start
        during_s = []
        while saving is not None and not saving.done():
            during_s.append(self.step.run())
        if saving is not None:
            saving.result()
        sample["durable_s"] = time.monotonic() - start
        if during_s:
            alone_s = [self.step.run() for _ in range(min(len(during_s), MOST_STEPS_ALONE))]
            sample["step_ratio"] = statistics.median(during_s) / statistics.median(alone_s)
        return sample

    def round(self):
        names = list(self.ways)
        first = self.count % len(names)
        self.count += 1
        return [self.save_or_give_up(way) for way in names[first:] + names[:first]]

    def save_or_give_up(self, way):
        """A way that fails is not tried again, and the others go on."""
        try:
            return self.save(way)
        except Exception as error:  # whatever torch throws
            del self.ways[way]
            return {"way": self.label(way), "error": f"{type(error).__name__}: {error}"}

    def label(self, way):
        return f"{way} ({'cuda' if self.on_gpu else 'cpu'})"

    def close(self):
        self.dist.destroy_process_group()


def work(rank, options, commands):
    """A rank's process: a round whenever it is told so."""
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")  # where DCP's processes meet
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # nothing of it is to be initialised, or pinned
    member = Rank(rank, options)
    commands.send("ready")
    while commands.recv() == "round":
        commands.send(member.round())
    member.close()


def slowest(of_ranks):
    """One sample from those that the ranks have of the same save."""
    failed = [sample for sample in of_ranks if "error" in sample]
    if failed:
        return failed[0]
    return {key: value if isinstance(value, str) else max(sample[key] for sample in of_ranks) for key, value in of_ranks[0].items()}


def serve(options):
    spawning = multiprocessing.get_context("spawn")
    ends = [spawning.Pipe() for _ in range(options.ranks)]
    processes = [spawning.Process(target=work, args=(rank, options, end)) for rank, (_, end) in enumerate(ends)]
    for process, (_, end) in zip(processes, ends):
        process.start()
        end.close()  # so that recv() tells when the process has died
    pipes = [own for own, _ in ends]
    for pipe in pipes:
        pipe.recv()
    print(json.dumps({"ready": True}), flush=True)
    for command in sys.stdin:
        for pipe in pipes:
            pipe.send(command.strip())
        print(json.dumps([slowest(samples) for samples in zip(*[pipe.recv() for pipe in pipes])]), flush=True)
    for pipe in pipes:
        pipe.send("end")
    for process in processes:
        process.join(END_S)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--mib", type=int, required=True, help="of state, per rank")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    reason = why_not(options.device)
    if reason is None:
        serve(options)
    else:
        print(json.dumps({"unavailable": reason}), flush=True)


if __name__ == "__main__":
    main()
