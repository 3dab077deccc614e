"""Every figure of train/metrics*.h against scikit-learn's on random cases.

    metrics.py BUILD

The cases have ties (probabilities of few values), classes without samples, folds of a single class, n = 1, and any
number of labels.  Where scikit-learn warns or gives no number, the rule of train/metrics.h holds, which is written out
here.  The figures come from tests/oracle/metrics_cases.c.

Tolerance: 1e-12 of the larger of 1 and the value.  A figure is a sum of at most n * classes <= 8,000 terms, all of one
sign and, but for the logarithms, at most 1 after division.  A term has a few roundings and each addition one more, so
that both sides are within 8,010 * 2^-53 < 0.9e-12 of the truth in the worst case that all roundings go one way; the
sums of logarithms, up to 36 each, are relative to their value.  What is a quotient of whole numbers differs by a few
2^-53.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn import metrics as sk

TOLERANCE = 1e-12
BINS = 15
count = failures = 0


def report(good, text):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} - {text}")


def wrong(ours, theirs):
    return not abs(ours - theirs) <= TOLERANCE * max(1.0, abs(theirs))


# --- Philox4x32 with ten rounds, over arrays of counters

def philox(counter, key):
    mask = np.uint64(0xffffffff)
    c = [np.asarray(x, dtype=np.uint64) for x in counter]
    k = [int(key[0]), int(key[1])]
    for _ in range(10):
        a, b = np.uint64(0xd2511f53) * c[0], np.uint64(0xcd9e8d57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), b & mask,
             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), a & mask]
        k = [(k[0] + 0x9e3779b9) & 0xffffffff, (k[1] + 0xbb67ae85) & 0xffffffff]
    return c


def resample(seed, draw, n):
    """The n indices of resample `draw`."""
    zero = np.uint64(0)
    first = philox([zero, np.uint64(0x626f6f74), zero, zero], (seed & 0xffffffff, seed >> 32))
    blocks = np.arange((n + 3) // 4, dtype=np.uint64)
    zeros = np.zeros_like(blocks)
    words = philox([blocks, zeros, zeros + np.uint64(draw), zeros], (first[0], first[1]))
    bits = np.stack(words, axis=1).reshape(-1)[:n]
    return ((bits * np.uint64(n)) >> np.uint64(32)).astype(int)


# --- what is expected

def ranks(truth, scores):
    """ROC AUC and average precision; None without positives or negatives."""
    if truth.min() == truth.max():
        return None
    return sk.roc_auc_score(truth, scores), sk.average_precision_score(truth, scores)


def rank_figures(marks, p, want):
    known = [c for c in range(p.shape[1]) if len(marks) and 0 < marks[:, c].sum() < len(marks)]
    values = {c: ranks(marks[:, c], p[:, c]) for c in known}
    if 1 < p.shape[1] and known == list(range(p.shape[1])):
        # where all are defined, scikit-learn's own averages are asked for
        want["roc_auc_macro"] = sk.roc_auc_score(marks, p, average="macro")
        want["average_precision_macro"] = sk.average_precision_score(marks, p, average="macro")
    else:
        want["roc_auc_macro"] = np.mean([v[0] for v in values.values()]) if known else 0
        want["average_precision_macro"] = np.mean([v[1] for v in values.values()]) if known else 0
    want["classes_used"] = len(known)
    pooled = ranks(marks.ravel(), p.ravel()) if marks.size else None
    want["roc_auc_micro"], want["average_precision_micro"] = pooled or (0, 0)
    return values


def calibration(confidence, right, want):
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for b in range(BINS):
        inside = place == b
        rows.append([int(inside.sum()), int(right[inside].sum()), confidence[inside].mean() if inside.any() else 0.0])
    want["bins"] = rows
    total = len(confidence)
    want["ece"] = sum(k / total * abs(r / k - c) for k, r, c in rows if k) if total else 0


def class_figures(truth, predicted, p, beta, values, c):
    """One class against the rest: truth and predicted are 0 or 1."""
    options = {"zero_division": 0, "pos_label": 1, "average": "binary"}
    figures = {
        "precision": sk.precision_score(truth, predicted, **options),
        "recall": sk.recall_score(truth, predicted, **options),
        "f1": sk.f1_score(truth, predicted, **options),
        "fbeta": sk.fbeta_score(truth, predicted, beta=beta, **options),
        "specificity": sk.recall_score(1 - truth, 1 - predicted, **options),
        "support": int(truth.sum()), "predicted": int(predicted.sum()),
        "ranked": int(c in values)}
    figures["roc_auc"], figures["average_precision"] = values.get(c, (0, 0))
    if 0 < truth.sum() < len(truth):
        figures["brier"] = sk.brier_score_loss(truth, p)
    else:
        figures["brier"] = np.mean((p - truth) ** 2)  # refused for a single class
    return figures


def averages(truth, predicted, beta, kinds, want):
    for kind in kinds:
        options = {"average": kind, "zero_division": 0}
        want[f"{kind}_precision"] = sk.precision_score(truth, predicted, **options)
        want[f"{kind}_recall"] = sk.recall_score(truth, predicted, **options)
        want[f"{kind}_f1"] = sk.f1_score(truth, predicted, **options)
        want[f"{kind}_fbeta"] = sk.fbeta_score(truth, predicted, beta=beta, **options)


def top_k(truth, p, k):
    if k >= p.shape[1]:
        return 1.0
    if p.shape[1] == 2:  # k is 1, and scikit-learn wants another form of scores
        return np.mean(p.argmax(axis=1) == truth)
    # of equal probabilities scikit-learn takes the last class first, and kohl the first: so the classes are turned round
    last = p.shape[1] - 1
    return sk.top_k_accuracy_score(last - truth, p[:, ::-1], k=k, labels=np.arange(last + 1))


def expect_one(case):
    p, truth, beta = case["p"].astype(float), case["truth"], case["beta"]
    n, k = p.shape
    predicted = p.argmax(axis=1)
    marks = (truth[:, None] == np.arange(k)).astype(int)
    want = {"accuracy": sk.accuracy_score(truth, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted),
            "top2": top_k(truth, p, 2), "top3": top_k(truth, p, 3), "top5": top_k(truth, p, 5)}
    kappa = sk.cohen_kappa_score(truth, predicted)
    want["kappa"] = 0.0 if np.isnan(kappa) else kappa
    averages(truth, predicted, beta, ("macro", "weighted"), want)
    values = rank_figures(marks, p, want)
    want["per_class"] = [class_figures(marks[:, c], (predicted == c).astype(int), p[:, c], beta, values, c)
                         for c in range(k)]
    seen = sorted(set(truth) | set(predicted))
    want["macro_specificity"] = np.mean([want["per_class"][c]["specificity"] for c in seen])
    want["brier"] = np.mean(((p - marks) ** 2).sum(axis=1))
    if k > 1:
        want["log_loss"] = sk.log_loss(truth, p, labels=np.arange(k))
    else:
        want["log_loss"] = 0.0  # refused; a row of one is made to sum to 1
    calibration(p.max(axis=1), predicted == truth, want)
    want["confusion"] = sk.confusion_matrix(truth, predicted, labels=np.arange(k)).ravel().tolist()
    z, share = 1.959963984540054, want["accuracy"]
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    want["wilson"] = [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]
    drawn = [[], [], []]
    for r in range(case["resamples"]):
        at = resample(case["seed"], r, n)
        drawn[0].append(sk.accuracy_score(truth[at], predicted[at]))
        drawn[1].append(sk.balanced_accuracy_score(truth[at], predicted[at]))
        drawn[2].append(sk.f1_score(truth[at], predicted[at], average="macro", zero_division=0))
    for name, values in zip(("accuracy", "balanced", "f1"), drawn):
        want[f"bootstrap_{name}"] = np.percentile(values, [2.5, 97.5]).tolist()
    return want


def best_threshold(truth, scores, beta):
    """By trying them all; of equal F-beta the highest, half way to the next lower score."""
    if not truth.any():
        return 0.5
    tried = [((1 + beta ** 2) * (truth & (scores >= t)).sum() / (beta ** 2 * truth.sum() + (scores >= t).sum()), t)
             for t in np.unique(scores)]
    most = max(f for f, _ in tried)
    best = max(t for f, t in tried if f >= most * (1 - 1e-14))
    lower = max((t for _, t in tried if t < best), default=np.float32(0))
    middle = lower + (best - lower) / np.float32(2)
    return middle if middle > lower else best


def expect_many(case):
    p, marks, beta = case["p"].astype(float), case["marks"].astype(int), case["beta"]
    n, k = p.shape
    predicted = (case["p"] >= case["thresholds"]).astype(int)
    want = {"subset_accuracy": sk.accuracy_score(marks, predicted), "hamming_loss": sk.hamming_loss(marks, predicted)}
    if k > 1:
        averages(marks, predicted, beta, ("macro", "micro", "weighted", "samples"), want)
    values = rank_figures(marks, p, want)
    want["per_class"] = [class_figures(marks[:, c], predicted[:, c], p[:, c], beta, values, c) for c in range(k)]
    want["brier"] = np.mean((p - marks) ** 2)
    want["log_loss"] = sk.log_loss(marks.ravel(), p.ravel(), labels=[0, 1])
    calibration(p.ravel(), marks.ravel() == 1, want)
    if n <= 60:
        want["thresholds"] = [float(best_threshold(marks[:, c] == 1, case["p"][:, c], beta)) for c in range(k)]
    return want


# --- the cases

def probabilities(rng, n, k, many):
    kind = rng.integers(4)
    if kind == 0:  # few values: many ties
        p = rng.integers(0, 4, size=(n, k)) / 4
    elif kind == 1:
        p = rng.random((n, k))
    elif kind == 2:  # certain ones, zeros among them
        p = rng.random((n, k)) ** 12
        p[p < 1e-6] = 0
    else:
        p = np.full((n, k), 1 / k)
    if not many:
        sums = p.sum(axis=1, keepdims=True)
        p = np.where(sums > 0, p / np.where(sums > 0, sums, 1), 1 / k)
    return np.minimum(p, 1).astype(np.float32)


def make_case(rng, i):
    many = i % 2 == 1
    n = int([1, 2, 3, rng.integers(4, 40), rng.integers(40, 400)][rng.integers(5)])
    k = int([1 if i % 20 == 0 else 2, 2, 3, rng.integers(4, 9), rng.integers(9, 20)][rng.integers(5)])
    case = {"many": many, "p": probabilities(rng, n, k, many), "beta": float(rng.choice([0.5, 1, 2])),
            "resamples": 20 if i % 4 == 0 else 1, "seed": int(rng.integers(2 ** 40))}
    if many:
        case["marks"] = (rng.random((n, k)) < rng.random(k) * (rng.random(k) < 0.8)).astype(np.uint8)
        case["thresholds"] = rng.choice(np.array([0.25, 0.5, 0.3], dtype=np.float32), size=k)
    else:
        present = rng.permutation(k)[:rng.integers(1, k + 1)]
        case["truth"] = rng.choice(present, size=n).astype(np.int32)
    return case


def write_cases(path, cases):
    with open(path, "wb") as file:
        for case in cases:
            n, k = case["p"].shape
            file.write(struct.pack("=5qd", case["many"], n, k, case["resamples"], case["seed"], case["beta"]))
            file.write(case["p"].tobytes())
            file.write(case["marks"].tobytes() + case["thresholds"].tobytes() if case["many"] else case["truth"].tobytes())


def differences(ours, want, where=""):
    if isinstance(want, dict):
        return [d for key, value in want.items() for d in differences(ours[key], value, f"{where}.{key}")]
    if isinstance(want, list):
        if len(ours) != len(want):
            return [f"{where} has {len(ours)}, expected {len(want)}"]
        return [d for j, value in enumerate(want) for d in differences(ours[j], value, f"{where}[{j}]")]
    return [f"{where[1:]} {ours!r}, expected {want!r}"] if wrong(ours, want) else []


def names(want, where=""):
    """The figures of a case by name, without numbers of classes."""
    for key, value in want.items():
        if key == "per_class":
            yield from (f"per class {inner}" for inner in value[0])
        else:
            yield key


def main():
    program = os.path.join(sys.argv[1], "oracle", "metrics_cases")
    rng = np.random.default_rng(7)
    cases = [make_case(rng, i) for i in range(400)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cases")
        write_cases(path, cases)
        done = subprocess.run([program, path], capture_output=True, check=False)
    lines = done.stdout.decode().splitlines()
    report(done.returncode == 0 and len(lines) == len(cases), f"{len(lines)} cases of {len(cases)} {done.stderr.decode()}")
    found, checked = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are never predicted, and the like
        with np.errstate(all="ignore"):
            for i, (case, line) in enumerate(zip(cases, lines)):
                want = expect_many(case) if case["many"] else expect_one(case)
                kind = "many labels" if case["many"] else "one label"
                for name in names(want):
                    checked[kind, name] = checked.get((kind, name), 0) + 1
                for text in differences(json.loads(line), want):
                    name = text.split(" ")[0].split("[")[0]
                    name = f"per class {text.split('].')[1].split(' ')[0]}" if name == "per_class" else name
                    found.setdefault((kind, name), []).append(f"case {i}: {text}")
    for key in checked:
        bad = found.get(key, [])
        report(not bad, f"{key[0]}: {key[1]} in {checked[key]} cases {bad[:2] if bad else ''}")
    print(f"1..{count}")
    sys.exit(failures != 0)


main()
