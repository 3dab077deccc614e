"""Small good files, and the ways to spoil them; Python's standard library only.

A model is input 8x8x3 -> conv2d 4x3x3 relu -> global_avg_pool -> dense 3 -> softmax with constant weights."""
import json
import os
import struct
import zlib

LABELS = ["cat", "dog", "owl"]


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def node(name, layer, inputs, **fields):
    return {"name": name, "layer": layer, "inputs": inputs, "trainable": True, **fields}


def metadata():
    """The `kohl` object as a dict, to be changed by a case before it is written."""
    pair = {"stride": [1, 1], "padding": "same_upper", "pad": [0, 0, 0, 0], "dilation": [1, 1]}
    nodes = [
        node("input", "input", [], size=[8, 8, 3]),
        node("conv", "conv2d", ["input"], filters=4, kernel=[3, 3], groups=1, bias=True, activation="relu", **pair),
        node("gap", "global_avg_pool", ["conv"]),
        node("fc", "dense", ["gap"], units=3, bias=True, activation="none"),
        node("prob", "softmax", ["fc"]),
    ]
    fit = {"background": [255, 255, 255], "fit": "stretch", "filter": "bilinear", "width": 8, "height": 8, "resize": 8,
           "fraction": 1, "fit_background": [255, 255, 255], "order": "rgb", "scale": 0.00392156886,
           "mean": [0, 0, 0], "std": [1, 1, 1]}
    return {"format": 1, "graph": {"arch": "", "base_output": "gap", "nodes": nodes}, "labels": list(LABELS),
            "task": "one_label", "preprocessing": fit, "provenance": {}}


def tensors():
    def ramp(n):
        return [((i * 37) % 19 - 9) / 16 for i in range(n)]
    return {"conv.weight": ([4, 3, 3, 3], ramp(108)), "conv.bias": ([4], ramp(4)), "fc.weight": ([3, 4], ramp(12)),
            "fc.bias": ([3], ramp(3))}


def safetensors(kohl, weights, checksums=True, dtype="F32", header_bytes=None):
    """The bytes of a model file; kohl is an object, a text, or None for a file of another program."""
    header, data, sums = {}, b"", ""
    for name, (shape, values) in weights.items():
        body = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(body)]}
        data += body
        sums += f"{crc32c(body):08x}"
    meta = {}
    if checksums:
        meta.update(kohl_crc32c="0" * len(sums), kohl_header_crc32c="0" * 8)
    if kohl is not None:
        meta["kohl"] = kohl if isinstance(kohl, str) else json.dumps(kohl)
    text = json.dumps({"__metadata__": meta, **header}).encode()
    text += b" " * (-len(text) % 8)
    if checksums:
        own = f"{crc32c(text):08x}"
        text = text.replace(b'"kohl_header_crc32c": "00000000"', f'"kohl_header_crc32c": "{own}"'.encode())
        text = text.replace(b'"kohl_crc32c": "' + b"0" * len(sums), f'"kohl_crc32c": "{sums}'.encode())
    return struct.pack("<Q", len(text) if header_bytes is None else header_bytes) + text + data


def chunk(kind, body, crc=None):
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width=8, height=8, seed=0, declared=None, bad_crc=False):
    rows = b"".join(b"\0" + bytes((x * 31 + y * 17 + c * 53 + seed * 11) % 256 for x in range(width) for c in range(3))
                    for y in range(height))
    size = declared or (width, height)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows), 1 if bad_crc else None) + chunk(b"IEND", b""))


def write(path, data):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def change(dictionary, path, value):
    """Sets dictionary[path[0]][path[1]]... = value; returns the dictionary."""
    at = dictionary
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return dictionary


def make():
    """Everything that the cases name, in the current folder."""
    good = safetensors(metadata(), tensors())
    write("good.safetensors", good)
    vgg = {"block1_conv1/kernel": ([3, 3, 3, 64], [0.01] * 1728), "block1_conv1/bias": ([64], [0.0] * 64)}
    write("vgg.safetensors", safetensors(None, vgg, checksums=False))
    write("a.png", png())
    write("b.png", png(seed=1))
    models(good)
    pictures()
    data()


