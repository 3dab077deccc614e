"""Training against scikit-learn: a head trained by `kohl train` must not be worse than a logistic regression on the
same features of the same pictures.

    linear_probe.py BUILD [--full]

For each base (SqueezeNet 1.1; with --full Inception-v3 too) converts it, trains both phases of recipes/cleo.yaml on
../shared/data/egyptian_artifacts with the split of its labels.csv and the recipe's own settings for that base,
evaluates the best model on the test pictures, and fits logistic regressions (standardised features, balanced classes,
strength chosen on the validation pictures) to what the trained model's own base gives for the training pictures,
averaged over the pixels and flattened.

Criterion: kohl's balanced accuracy on the test pictures >= the regression's - one standard error of the regression's
(binomial, class by class), on the features in the form in which the head reads them; the other form is printed for
information.  Prints TAP; without the data it says so and passes nothing.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
DATA = os.path.join(SHARED, "egyptian_artifacts")
BASES = {  # file, architecture, further options of the conversion
    "squeezenet": ("squeezenet_v1.1/squeezenet_v1.1.uint8.safetensors", "squeezenet1_1", []),
    "inception": ("inception_v3/inception_v3.uint8.safetensors", "inception_v3", ["--preset", "nsfwjs"]),
}
KOHL = os.path.join(sys.argv[1], "kohl") if len(sys.argv) > 1 else "kohl"
FULL = "--full" in sys.argv
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)


def kohl(*args):
    done = subprocess.run([KOHL, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"kohl {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr[:300]}")
    return done.stdout


def features_of(np, model, files, layer):
    """One row [h, w, c] of float32 per file, asked for 64 files at a time."""
    rows = []
    for first in range(0, len(files), 64):
        text = kohl("classify", model, *files[first:first + 64], "--format", "json", "--features", layer)
        for line in text.splitlines():
            answer = json.loads(line)
            rows.append(np.array(answer["features"], np.float32).reshape(answer["features_shape"]))
    return np.stack(rows)


def regression(np, parts):
    """Balanced accuracy on validation and test, and the test's standard error; parts: {name: (rows, classes)}."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    rows = {k: v[0].reshape(len(v[0]), -1).astype(np.float64) for k, v in parts.items()}
    mean, std = rows["train"].mean(0), rows["train"].std(0)
    rows = {k: (v - mean) / np.where(std > 0, std, 1) for k, v in rows.items()}
    # An L2-penalised regression does not see rotations: in the space of the training rows it has as many columns as
    # there are rows, and the same solution.
    if rows["train"].shape[1] > len(rows["train"]):
        basis = np.linalg.qr(rows["train"].T)[0]
        rows = {k: v @ basis for k, v in rows.items()}
    best = None
    for strength in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
        fit = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        fit.fit(rows["train"], parts["train"][1])
        score = balanced_accuracy_score(parts["val"][1], fit.predict(rows["val"]))
        if best is None or score > best[0]:
            best = (score, fit, strength)
    truth, said = parts["test"][1], best[1].predict(rows["test"])
    recalls = [(said[truth == c] == c).mean() for c in np.unique(truth)]
    counts = [(truth == c).sum() for c in np.unique(truth)]
    error = sum(r * (1 - r) / n for r, n in zip(recalls, counts)) ** 0.5 / len(counts)
    return best[0], sum(recalls) / len(recalls), (said == truth).mean(), error, best[2]


def probe(np, folder, name, base, table):
    run, model = os.path.join(folder, name), os.path.join(folder, name, "best.safetensors")
    listing = os.path.join(DATA, "labels.csv")
    kohl("train", os.path.join(ROOT, "recipes", "cleo.yaml"), "--data", DATA, "--init-from", base, "--quiet", "--out",
         run)
    with open(os.path.join(run, "recipe.yaml"), encoding="utf-8") as file:
        settled = {line.split(":")[0].strip(): line.split('"')[1] for line in file if '"' in line}
    layer, key, pool = settled["at"], settled["best"], settled["pool"]
    mine = json.loads(kohl("eval", model, listing, "--split", "test", "--format", "json"))
    curves = list(csv.DictReader(open(os.path.join(run, "metrics.csv"))))
    best = max(curves, key=lambda row: -float(row[key]) if key == "val_loss" else float(row[key]))
    print(f"# {name}: kohl epoch {best['epoch']}: validation accuracy {float(best['val_accuracy']):.4f} balanced "
          f"{float(best['val_balanced_accuracy']):.4f}; test accuracy {mine['accuracy']:.4f} balanced "
          f"{mine['balanced_accuracy']:.4f} macro F1 {mine['macro_f1']:.4f}, n {mine['n']}", flush=True)
    maps = {}
    for part in ("train", "val", "test"):
        chosen = [row for row in table if row["upstream_split"] == part]
        files = [os.path.join(DATA, row["file"]) for row in chosen]
        maps[part] = (features_of(np, model, files, layer), np.array([row["class"] for row in chosen]))
    forms = {"flatten": lambda x: x.reshape(len(x), -1), "global_avg": lambda x: x.mean((1, 2))}
    for kind, form in forms.items():
        parts = {part: (form(rows), classes) for part, (rows, classes) in maps.items()}
        validation, balanced, accuracy, error, strength = regression(np, parts)
        print(f"# {name}: logistic regression on {kind} features (C {strength:g}): validation balanced "
              f"{validation:.4f}; test accuracy {accuracy:.4f} balanced {balanced:.4f} +- {error:.4f}", flush=True)
        if kind == pool:
            report(mine["n"] == len(maps["test"][1]) and mine["balanced_accuracy"] >= balanced - error,
                   f"{name}: balanced accuracy {mine['balanced_accuracy']:.4f} >= {balanced:.4f} - {error:.4f} "
                   f"({kind} features, {mine['n']} pictures)")
    picture = os.path.join(DATA, next(row["file"] for row in table if row["upstream_split"] == "test"))
    best = json.loads(kohl("classify", model, picture, "--format", "json"))["predictions"][0]
    report(best["label"] in mine["per_class"], f"{name}: a picture is named: {best['label']} {best['probability']:.2f}")


def main():
    if not os.path.isdir(DATA):
        print("# skipped: ../shared/data is absent, nothing was trained")
        return
    try:
        import numpy as np
        import sklearn  # noqa: F401
    except ImportError as error:
        print(f"not ok - numpy and scikit-learn are there: {error}")
        sys.exit(1)
    with open(os.path.join(DATA, "labels.csv"), newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    with tempfile.TemporaryDirectory() as folder:
        for name in BASES if FULL else ["squeezenet"]:
            path, arch, more = BASES[name]
            base = os.path.join(folder, name + ".safetensors")
            kohl("convert", os.path.join(SHARED, path), "--arch", arch, *more, "-o", base)
            probe(np, folder, name, base, table)


main()
sys.exit(failures > 0)
