"""What `kohl export` writes, read by programs that share nothing with it.

    export.py BUILD

Safetensors: names, shapes and numbers are those of the model file, put into the publisher's order by numpy, bit for bit; torchvision's
names and shapes also against its state dicts in ../shared/data/names.  ONNX: decoded and computed in double by export/onnx_numpy.py, and
compared with what `kohl classify` says of a random picture, for published networks at small sizes and for networks made here of
every layer, padding and order.  Prints TAP.  (export/*.py compare with Keras, PyTorch and ONNX Runtime themselves, by hand.)
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "export"))
from onnx_numpy import Model

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = os.path.join(os.path.dirname(ROOT), "shared", "data", "names")
KOHL, RANDOM = os.path.join(sys.argv[1], "kohl"), os.path.join(sys.argv[1], "oracle", "random_model")
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:400].replace("\n", " "))


def run(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))[:200]}: exit {done.returncode}: {done.stderr[:300]}")
    return done


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    kinds = {"F32": "<f4", "I64": "<i8"}
    return {name: np.frombuffer(data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]], kinds[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}, metadata


def write_model(path, nodes, labels, preprocessing, seed=1):
    """A model file of kohl made without its writer: nodes as in the file, weights drawn here."""
    random = np.random.default_rng(seed)
    tensors = {}
    for node, shapes in nodes:
        for suffix, shape in shapes.items():
            draw = random.uniform(0.5, 1.5, shape) if suffix in ("gamma", "variance") else random.standard_normal(shape) * (np.prod(shape[1:]) or 1) ** -0.5
            tensors[f"{node['name']}.{suffix}"] = draw.astype("<f4")
    graph = {"arch": "", "base_output": None, "nodes": [node for node, _ in nodes]}
    kohl = {"format": 1, "graph": graph, "labels": labels, "task": ("one_label" if nodes[-1][0]["layer"] == "softmax" else "many_labels") if labels else "none",
            "preprocessing": preprocessing, "provenance": {}}
    header, at = {"__metadata__": {"kohl": json.dumps(kohl)}}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(v.tobytes() for v in tensors.values()))


class Network:
    """Layers one after the other; shapes are [h,w,c] and looked after by hand only where weights need them."""

    def __init__(self, h, w, c=3):
        self.nodes = []
        self.add("input", "input", [], {}, size=[h, w, c])

    def add(self, name, layer, inputs=None, weights=None, **params):
        inputs = [self.nodes[-1][0]["name"]] if inputs is None else inputs
        self.nodes.append(({"name": name, "layer": layer, "inputs": inputs, **params}, weights or {}))
        return name

    def conv(self, name, c, k, kernel=(3, 3), inputs=None, groups=1, bias=True, **params):
        weights = {"weight": (k, *kernel, c // groups), **({"bias": (k,)} if bias else {})}
        return self.add(name, "conv2d", inputs, weights, filters=k, kernel=list(kernel), groups=groups, bias=bias, **params)

    def norm(self, name, c, gamma=True, beta=True, **params):
        return self.add(name, "batch_norm", None, {**({"gamma": (c,)} if gamma else {}), **({"beta": (c,)} if beta else {}), "mean": (c,), "variance": (c,)},
                        gamma=gamma, beta=beta, **params)

    def dense(self, name, n, k, inputs=None, bias=True, **params):
        return self.add(name, "dense", inputs, {"weight": (k, n), **({"bias": (k,)} if bias else {})}, units=k, bias=bias, **params)


def windows_and_maps():
    """Every padding, pool and normalisation."""
    n = Network(29, 34)
    n.conv("a.weight", 3, 8, (3, 5), padding="explicit", pad=[0, 2, 1, 3], stride=[2, 1], activation="relu")
    n.conv("logits", 8, 12, (3, 3), padding="same_upper", stride=[2, 2], dilation=[1, 2], groups=4, bias=False)
    n.norm("n1", 12, gamma=False)
    n.add("r", "relu")
    n.norm("n2", 12, beta=False, epsilon=0.01)
    n.add("lrn", "lrn", window=5, alpha=0.3, beta=0.75, bias=2)
    n.add("drop", "dropout", rate=0.5)
    n.add("p1", "max_pool", kernel=[3, 3], stride=[2, 2], padding="explicit", pad=[1, 0, 0, 1], ceil=True)
    n.add("p2", "avg_pool", kernel=[3, 2], stride=[1, 1], padding="same_upper", count_padding=False)
    n.add("p3", "avg_pool", kernel=[2, 3], stride=[1, 1], padding="same_upper", count_padding=True)
    n.add("p4", "avg_pool", kernel=[3, 3], stride=[2, 2], padding="explicit", pad=[1, 1, 1, 1], ceil=True, count_padding=True)
    n.add("p5", "avg_pool", inputs=["p3"], kernel=[3, 3], stride=[2, 2], padding="explicit", pad=[1, 1, 1, 1], ceil=True, count_padding=False)
    n.add("sum", "add", ["p4", "p5"], activation="relu")
    n.add("joined", "concat", ["sum", "p5", "p4"])
    n.add("ad", "adaptive_avg_pool", output=[2, 3])
    n.add("whole", "global_max_pool")
    n.add("mean", "global_avg_pool", ["joined"])
    n.add("both", "add", ["whole", "mean"])
    n.dense("d", 36, 6, activation="relu")
    n.add("s", "sigmoid")
    n.dense("e", 6, 4, bias=False)
    n.add("drop2", "dropout", rate=0.1)
    n.add("p", "softmax")
    return n.nodes, ["a", "b", "c", "d"]


def flattened():
    """A picture as a row: dense weights and batch-norm's in another order, the bias not."""
    n = Network(7, 5)
    n.conv("c", 3, 4)
    n.add("flatten", "flatten")
    n.norm("norm", 60)
    n.add("r", "relu")
    n.dense("d", 60, 60, activation="relu")
    n.dense("e", 60, 3)
    n.add("s", "sigmoid")
    return n.nodes, ["a", "b", "c"]


