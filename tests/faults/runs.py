"""Short training runs for the tests of this folder: made pictures, made bases, recipes, and what a run has left behind.

Not a test itself.  A run is told from another by two digests: of best.safetensors, byte for byte, and of the last
checkpoint, every tensor with its name and all numbers but seconds.  Both must not depend on threads, on decoding
threads, or on how often a run was stopped.
"""
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "errors"))
import fixtures  # noqa: E402

LIMIT = 120  # seconds that one call may take before it counts as hung
SIDE = 16    # of the bases
COLOURS = {"basalt": ((70, 75, 80), 30), "faience": ((60, 130, 160), 18), "ochre": ((190, 120, 50), 12)}

# What every recipe begins with; a configuration changes keys, each "group.key" or "key".
COMMON = {"epochs": 40, "batch": 12, "seed": 3, "data.validation": "1/5", "pictures.fit": "stretch", "head.dense": [12],
          "head.dropout": 0, "data.oversample": 40, "optimizer.lr": 1e-2}
ADAM = {"optimizer.name": "adam", "optimizer.epsilon_place": "hat"}
AUGMENT = {"augment.rotation": 20, "augment.width_shift": 0.2, "augment.horizontal_flip": True}
ANEW = {**AUGMENT, "features.variants": 0, "epochs": 20}
ALL = {"train": "all", "batch_norm": "trained", "epochs": 20}
PHASES = [{"name": "head", "train": "head", "epochs": 20, "optimizer": {"name": "rmsprop", "lr": 1e-2}},
          {"name": "fine", "train": "last 3", "epochs": 10,
           "optimizer": {"name": "adam", "epsilon_place": "hat", "lr": 1e-3}}]

# One entry each: name, base, keys.
CONFIGURATIONS = [
    ("a head, RMSprop with momentum", "plain", {"optimizer.momentum": 0.5, "data.oversample": 0}),
    ("dropout, oversampling", "plain", {"head.dropout": 0.4, "data.oversample": 80}),
    ("Adam, average of the weights", "plain", {**ADAM, "optimizer.ema": 0.9}),
    ("augmentation anew in every epoch, dropout", "plain", {**ANEW, "head.dropout": 0.4}),
    ("augmentation in two variants, oversampling", "plain", {**AUGMENT, "features.variants": 2}),
    ("all layers with batch-norm, SGD", "norm",
     {**ALL, "optimizer.name": "sgd", "optimizer.lr": 0.03, "optimizer.momentum": 0.9}),
    ("all layers, augmentation, gradients of two batches, average of the weights", "norm",
     {**ALL, **ANEW, "accumulate": 2, "optimizer.ema": 0.9}),
    ("two phases, batch-norm, dropout", "norm",
     {"epochs": None, "phases": PHASES, "head.dropout": 0.4, "batch_norm": "trained"}),
]


def nested(keys):
    """{"a.b": 1} as {"a": {"b": 1}}; None takes a key out."""
    out = {}
    for path, value in keys.items():
        group, _, key = path.rpartition(".")
        if value is not None:
            (out.setdefault(group, {}) if group else out)[key] = value
    return out


def write_recipe(path, *changes):
    keys = dict(COMMON)
    for change in changes:
        keys.update(change)
    fixtures.write(path, json.dumps(nested(keys), indent=1) + "\n")  # JSON is YAML


def conv(name, source, filters, stride, bias):
    return fixtures.node(name, "conv2d", [source], filters=filters, kernel=[3, 3], stride=[stride, stride],
                         padding="same_upper", pad=[0, 0, 0, 0], dilation=[1, 1], groups=1, bias=bias, activation="none")


def norm(name, source):
    return fixtures.node(name, "batch_norm", [source], epsilon=1e-3, gamma=True, beta=True, momentum=0.9, unbiased=False)


def write_base(path, with_norm, seed):
    """Two convolutions with ReLU, and batch-norm between where asked for; 2 x 2 x 8 features of 16 x 16 pixels."""
    draw, weights = random.Random(seed), {}
    nodes, last, channels = [fixtures.node("input", "input", [], size=[SIDE, SIDE, 3])], "input", 3
    for i, filters in ((1, 6), (2, 8)):
        nodes.append(conv(f"conv{i}", last, filters, 2, not with_norm))
        scale = (6 / (9 * channels)) ** 0.5
        weights[f"conv{i}.weight"] = ([filters, 3, 3, channels],
                                      [draw.uniform(-scale, scale) for _ in range(filters * 9 * channels)])
        if with_norm:
            nodes.append(norm(f"norm{i}", f"conv{i}"))
            weights.update({f"norm{i}.{name}": ([filters], [one] * filters)
                            for name, one in (("gamma", 1.0), ("beta", 0.1), ("mean", 0.0), ("variance", 0.5))})
        else:
            weights[f"conv{i}.bias"] = ([filters], [0.05] * filters)
        last, channels = f"relu{i}", filters
        nodes.append(fixtures.node(last, "relu", [nodes[-1]["name"]]))
    nodes.append(fixtures.node("pool", "max_pool", [last], kernel=[2, 2], stride=[2, 2], padding="valid", pad=[0, 0, 0, 0],
                               ceil=False))
    kohl = fixtures.metadata()
    kohl["graph"].update(arch="made", base_output=None, nodes=nodes)
    kohl.update(labels=[], task="none")
    kohl["preprocessing"].update(width=SIDE, height=SIDE, resize=SIDE)
    fixtures.write(path, fixtures.safetensors(kohl, weights))


