#!/usr/bin/env python3
"""Training with what it reads resident on the GPU, run on the CPU: `kohl train --device cuda --exact` must give the bytes of
best.safetensors and the tensors of last.ckpt that `--device cpu` gives.

    resident.py BUILD

BUILD has the kohl of `make cuda-host`, which knows both devices.  Prints TAP."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "faults"))
import runs  # noqa: E402

ALL = {"train": "all", "epochs": 2}
CHANGED = {"augment.rotation": 20, "augment.width_shift": 0.2, "augment.height_shift": 0.1, "augment.shear": 10,
           "augment.zoom": [0.8, 1.3], "augment.horizontal_flip": True, "augment.vertical_flip": True,
           "augment.brightness": [0.5, 1.5], "augment.contrast": [0.5, 1.5], "augment.saturation": [0.0, 2.0],
           "augment.crop": 20, "augment.fill": "reflect"}
STAY, SENT = "bytes stay on the GPU", "bytes do not stay on the GPU"

# Name, what the log says, keys.
CASES = [
    ("pictures with borders, normalised by their own statistics", STAY,
     {**ALL, "data.oversample": 0, "pictures.fit": "letterbox", "pictures.normalise": "featurewise"}),
    ("oversampling, a flip alone", STAY, {**ALL, "augment.horizontal_flip": True}),
    ("every augmentation and a crop, oversampling, two batches to a step", STAY, {**ALL, **CHANGED, "accumulate": 2, "limits.picture_bytes": 0}),
    ("kept features", STAY, {"epochs": 3}),
    ("kept features in two variants, oversampling", STAY, {**CHANGED, "features.variants": 2, "epochs": 3}),
    ("two phases, from features to pictures", STAY,
     {"epochs": None, "phases": [{"train": "head", "epochs": 1}, {"train": "all", "epochs": 1}]}),
    ("pictures beyond limits.resident_bytes", SENT, {**ALL, **CHANGED, "limits.resident_bytes": 30000}),
    ("features beyond limits.resident_bytes", SENT, {"epochs": 2, "limits.resident_bytes": 0}),
]


SHORT = {**ALL, "epochs": 1, "data.oversample": 0, "augment.crop": 18}
# 48 pictures and 12 of a batch: 45 MiB.  A session wants 64 MiB left.
LARGE, ROOM = {**SHORT, "augment.crop": 512}, 80 << 20


class Place(runs.Place):
    """Three of the pictures cannot be read: their draws keep their places, and batches are smaller."""

    def __init__(self, build, folder):
        super().__init__(build, folder)
        for name in sorted(os.listdir(self.path("data", "basalt")))[:9:3]:
            with open(self.path("data", "basalt", name), "r+b") as file:
                file.truncate(100)

    def call(self, recipe, run, device, resume=False):
        more = ["--exact", "--device", device, "--set", "limits.bad_pictures=0.1"]
        return self.command(recipe, "plain", run, resume=resume) + more

    def go(self, recipe, run, device, resume=False, **environment):
        """(exit code, what it says but warnings)."""
        done = subprocess.run(self.call(recipe, run, device, resume), capture_output=True, text=True, timeout=runs.LIMIT,
                              env={**os.environ, **environment})
        said = [line for line in done.stderr.splitlines() if "truncated" not in line and "warning" not in line]
        return done.returncode, "\n".join(said)

    def weights(self, run):
        """The best model, and all tensors that training goes on from (the plan's digest is another for each device)."""
        with open(self.path(run, "best.safetensors"), "rb") as file:
            best = file.read()
        with open(self.path(run, "last.ckpt"), "rb") as file:
            last = file.read()
        return best, last[8 + int.from_bytes(last[:8], "little"):]

    def log(self, run):
        try:
            with open(self.path(run, "log.txt"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def draws_taken(self, run):
        """Of the epoch that the checkpoint lies in."""
        with open(self.path(run, "last.ckpt"), "rb") as file:
            data = file.read()
        meta = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        return json.loads(meta["kohl_checkpoint"])["at"]


def compare(place, number):
    """A case on both devices."""
    name, says, keys = CASES[number]
    recipe = f"r{number}"
    place.recipe(recipe, keys)
    whole = {device: place.go(recipe, f"{device}{number}", device) for device in ("cpu", "cuda")}
    codes = [code for code, said in whole.values()]
    log = place.log(f"cuda{number}")
    good = codes == [0, 0] and says in log and place.weights(f"cpu{number}") == place.weights(f"cuda{number}")
    report(good, name, f"{whole} {log}")


def stop_in_an_epoch(place, recipe, run):
    """True: a run was stopped between two steps of an epoch whose batches are made on the GPU."""
    for i in range(20):
        shutil.rmtree(place.path(run), ignore_errors=True)
        with subprocess.Popen(place.call(recipe, run, "cuda"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            while STAY not in place.log(run) and process.poll() is None:
                time.sleep(1e-3)
            time.sleep(0.01 * (i + 1))
            process.send_signal(signal.SIGINT)
        if process.returncode == 130 and place.draws_taken(run) > 0:
            return True
    return False


def resume(place):
    place.recipe("stopped", {**ALL, **CHANGED, "data.oversample": 120})
    whole = place.go("stopped", "whole", "cpu")
    stopped = stop_in_an_epoch(place, "stopped", "stopped")
    rest = place.go("stopped", "stopped", "cuda", resume=True)
    log = place.log("stopped")
    good = stopped and whole[0] == rest[0] == 0 and log.count(STAY) == 2 and place.weights("whole") == place.weights("stopped")
    report(good, "a stop within an epoch, and a resume", f"{stopped} {whole} {rest} {log}")


def fail(place, call):
    """A run whose CUDA call of that number fails: (exit code, what it says, log)."""
    run = f"fail{call}"
    shutil.rmtree(place.path(run), ignore_errors=True)
    code, said = place.go("short", run, "cuda", KOHL_CUDA_FAIL=str(call))
    return code, said, place.log(run)


def failures(place):
    """Every call from the one after the optimizer to the one after which the pictures stay."""
    low, high = 0, 64  # the last call that is too early, and one that is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if "trained weights" in fail(place, middle)[2] else (middle, high)
    sent = lines = 0
    left = None
    for call in range(high, high + 40):
        code, said, log = fail(place, call)
        if STAY in log:
            break
        if code == 0 and SENT in log and place.weights(f"fail{call}") == place.weights("short"):
            sent += 1
            left = left or re.search("([0-9]+) of ([0-9]+) available", log)
        elif code != 0 and len(said.splitlines()) == 1 and "cuda:0: " in said:
            lines += 1
        else:
            report(False, f"call {call} fails", f"exit {code}: {said} {log}")
            return None
    report(sent >= 6 and lines >= 2, f"{sent} failures of memory: the CPU makes batches; {lines} others: one line each")
    return left


def memory(place, left):
    """left: bytes available before the pictures are loaded, and all."""
    room = int(left.group(2)) - int(left.group(1)) + ROOM
    place.recipe("large", LARGE)
    whole = place.go("large", "large", "cpu")
    code, said = place.go("large", "large_small", "cuda", KOHL_CUDA_MEMORY=str(room))
    log = place.log("large_small")
    good = code == whole[0] == 0 and "half of what the GPU has left" in log
    good = good and place.weights("large") == place.weights("large_small")
    report(good, "a GPU with too little memory", f"exit {code}: {said} {log}")


report = runs.Report()
with runs.folder() as folder:
    place = Place(sys.argv[1], folder)
    for number in range(len(CASES)):
        compare(place, number)
    resume(place)
    place.recipe("short", SHORT)
    place.go("short", "short", "cpu")
    left = failures(place)
    if left:
        memory(place, left)
report.end()
