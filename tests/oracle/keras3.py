"""Keras 3's .weights.h5 and .keras through `kohl convert`, against what Keras computes and the arrays that were written.

tests/fixtures/keras3 are networks that Keras 3.15, 3.3 and TensorFlow 2.13 have saved (tests/oracle/keras/fixtures.py):
their logits are Keras's own.  Files in the same layout are written here with h5py and compared bit for bit; then files
with one thing wrong each, refused with a message of their own.

    keras3.py BUILD

Prints TAP; needs h5py, like keras_h5.py, whose functions it uses.
"""
import io
import json
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np

sys.dont_write_bytecode = True
from keras_h5 import DEPTH, KOHL, RANDOM, VGG, accept, conv, dense, h5py, inception_shapes, main, norm, refuse, report, run, tensors, values, vgg_block, want

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures", "keras3")
DUMP = os.path.join(sys.argv[1], "oracle", "dump_source")
NET, BASED = (os.path.join(FIXTURES, name) for name in ("net-3.15.keras", "based-3.15.keras"))
PIXELS = ("--preset", "pixels")
TOLERANCE = 1e-5  # of the largest logit: two f32 engines over ten layers; a wrong layer or scale is above 1e-2
ORDER = {"kernel": 0, "gamma": 0, "bias": 1, "beta": 1, "moving_mean": 2, "moving_variance": 3}
WORDS = {"kernel": "conv2d", "beta": "batch_normalization"}


def classify(model, picture):
    done = subprocess.run([KOHL, "classify", model, picture, "--raw", "--topk", "9", "--format", "json"], capture_output=True, text=True)
    return np.array(json.loads(done.stdout)["logits"]) if done.returncode == 0 else np.full(1, np.nan)


def fixtures(scratch):
    """What Keras itself has saved and computed."""
    target, picture = os.path.join(scratch, "out.safetensors"), os.path.join(FIXTURES, "picture.png")
    for name, cases in json.load(open(os.path.join(FIXTURES, "logits.json"))).items():
        for preset, logits in cases.items():
            code, error = run(os.path.join(FIXTURES, name), target, "--preset", preset)
            got = classify(target, picture) if code == 0 else np.full(1, np.nan)
            worst = np.abs(got - logits).max() / np.abs(logits).max() if got.shape == (len(logits),) else np.nan
            report(worst <= TOLERANCE, f"{name}, preset {preset}: logits differ from Keras's by {worst:.1e}", error)
    other = json.load(open(os.path.join(FIXTURES, "logits.json")))["net-3.15.keras"]["pixels"]
    run(NET, target, "--preset", "keras")
    report(not np.abs(classify(target, picture) - other).max() < 1, "a wrong preset shows")
    text = open(target, "rb").read(1 << 16)
    report(b"Keras 3.15" in text, "the model file says which Keras wrote it")
    os.remove(target)


