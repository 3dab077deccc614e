"""Whole networks' gradients against what PyTorch found in double precision, without PyTorch.

    gradients.py BUILD [FIXTURE ...]

tests/fixtures/gradients/ holds, for every tensor of one training step (logits, losses, gradients, running statistics),
32 projections of PyTorch's f64 result onto random signs, and the limit of kohl's error: 4 times that of PyTorch's f32.
The weights and pictures are not there: oracle/train_step makes them from a seed.  pytorch/make_fixtures.py wrote the
files; pytorch/gradients.py compares all numbers, with PyTorch.

What is compared.  With e = kohl - f64 and random signs s_j, the mean E of the 32 squares (s_j e)^2 has the expectation
|e|^2.  A tensor is refused when not E <= 3 limit^2.

False alarms.  s_j e is a sum of independent signs, whose even moments are at most a normal variable's of the same
variance; hence for |e| <= limit, by Chernoff, P(E > 3 limit^2) <= exp(-16 (3 - 1 - ln 3)) = 5.5e-7, whatever e is.
What slips through.  When e is spread over many elements E 32/|e|^2 is chi-square with 32 degrees: an error of twice the
limit is caught with probability P(chi2 > 24) = 0.84, of 3 times with 1 - 1.5e-4, of 5 times with 1 - 3e-10.

Then a few networks are trained for 20 steps, whose losses must be PyTorch's in f64 to 1e-4.  Prints TAP.
"""
import base64
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "fixtures", "gradients")
NEEDED = {("vgg19", "frozen"), ("alexnet2012", "frozen"), ("squeezenet1_1", "frozen"), ("inception_v3", "frozen"),
          ("inception_v3", "train"), ("resnet50", "frozen"), ("resnet50", "train")}
PROJECTIONS, SLACK, SIGN_SEED, BLOCK = 32, 3.0, 0x6B6F686C, 1 << 16
INPUTS, INPUT_TENSOR = ("input", "labels"), 100000  # network.h's NETWORK_INPUT
MASK = np.uint64(0xFFFFFFFF)
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    return good


def philox(counter, key):
    """Philox4x32-10 of kernels/core/philox.h: four uint64 arrays of 32-bit words, two numbers; gives four arrays."""
    c = [np.asarray(x, np.uint64) for x in counter]
    k = [int(x) for x in key]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & MASK, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & MASK]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def words(seed, draw, op, first, count):
    """kohl_random_u32(seed, 0, draw, op, element) of `count` elements from `first` on."""
    key = [int(x) for x in philox([0, op, 0, 0], [seed & 0xFFFFFFFF, seed >> 32])[:2]]
    block = np.arange(first // 4, (first + count + 3) // 4, dtype=np.uint64)
    four = philox([block & MASK, block >> np.uint64(32), np.uint64(draw & 0xFFFFFFFF), np.uint64(draw >> 32)], key)
    return np.stack(four, 1).ravel()[first % 4:first % 4 + count].astype(np.uint32)


def uniform(bits):
    """The floats in [-1, 1) that network.h makes of random words."""
    return (bits >> 8).astype(np.float32) * np.float32(2**-23) - np.float32(1)


class Sketch:
    """Projections of a tensor: bit j of an element's random word is its sign in projection j.  The words of the first
    elements are kept, since every tensor uses the same."""

    def __init__(self):
        self.bytes = np.empty((4, 0), np.uint8)
        self.signs = 1.0 - 2.0 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)

    def __call__(self, tensor):
        values = np.asarray(tensor, np.float64).ravel()
        if self.bytes.shape[1] < values.size:
            more = np.concatenate([words(SIGN_SEED, 0, 0, at, 4 * BLOCK) for at in range(0, values.size, 4 * BLOCK)])
            self.bytes = np.ascontiguousarray(more.view(np.uint8).reshape(-1, 4).T)
        total = np.zeros((4, 256))  # elements with one byte have the same 8 signs: add them up first
        for at in range(0, values.size, BLOCK):
            part = values[at:at + BLOCK]
            for i in range(4):
                total[i] += np.bincount(self.bytes[i, at:at + part.size], part, 256)
        return (total @ self.signs).ravel()


def fixture_read(path):
    with open(path, encoding="utf-8") as file:
        fixture = json.load(file)
    for name, (norm, limit, step, text) in fixture["tensors"].items():
        fixture["tensors"][name] = (norm, limit, step * np.frombuffer(base64.b85decode(text), "<i4"))
    fixture["redraw"] = [f"{tensor}:{row}" for tensor, rows in fixture["redraw"].items() for row in rows.split()]
    return fixture


def fixture_line(norm, limit, projections):
    """A tensor's line: projections as multiples of a step that makes the largest one 2^31 - 1, far below the limit."""
    step = float(np.abs(projections).max()) / (2**31 - 1) or 1.0
    text = base64.b85encode(np.rint(projections / step).astype("<i4").tobytes()).decode()
    return json.dumps([float(f"{norm:.4g}"), float(f"{limit:.4g}"), step, text], separators=(",", ":"))


