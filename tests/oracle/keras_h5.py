"""Keras's legacy .h5 files through `kohl convert`, against the arrays that were written.

Writes small files in the layouts of Keras 1, 2 and 3 with h5py (which is what Keras itself calls), converts them and
compares every tensor of the model file bit for bit; networks that describe themselves wrongly are refused by name.
keras_h5_bad.py has the files that are damaged or hostile.

    keras_h5.py BUILD

Prints TAP.  Needs h5py; without it, or with a kohl built without libhdf5, it says so and checks the refusal only.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

try:
    import h5py
except ImportError:
    h5py = None

KOHL = os.path.join(sys.argv[1], "kohl")
RANDOM = np.random.default_rng(20)
SUFFIX = {"kernel": "weight", "bias": "bias", "gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "variance"}
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text)
    if not good and detail:
        print("# " + str(detail)[:400])


def run(source, target, *options):
    done = subprocess.run([KOHL, "convert", source, "-o", target, *options], capture_output=True, text=True)
    return done.returncode, done.stderr


def tensors(path):
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__")
    return {name: np.frombuffer(data, "<f4", (t["data_offsets"][1] - t["data_offsets"][0]) // 4, 8 + length + t["data_offsets"][0]).reshape(t["shape"])
            for name, t in header.items()}


def values(*shape):
    return RANDOM.standard_normal(shape, dtype=np.float32)


def conv(layer, r, s, c, k, bias=True):
    return (layer, {"kernel": values(r, s, c, k), **({"bias": values(k)} if bias else {})})


def dense(layer, c, k):
    return (layer, {"kernel": values(c, k), "bias": values(k)})


def norm(layer, k, gamma=False):
    weights = {"beta": values(k), "moving_mean": values(k), "moving_variance": np.abs(values(k))}
    return (layer, {"gamma": values(k), **weights} if gamma else weights)


def want(layers):
    """What the model file must hold: the output channel first."""
    return {f"{layer}.{SUFFIX[kind]}": np.moveaxis(a, -1, 0).astype(np.float32) for layer, weights in layers for kind, a in weights.items()}


def names_array(names, texts):
    """Keras's attribute: fixed-length bytes; an empty list is an array of float64."""
    if texts == "variable":
        return np.array(names, dtype=h5py.string_dtype()) if names else np.array([])
    return np.asarray([name.encode() for name in names])


def put_names(group, attribute, names, texts="fixed", parts=0):
    if parts:
        for i, part in enumerate(np.array_split(names, parts)):
            group.attrs[f"{attribute}{i}"] = names_array([str(name) for name in part], texts)
    else:
        group.attrs[attribute] = names_array(names, texts)


def write(path, layers, name=lambda layer, kind: f"{layer}/{kind}:0", root="", texts="fixed", parts=0, dtype="<f4", without=("input_1",), **storage):
    """layers: (group, {kind: array}) in the file's order; name gives a weight's path in its group."""
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        put_names(top, "layer_names", [*without, *(layer for layer, _ in layers)], texts, parts)
        top.attrs["backend"] = "tensorflow"
        top.attrs["keras_version"] = b"2.2.4"
        for layer in without:
            put_names(top.create_group(layer), "weight_names", [])
        for layer, weights in layers:
            group = top.create_group(layer)
            put_names(group, "weight_names", [name(layer, kind) for kind in weights], texts, parts and 2)
            for kind, array in weights.items():
                group.create_dataset(name(layer, kind), data=array.astype(dtype), **storage)
    return path


def keras1(layer, kind):
    """The published VGG files."""
    return f"{layer}_{'W' if kind == 'kernel' else 'b'}_1:0"


def accept(scratch, text, path, expected, *options):
    target = os.path.join(scratch, "out.safetensors")
    code, error = run(path, target, *options)
    if code:
        return report(False, text, error)
    got = tensors(target)
    bad = [name for name in expected if name not in got or got[name].shape != expected[name].shape or got[name].tobytes() != expected[name].tobytes()]
    report(not bad and len(got) == len(expected), f"{text}: {len(expected)} tensors have the same bits", bad[:5])
    os.remove(target)


def content(folder):
    return {name: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)}


