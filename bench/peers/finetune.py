"""recipes/cleo.yaml on real pictures, by kohl and by PyTorch, beside a linear probe: accuracy, spread and wall time.

    pip install torch==2.13.0 numpy safetensors pillow pyyaml scikit-learn      (a peer only: nothing of the project
    finetune.py BUILD --set egyptian --base squeezenet                           needs it)
                [--seeds 5] [--threads 2] [--variants K | --no-augment] [--epochs 30,20] [--option KEY=VALUE]...
                [--only kohl|pytorch|probe] [--seed N]... [--settings NAME]... [--work DIR] [--busy]
                [--data ../shared/data] [--csv FILE] [--quick]

egyptian is egyptian_artifacts with its own test part; what is left is divided by the recipe (1/6 for validation).
hieroglyphs is the signs with ten pictures or more, plates 03 and 41 for the test, plates kept whole in the other
division too, in four settings: with and without oversampling, with and without class weights.

kohl is trained and evaluated by its command.  PyTorch (finetune_torch.py) reads the resolved recipe and the three lists
out of kohl's run folder, so that both have the same settings and pictures; the division of the pictures is the same for
all seeds, the seed is that of everything else.  Seconds are wall time of the training as a user waits for it, pictures
read and features computed, but for the start of Python.  The probe is a logistic regression on the base's averages of
the same lists (standardised, balanced classes, strength chosen on validation).  --quick runs one seed with two epochs a
phase and predicts the time of a seed with as many as --epochs or the recipe's phases say.  --work keeps the run folders
and every side's figures, and a call finds there what an earlier one has finished, if the options are the same.  So the
work can be divided: calls with --only (pytorch and probe need kohl's run folder) or --seed do a part and write no
table, the last one without them does what is left and writes it.  --busy leaves the seconds out of the table: the
machine did other work too.
"""
import argparse
import csv
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

import torch
import yaml

import finetune_torch
from finetune_inputs import Recipe

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RECIPE = os.path.join(ROOT, "recipes", "cleo.yaml")
BASES = {  # file, architecture, options of the conversion; the recipe says where each is cut (base.adjust)
    "squeezenet": ("squeezenet_v1.1/squeezenet_v1.1.uint8.safetensors", "squeezenet1_1", []),
    "inception_v3": ("inception_v3/inception_v3.uint8.safetensors", "inception_v3", ["--preset", "nsfwjs"]),
}
# name, settings.  Of 59 signs the middle one has 17 pictures to learn from: 1,000 draws are for other sets.
SETTINGS = {
    "egyptian": [("recipe", [])],
    "hieroglyphs": [(f"oversample {o}, weights {w}", [f"data.oversample={o}", f"loss.class_weights={w}"])
                    for o, w in itertools.product((50, 0), ("balanced", "none"))],
}
TEST_PLATES, FEWEST = ("03", "41"), 10
SCORES = ("val_accuracy_1", "val_balanced_1", "val_accuracy", "val_balanced", "test_accuracy", "test_balanced",
          "test_macro_f1")
TIMES = ("seconds_1", "seconds_2", "seconds")
NO_AUGMENT = [f"augment.{k}=0" for k in ("rotation", "width_shift", "height_shift")] + ["augment.horizontal_flip=false"]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()[:500]}")
    return done.stdout


# ---- pictures --------------------------------------------------------------------------------------------------------