def safetensors(path):
    """Every f32 tensor of a file, mapped."""
    data = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:8 + length].tobytes())
    header.pop("__metadata__", None)
    return {name: data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]].view("<f4").reshape(t["shape"])
            for name, t in header.items()}


def program(build, name, case, *more):
    """Runs train_step or train_steps; its output, or None after a report."""
    command = [os.path.join(build, "oracle", name)] + [str(case[k]) for k in ("arch", "size", "classes", "batch", "seed", "batch_norm")]
    done = subprocess.run(command + [str(x) for x in more], capture_output=True, text=True)
    if done.returncode:
        report(False, f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[:300]}")
        return None
    return done.stdout


def judge(fixture, mine):
    """[(name, estimated error / limit, refused)] of {name: projections}."""
    out = []
    for name, (_, limit, truth) in fixture["tensors"].items():
        square = float(np.mean((mine[name] - truth) ** 2)) if name in mine else float("nan")
        out.append((name, square**0.5 / limit if limit else float("inf"), not square <= SLACK * limit * limit))
    return out


def self_test(fixture, sketch, tensors, mine, title):
    """An error of 5 times the limit, in any one tensor, spread over its elements or in one of them, is reported, and
    so is a NaN."""
    random, missed, tried = np.random.default_rng(1), [], 0
    for name, (_, limit, _) in fixture["tensors"].items():
        shape = tensors[name].shape
        if tensors[name].size > 1 << 20 and name != max(tensors, key=lambda n: tensors[n].size):
            continue  # large ones but the largest, for time
        noise = random.standard_normal(shape, np.float32)
        single = np.zeros(shape, np.float32)
        single.flat[random.integers(single.size)] = 5 * limit
        nothing = single * np.float32("nan")
        for error in (noise * (5 * limit / np.linalg.norm(noise.astype(np.float64))), single, nothing):
            tried += 1
            wrong = {**mine, name: mine[name] + sketch(error)}
            missed += [name for n, _, refused in judge(fixture, wrong) if n == name and not refused]
    report(not missed and tried > 0, f"{title}: {tried} planted errors are reported" + (f", not in {missed[:3]}" if missed else ""))


def check_step(build, path, sketch):
    begin, fixture = time.time(), fixture_read(path)
    title = f"{fixture['arch']} {fixture['size']} px, batch {fixture['batch']}, batch-norm {fixture['batch_norm']}"
    with tempfile.TemporaryDirectory() as folder:
        step = os.path.join(folder, "step.safetensors")
        if program(build, "train_step", fixture, "-", step, *fixture["redraw"]) is None:
            return
        tensors = {name: tensor for name, tensor in safetensors(step).items() if name not in INPUTS}
        mine = {name: sketch(tensor) for name, tensor in tensors.items()}
        if set(mine) != set(fixture["tensors"]):
            report(False, f"{title}: tensors {sorted(set(mine) ^ set(fixture['tensors']))[:5]} are on one side only")
            return
        verdicts = judge(fixture, mine)
        bad = [f"{name} {ratio:.2f}" for name, ratio, refused in verdicts if refused]
        worst = max(verdicts, key=lambda v: v[1])
        report(not bad, f"{title}: {len(verdicts)} tensors, largest estimated error {worst[1]:.2f} of the limit "
               f"({worst[0]}), {time.time() - begin:.1f} s" + (f"; beyond it {', '.join(bad[:8])}" if bad else ""))
        self_test(fixture, sketch, tensors, mine, title)


def check_steps(build, case):
    begin = time.time()
    title = f"{case['arch']} {case['size']} px, batch-norm {case['batch_norm']}: {len(case['losses'])} steps of SGD"
    out = program(build, "train_steps", case, case["lr"], case["momentum"], len(case["losses"]), "-")
    if out is None:
        return
    mine, truth = np.array([float(x) for x in out.split()]), np.array(case["losses"])
    same = mine.shape == truth.shape
    error = float(np.max(np.abs(mine - truth) / truth)) if same else float("nan")
    report(error <= 1e-4, f"{title}, loss {truth[0]:.3f} to {truth[-1]:.3f}: worst relative error {error:.1e}, {time.time() - begin:.1f} s")


def main():
    build, paths = sys.argv[1], sys.argv[2:] or sorted(glob.glob(os.path.join(FIXTURES, "*.json")))
    known = [int(x) for x in philox([0, 0, 0, 0], [0, 0])]  # from the Philox authors' known answers
    report(known == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], "philox gives its published answer")
    sketch, found = Sketch(), set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if os.path.basename(path) == "steps.json":
            for case in content:
                check_steps(build, case)
        else:
            found.add((content["arch"], content["batch_norm"]))
            check_step(build, path, sketch)
    if not sys.argv[2:]:
        missing = "".join(f", not {arch} {norm}" for arch, norm in sorted(NEEDED - found))
        report(not missing, f"fixtures of the {len(NEEDED)} networks and modes are there{missing}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