def refuse(scratch, text, path, phrases, *options):
    """Exit code 2, one line that names the file and the phrases, and every file as it was."""
    before = content(scratch)
    code, error = run(path, os.path.join(scratch, "out.safetensors"), *options)
    same = content(scratch) == before
    good = code == 2 and same and error.count("\n") == 1 and all(phrase in error for phrase in [os.path.basename(path), *phrases])
    report(good, f"refused: {text}", f"exit code {code}, files {'as before' if same else 'changed'}: {error}")


def vgg_block():
    return [conv("block1_conv1", 3, 3, 3, 64), conv("block1_conv2", 3, 3, 64, 64)]


VGG = ("--arch", "vgg19", "--until", "block1_pool")


def vgg(scratch):
    layers, path = vgg_block(), os.path.join(scratch, "vgg.h5")
    expected = want(layers)
    accept(scratch, "VGG with names of Keras 1", write(path, layers, keras1), expected, *VGG)
    accept(scratch, "VGG with names of Keras 2", write(path, layers), expected, *VGG)
    accept(scratch, "names of Keras 3", write(path, layers, lambda layer, kind: f"sequential/{layer}/{kind}"), expected, *VGG)
    accept(scratch, "weights without telling names", write(path, layers, lambda layer, kind: f"variable_{len(kind)}"), expected, *VGG)
    accept(scratch, "variable-length texts", write(path, layers, texts="variable"), expected, *VGG)
    accept(scratch, "lists in parts", write(path, layers, parts=3), expected, *VGG)
    accept(scratch, "gzip", write(path, layers, compression="gzip"), expected, *VGG)
    accept(scratch, "chunks", write(path, layers, chunks=True), expected, *VGG)
    accept(scratch, "a whole model", write(path, layers, root="model_weights"), expected, *VGG)
    accept(scratch, "big-endian", write(path, layers, dtype=">f4"), expected, *VGG)
    accept(scratch, "f64", write(path, layers, dtype="<f8"), expected, *VGG)
    half = [(layer, {kind: a.astype("<f2").astype("<f4") for kind, a in weights.items()}) for layer, weights in layers]
    accept(scratch, "f16", write(path, half, dtype="<f2"), want(half), *VGG)
    foreign = [(f"stage_{i}", weights) for i, (_, weights) in enumerate(layers)]
    accept(scratch, "foreign layer names, by order", write(path, foreign), expected, *VGG)
    renamed = write(path, layers, lambda layer, kind: f"{layer}_3/{kind}_1:0")
    accept(scratch, "numbered variables", renamed, expected, *VGG)
    with h5py.File(path, "a") as file:
        file.create_group("top_level_model_weights").attrs["weight_names"] = np.array([])
    accept(scratch, "Keras 3's extra group", path, expected, *VGG)


def squeezenet(scratch):
    """A whole network of 3 classes whose layer names have slashes, with an optimizer's state beside it."""
    layers = [conv("conv1", 3, 3, 3, 64)]
    c = 64
    for fire, (s, e) in zip(range(2, 10), [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]):
        layers += [conv(f"fire{fire}/squeeze1x1", 1, 1, c, s), conv(f"fire{fire}/expand1x1", 1, 1, s, e), conv(f"fire{fire}/expand3x3", 3, 3, s, e)]
        c = 2 * e
    layers.append(conv("conv10", 1, 1, 512, 3))
    path = write(os.path.join(scratch, "squeezenet.h5"), layers, root="model_weights")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {}})
        file.create_group("optimizer_weights").create_dataset("iteration", data=np.int64(7))
    accept(scratch, "SqueezeNet, a whole model", path, want(layers), "--arch", "squeezenet1_1")