def egyptian(data):
    folder = os.path.join(data, "egyptian_artifacts")
    with open(os.path.join(folder, "labels.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            part = "test" if row["upstream_split"] == "test" else "train"
            yield {"path": os.path.join(folder, row["file"]), "label": row["class"], "split": part}


def hieroglyphs(data):
    folder = os.path.join(data, "hieroglyphs")
    for sign in sorted(os.listdir(folder)):
        files = sorted(os.listdir(os.path.join(folder, sign))) if os.path.isdir(os.path.join(folder, sign)) else []
        for file in files if len(files) >= FEWEST and sign != "UNKNOWN" else []:
            yield {"path": os.path.join(folder, sign, file), "label": sign, "group": file[:2],
                   "split": "test" if file[:2] in TEST_PLATES else "train"}


def write_list(path, rows):
    rows = list(rows)
    part = f"{path}.{os.getpid()}"
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)  # another call with the same --work may read it now


# ---- scores ----------------------------------------------------------------------------------------------------------

def scores(truth, said):
    """Accuracy, balanced accuracy and macro F1, classes without pictures left out of what they would make 0 / 0."""
    classes = sorted(set(truth) | set(said))
    hits = {c: sum(t == s == c for t, s in zip(truth, said)) for c in classes}
    recalls = [hits[c] / truth.count(c) for c in classes if c in truth]
    f1s = [2 * hits[c] / (truth.count(c) + said.count(c)) for c in classes]
    return {"test_accuracy": sum(hits.values()) / len(truth), "test_balanced": sum(recalls) / len(recalls),
            "test_macro_f1": sum(f1s) / len(f1s)}


def of_epochs(rows, first, figure):
    """rows: accuracy, balanced and what is compared, larger is better; first: how many epochs phase 1 has."""
    one, all_ = max(rows[:first], key=figure), max(rows, key=figure)  # of equal ones the first
    return {"val_accuracy_1": one["accuracy"], "val_balanced_1": one["balanced"], "val_accuracy": all_["accuracy"],
            "val_balanced": all_["balanced"]}


# ---- the three sides -------------------------------------------------------------------------------------------------

def train_kohl(o, listing, base, folder, settings):
    """Seconds of the phases and when each epoch ended, by the lines that kohl prints at the end of an epoch."""
    command = [o.kohl, "train", RECIPE, "--data", listing, "--init-from", base, "--out", folder, "--threads", o.threads,
               "--json"] + [word for s in settings for word in ("--set", s)]
    begun, ends = time.perf_counter(), []
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=errors, text=True) as child:
            for line in child.stdout:
                if json.loads(line).get("event") == "epoch":
                    ends.append(time.perf_counter() - begun)
        if child.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(map(str, command))}: exit {child.returncode}: {errors.read().strip()[:500]}")
    return ends, time.perf_counter() - begun


def seed_of_kohl(o, listing, base, folder, settings):
    shutil.rmtree(folder, ignore_errors=True)  # a run that was interrupted
    ends, total = train_kohl(o, listing, base, folder, settings)
    recipe = Recipe(os.path.join(folder, "recipe.yaml"))
    counts, key = [phase["epochs"] for phase in recipe.phases], recipe.all["best"]
    with open(os.path.join(folder, "metrics.csv"), encoding="utf-8") as file:
        rows = [{"accuracy": float(row["val_accuracy"]), "balanced": float(row["val_balanced_accuracy"]),
                 "figure": float(row[key]) * (-1 if key == "val_loss" else 1)} for row in csv.DictReader(file)]
    if len(rows) != sum(counts):
        raise RuntimeError(f"{folder}: {len(rows)} epochs, expected {sum(counts)}")
    tested = json.loads(run(o.kohl, "eval", os.path.join(folder, "best.safetensors"), listing, "--split", "test",
                            "--format", "json", "--threads", o.threads))
    phase_1 = ends[counts[0] - 1] if len(counts) > 1 else total
    return {"seconds_1": phase_1, "seconds_2": total - phase_1, "seconds": total, "version": "", "layout": "nhwc",
            **of_epochs(rows, counts[0], lambda row: row["figure"]), "test_accuracy": tested["accuracy"],
            "test_balanced": tested["balanced_accuracy"], "test_macro_f1": tested["macro_f1"], "n_test": tested["n"],
            "ends": ends, "counts": counts}


def seed_of_pytorch(o, base, folder, seed):
    out = finetune_torch.train(folder, base, seed, o.threads, o.verbose)
    counts = [sum(row["phase"] == i for row in out["rows"]) for i in range(len(out["seconds"]))]
    return {"seconds_1": out["seconds"][0], "seconds_2": sum(out["seconds"][1:]), "seconds": sum(out["seconds"]),
            "version": torch.__version__, "layout": out["layout"],
            **of_epochs(out["rows"], counts[0], lambda row: row["figure"]), **scores(out["truth"], out["said"]),
            "n_test": len(out["truth"]), "ends": [row["end"] for row in out["rows"]], "counts": counts}


def probe(o, base, folder):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    parts = finetune_torch.pooled(folder, base, o.threads)
    mean, std = parts["train"][0].mean(0), parts["train"][0].std(0)
    rows = {k: ((v[0] - mean) / (std + (std == 0)), v[1]) for k, v in parts.items()}
    best = None
    for strength in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        fit = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000).fit(*rows["train"])
        said = fit.predict(rows["validation"][0])
        balanced = balanced_accuracy_score(rows["validation"][1], said)
        if best is None or balanced > best[0]:
            best = balanced, (said == rows["validation"][1]).mean(), fit
    return {"val_balanced": best[0], "val_accuracy": best[1], "n_test": len(rows["test"][1]), "version": "scikit-learn",
            **scores(rows["test"][1].tolist(), best[2].predict(rows["test"][0]).tolist())}


# ---- rows and summary ------------------------------------------------------------------------------------------------

