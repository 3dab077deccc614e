"""Damaged checkpoints: `kohl train --resume` must notice, say so, and go on from the one before.

    damage.py BUILD [--seed S]

Cuts last.ckpt of a finished run after every 64th byte, flips single bits (of the header's length, and at random), adds
bytes and takes the file away.  The resume must warn with one line that names last.ckpt and previous.ckpt and end with the
bytes of the undamaged run.  With both damaged it must end with exit code 2 and one line that names last.ckpt, and change
nothing.  Prints TAP.
"""
import argparse
import os
import random
import shutil

import runs

STRIDE, FLIPS = 64, 14
arguments = argparse.ArgumentParser()
arguments.add_argument("build")
arguments.add_argument("--seed", type=int, default=1)
arguments = arguments.parse_args()
report = runs.Report()


def contents(folder):
    """The files, but for those that a call adds to before it looks at the checkpoint."""
    return {name: open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))
            if name != "log.txt" and os.path.isfile(os.path.join(folder, name))}


def flipped(data, bit):
    return data[:bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1:]


class Damage:
    def __init__(self, folder):
        self.place = runs.Place(arguments.build, folder)
        self.place.recipe("r", {"epochs": 3, "head.dense": [], "optimizer.momentum": 0.5})
        self.place.must_train("r", "plain", "whole")
        self.whole = self.place.result("whole")
        with open(self.place.path("whole", "last.ckpt"), "rb") as file:
            self.last = file.read()

    def resume(self, last, previous=False):
        """Resumes a copy of the run with this last.ckpt (None: without it).  (exit code, what was said)."""
        run = self.place.path("run")
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self.place.path("whole"), run)
        os.remove(os.path.join(run, "last.ckpt"))
        if last is not None:
            runs.fixtures.write(os.path.join(run, "last.ckpt"), last)
        if previous:
            runs.fixtures.write(os.path.join(run, "previous.ckpt"), last)
        self.before = contents(run)
        return self.place.train(None, "plain", "run", resume=True)

    def older(self, last):
        """None, or what is wrong with the resume from previous.ckpt."""
        code, said = self.resume(last)
        if code:
            return f"exit {code}: {said}"
        if said.count("\n") or not all(part in said for part in ("warning: ", "run/last.ckpt: ", "run/previous.ckpt")):
            return f"expected one warning that names both: {said!r}"
        return None if self.place.result("run") == self.whole else "other bytes than the undamaged run"

    def neither(self, last):
        code, said = self.resume(last, True)
        if code != 2 or said.count("\n") or "run/last.ckpt: " not in said:
            return f"exit {code}, expected 2 and one line that names last.ckpt: {said!r}"
        return None if contents(self.place.path("run")) == self.before else "files were changed"


def judge(what, cases, check):
    wrong = [f"{name}: {text}" for name, data in cases for text in [check(data)] if text]
    report(not wrong, f"{what} ({len(cases)} cases)",
           f"{len(wrong)} are not, --seed {arguments.seed}:\n" + "\n".join(wrong[:10]))


def main():
    with runs.folder() as folder:
        damage = Damage(folder)
        size, draw = len(damage.last), random.Random(arguments.seed)
        bits = [*range(0, 64, 7), *(draw.randrange(64, 8 * size) for _ in range(FLIPS))]
        cuts = [(f"cut to {n} bytes", damage.last[:n]) for n in range(0, size, STRIDE)]
        flips = [(f"bit {bit % 8} of byte {bit // 8}", flipped(damage.last, bit)) for bit in bits]
        judge("last.ckpt cut after every 64th byte: previous.ckpt is used and named", cuts, damage.older)
        judge("last.ckpt with one bit flipped: previous.ckpt is used and named", flips, damage.older)
        judge("last.ckpt with bytes behind it, or not there: previous.ckpt is used and named",
              [("64 bytes more", damage.last + bytes(64)), ("no file", None)], damage.older)
        judge("both damaged: an error that names last.ckpt, and nothing is changed",
              [cuts[0], cuts[-1], flips[3], flips[-1]], damage.neither)
    report.end()


main()