def inception_shapes():
    """r, s, c, k of the 94 convolutions in the order of creation."""
    table, c = [], 3

    def add(source, *steps):
        for k, r, s in steps:
            table.append((r, s, source, k))
            source = k

    add(3, (32, 3, 3), (32, 3, 3), (64, 3, 3), (80, 1, 1), (192, 3, 3))
    for c, pool in ((192, 32), (256, 64), (288, 64)):
        add(c, (64, 1, 1))
        add(c, (48, 1, 1), (64, 5, 5))
        add(c, (64, 1, 1), (96, 3, 3), (96, 3, 3))
        add(c, (pool, 1, 1))
    add(288, (384, 3, 3))
    add(288, (64, 1, 1), (96, 3, 3), (96, 3, 3))
    for n in (128, 160, 160, 192):
        add(768, (192, 1, 1))
        add(768, (n, 1, 1), (n, 1, 7), (192, 7, 1))
        add(768, (n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7))
        add(768, (192, 1, 1))
    add(768, (192, 1, 1), (320, 3, 3))
    add(768, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3))
    for c in (1280, 2048):
        add(c, (320, 1, 1))
        add(c, (384, 1, 1), (384, 1, 3))
        add(384, (384, 3, 1))
        add(c, (448, 1, 1), (384, 3, 3), (384, 1, 3))
        add(384, (384, 3, 1))
        add(c, (192, 1, 1))
    return table


# Numbers of creation in the order of Keras's layer list (tests of shapes alone could not tell all of them apart).
DEPTH = [int(n) for n in """1 2 3 4 5 9 7 10 6 8 11 12 16 14 17 13 15 18 19 23 21 24 20 22 25 26 28 29 27 30 35 36 32 37 33
38 31 34 39 40 45 46 42 47 43 48 41 44 49 50 55 56 52 57 53 58 51 54 59 60 65 66 62 67 63 68 61 64 69 70 73 74 71 75 72 76
81 78 82 79 80 83 84 77 85 90 87 91 88 89 92 93 86 94""".split()]


def inception(scratch):
    cells = {n: (conv(f"conv2d_{n}", *shape, bias=False), norm(f"batch_normalization_{n}", shape[3])) for n, shape in enumerate(inception_shapes(), 1)}
    assert len(cells) == 94 and sum(cell[0][1]["kernel"].size for cell in cells.values()) == 21751136 and sorted(DEPTH) == sorted(cells)
    ordered = [layer for n in DEPTH for layer in cells[n]]
    expected, path = want(ordered), os.path.join(scratch, "inception.h5")
    base = ("--arch", "inception_v3", "--no-top")

    def numbered(first):
        again = {f"{word}_{n}": f"{word}_{n + first - 1}" if n + first > 1 else word for word in ("conv2d", "batch_normalization") for n in cells}
        return [(again[layer], weights) for layer, weights in ordered]

    accept(scratch, "Inception as published", write(path, ordered), expected, *base)
    accept(scratch, "Inception numbered from conv2d on", write(path, numbered(0)), expected, *base)
    accept(scratch, "Inception numbered from 95 on", write(path, numbered(95)), expected, *base)
    accept(scratch, "Inception with foreign names, by order", write(path, [(f"x{i}", w) for i, (_, w) in enumerate(ordered)]), expected, *base)
    refuse(scratch, "Inception without a layer", write(path, numbered(0)[:-2]), ["93", "94"], *base)
    with h5py.File(path, "w") as file:  # a base used as a layer, then a head: trainable weights first
        file.attrs["layer_names"] = names_array(["inception_v3", "predictions"], "fixed")
        group = file.create_group("inception_v3")
        late = ("moving_mean", "moving_variance")
        flat = [(layer, kind, a) for turn in (0, 1) for layer, weights in ordered for kind, a in weights.items() if (kind in late) == bool(turn)]
        put_names(group, "weight_names", [f"{layer}/{kind}:0" for layer, kind, _ in flat])
        for layer, kind, a in flat:
            group.create_dataset(f"{layer}/{kind}:0", data=a)
        head = dense("predictions", 2048, 4)
        put_names(file.create_group("predictions"), "weight_names", ["predictions/kernel:0", "predictions/bias:0"])
        for kind, a in head[1].items():
            file["predictions"].create_dataset(f"predictions/{kind}:0", data=a)
    accept(scratch, "Inception as a layer of a model of 4 classes", path, {**expected, **want([head])}, "--arch", "inception_v3")
    os.remove(path)


def layer_json(kind, name, inbound=None, era=2, **config):
    layer = {"class_name": kind, "config": {"name": name, "trainable": True, **config}}
    if inbound is not None:
        if era == 2:
            layer["inbound_nodes"] = [[[source, 0, 0, {}] for source in inbound]] if inbound else []
        else:
            refs = [{"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32", "keras_history": [source, 0, 0]}} for source in inbound]
            layer["inbound_nodes"] = [{"args": refs if len(refs) < 2 else [refs], "kwargs": {}}] if inbound else []
        layer["name"] = name
    return layer