def models(good):
    size = struct.unpack("<Q", good[:8])[0]
    flipped = bytearray(good)
    flipped[8 + size + 5] ^= 4
    write("flip_data.safetensors", bytes(flipped))
    flipped = bytearray(good)
    flipped[8 + good[8:].index(b"conv2d")] ^= 1
    write("flip_header.safetensors", bytes(flipped))
    write("short_data.safetensors", good[:-4])
    write("short_header.safetensors", good[:40])
    write("long_data.safetensors", good + b"\0\0\0\0")
    write("empty.safetensors", b"")
    write("seven.safetensors", good[:7])
    write("huge_header.safetensors", safetensors(metadata(), tensors(), header_bytes=1 << 62))
    write("text.safetensors", "this is no model\n")
    write("foreign.safetensors", safetensors(None, tensors(), checksums=False))
    write("no_json.safetensors", safetensors("{", tensors()))
    write("f16.safetensors", safetensors(metadata(), tensors(), dtype="F16"))
    edits = {
        "layer": (["graph", "nodes", 1, "layer"], "conv3d"),
        "filters": (["graph", "nodes", 1, "filters"], 0),
        "stride": (["graph", "nodes", 1, "stride"], [0, 1]),
        "input": (["graph", "nodes", 2, "inputs"], ["nowhere"]),
        "double": (["graph", "nodes", 2, "name"], "conv"),
        "labels": (["labels"], ["cat", "dog"]),
        "task": (["task"], "dance"),
        "format": (["format"], 99),
        "std": (["preprocessing", "std"], [1, 0, 1]),
        "width": (["preprocessing", "width"], 9),
        "unknown": (["colour"], "blue"),
        "thresholds": (["thresholds"], [0.5, 0.5, 0.5]),
        "head_nowhere": (["heads"], [{"layer": "kind", "labels": ["a"], "task": "one_label"}]),
        "head_layer": (["heads"], [{"layer": "gap", "labels": ["a", "b", "c", "d"], "task": "one_label"}]),
        "head_last": (["heads"], [{"layer": "prob", "labels": list(LABELS), "task": "one_label"}]),
        "head_field": (["heads"], [{"layer": "gap", "colour": "blue"}]),
        "head_none": (["heads"], [{"labels": ["a"]}]),
        "head_list": (["heads"], ["gap"]),
    }
    for name, (path, value) in edits.items():
        write(f"model_{name}.safetensors", safetensors(change(metadata(), path, value), tensors()))
    for name, thresholds in (("many", [0.25, 0.125, 0.75]), ("many_two", [0.5, 0.5]), ("many_above", [0.5, 0.5, 2]),
                             ("many_text", ["half", 0.5, 0.5])):
        many = metadata()
        many["graph"]["nodes"][4]["layer"] = "sigmoid"
        many.update(task="many_labels", thresholds=thresholds)
        write(f"{name}.safetensors", safetensors(many, tensors()))
    weights = tensors()
    del weights["fc.bias"]
    write("missing_tensor.safetensors", safetensors(metadata(), weights))
    weights = tensors()
    weights["fc.weight"] = ([4, 3], weights["fc.weight"][1])
    write("wrong_shape.safetensors", safetensors(metadata(), weights))
    weights = tensors()
    weights["extra"] = ([1], [1.0])
    write("extra_tensor.safetensors", safetensors(metadata(), weights))
    weights = tensors()
    weights["fc.weight"][1][5] = float("nan")
    write("nan.safetensors", safetensors(metadata(), weights))
    base = metadata()
    base["graph"]["nodes"] = base["graph"]["nodes"][:3]
    base["graph"]["base_output"] = None
    base.update(labels=[], task="none")
    two = metadata()
    two["graph"]["nodes"][3:3] = [node("fc2", "dense", ["gap"], units=2, bias=True, activation="none"),
                                  node("kind", "softmax", ["fc2"])]
    two["heads"] = [{"layer": "kind", "labels": ["old", "new"], "task": "one_label"}]
    write("two.safetensors", safetensors(two, {**tensors(), "fc2.weight": ([2, 4], [0.5, -0.25] * 4),
                                               "fc2.bias": ([2], [0.0, 0.0])}))
    write("base.safetensors", safetensors(base, {k: v for k, v in tensors().items() if k[:2] != "fc"}))