def dumped(path):
    """{name: (layer, suffix, shape)} and all values as the reader gives them."""
    raw = path + ".raw"
    done = subprocess.run([DUMP, path, raw], capture_output=True, text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") >= 6]
    data = np.fromfile(raw, "<f4") if os.path.exists(raw) else np.zeros(0, "<f4")
    if os.path.exists(raw):
        os.remove(raw)
    return rows, data, done.stderr + done.stdout


def groups(scratch):
    """Which layer and weight each dataset is said to be; the values are h5py's."""
    archive = zipfile.ZipFile(NET)
    cases = {"net-2.13.weights.h5": open(os.path.join(FIXTURES, "net-2.13.weights.h5"), "rb").read(), "net-3.15's weights": archive.read("model.weights.h5"),
             "net-3.3's weights": zipfile.ZipFile(os.path.join(FIXTURES, "net-3.3.keras")).read("model.weights.h5"), "based-3.15's weights": zipfile.ZipFile(BASED).read("model.weights.h5")}
    for text, data in cases.items():
        path = os.path.join(scratch, "one.weights.h5")
        open(path, "wb").write(data)
        rows, read, error = dumped(path)
        with h5py.File(path) as file:
            named = {row[0]: file[row[0]].parent.attrs.get("name") for row in rows}
            every = []
            file.visititems(lambda name, one: every.append(name) if isinstance(one, h5py.Dataset) and not name.startswith("optimizer") else None)
            flat = np.concatenate([file[row[0]][()].ravel() for row in rows]) if rows else np.zeros(0)
            shapes = all(row[2] == ",".join(map(str, file[row[0]].shape)) for row in rows)
        report(rows and flat.tobytes() == read.tobytes() and shapes and sorted(every) == sorted(named), f"{text}: {len(rows)} tensors, their shapes and values", error)
        own = {row[0]: row[4] for row in rows}
        if any(named.values()):
            report(own == named, f"{text}: layers have the names beside their variables", own)
        else:
            paths = {name: name[:name.rindex("/vars/")] for name in own}
            report(own == paths, f"{text}: layers are called by their paths", own)
        steps = [row[0].split("/vars/")[0].rpartition("/") for row in rows]
        numbers = {}
        for folder, _, word in steps:
            name, _, number = word.rpartition("_")
            known = name and number.isdigit()
            numbers.setdefault((folder, name if known else word), []).append(int(number) if known else 0)
        report(all(list_ == sorted(list_) for list_ in numbers.values()), f"{text}: layers of a class come by number", numbers)
        os.remove(path)


def write(path, layers, names=True, top="layers", step=1, dtype="<f4", inside="", numbers=None, raw=None):
    """layers: (name, {kind: array}) in Keras's order; numbers gives a class's groups other numbers."""
    with h5py.File(path, "w") as file:
        counts = {}
        for name, weights in layers:
            word = "batch_normalization" if "moving_mean" in weights else "dense" if weights["kernel"].ndim == 2 else "conv2d"
            count = counts.get(word, 0)
            counts[word] = count + step
            group = file.create_group(f"{top}/{inside}{word}{f'_{count}' if count else ''}/vars")
            if names:
                group.attrs["name"] = name
            for i, kind in enumerate(sorted(weights, key=ORDER.get)):
                array = weights[kind]
                if dtype == "bfloat16":
                    data = group.create_dataset(str(i), data=(array.view("<u4") >> 16).astype("<u2").view("V2"))
                    data.attrs["dtype"] = "bfloat16"
                else:
                    group.create_dataset(str(i), data=array.astype(dtype))
        file.create_group("optimizer/vars").create_dataset("0", data=np.int64(7))
        file.create_group(f"{top}/dropout/vars")
        file.create_group(f"{top}/dropout/seed_generator/vars").create_dataset("0", data=np.zeros(2, "<u4"))
    return path


def layouts(scratch):
    layers, path = vgg_block(), os.path.join(scratch, "vgg.weights.h5")
    expected = want(layers)
    accept(scratch, "VGG with names", write(path, layers), expected, *VGG)
    accept(scratch, "VGG without names, by order", write(path, layers, names=False), expected, *VGG)
    accept(scratch, "VGG of TensorFlow 2.13, whose numbers have holes", write(path, layers, names=False, top="_layer_checkpoint_dependencies", step=2), expected, *VGG)
    accept(scratch, "VGG as a base", write(path, layers, inside="functional/layers/"), expected, *VGG)
    accept(scratch, "VGG as a base, without names", write(path, layers, names=False, inside="functional/layers/"), expected, *VGG)
    half = [(layer, {kind: a.astype("<f2").astype("<f4") for kind, a in weights.items()}) for layer, weights in layers]
    accept(scratch, "f16", write(path, half, dtype="<f2"), want(half), *VGG)
    short = [(layer, {kind: (a.view("<u4") & 0xFFFF0000).view("<f4") for kind, a in weights.items()}) for layer, weights in layers]
    accept(scratch, "bfloat16", write(path, short, dtype="bfloat16"), want(short), *VGG)
    os.remove(path)


def inception(scratch):
    """The group numbers of Inception-v3 follow Keras's order of layers, its names the order of creation."""
    cells = {n: (conv(f"conv2d_{n}", *shape, bias=False), norm(f"batch_normalization_{n}", shape[3])) for n, shape in enumerate(inception_shapes(), 1)}
    ordered, path = [layer for n in DEPTH for layer in cells[n]], os.path.join(scratch, "inception.weights.h5")
    base = ("--arch", "inception_v3", "--no-top")
    accept(scratch, "Inception with names", write(path, ordered), want(ordered), *base)
    accept(scratch, "Inception without names", write(path, ordered, names=False), want(ordered), *base)
    refuse(scratch, "Inception without names and one layer", write(path, ordered[:-2], names=False), ["conv2d_1", "missing"], *base)
    swapped = [layer for n in sorted(cells) for layer in cells[n]]
    refuse(scratch, "Inception in the order of creation", write(path, swapped, names=False), ["conv2d"], *base)
    os.remove(path)


def members(path=NET):
    archive = zipfile.ZipFile(path)
    return {name: archive.read(name) for name in archive.namelist()}


def pack(path, files, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=how.get(name, 0) if isinstance(how, dict) else how)
    return path


def edit_h5(data, edit):
    file = io.BytesIO(data)
    with h5py.File(file, "a") as h5:
        edit(h5)
    return file.getvalue()


def many(group):
    """20,000 names of one small group."""
    one = group.create_group("0")
    for i in range(1, 20000):
        group[f"{i:x}"] = one


def archives(scratch):
    """.keras with one thing wrong each."""
    path, good = os.path.join(scratch, "bad.keras"), members()

    def bad(text, phrases, how=zipfile.ZIP_STORED, **changes):
        files = dict(good)
        for key, data in changes.items():
            name = {"meta": "metadata.json", "config": "config.json", "h5": "model.weights.h5"}.get(key, key)
            files.pop(name, None)
            if data is not None:
                files[name] = data if isinstance(data, (bytes, str)) else json.dumps(data)
        refuse(scratch, text, pack(path, files, how), phrases, *PIXELS)

    def version(text):
        return {"keras_version": text, "date_saved": "2026-01-01@00:00:00"}

    bad("no metadata", ["'metadata.json' is missing"], meta=None)
    bad("no config", ["'config.json' is missing"], config=None)
    bad("no weights", ["'model.weights.h5' is missing"], h5=None)
    bad("weights as NumPy arrays", ["model.weights.npz", "NumPy"], h5=None, **{"model.weights.npz": b"PK"})
    bad("weights in shards", ["model.weights.json", "shards"], h5=None, **{"model.weights.json": b"{}"})
    bad("Keras 2.13", ["keras_version", "2.13.1", "3.x"], meta=version("2.13.1"))
    bad("Keras 4", ["keras_version", "4.0.0", "3.x"], meta=version("4.0.0"))
    bad("no version", ["keras_version", "''", "3.x"], meta={})
    bad("a version that is a number", ["metadata.json", "keras_version", "a number"], meta={"keras_version": 3.15})
    bad("metadata that is a list", ["metadata.json", "expected an object"], meta=[])
    bad("metadata that is no JSON", ["metadata.json", "byte 0"], meta=b"Keras 3")
    bad("metadata with a zero", ["metadata.json", "zero"], meta=b'{"keras_version": "3.\0"}')
    bad("empty metadata", ["metadata.json", "byte 0"], meta=b"")
    bad("packed weights", ["model.weights.h5", "expected stored"], how={"model.weights.h5": zipfile.ZIP_DEFLATED})
    bad("a packed asset", ["assets/words.txt", "expected stored"], how={"assets/words.txt": zipfile.ZIP_DEFLATED}, **{"assets/words.txt": b"a" * 99})
    bad("empty weights", ["model.weights.h5", "empty"], h5=b"")
    bad("weights that are no HDF5", ["HDF5", "damaged"], h5=b"no weights" * 99)
    bad("weights that are cut off", ["HDF5", "damaged"], h5=good["model.weights.h5"][:-1000])
    bad("config that is cut off", ["config.json"], config=good["config.json"][:-9])
    bad("config of 9 MiB", ["config.json", "at most 8388608"], config=b" " * (9 << 20))
    bad("config that is a list", ["config.json", "expected an object"], config=[])
    bad("a class of the user's", ["config.json", "class_name", "MyModel"], config=good["config.json"].replace(b'"class_name": "Functional"', b'"class_name": "MyModel"'))
    bad("a layer that kohl has not", ["layer 're_lu'", "LeakyReLU"], config=good["config.json"].replace(b'"class_name": "ReLU"', b'"class_name": "LeakyReLU"'))
    bad("more filters than there are", ["conv2d", "[3,3,3,4]", "[3,3,3,5]"], config=good["config.json"].replace(b'"filters": 4', b'"filters": 5', 1))

    config = json.loads(good["config.json"])

    def layer(name, edit, phrases, text):
        changed = json.loads(good["config.json"])
        edit(next(l for l in changed["config"]["layers"] if l["config"]["name"] == name))
        bad(text, phrases, config=changed)

    names = [l["config"]["name"] for l in config["config"]["layers"]]
    relu, flatten = (next(n for n in names if n.startswith(word)) for word in ("re_lu", "flatten"))
    layer(relu, lambda l: l["config"].__setitem__("max_value", 6.0), [f"layer '{relu}'", "max_value"], "a ReLU with a limit")
    layer(flatten, lambda l: l.__setitem__("inbound_nodes", []), [f"layer '{flatten}'", "inbound_nodes", "0 uses"], "a layer without input")
    layer(flatten, lambda l: l["inbound_nodes"][0]["args"][0]["config"].__setitem__("keras_history", ["nobody", 0, 0]), [f"layer '{flatten}'", "'nobody'"], "an unknown input")
    deep = config
    for _ in range(9):
        deep = {"class_name": "Sequential", "config": {"name": "deep", "layers": [deep]}}
    bad("ten models in each other", ["config.json", "8 models"], config=deep)
    bad("a model without layers", ["config.json", "'layers'", "a list"], config={"class_name": "Sequential", "config": {"name": "s"}})
    bad("an empty model", ["config.json", "'layers'", "none"], config={"class_name": "Sequential", "config": {"name": "s", "layers": []}})
    flip = {"class_name": "RandomFlip", "config": {"name": "flip"}}
    start = {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 16, 16, 3]}}
    bad("8,193 layers", ["config.json", "8192 layers"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start] + [flip] * 8192}})
    rescaling = {"class_name": "Rescaling", "config": {"name": "scaled", "scale": [1, 2], "offset": 0}}
    bad("two scales", ["layer 'scaled'", "scale", "3 channels"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start, rescaling, flip]}})
    rescaling["config"]["scale"] = None
    bad("no scale", ["layer 'scaled'", "scale"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start, rescaling]}})
    rescaling["config"]["scale"] = 2
    pool = {"class_name": "MaxPooling2D", "config": {"name": "pool"}}
    bad("a Rescaling that comes late", ["layer 'scaled'", "Rescaling", "before every other"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start, pool, rescaling]}})
    adapted = {"class_name": "Normalization", "config": {"name": "adapted", "axis": [-1], "mean": None, "variance": None}}
    bad("a Normalization that was adapted", ["layer 'adapted'", "mean"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start, adapted]}})
    bad("two inputs of a model", ["one input"], config={"class_name": "Sequential", "config": {"name": "s", "layers": [start, pool, start]}})
    late = {"class_name": "Sequential", "config": {"name": "s", "layers": [start, {"class_name": "DepthwiseConv2D", "config": {"name": "deep"}}]}}
    bad("a depthwise convolution", ["layer 'deep'", "DepthwiseConv2D"], config=late)
    one = "layers/conv2d/vars"
    bad("a missing variable", ["conv2d"], h5=edit_h5(good["model.weights.h5"], lambda f: f[one].__delitem__("1")))
    bad("variables with a hole", [one, "0, 1, ..."], h5=edit_h5(good["model.weights.h5"], lambda f: f[one].__delitem__("0")))
    bad("a variable with another name", [one, "0, 1, ..."], h5=edit_h5(good["model.weights.h5"], lambda f: f[one].create_dataset("kernel", data=np.zeros(4, "<f4"))))
    bad("a number with a zero in front", [one, "0, 1, ..."], h5=edit_h5(good["model.weights.h5"], lambda f: f[one].move("1", "01")))
    bad("a layer too many", ["conv2d_9", "extra"], h5=edit_h5(good["model.weights.h5"], lambda f: f.create_dataset("layers/conv2d_9/vars/0", data=np.zeros((1, 1, 4, 4), "<f4"))))
    bad("a soft link", ["soft link"], h5=edit_h5(good["model.weights.h5"], lambda f: f[one].__setitem__("2", h5py.SoftLink("/layers"))))
    bad("an external link", ["external link"], h5=edit_h5(good["model.weights.h5"], lambda f: f["layers"].__setitem__("conv2d_9", h5py.ExternalLink("/etc/passwd", "/"))))
    bad("a group in a circle", ["a path of more than"], h5=edit_h5(good["model.weights.h5"], lambda f: f["layers/conv2d"].__setitem__("again", f["layers"])))
    bad("groups in circles", ["names are longer than the file"], h5=edit_h5(good["model.weights.h5"], lambda f: [f["layers/conv2d"].__setitem__(name, f["layers"]) for name in "abc"]))
    bad("integers", ["layers/conv2d/vars/0", "floats"], h5=edit_h5(good["model.weights.h5"], lambda f: (f[one].__delitem__("0"), f[one].create_dataset("0", data=np.zeros((3, 3, 3, 4), "<i4")))))
    bad("two bytes of no type", ["layers/conv2d/vars/0", "another type"], h5=edit_h5(good["model.weights.h5"], lambda f: (f[one].__delitem__("0"), f[one].create_dataset("0", data=np.zeros((3, 3, 3, 4), "V2")))))
    bad("a transposed kernel", ["conv2d", "[4,3,3,3]"], h5=edit_h5(good["model.weights.h5"], lambda f: (f[one].__delitem__("0"), f[one].create_dataset("0", data=np.zeros((4, 3, 3, 3), "<f4")))))
    bad("a value that is not finite", ["layers/conv2d/vars/1", "nan"], h5=edit_h5(good["model.weights.h5"], lambda f: f[one]["1"].__setitem__(2, np.nan)))
    bad("no layers", ["model.weights.h5", "no variables"], h5=edit_h5(good["model.weights.h5"], lambda f: [f.__delitem__(name) for name in list(f)]))
    bad("groups without variables", ["no weights"], h5=edit_h5(good["model.weights.h5"], lambda f: [f["layers"].__delitem__(name) for name in list(f["layers"]) if len(f["layers"][name]["vars"])]))
    bad("a path of 3,000 bytes", ["a path of more than"], h5=edit_h5(good["model.weights.h5"], lambda f: f.create_group("layers/" + "/".join(["x" * 400] * 8))))
    bad("20,000 groups far from the root", ["paths are longer than the file"], h5=edit_h5(good["model.weights.h5"], lambda f: many(f.create_group("layers/" + "/".join(["x" * 300] * 3)))))
    bad("a name of 600 bytes", ["at most"], h5=edit_h5(good["model.weights.h5"], lambda f: f.create_group("layers/" + "x" * 600)))


