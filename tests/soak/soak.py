#!/usr/bin/env python3
"""Saves as fast as it can, among deaths: soak.py --seconds 60 [--seed N] [--mib N] --mpirun MPIRUN --program SOAK --holdfast HOLDFAST

Starts the program (soaked.cpp) again and again under MPIRUN, a command with the option that lets a job live on when a process
dies ("mpirun --enable-recovery" of Open MPI 4, "mpirun --with-ft ulfm" of 5), and meanwhile kills and stops helpers, kills ranks and
whole jobs, sends signals, fills and frees the disk, at random with the seed that is printed. After each run it looks for what must
not be: acknowledged saves that are gone, damaged files, processes, memory. Exits 1 if there is any. Arenas of so many MiB that making
them takes a while (--mib 256) are met by deaths at that moment, too.

The disk is a small tmpfs in a private mount namespace, which takes root; without, the disk is never full, and the output says so.
Harm is done by ones: a job that loses a rank while it has no helper can only be ended by whoever started it.
"""
import argparse, collections, os, pathlib, random, shlex, shutil, signal, statistics, subprocess, sys, tempfile, time, uuid

RANKS = 2
FILES = 6  # that the disk has room for, with their tables
SHARED_BYTES = 1 << 30  # and at least so many arenas of each rank: two, those of a helper that has not gone yet, and the next one's
ARENAS = 6
HANG_S = 60  # far above the program's own timeouts: 3 s for a silent helper, 20 s for a stuck save
MEASURE_S = 60  # at most, for the run at the end
WARM_SAVES, MEASURED_SAVES = 50, 300  # of one process, before its memory counts, and between the first look and the last at least
STRETCHES = 5  # into which the measured saves are divided
LOOKS = 4 * STRETCHES  # in the run at the end, so that each stretch has some


class Processes:
    """Those of a run, known by a token in their environment."""

    def __init__(self):
        self.token = f"HOLDFAST_SOAK={uuid.uuid4()}"

    def all(self):
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.token.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
            except OSError:
                pass  # it has ended, or is another user's
        return found

    def named(self, name):
        return sorted(pid for pid, its_name in self.all().items() if its_name == name)

    def end_all(self):
        for pid in self.all():
            send(pid, signal.SIGKILL)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def own_memory(pid):
    """Bytes that belong to a process alone."""
    try:  # RssAnon of /proc/PID/status may be off by some hundred kilobytes
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def growth_per_save(looks):
    """Bytes, of a process that was looked at after so many saves and had so many bytes; None if there were too few saves to tell. A save
    that is under way has memory which is given back: in the helper, two blocks of 2 MiB for what does not lie in the arena as in
    the file. So of each stretch of saves the least counts. And what is taken once, such as the heap of another thread, makes one of
    the steps between stretches, where what is lost with each save makes all: so the step in the middle counts."""
    warm = [look for look in looks if look[0] >= looks[0][0] + WARM_SAVES]
    measured = warm[-1][0] - warm[0][0] if warm else 0
    if measured < MEASURED_SAVES:
        return None
    least = {}
    for saves, memory in warm:
        stretch = min((saves - warm[0][0]) * STRETCHES // measured, STRETCHES - 1)
        least[stretch] = min(memory, least.get(stretch, memory))
    ends = sorted(least.items())
    return statistics.median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in zip(ends, ends[1:])) * STRETCHES / measured


def check_growth_per_save():
    """Of looks after every 15 saves, each second one in the middle of a save, and with the heap of another thread in between."""
    def looks(leak):
        return [(saves, 50_000_000 + leak * saves + (4 << 20) * (at % 2) + (1 << 20) * (saves > 300))
                for at, saves in enumerate(range(7, 600, 15))]
    for leak, least, most in [(0, 0, 0), (5000, 4500, 5500)]:
        growth = growth_per_save(looks(leak))
        if growth is None or not least <= growth <= most:
            sys.exit(f"a leak of {leak} bytes per save is measured as {growth}")
    if growth_per_save(looks(0)[:20]) is not None:
        sys.exit("growth is measured over too few saves")