def pictures():
    whole = png(32, 32)
    write("bad/empty.png", b"")
    write("bad/half.png", whole[:len(whole) // 2])
    write("bad/signature.png", whole[:8])
    write("bad/crc.png", png(bad_crc=True))
    write("bad/bomb.png", png(declared=(60000, 60000)))
    write("bad/zero.png", png(declared=(0, 8)))
    write("bad/text.jpg", "no picture at all\n")
    write("bad/start.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")
    write("bad/gif.png", b"GIF89a\1\0\1\0\0\0\0;")
    os.mkdir("bad/folder.png")
    os.mkfifo("bad/fifo.png")
    os.symlink("loop.png", "bad/loop.png")
    os.symlink("nowhere.png", "bad/link.png")


def data():
    for name in LABELS:
        for i in range(4):
            write(f"data/{name}/{i}.png", png(seed=i + 10 * sum(name.encode())))
    os.mkdir("empty_folder")
    os.makedirs("classes_empty/cat")
    write("other_class/cat/1.png", png())
    write("other_class/wolf/1.png", png())
    write("list.csv", "path,label,split\na.png,cat,train\nb.png,dog,test\n")
    write("several.csv", "path,label\na.png,cat;owl\nb.png,dog\n")
    write("no_label.csv", "path,size\na.png,3\n")
    write("wrong_label.csv", "path,label\na.png,wolf\n")
    write("good.yaml", "epochs: 1\nbatch: 4\nhead:\n  dense: []\n  dropout: 0\n")
    write("heads.yaml", "epochs: 1\nbatch: 4\nhead: {dense: [], dropout: 0}\nheads:\n- name: animal\n- name: kind\n")
    write("heads_name.yaml", "heads:\n- name: animal\n- name: animal\n")
    write("heads_key.yaml", "heads:\n- {name: animal, depth: 3}\n")
    write("two_columns.csv", "path,label,kind\n" + "".join(
        f"data/{name}/{i}.png,{name},{('old', 'new', '')[i % 3]}\n" for name in LABELS for i in range(4)))
    write("unknown_key.yaml", "epochs: 1\nlearning_speed: 3\n")
    write("wrong_type.yaml", "epochs: many\n")
    write("range.yaml", "epochs: 0\n")
    write("no_yaml.yaml", "epochs: [1\n")
    write("run_exists/file.txt", "mine\n")
    write("two_labels.txt", "cat\ndog\n")
    os.mkdir("folder.out")
    batches()


def batches():
    """Sets in the style of CIFAR-10: two records, good and spoilt."""
    records = b"".join(bytes([label]) + bytes((i * 7 + label) % 256 for i in range(3072)) for label in (0, 1))
    def make_set(folder, data, **more):
        write(f"{folder}/batches.meta.txt", "cat\ndog\n")
        write(f"{folder}/data_batch_1.bin", data)
        for name, text in more.items():
            write(f"{folder}/batches.{name}.txt", text)
    make_set("batches", records)
    make_set("batches_long", records[:-1])
    make_set("batches_label", records[:3073] + b"\7" + records[3074:])
    make_set("batches_shape", records, shape="32 by 32")
    meta = b"\x80\x02}U\x0blabel_names](U\1aU\1bes."
    write("batches_call/batches.meta", meta)
    write("batches_call/data_batch_1", b"\x80\x02(U\x06mkdir!ios\nsystem\n.")
    write("batches_system/batches.meta", meta)
    write("batches_system/data_batch_1", b"\x80\x02cos\nsystem\nU\x02ls\x85R.")
    write("run_exists/test_batch.bin", "mine\n")
    write("weight.csv", "path,label,weight\na.png,cat,heavy\n")
    write("one_bad/cat/1.png", png())
    write("one_bad/cat/2.png", "no picture\n")
