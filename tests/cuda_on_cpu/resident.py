#!/usr/bin/env python3
"""Training with what it reads resident on the GPU, run on the CPU: `kohl train --device cuda --exact` must give the bytes of
best.safetensors that `--device cpu` gives.

    resident.py BUILD

BUILD has the kohl of `make cuda-host`, which knows both devices.  Prints TAP."""
import json
import os
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
STAY, SENT = " stay on the GPU", " do not stay on the GPU"

# Name, what the log says, keys.
CASES = [
    ("pictures as they are", STAY, {**ALL, "data.oversample": 0}),
    ("pictures in blue, green, red, that are fitted with borders", STAY,
     {**ALL, "data.oversample": 0, "pictures.fit": "letterbox", "pictures.normalise": "featurewise"}),
    ("oversampling, a flip alone", STAY, {**ALL, "augment.horizontal_flip": True}),
    ("every augmentation and a crop, oversampling, two batches to a step", STAY, {**ALL, **CHANGED, "accumulate": 2}),
    ("no cache of the CPU", STAY, {**ALL, **CHANGED, "augment.crop": 0, "limits.picture_bytes": 0}),
    ("kept features", STAY, {"epochs": 3}),
    ("kept features in two variants, oversampling", STAY, {**CHANGED, "features.variants": 2, "epochs": 3}),
    ("two phases, from features to pictures", STAY,
     {"epochs": None, "phases": [{"train": "head", "epochs": 1}, {"train": "all", "epochs": 1}]}),
    ("pictures beyond limits.resident_bytes", SENT, {**ALL, **CHANGED, "limits.resident_bytes": 30000}),
    ("features beyond limits.resident_bytes", SENT, {"epochs": 2, "limits.resident_bytes": 0}),
]


class Place(runs.Place):
    def call(self, recipe, run, device, resume=False):
        return self.command(recipe, "plain", run, resume=resume) + ["--exact", "--device", device]

    def go(self, recipe, run, device, **environment):
        """(exit code, standard error)."""
        done = subprocess.run(self.call(recipe, run, device), capture_output=True, text=True, timeout=runs.LIMIT,
                              env={**os.environ, **environment})
        return done.returncode, done.stderr.strip()

    def best(self, run):
        with open(self.path(run, "best.safetensors"), "rb") as file:
            return file.read()

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
    name, says, keys = CASES[number]
    recipe = f"r{number}"
    place.recipe(recipe, keys)
    whole = {device: place.go(recipe, f"{device}{number}", device) for device in ("cpu", "cuda")}
    code = [whole[device][0] for device in whole]
    log = place.log(f"cuda{number}")
    good = code == [0, 0] and says in log and place.best(f"cpu{number}") == place.best(f"cuda{number}")
    report(good, name, f"{whole} {log}")


report = runs.Report()
with runs.folder() as folder:
    place = Place(sys.argv[1], folder)
    for number in range(len(CASES)):
        begin = time.monotonic()
        compare(place, number)
        print(time.monotonic() - begin)
report.end()