def write_pictures(folder, seed):
    """60 noisy pictures of 32 to 64 pixels in three unbalanced classes, half of them JPEG."""
    import numpy as np
    from PIL import Image
    draw = np.random.default_rng(seed)
    for name, (colour, count) in COLOURS.items():
        os.makedirs(os.path.join(folder, name))
        for i in range(count):
            h, w = draw.integers(32, 65, 2)
            pixels = np.asarray(colour) + draw.normal(0, 30, 3) + draw.normal(0, 25, (h, w, 3))
            path = os.path.join(folder, name, f"{i:02d}." + ("png", "jpg")[i % 2])
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


class Place:
    """A folder with pictures, bases and recipes, and calls of kohl on them."""

    def __init__(self, build, folder, seed=1):
        self.kohl, self.folder = os.path.join(build, "kohl"), folder
        write_pictures(self.path("data"), seed)
        write_base(self.path("plain.safetensors"), False, seed)
        write_base(self.path("norm.safetensors"), True, seed)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def recipe(self, name, *changes):
        write_recipe(self.path(name + ".yaml"), *changes)

    def command(self, recipe, base, run, threads=1, workers=0, resume=False):
        """recipe None: that of the run's folder, which only a resume can do."""
        return [self.kohl, "train", *([self.path(recipe + ".yaml")] if recipe else []), "--data", self.path("data"),
                "--init-from", self.path(base + ".safetensors"), "--out", self.path(run), "--threads", str(threads), "--set",
                f"data.workers={workers}", *(["--resume"] if resume else [])]

    def train(self, *args, environment=None, **options):
        """(exit code, standard error)."""
        done = subprocess.run(self.command(*args, **options), capture_output=True, text=True, timeout=LIMIT,
                              env={**os.environ, **(environment or {})})
        return done.returncode, done.stderr.strip()

    def must_train(self, *args, **options):
        code, said = self.train(*args, **options)
        if code:
            raise RuntimeError(f"{' '.join(self.command(*args, **options))}: exit {code}: {said}")
        return said

    def result(self, run):
        """The two digests of a run, with the step it ended at."""
        with open(self.path(run, "best.safetensors"), "rb") as file:
            best = hashlib.sha256(file.read()).hexdigest()
        return best, self.checkpoint(run)

    def checkpoint(self, run, name="last.ckpt"):
        return checkpoint_digest(self.path(run, name))


def without_seconds(history):
    """metrics.csv without the columns that a clock has written."""
    rows = [line.split(",") for line in history.splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if "seconds" not in name] if rows else []
    return [[row[i] for i in kept] for row in rows]


def checkpoint_digest(path):
    """SHA-256 of a checkpoint's tensors and numbers.  ValueError: it is damaged."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    meta = header.pop("__metadata__")
    body, digest, sums = data[8 + size:], hashlib.sha256(), meta["kohl_crc32c"]
    zeros = data[8:8 + size].replace(sums.encode(), b"0" * len(sums), 1)
    zeros = zeros.replace(b'"kohl_header_crc32c":"' + meta["kohl_header_crc32c"].encode(), b'"kohl_header_crc32c":"00000000')
    if f"{fixtures.crc32c(zeros):08x}" != meta["kohl_header_crc32c"]:
        raise ValueError(f"{path}: the header's checksum is wrong")
    for name, tensor in sorted(header.items()):
        begin, end = tensor["data_offsets"]
        if end > len(body) or f"{fixtures.crc32c(body[begin:end]):08x}" not in sums:
            raise ValueError(f"{path}: tensor {name} is damaged")
        digest.update(json.dumps([name, tensor["dtype"], tensor["shape"]]).encode() + body[begin:end])
    state = json.loads(meta["kohl_checkpoint"])
    state["history"] = without_seconds(state["history"])
    digest.update(json.dumps(state, sort_keys=True).encode())
    return digest.hexdigest()


def folder():
    """A temporary folder, in memory where that can be had: a process that is killed loses nothing that it wrote, on a disk
    or not, and a run writes so little that waiting for a disk would be all of its time."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


class Report:
    """TAP lines and the number of failures."""

    def __init__(self):
        self.failures = 0

    def __call__(self, good, text, detail=""):
        self.failures += not good
        print(("ok - " if good else "not ok - ") + text, flush=True)
        if not good and detail:
            print("# " + str(detail)[:3000].replace("\n", "\n# "), flush=True)

    def end(self):
        sys.exit(self.failures > 0)