def flattened_apart():
    """Two of them side by side, which have no order but our own; and a row that is a picture again."""
    n = Network(6, 7)
    n.conv("c", 3, 2)
    n.add("f1", "flatten")
    n.add("f2", "flatten", ["input"])
    n.add("j", "concat", ["f1", "f2"])
    n.conv("one", 40 + 126, 9, (1, 1))
    n.dense("d", 9, 9, inputs=["one"])
    n.conv("again", 9, 5, (1, 1), inputs=["d"])
    n.add("sum", "add", ["again", "again"])
    n.add("g", "global_avg_pool")
    n.add("f3", "flatten")
    n.add("p", "softmax")
    return n.nodes, ["a", "b", "c", "d", "e"]


def features():
    """No head: the output is maps."""
    n = Network(12, 12)
    n.conv("c", 3, 5, stride=[1, 1])
    n.add("same", "adaptive_avg_pool", output=[10, 10])
    n.add("half", "adaptive_avg_pool", output=[5, 2])
    n.add("drop", "dropout", rate=0.5)
    return n.nodes, []


def flat_features():
    """A row of pixels as the output: in our order."""
    n = Network(4, 5)
    n.conv("c", 3, 3, (2, 2))
    n.add("f", "flatten")
    return n.nodes, []


def only_maps():
    """Probabilities of every pixel, and the picture itself as logits."""
    n = Network(3, 4)
    n.add("p", "softmax")
    return n.nodes, []


def as_stretch(path):
    """The same model for pictures that are not cropped, made without kohl's writer: its checksums go."""
    with open(path, "rb") as file:
        raw = file.read()
    size, = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + size])
    metadata = header["__metadata__"]
    header["__metadata__"] = {"kohl": metadata["kohl"].replace('"fit":"crop"', '"fit":"stretch"')}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + raw[8 + size:])