def lists(scratch):
    """.weights.h5 and what is recognised beside it."""
    path, layers = os.path.join(scratch, "bad.weights.h5"), vgg_block()

    def changed(edit, **how):
        write(path, layers, **how)
        with h5py.File(path, "a") as file:
            edit(file)
        return path

    refuse(scratch, "a layer without names too many", write(path, layers + [conv("more", 3, 3, 64, 64)], names=False), ["block1_conv1"], *VGG)
    refuse(scratch, "layers of one name", write(path, [("block1_conv1", w) for _, w in layers]), ["both are", "block1_conv1"], *VGG)
    refuse(scratch, "a name that is no text", changed(lambda f: f["layers/conv2d/vars"].attrs.__setitem__("name", 7)), ["'name'", "no text"], *VGG)
    refuse(scratch, "a name of 600 bytes", changed(lambda f: f["layers/conv2d/vars"].attrs.__setitem__("name", "x" * 600)), ["'name'", "too long"], *VGG)
    refuse(scratch, "1,025 variables", changed(lambda f: [f["layers/conv2d/vars"].create_dataset(str(i), data=np.zeros(1, "<f4")) for i in range(2, 1025)]), ["1025 variables"], *VGG)
    refuse(scratch, "variables that are a dataset", changed(lambda f: (f["layers/conv2d"].__delitem__("vars"), f["layers/conv2d"].create_dataset("vars", data=np.zeros(4, "<f4")))), ["block1_conv1"], *VGG)
    code, error = run(write(path, layers, names=False), os.path.join(scratch, "out.safetensors"))
    report(code == 1 and "--arch" in error and error.count("\n") == 1, "weights without names and architecture are a usage error", error)
    path = os.path.join(scratch, "model.weights.json")
    open(path, "w").write(json.dumps({"metadata": {"total_size": 996.0}, "weight_map": {"/layers/conv2d/vars": ["model_00000.weights.h5"]}}))
    refuse(scratch, "a list of shards", path, ["shards"], *VGG)


