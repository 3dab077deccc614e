"""Fifty steps of SGD with momentum with Winograd's kernels and with the direct ones.

    winograd_steps.py BUILD

oracle/train_steps trains a network with random weights on one batch: as it would be, and with `exact`, which takes
kernels of class CHAIN alone.  Every loss must be within 1e-4 of the other's.

Training carries roundings on, at some rates without bound.  How far is seen from a third run, which is exact too and
begins with weights whose last bits are others: its losses must be within a fifth of that limit, or the case says
nothing and fails.  So it does when the loss does not fall to less than 0.9 of the first (nothing was trained) and when
all losses have the same bits (no Winograd kernel ran).  Prints TAP.
"""
import os
import subprocess
import sys

STEPS, LIMIT, CARRIED = 50, 1e-4, 2e-5
# architecture, size, batch, batch-norm, learning rate
CASES = [("cleo_small", 64, 16, "frozen", 1e-5), ("vgg19", 64, 8, "frozen", 2e-7), ("resnet18", 64, 16, "train", 3e-6)]


def losses(build, case, *more):
    arch, size, batch, norm, rate = case
    command = [os.path.join(build, "oracle", "train_steps"), arch, str(size), "10", str(batch), "1", norm, str(rate), "0.9",
               str(STEPS), "-", *more]
    return [float(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


def apart(one, other):
    return max(abs(a - b) / b for a, b in zip(one, other, strict=True))


def main():
    failed = 0
    for case in CASES:
        fast, exact = losses(sys.argv[1], case), losses(sys.argv[1], case, "exact")
        worst, carried = apart(fast, exact), apart(losses(sys.argv[1], case, "nudged"), exact)
        good = len(exact) == STEPS and worst <= LIMIT and carried <= CARRIED and exact[-1] < 0.9 * exact[0] and fast != exact
        failed += not good
        print(f"{'ok' if good else 'not ok'} - {case[0]}: {STEPS} losses within {worst:.1e} of the direct kernels', "
              f"with other last bits {carried:.1e} ({exact[0]:.4g} to {exact[-1]:.4g})", flush=True)
    print(f"1..{len(CASES)}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