def finished(path, options, work):
    """What work() returns, or returned when it was called with the same options, kept as JSON at path."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["options"] != options:
            raise RuntimeError(f"{path}: made with {kept['options']}, expected {options}")
        return kept["result"]
    result = {**work(), **machine()}
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump({"options": options, "result": result}, file, indent=1)
    os.replace(path + ".part", path)
    return result


def formatted(values, busy):
    out = dict(values)
    if busy:
        out.update(dict.fromkeys(TIMES))
    for key in SCORES + TIMES:
        if isinstance(out.get(key), float):
            out[key] = f"{out[key]:.1f}" if key in TIMES else f"{out[key]:.4f}"
    return {k: v for k, v in out.items() if k not in ("ends", "counts")}


def spread(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def summary(sides, common, busy):
    """Rows of mean, standard deviation and difference, and lines that say what they mean."""
    rows, lines = [], []
    for engine in ("kohl", "pytorch"):
        runs = sides.get(engine, [])
        for what, of in (("mean", statistics.mean), ("sd", spread)) if runs else ():
            figures = {k: of([r[k] for r in runs]) for k in SCORES + TIMES}
            rows.append({**common, "engine": engine, "seed": what, **figures})
        if runs:
            mean, sd = rows[-2:]
            lines.append(f"{engine:8s} " + ", ".join(f"{k} {mean[k]:.3f} +- {sd[k]:.3f}" for k in SCORES[2:6]) +
                         ("" if busy else f"; {mean['seconds_1']:.0f} s + {mean['seconds_2']:.0f} s"))
    if "probe" in sides:
        best = sides["probe"][0]
        lines.append("probe    " + ", ".join(f"{k} {best[k]:.3f}" for k in SCORES[2:6]))
    if sides.get("kohl") and sides.get("pytorch"):
        a, b = sides["kohl"], sides["pytorch"]
        gap = {k: statistics.mean([r[k] for r in a]) - statistics.mean([r[k] for r in b]) for k in SCORES}
        # of independent seeds; that of the means is smaller by the root of their number
        width = {k: (spread([r[k] for r in a]) ** 2 + spread([r[k] for r in b]) ** 2) ** 0.5 for k in SCORES}
        ratio = {k: sum(r[k] for r in b) / max(sum(r[k] for r in a), 1e-9) * len(a) / len(b) for k in TIMES}
        rows.append({**common, "engine": "kohl - pytorch", "seed": "mean", **gap})
        rows.append({**common, "engine": "kohl - pytorch", "seed": "sd", **width})
        rows += [] if busy else [{**common, "engine": "pytorch / kohl", "seed": "ratio", **ratio}]
        for k in ("test_accuracy", "test_balanced"):
            verdicts = (f"{'not worse' if gap[k] >= -sd else 'WORSE'} by the sd of the difference of {what} ({sd:.4f})"
                        for what, sd in (("two runs", width[k]), ("the means", width[k] / len(a) ** 0.5)))
            lines.append(f"{k}: kohl - pytorch {gap[k]:+.4f}: {', '.join(verdicts)}")
        lines += [] if busy else ["wall time, pytorch / kohl: " + ", ".join(f"{k} {ratio[k]:.2f}" for k in TIMES)]
    if sides.get("kohl") and "probe" in sides:
        over = statistics.mean([r["test_balanced"] for r in sides["kohl"]]) - sides["probe"][0]["test_balanced"]
        lines.append(f"test_balanced: kohl - probe {over:+.4f}: {'above' if over > 0 else 'NOT ABOVE'}")
    return rows, lines


def predict(result, full):
    """Seconds of a seed in full from one of two epochs a phase: what comes once, and the second epoch of each phase."""
    each = [b - a for a, b in zip(result["ends"], result["ends"][1:])][::2]
    short = sum(result["counts"])
    once = result["seconds"] - sum(e * c for e, c in zip(each, result["counts"]))
    return once + sum(e * c for e, c in zip(each, full)), each, short


def machine():
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": model, "commit": commit.stdout.strip()}


COLUMNS = ("set", "settings", "base", "at", "augment", "variants", "epochs", "threads", "engine", "version", "layout",
           "seed", "n_test") + SCORES + TIMES + ("cpu", "commit")


def publish(o, rows):
    """Appends to the table; a row of figures that are missing has empty fields."""
    new = not os.path.exists(o.csv)
    os.makedirs(os.path.dirname(os.path.abspath(o.csv)), exist_ok=True)
    with open(o.csv, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(formatted(row, o.busy) for row in rows)


def compare(o, work, name, settings, listing, base, of_all):
    """One base with one setting: the seeds asked for of the sides asked for, in turns."""
    sides, rows, common = {}, [], None
    with open(RECIPE, encoding="utf-8") as file:
        stamp = f"recipe with CRC-32 {zlib.crc32(json.dumps(yaml.safe_load(file)).encode()):08x}"
    stem = os.path.join(work, f"{o.set}_{o.base}_{name}".replace(" ", "_").replace(",", ""))
    for seed in o.seed or range(1, o.seeds + 1):
        folder = f"{stem}_{seed}"
        words = [f"seed={seed}", *of_all, *settings]
        turns = {"kohl": lambda: seed_of_kohl(o, listing, base, folder, words),
                 "pytorch": lambda: seed_of_pytorch(o, base, folder, seed), "probe": lambda: probe(o, base, folder)}
        for engine in [o.only] if o.only else turns:
            if engine == "probe" and seed != 1:
                continue
            sides.setdefault(engine, []).append(finished(f"{folder}.{engine}.json", [stamp, *words], turns[engine]))
            recipe = Recipe(os.path.join(folder, "recipe.yaml"))
            common = {"set": o.set, "settings": name, "base": o.base, "at": recipe.all["base"]["at"],
                      "augment": "yes" if recipe.augments else "no", "variants": recipe.variants or "every draw",
                      "epochs": "+".join(str(p["epochs"]) for p in recipe.phases), "threads": o.threads}
            rows.append({**common, "engine": engine, "seed": "" if engine == "probe" else seed, **sides[engine][-1]})
            shown = {k: v for k, v in formatted(rows[-1], o.busy).items() if k not in ("cpu", "commit")}
            print(" ".join(f"{k}={v}" for k, v in shown.items()), flush=True)
    if o.only or o.seed:
        return []
    more, lines = summary(sides, {**common, **machine()}, o.busy)
    print("\n".join(f"# {o.set}, {o.base}, {name}: {line}" for line in lines), flush=True)
    for engine in ("kohl", "pytorch") if o.quick else ():
        if sides.get(engine):
            seconds, each, _ = predict(sides[engine][0], o.full)
            print(f"# {engine}: a seed of {'+'.join(map(str, o.full))} epochs takes {seconds:.0f} s "
                  f"(an epoch {', '.join(f'{e:.2f}' for e in each)} s)", flush=True)
    return rows + more


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--data", default=os.path.join(os.path.dirname(ROOT), "shared", "data"))
    parser.add_argument("--set", choices=SETTINGS, required=True)
    parser.add_argument("--base", choices=BASES, required=True)
    for name, default in (("seeds", 5), ("threads", 2), ("variants", None)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--settings", action="append", default=[], help="only the settings of this name")
    parser.add_argument("--option", action="append", default=[], help="KEY=VALUE of the recipe, for both sides")
    parser.add_argument("--only", choices=("kohl", "pytorch", "probe"))
    for name in ("epochs", "work", "csv"):
        parser.add_argument("--" + name)
    parser.add_argument("--seed", type=int, action="append", default=[], help="only this seed")
    for name in ("no-augment", "quick", "busy", "verbose"):
        parser.add_argument("--" + name, action="store_true")
    o = parser.parse_args()
    o.kohl = os.path.join(o.build, "kohl")
    with open(RECIPE, encoding="utf-8") as file:
        written = yaml.safe_load(file)
    o.full = [p["epochs"] for p in written.get("phases") or [written]]
    o.full = [int(e) for e in o.epochs.split(",")] if o.epochs else o.full
    epochs, o.seeds = ([2] * len(o.full), 1) if o.quick else (o.full if o.epochs else [], o.seeds)
    if not o.quick and not o.csv:
        o.csv = os.path.join(ROOT, "bench", "results", f"finetune_{o.set}.csv")
    of_all = [f"phases.{i + 1}.epochs={e}" if "phases" in written else f"epochs={e}" for i, e in enumerate(epochs)]
    of_all += (NO_AUGMENT if o.no_augment else []) + o.option
    of_all += [f"features.variants={o.variants}"] if o.variants is not None else []
    with tempfile.TemporaryDirectory() as scratch:
        work = o.work or scratch
        os.makedirs(work, exist_ok=True)
        path, arch, more = BASES[o.base]
        base, listing = os.path.join(work, o.base + ".safetensors"), os.path.join(work, o.set + ".csv")
        if not os.path.exists(base):
            run(o.kohl, "convert", os.path.join(o.data, path), "--arch", arch, *more, "-o", base)
        write_list(listing, {"egyptian": egyptian, "hieroglyphs": hieroglyphs}[o.set](o.data))
        for name, settings in SETTINGS[o.set]:
            if not o.settings or name in o.settings:
                rows = compare(o, work, name, settings, listing, base, of_all)
                if o.csv and rows:
                    publish(o, rows)


if __name__ == "__main__":
    sys.exit(main())
