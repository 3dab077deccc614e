"""Splits, folds, caps, oversampling and weights against their definitions and scikit-learn's.

    balance.py BUILD [DATA]

The lists come from tests/oracle/lists.c.  The set is hieroglyphs (a long tail: 171 signs and UNKNOWN, from 448 down to
1 picture, grouped by the photographed plate), where it is; a made one with the same features always.
"""
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.class_weight import compute_class_weight

count = failures = 0
TRAIN, VALIDATION, TEST = 1, 2, 3


def report(good, text):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} - {text}")


def samples_of(folder):
    """The files in the library's order: classes bytewise, then paths."""
    names = sorted((n for n in os.listdir(folder) if os.path.isdir(os.path.join(folder, n))), key=os.fsencode)
    return [os.path.join(folder, n, f) for n in names
            for f in sorted(os.listdir(os.path.join(folder, n)), key=os.fsencode)]


def copies_of(paths):
    first = {}
    return [first.setdefault(open(p, "rb").read(), i) for i, p in enumerate(paths)]


def make_set(folder):
    """Classes of 1 to 300 files, names with a plate of two digits; every ninth file is a copy of the one before."""
    rng = np.random.default_rng(5)
    for c, n in enumerate([1, 1, 1, 2, 3, 5, 8, 13, 21, 60, 144, 300]):
        os.mkdir(os.path.join(folder, f"c{c:02}"))
        for i in range(n):
            # The plate of most classes is any of ten; that of the small ones is their own.
            plate = rng.integers(10) if n > 3 else c
            with open(os.path.join(folder, f"c{c:02}", f"{plate:02}{i:04}.png"), "w") as file:
                file.write(f"{c} {i - (i % 9 == 1)}")


def table(labels, parts):
    """n[class][part]"""
    n = defaultdict(Counter)
    for label, part in zip(labels, parts):
        n[label][part] += 1
    return n


def check_split(name, r):
    wrong = []
    size = Counter(r["label"])
    for c, n in table(r["label"], r["split"]).items():
        test, validation = math.floor(size[c] * 0.1 + 0.5), math.floor(size[c] / 6 + 0.5)
        if test + validation >= size[c]:
            test, validation = 0, 0  # happens at sizes of 1 only, where both are 0 anyway
        if (n[TEST], n[VALIDATION]) != (test, validation) or n[TRAIN] < 1:
            wrong.append((c, dict(n)))
    report(not wrong, f"{name}: split by fractions has floor(n f + 1/2) of every class: {wrong[:3]}")


def check_folds(name, r, folds):
    labels = np.array(r["label"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes smaller than the number of folds
        theirs = np.zeros(len(labels), int)
        for f, (_, test) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=1).split(labels, labels)):
            theirs[test] = f
    ours, peer = table(labels, r["fold"]), table(labels, theirs)
    wrong = [c for c in ours if sorted(ours[c][f] for f in range(folds)) != sorted(peer[c][f] for f in range(folds))]
    report(not wrong, f"{name}: {folds} folds have each class in the numbers of StratifiedKFold: {wrong[:3]}")
    last = folds - 1
    want = [TEST if f == last else VALIDATION if f == 0 else TRAIN for f in r["fold"]]
    report(want == r["fold_split"], f"{name}: the last fold is the test part, the first validates")


def chi_square(labels, parts, shares):
    size, n = Counter(labels), table(labels, parts)
    return sum((n[c][p] - f * size[c]) ** 2 / (f * size[c]) for c in size for p, f in shares.items())


def bound(labels, groups, parts):
    size, n = Counter(labels), table(groups, labels)
    return (parts - 1) * sum(k * k / size[c] for g in n.values() for c, k in g.items())


