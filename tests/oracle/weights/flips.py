"""Every field of every preset that can act, made wrong: agreement with the frameworks' logits must end.

    flips.py BUILD [WORD ...]

Networks and photographs of make.py; each is converted once with the right preset, which must agree, and then every field that
edits.py knows is flipped in the model file alone, which must not: the error has to be above twice the tolerance.  The
rest, which no field of a model file says, is flipped by other options: the side of the input, the class that is none.
What is left out cannot act (edits.py says why).  Prints TAP; some minutes.
"""
import os
import shutil
import sys
import tempfile

import numpy as np

import compare
import edits
import make

TOLERANCE, VISIBLE = 1e-4, 2e-4
# One file of each architecture and preset, in the format that is quickest to write.
ROWS = ["keras/inception_v3/safetensors", "keras/resnet101/safetensors", "keras/vgg19/safetensors", "torch/alexnet/safetensors", "torch/inception_v3/safetensors",
        "torch/resnet18/safetensors", "torch/resnet50/safetensors", "torch/resnet101/safetensors", "torch/resnet101_v2/safetensors", "torch/squeezenet1_1/safetensors",
        "torch/vgg19/safetensors", "torch/vgg19_bn/safetensors", "torch/timm_inception_v3/timm", "torch/timm_resnet101/timm", "torch/timm_vgg19/timm",
        "torch/timm_vgg19_bn/timm", "keras/slim_inception_v3/slim-v2", "keras/slim_resnet101/slim-v2", "keras/slim_vgg19/slim-v2"]
PHOTOGRAPHS = 3


def must_differ(name, field, got, want):
    """An error text instead of logits, or logits of other classes, are seen too."""
    found = compare.worst(got, want)
    how = f"refused: {got[-90:]}" if isinstance(got, str) else f"other shape {got.shape}" if got.shape != want.shape else f"logits differ by {found:.1e}"
    compare.report(found >= VISIBLE, f"{name}: {field} shows: {how}")


def by_options(name, kohl, path, row, target, paths, want):
    """Another side of the input; of a file whose first class is none, that class kept."""
    others = {"another side": [*row["options"], "--size", str(row["size"] - 16)]}
    if row["network"] == "slim_inception_v3":
        others["first class kept"] = [*row["options"][:-1], "keras"]
    for field, options in others.items():
        code, _, error, _, _ = compare.run([kohl, "convert", path, "-o", target, *options])
        must_differ(name, field, error if code else compare.classify(kohl, target, paths), want)


def check(kohl, folder, row, pictures):
    name, path = f"{row['arch']}, {row['preset']}", os.path.join(folder, row["file"])
    right, wrong = os.path.join(folder, "right.safetensors"), os.path.join(folder, "wrong.safetensors")
    code, _, error, _, _ = compare.run([kohl, "convert", path, "-o", right, *row["options"]])
    if not compare.report(code == 0, f"{name}: converts", error):
        return
    stored = np.load(path + ".logits.npz")
    chosen = [i for i, file in enumerate(stored["files"]) if str(file).startswith(("church", "vase", "two", "341", "256"))][:PHOTOGRAPHS]
    paths, want = [os.path.join(pictures, stored["files"][i]) for i in chosen], stored["logits"][chosen]
    edits.write(right, wrong)
    found = compare.worst(compare.classify(kohl, wrong, paths), want)
    if not compare.report(found <= TOLERANCE, f"{name}: agrees before, logits differ by {found:.1e}"):
        return
    for field, edit, tensor in edits.flips(edits.read(right)):
        if field == "filter" and row["preset"] == "slim":
            continue  # photographs for slim are not resized: TensorFlow 1's way is none of ours
        must_differ(name, field, compare.classify(kohl, edits.put(right, wrong, edit, tensor), paths), want)
    by_options(name, kohl, path, row, wrong, paths, want)


def main():
    if not os.path.isdir(make.photographs.DATA):
        return compare.skip("../shared/data is absent")
    kohl = os.path.join(sys.argv[1], "kohl")
    with tempfile.TemporaryDirectory(prefix="kohl_flips_") as scratch:
        for wanted in ROWS:
            if not all(word in wanted for word in sys.argv[2:]):
                continue
            job = next(job for job in make.JOBS if wanted in [make.name_of(job, form) for form in job.formats])
            folder = os.path.join(scratch, "files")
            os.makedirs(folder)
            rows, pictures, problem = make.run_job(job._replace(formats=[wanted.split("/")[2]]), folder, scratch)
            compare.report(not problem and rows, f"{wanted}: is written", problem)
            for row in rows:
                check(kohl, folder, row, pictures)
            shutil.rmtree(folder)
    compare.finish()


main()
