"""The real Inception-v3 and SqueezeNet of ../shared/data: they agree with their recorded outputs, and every field of their
presets that can act ends that when it is made wrong.

    preset_flips.py BUILD

The outputs are probabilities of other programs (real_weights.py looks at all pictures and layers); a wrong field must
move a picture's by twice the tolerance or more.  The pictures have the networks' own size, so a filter has nothing to do and
is left to weights/flips.py.  Prints TAP; without the data it says so and passes nothing.
"""
import json
import os
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "weights"))
import compare  # noqa: E402
import edits  # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "shared", "data")
KOHL = os.path.join(sys.argv[1], "kohl")
TOLERANCE = 1e-4
# folder, weights, options, key of the classes in oracle.json or the labels' file, side
NETWORKS = {
    "inception_v3, nsfwjs": ("inception_v3", "inception_v3.uint8.safetensors", ["--arch", "inception_v3", "--preset", "nsfwjs"], 299, ".png"),
    "squeezenet1_1, keras-caffe": ("squeezenet_v1.1", "squeezenet_v1.1.uint8.safetensors", ["--arch", "squeezenet1_1", "--preset", "keras-caffe"], 227, ""),
}


def probabilities(model, paths):
    """[pictures, classes] in the order of the classes; an error's text where kohl gives none."""
    code, out, error, _, _ = compare.run([KOHL, "classify", model, *paths, "--topk", "1000000", "--format", "json"])
    if code:
        return error
    answers = [{p["label"]: p["probability"] for p in json.loads(line)["predictions"]} for line in out.splitlines()]
    return np.array([[answer[str(i)] for i in range(len(answer))] for answer in answers])


def error_of(got, want):
    """The largest difference of a probability; NaN, an error and another shape are infinite."""
    if isinstance(got, str) or got.shape != want.shape:
        return np.inf
    found = np.abs(got - want).max()
    return found if np.isfinite(found) else np.inf


def check(name, scratch):
    folder, weights, options, side, ending = NETWORKS[name]
    folder = os.path.join(DATA, folder)
    with open(os.path.join(folder, "oracle.json")) as file:
        oracle = json.load(file)
    names = sorted(oracle["images"])[3:4]  # a mask: its answers are not near 0 or 1
    paths = [os.path.join(folder, "png", picture + ending) for picture in names]
    want = np.array([oracle["images"][picture]["probabilities"] for picture in names])
    right, wrong = os.path.join(scratch, "right.safetensors"), os.path.join(scratch, "wrong.safetensors")
    code, _, error, _, _ = compare.run([KOHL, "convert", os.path.join(folder, weights), "-o", right, *options])
    if not compare.report(code == 0, f"{name}: converts", error):
        return
    edits.write(right, wrong)
    found = error_of(probabilities(wrong, paths), want)
    compare.report(found <= TOLERANCE, f"{name}: probabilities of a picture within 1e-4 ({found:.1e})")
    for field, edit, tensor in edits.flips(edits.read(right)):
        if field != "filter":
            found = error_of(probabilities(edits.put(right, wrong, edit, tensor), paths), want)
            compare.report(found >= 2 * TOLERANCE, f"{name}: {field} shows: {found:.1e}")
    code, _, error, _, _ = compare.run([KOHL, "convert", os.path.join(folder, weights), "-o", wrong, *options, "--size", str(side - 16)])
    found = error_of(error if code else probabilities(wrong, paths), want)
    compare.report(found >= 2 * TOLERANCE, f"{name}: another side shows: {found:.1e}")


def main():
    if not os.path.isdir(DATA):
        return compare.skip("../shared/data is absent, presets of real weights were not flipped")
    with tempfile.TemporaryDirectory(prefix="kohl_flips_") as scratch:
        for name in NETWORKS:
            check(name, scratch)
    compare.finish()


main()
