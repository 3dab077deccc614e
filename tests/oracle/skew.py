"""Pictures prepared for serving in another way than for training: cannot be asked for, and what it would cost.

    skew.py BUILD

A published system trained on pictures standardised by the mean and deviation of its training part, served them divided by
255, and fell from an accuracy of 62 % to an F1 of 0.24.  Here a model trained so (pictures.normalise: featurewise) is
evaluated as it is, and as a copy whose file says "divided by 255".  The copy must be worse, beyond chance; that is the
only way to get there: neither command has an option for it, a resume cannot change it, and a file that is edited without
its checksum is refused.  On pictures made here, and where ../shared/data is there on a subset of photographs with
SqueezeNet.  Prints TAP.
"""
import csv
import json
import math
import os
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
import runs  # noqa: E402

SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
PHOTOGRAPHS = os.path.join(SHARED, "egyptian_artifacts")
SQUEEZENET = os.path.join(SHARED, "squeezenet_v1.1", "squeezenet_v1.1.uint8.safetensors")
KOHL = os.path.join(sys.argv[1], "kohl")
DIVIDED = {"scale": 1 / 255, "mean": [0, 0, 0], "std": [1, 1, 1]}
SUBSET = {"train": 120, "val": 24, "test": 80}  # photographs of a class, at most
CLASSES = ("Jewellery", "Pottery", "Reliefs", "Statuary")
WORDS = ("size", "width", "height", "fit", "resize", "filter", "crop", "scale", "mean", "std", "order", "normalise",
         "normalize", "background", "decode", "preprocessing", "preset", "set")
report = runs.Report()


def kohl(*args):
    return subprocess.run([KOHL, *map(str, args)], capture_output=True, text=True)


def need(*args):
    done = kohl(*args)
    if done.returncode:
        raise RuntimeError(f"kohl {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr[:300]}")
    return done.stdout


def taken_apart(path):
    """A model file's header, its `kohl` object and its data."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return header, json.loads(header["__metadata__"]["kohl"]), data[8 + size:]


def write_changed(path, source, changes, checksum=True):
    """A copy with another preprocessing and, unless asked otherwise, a header checksum that agrees."""
    header, model, data = taken_apart(source)
    meta = header["__metadata__"]
    model["preprocessing"].update(changes)
    sums, own = meta["kohl_crc32c"], meta["kohl_header_crc32c"]
    meta.update(kohl=json.dumps(model), kohl_crc32c="0" * len(sums), kohl_header_crc32c="0" * 8)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    own = f"{runs.fixtures.crc32c(text):08x}" if checksum else own
    for key, value in (("kohl_header_crc32c", own), ("kohl_crc32c", sums)):
        text = text.replace(f'"{key}": "{"0" * len(value)}"'.encode(), f'"{key}": "{value}"'.encode(), 1)
    runs.fixtures.write(path, struct.pack("<Q", len(text)) + text + data)


def measured(model, data, *options):
    answer = json.loads(need("eval", model, data, "--format", "json", "--quiet", *options))
    return answer["accuracy"], answer["balanced_accuracy"], answer["n"]


def drop(name, model, changed, data, *options):
    """Both models on the same pictures; the difference must be above two of its standard errors (chance: 2.3 %)."""
    good, good_balanced, n = measured(model, data, *options)
    bad, bad_balanced, _ = measured(changed, data, *options)
    # of two shares of n answers each, taken as independent, which overstates the error of answers to the same pictures
    error = math.sqrt((good * (1 - good) + bad * (1 - bad)) / n)
    report(good - bad > 2 * error and bad_balanced < good_balanced,
           f"{name}: divided by 255 where training was featurewise, accuracy {good:.3f} -> {bad:.3f}, balanced "
           f"{good_balanced:.3f} -> {bad_balanced:.3f} (n {n}, 2 standard errors {2 * error:.3f})")


def made(place):
    place.recipe("skew", {"epochs": 30, "pictures.normalise": "featurewise"})
    place.must_train("skew", "plain", "made")
    model, changed = place.path("made", "best.safetensors"), place.path("changed.safetensors")
    kept = taken_apart(model)[1]["preprocessing"]
    report(kept["mean"] != [0, 0, 0] and kept["std"] != [1, 1, 1],
           "the model's file has the mean and deviation of its training", kept)
    write_changed(changed, model, {})
    report(measured(changed, place.path("data")) == measured(model, place.path("data")),
           "a copy that says the same answers the same")
    write_changed(changed, model, DIVIDED, checksum=False)
    done = kohl("eval", changed, place.path("data"))
    report(done.returncode == 2 and "changed.safetensors" in done.stderr, "a copy without its checksum is refused",
           done.stderr)
    write_changed(changed, model, DIVIDED)
    drop("made pictures", model, changed, place.path("data"))
    no_option(model, place.path("data", "basalt", "00.png"), place.path("data"))
    code, said = place.train(None, "plain", "made", resume=True)
    again = kohl(*place.command("skew", "plain", "made", resume=True)[1:], "--set", "pictures.normalise=base")
    report(code == 0 and again.returncode == 1 and "another recipe" in again.stderr,
           "a resume with another preprocessing is refused", f"{code} {said} / {again.returncode} {again.stderr}")


def no_option(model, picture, data):
    """Nothing that prepares pictures can be said to the commands that serve."""
    taken = []
    for command, operand in (("classify", picture), ("eval", data)):
        need(command, model, operand)
        taken += [f"{command} --{word}" for word in WORDS
                  if kohl(command, model, operand, f"--{word}", "8").returncode != 1]
    report(not taken, f"classify and eval know none of {len(WORDS)} options that would prepare pictures otherwise",
           taken)


def photographs(place):
    """SqueezeNet's features of some photographs, at most SUBSET of each class, split as they are published."""
    listing, left = ["path,label,split"], {(name, part): n for name in CLASSES for part, n in SUBSET.items()}
    with open(os.path.join(PHOTOGRAPHS, "labels.csv"), newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["class"], row["upstream_split"])
            if left.get(key, 0) > 0:
                left[key] -= 1
                listing.append(f"{os.path.join(PHOTOGRAPHS, row['file'])},{key[0]},{key[1]}")
    runs.fixtures.write(place.path("photographs.csv"), "\n".join(listing) + "\n")
    need("convert", SQUEEZENET, "--arch", "squeezenet1_1", "-o", place.path("squeezenet.safetensors"))
    runs.fixtures.write(place.path("photographs.yaml"), json.dumps({
        "epochs": 25, "batch": 16, "seed": 1, "pictures": {"size": 128, "normalise": "featurewise"},
        "data": {"split_column": "split"}, "head": {"pool": "global_avg", "dense": [64], "dropout": 0.2},
        "optimizer": {"lr": 1e-3}}))
    need("train", place.path("photographs.yaml"), "--data", place.path("photographs.csv"), "--init-from",
         place.path("squeezenet.safetensors"), "--out", place.path("photographs"), "--quiet")
    model, changed = place.path("photographs", "best.safetensors"), place.path("photographs_255.safetensors")
    write_changed(changed, model, DIVIDED)
    drop("photographs", model, changed, place.path("photographs.csv"), "--split", "test")


def main():
    with runs.folder() as folder:
        place = runs.Place(sys.argv[1], folder)
        made(place)
        if os.path.isdir(PHOTOGRAPHS) and os.path.exists(SQUEEZENET):
            photographs(place)
        else:
            print("# skipped: ../shared/data is absent, so photographs were not tried")
    report.end()


main()
