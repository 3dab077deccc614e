"""Training on a disk that fails: at every single call that writes, for a full disk and for an error of the medium.

    disk.py BUILD [--all]

Runs a short training under fail_io.so once to count its calls, and then for every call twice (without --all for every
eighth): with a disk that is full from there on (ENOSPC: exit code 4), and with that call alone failing (EIO: exit code 4
too, kernels/core/place.h).  A run that lost a file that it needs must end so, with one line of error that names a file that
was lost, and no temporary file left.  What is for people only (FOR_PEOPLE) may be lost, and is named in a warning or in
log.txt.  The newest checkpoint that was complete must still be whole, and when the disk works again, --resume must end
with the bytes of a run that met no failure.  Prints TAP.
"""
import errno
import os
import re
import shutil
import sys
import time

import runs

if os.path.basename(os.path.normpath(sys.argv[1])) in ("asan", "tsan"):
    print("# skipped: a sanitizer must be the first library of a process, and so must the one that fails the calls")
    sys.exit(0)
BUILD, EVERY = sys.argv[1], 1 if "--all" in sys.argv else 8
SHIM = os.path.abspath(os.path.join(BUILD, "faults", "fail_io.so"))
KEYS = {"epochs": 2, "head.dense": [], "optimizer.momentum": 0.5}
# what fails, mode and error of the shim, exit codes
FAILURES = [("a full disk from call N on", "on", errno.ENOSPC, (4,)), ("call N fails", "once", errno.EIO, (4,))]
# log.txt and the second name of a checkpoint (link) are nowhere else to be complained of
FOR_PEOPLE = re.compile(r"events\.out\.tfevents|predictions\.csv|run\.json|report\.html|.*\.(svg|png|pdf)$|log\.txt")
report = runs.Report()


class Disk:
    """Calls of kohl under the shim; the run's folder is RUN."""

    def __init__(self, folder):
        self.place = runs.Place(BUILD, os.path.realpath(folder))
        self.place.recipe("r", KEYS)
        self.states = {}  # number of checkpoints that were completed -> digest of the newest

    def train(self, at=0, mode="once", error=0):
        """(exit code, standard error, [(call, name, failed)])."""
        trace = self.place.path("trace")
        shutil.rmtree(self.place.path("run"), ignore_errors=True)
        if os.path.exists(trace):
            os.remove(trace)
        where = {"FAIL_IO_FOLDER": self.place.path("run"), "FAIL_IO_TRACE": trace, "FAIL_IO_AT": at, "FAIL_IO_MODE": mode,
                 "FAIL_IO_ERRNO": error, "LD_PRELOAD": SHIM}
        code, said = self.place.train("r", "plain", "run", environment={key: str(value) for key, value in where.items()})
        with open(trace, encoding="utf-8") as file:
            calls = [line.split() for line in file]
        out, renamed = [], None
        for _, call, name, state in calls:
            name = re.sub(r"\.tmp.*", "", name)
            renamed = name if call == "rename" else renamed
            out.append((call, renamed if name == "run" else name, state == "FAILED"))  # a folder is flushed for a file
        return code, said, out

    def resume(self):
        """None, or what is wrong."""
        begun = os.path.exists(self.place.path("run", "recipe.yaml"))
        if not begun:
            shutil.rmtree(self.place.path("run"), ignore_errors=True)
        code, said = self.place.train("r" if not begun else None, "plain", "run", resume=begun)
        if code:
            return f"resume: exit {code}: {said}"
        return None if self.place.result("run") == self.whole else "the resumed run's files differ from the uninterrupted run's"

    def log(self):
        with open(self.place.path("run", "log.txt"), encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def named(lost, text):
        """Is one of them named?  The names of TensorBoard's files end with the time; log.txt cannot name itself."""
        stems = [re.sub(r"tfevents.*", "tfevents", name) for name in lost]
        return not stems or "log.txt" in stems or any(stem in text for stem in stems)

    def newest(self, calls):
        """The newest complete checkpoint must be there and the same whatever failed behind it.  None, or what is wrong."""
        complete = sum(call == "rename" and name == "last.ckpt" and not failed for call, name, failed in calls)
        if not complete:
            return None
        try:
            state = self.place.checkpoint("run")
        except (OSError, ValueError) as error:
            return f"last.ckpt, which was complete, is not: {error}"
        if self.states.setdefault(complete, state) != state:
            return f"last.ckpt is not checkpoint {complete}"
        return None

    def one(self, at, mode, error, codes):
        """One failing call.  None, or what is wrong."""
        code, said, calls = self.train(at, mode, error)
        lost = [name for call, name, failed in calls if failed and call != "link"]
        needed = [name for name in lost if not FOR_PEOPLE.match(name)]
        left = [name for name in os.listdir(self.place.path("run")) if ".tmp" in name]
        errors = [line for line in said.splitlines() if not line.startswith("kohl train: warning: ")]
        if not any(failed for _, _, failed in calls):
            return "no call failed"
        if code not in (codes if needed else (0,)):
            return f"exit {code}, expected {codes if needed else 0}: {said}"
        if len(errors) != (1 if needed else 0) or (errors and not self.named(lost, errors[0])):
            return f"expected one line that names {needed[0]}: {said}"
        if not needed and not self.named(lost, said + self.log()):
            return f"nobody says that {lost[0]} was lost: {said}"
        if left:
            return f"left behind: {left}"
        return self.newest(calls) or self.resume()


def main():
    begin = time.monotonic()
    with runs.folder() as folder:
        disk = Disk(folder)
        code, said, calls = disk.train()
        if code:
            report(False, "a run under the shim", f"exit {code}: {said}")
            report.end()
        disk.whole = disk.place.result("run")
        kinds = {call for call, _, _ in calls}
        report(kinds == {"open", "write", "pwrite", "fsync", "close", "rename", "link"},
               f"the shim sees {len(calls)} calls of {len(kinds)} kinds", sorted(kinds))
        for what, *failure in FAILURES:
            wrong = [f"N = {n} ({call} {name}): {text}" for n, (call, name, _) in enumerate(calls, 1)
                     if n % EVERY == len(failure[0]) % EVERY for text in [disk.one(n, *failure)] if text]
            report(not wrong, f"{what}, N = 1 to {len(calls)} by {EVERY}: reported, the older checkpoint is whole, resumed "
                   "to the same bytes", f"{len(wrong)} are not:\n" + "\n".join(wrong[:20]))
        report(len(disk.states) >= 2, f"{len(disk.states)} different checkpoints were met")
    print(f"# {time.monotonic() - begin:.0f} s")
    report.end()


main()