def shared_memory(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssShmem:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def within(seconds, condition, pause=0.05):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


class Soak:
    def __init__(self, arguments, work):
        self.arguments, self.work = arguments, work
        self.random = random.Random(arguments.seed)
        self.disk, self.log, self.stop = work / "disk", work / "acknowledged", work / "stop"
        self.directory, self.filler = self.disk / "ckpt", self.disk / "filler"
        self.end = time.monotonic() + arguments.seconds
        self.counts = collections.Counter()
        self.done = collections.Counter()
        self.growth = 0.0
        self.times = collections.defaultdict(list)  # seconds from a death to the next save, or to the end of the job
        self.killed_at = None
        self.in_peace = False

    # --- one run

    def start(self):
        self.processes = Processes()
        name, value = self.processes.token.split("=")
        # Without EVENT_NOEPOLL, a race in Open MPI 4.1.4 may hold a spawn for ever (docs/decisions/0002-spawn.md).
        environment = dict(os.environ, EVENT_NOEPOLL="1", **{name: value})
        self.output = open(self.work / "output", "ab")
        self.job = subprocess.Popen([*shlex.split(self.arguments.mpirun), "--oversubscribe", "-n", str(RANKS),
                                     self.arguments.program, self.directory, self.log, self.stop, str(self.arguments.mib)], env=environment, stdout=self.output, stderr=self.output)
        self.seen = {}  # helpers, and how many saves were acknowledged when they were seen first
        # Of each process while it has the same helpers (Open MPI keeps some 100 KB of each MPI_Comm_spawn for ever): saves and
        # bytes at each look.
        self.memory = collections.defaultdict(list)
        self.acknowledged_at, self.last_progress = self.saves(), time.monotonic()

    def saves(self):
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def run_once(self):
        self.start()
        while self.job.poll() is None:
            self.look()
            over = time.monotonic() > self.end or (self.in_peace and self.is_measured())
            if over and not self.stop.exists():
                self.free_disk()
                self.stop.touch()
            if not self.in_peace and not self.stop.exists():
                self.do_harm()
            if time.monotonic() - self.last_progress > HANG_S:
                self.hang("no save was acknowledged, and the job did not end")
            time.sleep(self.random.uniform(0.05, 0.6))
        self.look_after()

    def run_in_peace(self):
        """The run at the end, to which no harm is done: it loads, and saves until its memory has been measured."""
        self.in_peace = True
        if self.counts_memory():
            self.stop.unlink()
            self.end = time.monotonic() + MEASURE_S
        self.run_once()

    def counts_memory(self):
        """Larger states take longer for each save, and sanitizers make all slower and keep what is freed."""
        return self.arguments.mib == 1 and self.arguments.growth < 1_000_000

    def is_measured(self):
        return any(len(looks) >= LOOKS and growth_per_save(looks) is not None for looks in self.memory.values())

    def look(self):
        saves = self.saves()
        if saves > self.acknowledged_at:
            self.acknowledged_at, self.last_progress = saves, time.monotonic()
        helpers = self.processes.named("holdfast-helper")
        for pid in helpers:
            if pid not in self.seen:
                self.seen[pid] = saves
                self.do_harm_while_arenas_are_made(pid)
        if self.killed_at and self.serving():
            self.times["helper killed, saving again"].append(time.monotonic() - self.killed_at)
            self.killed_at = None
        for pid in self.processes.named("soaked") + helpers:
            memory = own_memory(pid)
            if memory is not None:
                self.memory[pid, *helpers].append((saves, memory))

    def serving(self):
        """Helpers that have written saves, so that all ranks are connected to them."""
        return [pid for pid in self.processes.named("holdfast-helper") if self.saves() - self.seen.get(pid, 1 << 60) >= 5]

    def hang(self, what):
        print(f"HANG: {what}: {self.processes.all()}", flush=True)
        self.counts["hangs"] += 1
        self.processes.end_all()
        self.last_progress = time.monotonic()

    # --- harm

    def do_harm(self):
        helpers = self.serving()
        if not helpers:
            return  # one at a time: with the helper gone, nobody could end a job that loses a rank
        harm = self.random.choices(["kill helper", "stop helper", "signal helper", "kill rank", "kill job", "fill disk", "nothing"],
                                   [3, 1, 3, 2, 1, 2, 8])[0]
        self.do(harm, helpers)

    def do_harm_while_arenas_are_made(self, helper):
        """Which takes a fourth of a second for each GiB, so it is met only where they are large."""
        least, whole = 1 << 24, 2 * RANKS * self.arguments.mib << 20
        if whole <= least or self.in_peace or self.stop.exists() or self.random.random() < 0.4:
            return
        looks = [whole]

        def is_growing():
            looks.append(shared_memory(helper))
            return least < looks[-1] < whole and looks[-2] < looks[-1]

        if not within(3, is_growing, pause=0.001):
            return
        self.done["deaths while arenas were made"] += 1
        self.do(self.random.choice(["kill helper", "kill rank", "kill job"]), [helper])

    def do(self, harm, helpers):
        self.done[harm] += 1
        if harm == "kill helper":
            send(self.random.choice(helpers), signal.SIGKILL)
            self.killed_at = time.monotonic()
        elif harm == "stop helper":
            self.stop_helper(self.random.choice(helpers))
        elif harm == "signal helper":
            send(self.random.choice(helpers), self.random.choice([signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT]))
        elif harm == "kill rank":
            send(self.random.choice(self.processes.named("soaked") or helpers), signal.SIGKILL)
            self.expect_end("a rank was killed")
        elif harm == "kill job":
            for pid in self.processes.all():
                send(pid, signal.SIGKILL)
            self.expect_end("all was killed")
        elif harm == "fill disk":
            self.fill_disk()

    def stop_helper(self, pid):
        """For a moment, which must do no harm, or for ever."""
        send(pid, signal.SIGSTOP)
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, 1))
            send(pid, signal.SIGCONT)
        else:
            self.seen.pop(pid, None)

    def expect_end(self, why):
        start, self.killed_at = time.monotonic(), None
        if not within(HANG_S, lambda: self.job.poll() is not None and not self.processes.all()):
            self.hang(why)
        self.times[f"{why}, the job has ended"].append(time.monotonic() - start)
        if self.job.wait() == 0 and why == "a rank was killed":
            print("mpirun returned 0 although a rank was killed", flush=True)
            self.counts["deaths that mpirun kept to itself"] += 1

    def fill_disk(self):
        if self.arguments.no_disk:
            return
        try:
            with open(self.filler, "wb", buffering=0) as file:
                while file.write(bytes(1 << 16)):
                    pass
        except OSError:
            pass  # full
        time.sleep(self.random.uniform(0, 1))
        self.free_disk()

    def free_disk(self):
        self.filler.unlink(missing_ok=True)

    # --- what must not be

    def look_after(self):
        self.done["runs"] += 1
        for growth in filter(lambda it: it is not None, map(growth_per_save, self.memory.values())):
            self.done["times measured"] += 1
            self.growth = max(self.growth, growth)
        if not within(20, lambda: not self.processes.all()):
            self.counts["processes left"] += len(self.processes.all())
            print(f"left: {self.processes.all()}", flush=True)
            self.processes.end_all()
        self.output.close()
        (self.directory / "events.jsonl").unlink(missing_ok=True)  # tens of thousands of saves would fill the disk with it
        files = sorted(self.directory.glob("step-*.h5")) if self.directory.exists() else []
        for file in files:
            if subprocess.run([self.arguments.holdfast, "verify", file], stdout=subprocess.DEVNULL).returncode != 0:
                print(f"damaged: {file}", flush=True)
                self.counts["damaged files"] += 1
                shutil.copy(file, self.work)
        steps = [int(line) for line in self.log.read_text().split()] if self.log.exists() else []
        newest = int(files[-1].stem.split("-")[1]) if files else 0
        lost = [step for step in steps if step > newest]
        if lost:
            print(f"acknowledged, and gone: {lost}", flush=True)
            self.counts["acknowledged saves lost"] += len(lost)

    def run(self):
        segments = set(os.listdir("/dev/shm"))
        while time.monotonic() < self.end or not self.stop.exists():
            self.run_once()
        self.run_in_peace()
        if self.job.returncode != 0:
            print(f"the last run, to which no harm was done, ended with {self.job.returncode}", flush=True)
            self.counts["bad ends"] += 1
        # Open MPI's own segments, and the semaphore of its MPI-IO, which has a name drawn by chance while it is made, are left by
        # processes that are killed. We have no semaphores.
        of_open_mpi = ("vader_segment", "sm_segment", "sem.")
        left = [name for name in set(os.listdir("/dev/shm")) - segments if not name.startswith(of_open_mpi)]
        self.counts["shared memory left"] += len(left)
        if left:
            print(f"left in /dev/shm: {left}", flush=True)
        if self.saves() == 0:
            print("no save was ever acknowledged", flush=True)
            self.counts["bad ends"] += 1
        reports = [line for line in (self.work / "output").read_text(errors="replace").splitlines()
                   if "Sanitizer: " in line or "runtime error: " in line]
        self.counts["sanitizers' reports"] += len(reports)
        for line in reports:
            print(line, flush=True)
        if self.counts_memory() and not self.done["times measured"]:
            self.counts["bad ends"] += 1
        if self.growth > self.arguments.growth:
            self.counts["processes that grow"] += 1
        self.report()
        return 1 if sum(self.counts.values()) else 0

    def report(self):
        print(f"acknowledged saves: {self.saves()}; " + ", ".join(f"{what}: {self.done[what]}" for what in sorted(self.done)))
        for what, seconds in sorted(self.times.items()):
            print(f"{what}: after {statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (most), of {len(seconds)}")
        for what in ["acknowledged saves lost", "damaged files", "hangs", "processes left", "shared memory left",
                     "deaths that mpirun kept to itself", "sanitizers' reports", "bad ends"]:
            print(f"{what}: {self.counts[what]}")
        if not self.done["times measured"]:
            print(f"memory was not measured: no process with the same helper was there for {WARM_SAVES + MEASURED_SAVES} saves")
            return
        print(f"most growth of memory per save: {self.growth:.0f} bytes (at most {self.arguments.growth})")