def picture(folder, h, w):
    path = os.path.join(folder, f"{h}x{w}.png")
    pixels = np.random.default_rng(h * w).integers(0, 256, (h, w, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path, pixels.astype(np.float64)


def compute(name, model, folder, labels, last):
    """kohl's answer and the ONNX file's, with and without preprocessing in the network."""
    for inside in (False, True):
        path = os.path.join(folder, "model.onnx")
        run(KOHL, "export", model, "--to", "onnx", "-o", path, *(["--preprocessing"] if inside else []))
        onnx = Model(path)
        pre = json.loads(onnx.metadata["preprocessing"])
        file, pixels = picture(folder, pre["height"], pre["width"])
        options = ["--raw", "--topk", 1000] if labels else []
        ours = json.loads(run(KOHL, "classify", model, file, "--format", "json", "--features", last, *options).stdout)
        if not inside:
            pixels = pixels[..., ::-1] if pre["order"] == "bgr" else pixels
            pixels = (pixels * np.float32(pre["scale"]) - np.float32(pre["mean"])) / np.float32(pre["std"])
        got = onnx.run(pixels.transpose(2, 0, 1)[None])
        output = got["output"][0]
        theirs = (output.transpose(1, 2, 0) if output.ndim == 3 else output).ravel()
        want = np.array(ours["features"])
        error = np.abs(theirs - want).max() / np.abs(want).max()
        if labels:
            logits = np.array(ours["logits"])
            error = max(error, np.abs(got["logits"][0] - logits).max() / np.abs(logits).max())
        # sums in float of at most some thousand terms in tens of layers, against double
        report(error <= 1e-5, f"onnx {name}{', preprocessing inside' if inside else ''}: as kohl computes ({error:.1e})")
    good = (onnx.ir, onnx.producer, onnx.opsets) == (8, "kohl", [("", 13)]) and json.loads(onnx.metadata["labels"]) == labels
    report(good and [n for n, _ in onnx.outputs] == (["output", "logits"] if "logits" in got else ["output"]), f"onnx {name}: version, outputs, labels")


def torch_order(value, suffix, picture_shape):
    """A tensor of the model file as PyTorch has it; picture_shape: of what is flattened before it."""
    if value.ndim == 4:
        return value.transpose(0, 3, 1, 2)
    if picture_shape and suffix != "bias":
        return value.reshape(value.shape[:-1] + picture_shape).swapaxes(-1, -2).swapaxes(-2, -3).reshape(value.shape)
    return value


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == np.ascontiguousarray(b).tobytes()


def back(name, model, exported, arch, preset, folder):
    """What is exported can be converted again, to the same weights."""
    path = os.path.join(folder, "back.safetensors")
    run(KOHL, "convert", exported, "--arch", arch, "--preset", preset, "-o", path)
    ours, theirs = read_safetensors(model)[0], read_safetensors(path)[0]
    report(set(ours) == set(theirs) and all(same_bits(theirs[k], v) for k, v in ours.items()), f"{name}: converted back, bit for bit")


def keras(name, model, folder):
    path = os.path.join(folder, "keras.safetensors")
    run(KOHL, "export", model, "--to", "keras", "-o", path)
    ours, (theirs, metadata) = read_safetensors(model)[0], read_safetensors(path)
    words = {"weight": "kernel", "mean": "moving_mean", "variance": "moving_variance"}
    want = {}
    for key, value in ours.items():
        layer, suffix = key.rsplit(".", 1)
        want[f"{layer}/{words.get(suffix, suffix)}"] = value.transpose(1, 2, 3, 0) if value.ndim == 4 else value.T
    good = set(want) == set(theirs) and all(same_bits(theirs[k], v) for k, v in want.items())
    report(good, f"keras {name}: {len(want)} tensors, bit for bit", set(want) ^ set(theirs))
    return metadata


def torchvision(name, model, folder, arch, classes, flat=None, first=None):
    """Numbers by their bits in any order: a tensor of ours is found again by its name's table; names by torchvision's own list."""
    path = os.path.join(folder, "torch.safetensors")
    run(KOHL, "export", model, "--to", "torchvision", "-o", path)
    ours, (theirs, metadata) = read_safetensors(model)[0], read_safetensors(path)
    pools = {}
    for key, value in theirs.items():
        pools.setdefault((value.shape, value.tobytes()), []).append(key)
    missing = []
    for key, value in ours.items():
        layer, suffix = key.rsplit(".", 1)
        value = np.ascontiguousarray(torch_order(value, suffix, flat if layer == first else None))
        found = pools.get((value.shape, value.tobytes()))
        (found.pop() if found else missing.append(key))
    rest = sorted(key for keys in pools.values() for key in keys)
    added = [k for k in rest if k.endswith(".num_batches_tracked") and theirs[k].dtype == np.int64 and theirs[k].shape == () and theirs[k] == 0]
    ones = [k for k in rest if k.endswith(".bn.weight") and (theirs[k] == 1).all()]
    report(not missing and len(added) + len(ones) == len(rest), f"torchvision {name}: {len(ours)} tensors bit for bit, {len(rest)} filled in", (missing, rest))
    table = os.path.join(NAMES, f"torchvision_{arch}_state_dict_shapes.json")
    if classes != 1000 or not os.path.exists(table):
        return metadata
    with open(table) as file:
        shapes = {k: v for k, v in json.load(file).items() if not k.startswith("AuxLogits.")}
    got = {k: list(v.shape) for k, v in theirs.items()}
    report(got == shapes, f"torchvision {name}: names and shapes of its state dict", {k: (got.get(k), shapes.get(k)) for k in set(got) ^ set(shapes)})
    return metadata


def about(metadata, names, arch, classes):
    good = metadata["names"] == names and metadata["arch"] == arch and json.loads(metadata["labels"]) == [str(i) for i in range(classes)]
    good &= metadata["task"] == "one_label" and json.loads(metadata["preprocessing"])["fit"] == "stretch" and json.loads(metadata["provenance"]) == {}
    report(good, f"{names} {arch}: metadata", metadata)


def published(folder):
    """Architectures of others; VGG at one block's size, where its first dense layer reads 1x1, AlexNet at 2x2."""
    cases = [("squeezenet1_1", "torchvision", 66, 1000, None), ("squeezenet1_1", "keras-caffe", 65, 5, None), ("resnet18", "torchvision", 65, 1000, None),
             ("resnet50", "keras-caffe", 48, 3, None), ("inception_v3", "keras", 75, 1000, None), ("inception_v3", "torchvision", 77, 4, None),
             ("alexnet", "torchvision", 63, 1000, (6, 6, 256))]
    for arch, preset, size, classes, flat in cases:
        model = os.path.join(folder, "model.safetensors")
        run(RANDOM, arch, preset, size, classes, 5, model)
        as_stretch(model)
        name = f"{arch} {preset}"
        last = json.loads(read_safetensors(model)[1]["kohl"])["graph"]["nodes"][-1]["name"]
        if arch != "alexnet":
            compute(name, model, folder, [str(i) for i in range(classes)], last)
        about(keras(name, model, folder), "keras", arch, classes)
        if classes == 1000:
            back(f"keras {name}", model, os.path.join(folder, "keras.safetensors"), arch, preset, folder)
        if preset != "keras-caffe":
            about(torchvision(name, model, folder, arch, classes, flat, "fc6"), "torchvision", arch, classes)
        if preset == "torchvision" and classes == 1000:
            back(f"torchvision {name}", model, os.path.join(folder, "torch.safetensors"), arch, preset, folder)


def main():
    pre = {"fit": "stretch", "filter": "bilinear", "order": "bgr", "scale": 0.0078125, "mean": [0.5, 0.75, 1.0], "std": [0.5, 1.25, 1.5]}
    if not os.path.isdir(NAMES):
        print("# skipped torchvision's lists of names: no ../shared/data/names")
    with tempfile.TemporaryDirectory() as folder:
        for make in (windows_and_maps, flattened, flattened_apart, features, flat_features, only_maps):
            nodes, labels = make()
            model, size = os.path.join(folder, "model.safetensors"), nodes[0][0]["size"]
            write_model(model, nodes, labels, {**pre, "height": size[0], "width": size[1]})
            compute(make.__name__, model, folder, labels, nodes[-1][0]["name"])
            if any(weights for _, weights in nodes):
                keras(make.__name__, model, folder)
        published(folder)
    sys.exit(failures != 0)


main()
