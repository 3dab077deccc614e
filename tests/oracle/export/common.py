"""What the scripts of this folder share: models, pictures, kohl's logits, and the code that the pages of docs/ show.

A script of another program runs `kohl export`, executes the page's own lines and compares logits on real photographs:

    max |kohl - theirs| / max |theirs| <= 1e-4

Both are float32 engines that sum in different orders, some 1e-6 after a hundred layers; mistakes of arithmetic are above 1e-3.
"""
import json
import os
import re
import subprocess
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
BUILD = os.path.abspath(sys.argv[1])
KOHL = os.path.join(BUILD, "kohl")
TOLERANCE = 1e-4
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:600].replace("\n", "\n# "))


def run(*argv, fed=None):
    done = subprocess.run([str(a) for a in argv], input=fed, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))[:200]}: exit {done.returncode}: {done.stderr.decode()[:400]}")
    return done.stdout


def wanted(name):
    """Without names on the command line all."""
    return not sys.argv[2:] or any(word in name for word in sys.argv[2:])


def random_model(arch, preset, classes, path, size=0):
    run(os.path.join(BUILD, "oracle", "random_model"), arch, preset, size, classes, 1, path)
    return path


def export(model, to, path, *options):
    """The file's path; what kohl said on standard error is in export.said."""
    done = subprocess.run([KOHL, "export", model, "--to", to, "-o", path, *options], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"export --to {to}: exit {done.returncode}: {done.stderr[:400]}")
    export.said = done.stderr
    return path


def pictures():
    artifacts = os.path.join(DATA, "egyptian_artifacts")
    png = [os.path.join(DATA, "inception_v3", "png", name) for name in ("n03724870_mask.png", "n04398044_teapot.png")]
    return png + [os.path.join(artifacts, kind, sorted(os.listdir(os.path.join(artifacts, kind)))[0]) for kind in ("Pottery", "Statuary")]


def kohl_logits(model, paths):
    lines = run(KOHL, "classify", model, *paths, "--raw", "--format", "json").decode().splitlines()
    return np.array([json.loads(line)["logits"] for line in lines], np.float32)


def pixels(paths, pre):
    """[n,h,w,3] of 0 to 255 as the metadata's preprocessing says."""
    ground = " ".join(map(str, pre["fit_background"]))
    lines = "".join(f"{pre['fit']} {pre['filter']} {pre['width']} {pre['height']} {pre['resize']} {pre['fraction']} {ground} "
                    f"{int(pre['orient'])} {int(pre['decode'] == 'fast')} {path}\n" for path in paths)
    out = run(os.path.join(BUILD, "oracle", "dump_picture"), fed=lines.encode())
    batch = []
    for _ in paths:
        head, _, out = out.partition(b"\n")
        assert head.split()[:3] == [b"ok", b"%d" % pre["width"], b"%d" % pre["height"]], head
        count = pre["width"] * pre["height"] * 3
        batch.append(np.frombuffer(out[:count], np.uint8).reshape(pre["height"], pre["width"], 3).astype(np.float32))
        out = out[count:]
    return np.stack(batch)


def prepare(batch, pre):
    """What the network reads, channels last."""
    if pre["order"] == "bgr":
        batch = batch[..., ::-1]
    return ((batch * np.float32(pre["scale"]) - np.float32(pre["mean"])) / np.float32(pre["std"])).astype(np.float32)


def blocks(page):
    """The Python code of docs/PAGE, one text for each block."""
    with open(os.path.join(ROOT, "docs", page)) as file:
        return re.findall(r"^```python\n(.*?)^```", file.read(), re.M | re.S)


def compare(name, ours, theirs, tolerance=TOLERANCE):
    theirs = np.asarray(theirs, np.float32).reshape(ours.shape)
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    report(error <= tolerance and np.ptp(theirs) > 0, f"{name}: logits of {len(ours)} photographs within {tolerance:g} ({error:.1e})", error)


def fine_tuned(folder):
    """SqueezeNet with its real weights and a head (batch-norm, 16, 5 classes) after a few steps on 60 photographs."""
    squeezenet = os.path.join(DATA, "squeezenet_v1.1")
    source = [os.path.join(squeezenet, name) for name in sorted(os.listdir(squeezenet)) if name.endswith(".safetensors")][0]
    base, list_path = os.path.join(folder, "squeezenet.safetensors"), os.path.join(folder, "list.csv")
    recipe, out = os.path.join(folder, "r.yaml"), os.path.join(folder, "run")
    run(KOHL, "convert", source, "--arch", "squeezenet1_1", "--labels", os.path.join(squeezenet, "labels.txt"), "-o", base)
    artifacts = os.path.join(DATA, "egyptian_artifacts")
    with open(list_path, "w") as file:
        file.write("path,label\n")
        for kind in sorted(k for k in os.listdir(artifacts) if not k.endswith(".csv")):
            for name in sorted(os.listdir(os.path.join(artifacts, kind)))[:12]:
                file.write(f"{os.path.join(artifacts, kind, name)},{kind}\n")
    with open(recipe, "w") as file:
        file.write("batch: 10\nseed: 3\npictures: {size: 227, fit: stretch, filter: bilinear, normalise: base}\n"
                   "data: {validation: 1/6, seed: 1}\nhead: {pool: flatten, norm: batch, dense: [16], dropout: 0.2}\n"
                   "train: last 8\nepochs: 2\noptimizer: {name: rmsprop, lr: 1e-4}\n")
    run(KOHL, "train", recipe, "--data", list_path, "--init-from", base, "--out", out, "--quiet")
    return base, os.path.join(out, "best.safetensors")


def done():
    sys.exit(failures != 0)
