#!/usr/bin/env python3
"""recipes/cleo.yaml on CUDA's kernels, run on the CPU: with real SqueezeNet weights and photographs at 64 pixels, three
steps of either phase with --exact must give the bytes of best.safetensors that the CPU gives, and the same losses.

    cleo.py BUILD [--data ../shared/data]

BUILD has the kohl of `make cuda-host`.  Prints TAP; skipped, saying so, where the data is not there."""
import argparse
import csv
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PICTURES, CLASSES, VALIDATION = 10, 3, 2
KEYS = ["pictures.size=64", "batch=8", "data.oversample=0", "phases.1.epochs=1", "phases.2.epochs=1"]


def write_list(source, path):
    with open(os.path.join(source, "labels.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "split"])
        for name in sorted({row["class"] for row in rows})[:CLASSES]:
            own = [row["file"] for row in rows if row["class"] == name][:PICTURES]
            for i, picture in enumerate(own):
                writer.writerow([os.path.join(source, picture), name, "validation" if i < VALIDATION else "train"])


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stderr.strip()[-400:]}")


def results(folder):
    """The model's bytes, and metrics.csv without its last column, the seconds."""
    with open(os.path.join(folder, "best.safetensors"), "rb") as file:
        best = file.read()
    with open(os.path.join(folder, "metrics.csv"), newline="", encoding="utf-8") as file:
        return best, [row[:-1] for row in csv.reader(file)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--data", default=os.path.join(os.path.dirname(ROOT), "shared", "data"))
    o = parser.parse_args()
    kohl = os.path.join(o.build, "kohl")
    weights = os.path.join(o.data, "squeezenet_v1.1", "squeezenet_v1.1.uint8.safetensors")
    pictures = os.path.join(os.path.abspath(o.data), "egyptian_artifacts")
    if not os.path.exists(weights) or not os.path.isdir(pictures):
        print("# skipped: recipes/cleo.yaml on CUDA: no shared data")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        listing, base = os.path.join(scratch, "list.csv"), os.path.join(scratch, "base.safetensors")
        write_list(pictures, listing)
        run(kohl, "convert", weights, "--arch", "squeezenet1_1", "-o", base)
        for device in ("cpu", "cuda"):
            run(kohl, "train", os.path.join(ROOT, "recipes", "cleo.yaml"), "--data", listing, "--init-from", base, "--out",
                os.path.join(scratch, device), "--exact", "--threads", 1, "--device", device,
                *[word for key in KEYS for word in ("--set", key)])
        cpu, cuda = results(os.path.join(scratch, "cpu")), results(os.path.join(scratch, "cuda"))
    steps = cpu[1][-1][cpu[1][0].index("step")]
    print(("ok" if steps == "6" else "not ok") + f" - both phases took three steps (the last is number {steps})")
    print(("ok" if cpu[0] == cuda[0] else "not ok") + f" - best.safetensors, {len(cpu[0])} bytes, is the same")
    print(("ok" if cpu[1] == cuda[1] else "not ok") + " - losses and accuracies are the same")
    return 0 if cpu == cuda and steps == "6" else 1


if __name__ == "__main__":
    sys.exit(main())
