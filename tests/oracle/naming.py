"""Names and shapes of published files: every weight of our networks under its publisher's name, against tables that the
publishers' own programs printed (../shared/data/names), and the parameter totals that are known of each.

    naming.py BUILD
"""
import csv
import json
import math
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLES = os.path.join(ROOT, "..", "shared", "data", "names")
# Parameters as each publisher counts them; torchvision's and Keras's with running statistics where theirs are counted.
TOTALS = {  # (architecture, preset): all weights, without the layers behind the base
    ("vgg19", "keras-caffe"): (143_667_240, 20_024_384),
    ("vgg19", "torchvision"): (143_667_240, 20_024_384),
    ("inception_v3", "keras"): (23_851_784, 21_802_784),
    ("resnet101", "keras-caffe"): (44_707_176, 42_658_176),
    ("alexnet", "torchvision"): (61_100_840, None),
}
TRAINED = {  # without running statistics
    ("vgg19_bn", "torchvision"): 143_678_248,
    ("inception_v3", "torchvision"): 23_834_568,
    ("resnet101", "torchvision"): 44_549_160,
}
HEADS = {"fc1", "fc2", "predictions", "fc6", "fc7"}
failed = 0


def check(good, name, detail=""):
    global failed
    failed += not good
    print(f"{'ok' if good else 'not ok'} - {name}" + (f"\n# {detail}" if detail and not good else ""))


def weights(build, arch, preset, naming):
    """[(layer, suffix, name, shape)]"""
    run = subprocess.run([os.path.join(build, "oracle", "list_names"), arch, preset, naming], capture_output=True,
                         text=True, check=True)
    rows = [line.split(" ") for line in run.stdout.splitlines()]
    return [(layer, suffix, name, tuple(map(int, sizes.split(",")))) for layer, suffix, name, sizes in rows]


def check_totals(build):
    for (arch, preset), (whole, base) in TOTALS.items():
        rows = weights(build, arch, preset, "keras")
        total = sum(math.prod(shape) for *_, shape in rows)
        below = sum(math.prod(shape) for layer, _, _, shape in rows if layer not in HEADS)
        check(total == whole, f"{arch} {preset}: {whole:,} parameters", f"{total:,}")
        if base:
            check(below == base, f"{arch} {preset}: {base:,} without the top", f"{below:,}")
    for (arch, preset), trained in TRAINED.items():
        total = sum(math.prod(shape) for _, suffix, _, shape in weights(build, arch, preset, "keras")
                    if suffix not in ("mean", "variance"))
        check(total == trained, f"{arch} {preset}: {trained:,} parameters without statistics", f"{total:,}")


def check_state_dict(build, arch, file):
    """torchvision's own list of names and shapes: equal but for what no network here has."""
    with open(os.path.join(TABLES, file), encoding="utf-8") as table:
        theirs = json.load(table)
    theirs = {k: tuple(v) for k, v in theirs.items()
              if not k.endswith("num_batches_tracked") and not k.startswith("AuxLogits.")}
    ours = {name: shape for _, _, name, shape in weights(build, arch, "torchvision", "torchvision")}
    wrong = sorted(k for k in set(ours) | set(theirs) if ours.get(k) != theirs.get(k))
    check(not wrong, f"{arch}: {len(theirs)} names and shapes of torchvision",
          "; ".join(f"{k}: {ours.get(k)}, expected {theirs.get(k)}" for k in wrong[:5]))


def check_cells(build):
    """Inception's 94 convolutions in four schemes of names."""
    with open(os.path.join(TABLES, "inception_v3_names.csv"), newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    names = {(naming, layer): (name, shape) for naming in ("keras", "torchvision", "timm", "slim")
             for layer, suffix, name, shape in weights(build, "inception_v3", "keras", naming) if suffix == "weight"}
    for naming, column, word in (("keras", "keras_legacy_layer", "{}/kernel"),
                                 ("torchvision", "torch_prefix", "{}.conv.weight"),
                                 ("timm", "torch_prefix", "{}.conv.weight"), ("slim", "slim_scope", "{}/weights")):
        wrong = []
        for row in rows:
            r, s, c, k = (int(row[x]) for x in ("kh", "kw", "cin", "cout"))
            shape = (k, c, r, s) if naming in ("torchvision", "timm") else (r, s, c, k)
            if names.get((naming, f"conv2d_{row['n']}")) != (word.format(row[column]), shape):
                wrong.append(f"{row['n']}: {names.get((naming, 'conv2d_' + row['n']))}")
        check(len(rows) == 94 and not wrong, f"inception_v3: 94 names and shapes of {naming}", "; ".join(wrong[:5]))


def main():
    build = sys.argv[1]
    check_totals(build)
    if not os.path.isdir(TABLES):
        print("# skipped: tables of names (../shared/data/names is not there)")
        return failed
    for arch in ("vgg19", "vgg19_bn", "inception_v3", "resnet101", "alexnet"):
        check_state_dict(build, arch, f"torchvision_{arch}_state_dict_shapes.json")
    check_cells(build)
    return failed


if __name__ == "__main__":
    sys.exit(main() != 0)