def pieces(scratch):
    """Archives that are cut off, and single bits changed anywhere but in the numbers."""
    path, target = os.path.join(scratch, "piece.keras"), os.path.join(scratch, "out.safetensors")
    data = open(NET, "rb").read()

    def wrong(broken, codes):
        open(path, "wb").write(broken)
        code, error = run(path, target, *PIXELS)
        left = os.path.exists(target)
        if left:
            os.remove(target)
        good = code in codes and left == (code == 0) and (code == 0 or ("piece.keras" in error and error.count("\n") == 1))
        return None if good else (code, error)

    lengths = sorted({1, 3, 29, 30, 43, len(data) - 1, len(data) - 22, *(len(data) * i // 40 for i in range(1, 40))})
    bad = [(length, *result) for length in lengths if (result := wrong(data[:length], (2,)))]
    report(not bad, f"refused: an archive cut off at {len(lengths)} places", bad[:3])
    bad, flips = [], 150
    for at in RANDOM.integers(0, len(data), flips):
        broken = bytearray(data)
        broken[at] ^= 1 << int(RANDOM.integers(8))
        if result := wrong(broken, (2,) if 300 < at < len(data) - 300 else (0, 2)):
            bad.append((int(at), *result))
    report(not bad, f"refused: {flips} changed bits, each by a checksum at least", bad[:3])


if __name__ == "__main__":
    sys.exit(main(fixtures, groups, layouts, inception, archives, lists, pieces))
