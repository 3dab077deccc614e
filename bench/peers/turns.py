"""Processes that take turns: each stays alive and does one thing at a time, when it is asked; in between it is stopped.

A stopped process (SIGSTOP) spins in no thread pool and holds no processor, whatever its library does after its work.
What a process is asked and how it answers stands in kohl_serve.c.  All of them end with this one.
"""
import ctypes
import os
import select
import signal
import statistics
import subprocess
import sys

PR_SET_PDEATHSIG = 1
ANSWER_S = 1800
# A turn's runs, in seconds: long ones need no warm-up, since what stopped them has cost less than their spread.
WARM_S, COUNTED_S, LONG_MS = 0.15, 0.3, 400


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failed(RuntimeError):
    """A process that said error, ended, or said nothing for too long."""


class Process:
    def __init__(self, command, threads, quiet=True):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KOHL_")}
        environment["OMP_NUM_THREADS"] = environment["MKL_NUM_THREADS"] = str(threads)
        self.log = subprocess.DEVNULL if quiet else None
        try:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment,
                                          text=True, bufsize=1, preexec_fn=die_with_parent)
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}; make bench-peers builds what kohl needs") from error

    def ask(self, request):
        """The answer's words behind "ok"."""
        try:
            self.child.send_signal(signal.SIGCONT)
            self.child.stdin.write(request + "\n")
            if not select.select([self.child.stdout], [], [], ANSWER_S)[0]:
                raise Failed(f"no answer to '{request}' within {ANSWER_S} s")
            line = self.child.stdout.readline().strip()
        except OSError as error:
            raise Failed(f"'{request}': {error}") from error
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGSTOP)
        if line != "ok" and not line.startswith("ok "):
            raise Failed(line.removeprefix("error ") or f"'{request}': ended without an answer, exit code {self.child.wait()}")
        return line[3:]

    def state(self):
        """The letter of /proc: T when it is stopped."""
        with open(f"/proc/{self.child.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]

    def memory_mb(self):
        """(resident, the most that was ever resident)"""
        with open(f"/proc/{self.child.pid}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
        return tuple(int(lines[key].split()[0]) / 1e3 for key in ("VmRSS", "VmHWM"))

    def close(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


class Side:
    """One engine in one mode, and what was measured of it."""

    def __init__(self, engine, version, precision, mode, command, threads, quiet=True):
        self.engine, self.version, self.precision, self.mode = engine, version, precision, mode
        self.process = Process(command, threads, quiet)
        self.rounds, self.error, self.tried = [], None, ""
        self.base_mb = self.open_ms = self.first_ms = self.rss_mb = self.peak_mb = None

    def name(self):
        return " ".join(word for word in (self.engine, self.precision, self.mode) if word)

    def begin(self):
        """Opens the network and runs it once."""
        self.process.ask("about")
        self.base_mb = self.process.memory_mb()[0]
        self.open_ms = float(self.process.ask("open"))
        self.first_ms = float(self.process.ask("run 0 0"))

    def turn(self):
        """The median of the runs of one turn, in ms."""
        expected = self.rounds[-1] if self.rounds else self.first_ms
        warm = WARM_S if expected < LONG_MS else 0
        return statistics.median(map(float, self.process.ask(f"run {warm} {COUNTED_S}").split()))

    def end_round(self):
        self.rss_mb, self.peak_mb = self.process.memory_mb()

    def close(self):
        self.process.close()


def best_of(sides, tries=3):
    """The fastest of the ways to run one engine: those that cannot are named, the slower ones are closed.  None: no one can."""
    tried, best, fastest = [], None, float("inf")
    for side in sides:
        try:
            side.begin()
            count = 1 if len(sides) == 1 or side.first_ms > 1e3 else tries
            ms = min(side.turn() for _ in range(count))
        except Failed as error:
            print(f"# {side.name()} is left out: {error}", file=sys.stderr, flush=True)
            side.close()
            continue
        tried.append(f"{side.mode} {ms:.1f}")
        slower, best, fastest = (best, side, ms) if ms < fastest else (side, best, fastest)
        if slower:
            slower.close()
    if best:
        best.tried = "; ".join(tried) if len(tried) > 1 else ""
    return best


def take_turns(sides, rounds, between=None):
    """`rounds` turns for each, in an order that turns round; between() is called before each round.  A side that fails is dropped."""
    alive = list(sides)
    for number in range(rounds):
        if between:
            between()
        for side in alive if number % 2 == 0 else alive[::-1]:
            try:
                side.rounds.append(side.turn())
                side.end_round()
            except Failed as error:
                if side.engine == "kohl":
                    raise
                print(f"# {side.name()} is left out: {error}", file=sys.stderr, flush=True)
                side.close()
                alive = [other for other in alive if other is not side]
    return alive