def mount_disks(path, mib):
    """A small disk of this process and its children, and shared memory that nobody else uses. Says whether there is one."""
    path.mkdir()
    shared = max(SHARED_BYTES, ARENAS * RANKS * mib << 20)
    disk = FILES * (RANKS * mib + 1) << 20
    return all(subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where]).returncode == 0
               for where, size in [("/dev/shm", shared), (path, disk)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--mib", type=int, default=1, help="what each rank saves")
    parser.add_argument("--growth", type=int, default=4096, help="most bytes that a process may grow by with each save")
    parser.add_argument("--private", action="store_true", help="internal: the mount namespace is private")
    for name in ["mpirun", "program", "holdfast"]:
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    check_growth_per_save()
    can = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0
    if can and not arguments.private:
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv, "--private", "--seed", str(arguments.seed)])
    print(f"seed {arguments.seed}", flush=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-soak-"))
    arguments.no_disk = not (arguments.private and mount_disks(work / "disk", arguments.mib))
    if arguments.no_disk:
        (work / "disk").mkdir(exist_ok=True)
        print("no disk of its own can be mounted here, so the disk is never full", flush=True)
    soak = Soak(arguments, work)
    status = 1
    try:
        status = soak.run()
    finally:
        if status == 0:
            if not arguments.no_disk:
                subprocess.run(["umount", work / "disk"])
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"the runs' output is in {work}/output; its last lines without full disks:", flush=True)
            lines = (work / "output").read_text(errors="replace").splitlines()
            print("\n".join([line for line in lines if "ENOSPC" not in line][-40:]))
    return status


sys.exit(main())