def saved(path, layers, model, **how):
    write(path, layers, root="model_weights", without=(), **how)
    return change(path, lambda file: file.attrs.__setitem__("model_config", model if isinstance(model, str) else json.dumps(model)))


def tiny_layers():
    return [conv("conv2d", 3, 3, 3, 8), norm("batch_normalization", 8, True), conv("conv2d_1", 1, 5, 8, 6, bias=False), dense("dense", 6 * 16, 10), dense("dense_1", 10, 4)]


def tiny_sequence(**first):
    """30x30: 28x28 by the first convolution, 14, 7 and 4 by the pools and strides; the last pool hangs over the edge."""
    return [layer_json("Conv2D", "conv2d", filters=8, kernel_size=[3, 3], strides=[1, 1], padding="valid", data_format="channels_last",
                       dilation_rate=[1, 1], groups=1, activation="relu", use_bias=True, **first),
            layer_json("BatchNormalization", "batch_normalization", axis=[3], momentum=0.99, epsilon=0.001, center=True, scale=True),
            layer_json("MaxPooling2D", "max_pooling2d", pool_size=[2, 2], padding="valid", strides=[2, 2], data_format="channels_last"),
            layer_json("Conv2D", "conv2d_1", filters=6, kernel_size=[1, 5], strides=[2, 2], padding="same", data_format="channels_last",
                       dilation_rate=[1, 1], groups=1, activation="linear", use_bias=False),
            layer_json("Activation", "activation", activation="relu"),
            layer_json("AveragePooling2D", "average_pooling2d", pool_size=[2, 2], padding="same", strides=None),
            layer_json("Flatten", "flatten", data_format="channels_last"),
            layer_json("Dense", "dense", units=10, activation="relu", use_bias=True),
            layer_json("Dropout", "dropout", rate=0.5, noise_shape=None, seed=None),
            layer_json("Dense", "dense_1", units=4, activation="softmax", use_bias=True)]