def check_groups(name, r, folds):
    for key in ("group_fold", "group_split"):
        places = defaultdict(set)
        for g, p in zip(r["group"], r[key]):
            places[g].add(p)
        report(all(len(p) == 1 for p in places.values()), f"{name}: {key}: no group is in two parts")
    shares = {f: 1 / folds for f in range(folds)}
    x, most = chi_square(r["label"], r["group_fold"], shares), bound(r["label"], r["group"], folds)
    report(x <= most * (1 + 1e-9), f"{name}: group folds, X {x:.1f}, at random {most:.1f} on average")
    report(set(r["group_fold"]) == set(range(folds)), f"{name}: group folds, none is empty")
    # Groups that random numbers deal out, the median of 50: what the greedy deal must beat.
    rng, groups = np.random.default_rng(1), np.array(r["group"])
    random = [chi_square(r["label"], rng.integers(folds, size=groups.max() + 1)[groups], shares) for _ in range(50)]
    report(x < np.median(random), f"{name}: group folds, X {x:.1f}, median of random deals {np.median(random):.1f}")
    n, spread = table(r["label"], r["group_split"]), table(r["label"], r["group"])
    mixed = {g for g, k in table(r["group"], r["label"]).items() if len(k) > 1}
    lost = [c for c in n if not n[c][TRAIN]]
    report(all(len(spread[c]) == 1 and set(spread[c]) <= mixed for c in lost),
           f"{name}: group split, the {len(lost)} classes without training samples are in one mixed group each")
    part = Counter(r["group_split"])
    report(all(part[p] > 0 for p in (TRAIN, VALIDATION, TEST)) and part[TRAIN] > len(r["label"]) / 2,
           f"{name}: group split, every part has samples")
    print(f"# {name}: group split: {part[TRAIN]} train, {part[VALIDATION]} validation, {part[TEST]} test")


def check_copies(name, r, copies):
    wrong = [i for i, first in enumerate(copies) if r["copies_split"][i] != r["copies_split"][first]]
    report(not wrong, f"{name}: {sum(i != c for i, c in enumerate(copies))} copies are in the part of the first of them")
    want = [i for i, s in enumerate(r["copies_split"]) if s == TRAIN and copies[i] == i]
    report(want == r["train"], f"{name}: training list without copies")


def check_balance(name, r, cap, least):
    label = r["label"]
    before, capped = Counter(label[i] for i in r["train"]), Counter(label[i] for i in r["capped"])
    report(all(capped[c] == min(before[c], cap) for c in before), f"{name}: capped at {cap}")
    remaining = iter(r["train"])
    report(all(i in remaining for i in r["capped"]), f"{name}: what is capped is a part of the list, in its order")
    times = Counter(r["oversampled"])
    after = Counter(label[i] for i in r["oversampled"])
    report(all(after[c] == max(capped[c], least) for c in capped), f"{name}: oversampled to {least}")
    even = all(max(capped[c], least) // capped[c] <= times[i] <= -(-max(capped[c], least) // capped[c])
               for i in r["capped"] for c in [label[i]])
    report(even and set(times) == set(r["capped"]), f"{name}: repeated floor or ceiling of {least} / n times")
    report(r["oversampled"][:len(r["capped"])] == r["capped"], f"{name}: the list stays in front of its repetitions")
    y = np.array([label[i] for i in r["oversampled"]])
    theirs = compute_class_weight("balanced", classes=np.arange(r["classes"]), y=y)
    report(theirs.tolist() == r["balanced"], f"{name}: balanced weights are compute_class_weight's, to the bit")
    n = np.bincount(y, minlength=r["classes"]).astype(np.longdouble)
    w = 1 / (1 - np.longdouble(0.999) ** n)
    w *= r["classes"] / w.sum()
    error = float(np.max(np.abs(np.array(r["effective"]) / w - 1)))
    # The sum has a rounding of 2^-53 for each class, a weight three more.
    report(error <= (r["classes"] + 8) * 2.0 ** -53, f"{name}: effective-number weights, relative error {error:.2g}")


def check(program, name, folder, seed, folds, cap, least):
    copies = copies_of(samples_of(folder))
    run = subprocess.run([program, folder, str(seed), str(folds), str(cap), str(least), "^([0-9][0-9])"],
                         input="\n".join(map(str, copies)), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        report(False, f"{name}: {run.stderr.strip()}")
        return
    r = json.loads(run.stdout)
    report(len(r["label"]) == len(copies) and r["classes"] == max(r["label"]) + 1, f"{name}: {len(copies)} samples")
    check_split(name, r)
    check_folds(name, r, folds)
    check_groups(name, r, folds)
    check_copies(name, r, copies)
    check_balance(name, r, cap, least)


def main():
    program = os.path.join(sys.argv[1], "oracle", "lists")
    data = sys.argv[2] if len(sys.argv) > 2 else "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        make_set(folder)
        check(program, "made set", folder, 3, 5, 100, 60)
    signs = os.path.join(data, "hieroglyphs")
    if os.path.isdir(signs):
        check(program, "hieroglyphs", signs, 1, 10, 250, 40)
        check(program, "hieroglyphs in 3 folds", signs, 2, 3, 1, 7)
    else:
        print(f"# skipped: {data} is absent")
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
