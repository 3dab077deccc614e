"""What an engine of a peer is: a class, and a process that the parent asks for one thing at a time.

    about BATCH                             prints {"version": ..., "variants": {"f32": [...], "bf16": [...]}}
    prepare FOLDER                          writes the peer's own files beside kohl's model in FOLDER
    serve FOLDER BATCH THREADS PRECISION VARIANT [LAYER train|frozen]

serve answers requests as kohl_serve.c says, whose LAYER is that of training.  Libraries that print do it on standard error: the answers have standard
output for themselves.  Everything is NHWC in the files that are exchanged.
"""
import json
import os
import sys
import time

import numpy as np

ANSWERS = os.dup(1)
os.dup2(2, 1)


def say(text):
    os.write(ANSWERS, (" ".join(str(text).split("\n")) + "\n").encode())


def has_bf16():
    """Products of bf16 in hardware."""
    with open("/proc/cpuinfo") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


class Engine:
    """To be filled by a peer.  open() is timed: from files to a network that can run; what Python needs for it has been imported."""
    version = ""

    def __init__(self, folder, batch=1, threads=1, precision="f32", variant="", layer="", norms=""):
        self.folder, self.batch, self.threads, self.precision, self.variant = folder, batch, threads, precision, variant
        self.layer, self.frozen_norms = layer, norms == "frozen"

    @staticmethod
    def variants(batch):
        """The ways to run it that may be its fastest, by precision."""
        return {"f32": [""]}

    def prepare(self):
        """Writes files, before anything is timed, in a process of its own."""

    def open(self):
        raise NotImplementedError

    def run(self):
        """One forward pass of the batch, to the logits; or one step of training."""
        raise NotImplementedError

    def output(self):
        """The last run's logits as numpy array, NCHW or [n, k]; or in training the gradients, [count]."""
        raise NotImplementedError

    def path(self, name):
        return os.path.join(self.folder, name)

    def about(self):
        with open(self.path("about.json")) as file:
            return json.load(file)

    def pictures(self):
        """[batch, h, w, c]"""
        h, w, c = self.about()["input"]
        return np.fromfile(self.path("pictures.f32"), "<f4", self.batch * h * w * c).reshape(self.batch, h, w, c)

    def pictures_nchw(self):
        return np.ascontiguousarray(self.pictures().transpose(0, 3, 1, 2))


def timed(function):
    begin = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - begin)


def runs(engine, warm_s, counted_s):
    begin = time.perf_counter()
    while time.perf_counter() - begin < warm_s:
        engine.run()
    times, begin = [], time.perf_counter()
    while not times or time.perf_counter() - begin < counted_s:
        times.append(timed(engine.run))
    return times


def write_output(engine, path):
    values = np.asarray(engine.output(), np.float32)
    if values.ndim == 4:
        values = values.transpose(0, 2, 3, 1)
    values.astype("<f4").tofile(path)
    return values.size


def answer(engine, line):
    word, _, rest = line.strip().partition(" ")
    if word == "about":
        return engine.version
    if word == "open":
        return f"{timed(engine.open):.3f}"
    if word == "run":
        return " ".join(f"{ms:.4f}" for ms in runs(engine, *map(float, rest.split())))
    if word == "output":
        return write_output(engine, rest)
    raise ValueError(f"'{line.strip()}': not a request")


def main(kind):
    verb, words = sys.argv[1], sys.argv[2:]
    if verb == "about":
        say(json.dumps({"version": kind.version, "variants": kind.variants(int(words[0]))}))
    elif verb == "prepare":
        kind(words[0]).prepare()
    else:
        engine = kind(words[0], int(words[1]), int(words[2]), *words[3:])
        for line in sys.stdin:
            try:
                say(f"ok {answer(engine, line)}")
            except Exception as error:  # pylint: disable=broad-except
                say(f"error {type(error).__name__}: {error}"[:400])