def whole(scratch):
    """Saved models that describe their network themselves."""
    path, layers = os.path.join(scratch, "saved.h5"), tiny_layers()
    expected, shape = want(layers), [None, 30, 30, 3]
    options = ("--preset", "keras")
    first = tiny_sequence(batch_input_shape=shape)
    with_input = [layer_json("InputLayer", "conv2d_input", batch_input_shape=shape), *tiny_sequence()]
    accept(scratch, "a saved Sequential of Keras 2", saved(path, layers, {"class_name": "Sequential", "config": {"name": "s", "layers": first}}), expected, *options)
    accept(scratch, "a saved Sequential of Keras 2.0, a bare list", saved(path, layers, {"class_name": "Sequential", "config": first}), expected, *options)
    accept(scratch, "a saved Sequential with its input", saved(path, layers, {"class_name": "Sequential", "config": {"layers": with_input}}), expected, *options)
    anysize = {"class_name": "Sequential", "config": {"layers": tiny_sequence(batch_input_shape=[None, None, None, 3])}}
    accept(scratch, "a saved Sequential of any size", saved(path, layers, anysize), expected, *options, "--size", "30")
    refuse(scratch, "a saved model without a size", path, ["conv2d", "--size"], *options)
    branches = [conv("stem", 3, 3, 3, 8), conv("left", 1, 1, 8, 4), conv("right", 3, 3, 8, 4), norm("bn", 8), dense("out", 8, 3)]

    def functional(era):
        shaped = {"batch_input_shape" if era == 2 else "batch_shape": [None, 17, 17, 3]}
        nodes = [layer_json("InputLayer", "in", [], era, **shaped),
                 layer_json("Conv2D", "stem", ["in"], era, filters=8, kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu"),
                 layer_json("Conv2D", "left", ["stem"], era, filters=4, kernel_size=[1, 1], activation="linear"),
                 layer_json("Conv2D", "right", ["stem"], era, filters=4, kernel_size=[3, 3], padding="same", activation="linear"),
                 layer_json("Concatenate", "cat", ["left", "right"], era, axis=-1),
                 layer_json("Add", "sum", ["cat", "stem"], era),
                 layer_json("BatchNormalization", "bn", ["sum"], era, axis=-1, epsilon=0.001, center=True, scale=False),
                 layer_json("ReLU", "relu", ["bn"], era, max_value=None, negative_slope=0.0, threshold=0.0),
                 layer_json("GlobalAveragePooling2D", "gap", ["relu"], era, keepdims=False),
                 layer_json("Dense", "out", ["gap"], era, units=3, activation="sigmoid" if era == 3 else "softmax")]
        out = [["out", 0, 0]] if era == 2 else ["out", 0, 0]
        return {"class_name": "Functional", "config": {"name": "f", "layers": nodes, "input_layers": [["in", 0, 0]], "output_layers": out}}

    for era in (2, 3):
        accept(scratch, f"a saved functional model of Keras {era}", saved(path, branches, functional(era)), want(branches), *options)
    accept(scratch, "its base", path, want(branches[:4]), *options, "--no-top")

    def wrong(text, phrases, edit):
        model = functional(2)
        edit(model["config"]["layers"])
        refuse(scratch, text, saved(path, branches, model), phrases, *options)

    wrong("a layer that kohl has not", ["layer 'relu'", "LeakyReLU"], lambda l: l[7].__setitem__("class_name", "LeakyReLU"))
    wrong("an activation that kohl has not", ["layer 'left'", "tanh"], lambda l: l[2]["config"].__setitem__("activation", "tanh"))
    wrong("channels first", ["layer 'right'", "channels_first"], lambda l: l[3]["config"].__setitem__("data_format", "channels_first"))
    wrong("a layer that is used twice", ["layer 'left'", "inbound_nodes"], lambda l: l[2].__setitem__("inbound_nodes", [[["stem", 0, 0, {}]], [["in", 0, 0, {}]]]))
    wrong("an input that comes later", ["layer 'left'", "'sum'"], lambda l: l[2].__setitem__("inbound_nodes", [[["sum", 0, 0, {}]]]))
    wrong("other units than the weights", ["'out'", "[8,3]", "[8,4]"], lambda l: l[9]["config"].__setitem__("units", 4))
    wrong("two inputs", ["one input"], lambda l: l.insert(1, layer_json("InputLayer", "in2", [], batch_input_shape=[None, 9, 9, 3])))
    wrong("text for a number", ["layer 'stem'", "filters"], lambda l: l[1]["config"].__setitem__("filters", "8"))
    wrong("another axis", ["layer 'cat'", "axis"], lambda l: l[4]["config"].__setitem__("axis", 1))
    refuse(scratch, "JSON that is cut off", saved(path, branches, json.dumps(functional(2))[:-9]), ["saved.h5"], *options)
    refuse(scratch, "JSON of depth 3000", saved(path, branches, "[" * 3000), ["saved.h5"], *options)
    code, error = run(saved(path, branches, functional(2)), os.path.join(scratch, "out.safetensors"))
    report(code == 1 and "--preset" in error, "a saved model without --preset is a usage error", error)


def change(path, edit):
    with h5py.File(path, "a") as file:
        edit(file)
    return path


def readable(scratch):
    """Whether h5py and libhdf5 are there; the refusal by kohl is checked in any case."""
    probe = os.path.join(scratch, "probe.h5")
    open(probe, "wb").write(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    code, error = run(probe, os.path.join(scratch, "out.safetensors"), *VGG)
    report(code == 2 and "probe.h5" in error, "eight bytes of HDF5 are refused by name", error)
    os.remove(probe)
    missing = "h5py is not installed" if h5py is None else "kohl was built without libhdf5" if "this build reads no .h5 files" in error else None
    if missing:
        print("# skipped: " + missing)
    return not missing


def main(*parts):
    """Runs parts, each in a folder of its own that is removed after all; gives the exit code."""
    scratch = tempfile.mkdtemp(prefix="kohl_keras_h5_")
    try:
        if readable(scratch):
            for part in parts:
                folder = os.path.join(scratch, part.__name__)
                os.mkdir(folder)
                part(folder)
    finally:
        shutil.rmtree(scratch)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(vgg, squeezenet, whole, inception))
