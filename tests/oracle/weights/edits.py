"""Every field of a preset that can act on an answer, made wrong in a model file: for flips.py and ../preset_flips.py.

A preset is spread over a model file: preprocessing, fields of nodes, tensors.  flips(text) gives (field, edit of the
text or None, edit of a tensor's array or None); write() and put()
make the file.  What cannot act is left out: dropout and the kind of running
statistics (inference has none), the average to 7x7 at the published size, the classifier's names.
"""
import json
import re

import numpy as np

# The value of another publisher of the same architecture, which is the mistake to be feared.
EPSILON = {1e-3: 1e-5, 1e-5: 1.001e-5, 1.001e-5: 1e-5}


def nodes(text, layer):
    return [node for node in text["graph"]["nodes"] if node["layer"] == layer]


def pixels_flips(text):
    """The fields of the preprocessing, as (field, edit of the preprocessing)."""
    p = text["preprocessing"]
    grey = p["scale"]  # one level of 256 in the units of mean

    def change(**values):
        return lambda pre: pre.update(values)

    yield "order", change(order="rgb" if p["order"] == "bgr" else "bgr")
    yield "scale by 256/255", change(scale=p["scale"] * 256 / 255)
    for c in range(3):
        moved, wider = list(p["mean"]), list(p["std"])
        moved[c] += grey
        wider[c] *= 1.05
        yield f"mean of channel {c} by one level", change(mean=moved)
        yield f"std of channel {c} by 5 %", change(std=wider)
    yield "filter", change(filter="bicubic" if p["filter"] == "bilinear" else "bilinear")
    side = p["width"]
    if p["fit"] == "stretch":
        yield "fit: crop for stretch", change(fit="crop", resize=side * 8 // 7)
        yield "fit: fraction for stretch", change(fit="fraction", fraction=0.875)
    else:
        yield f"fit: stretch for {p['fit']}", change(fit="stretch")
    if p["fit"] == "crop":
        yield "fit: shorter side less by 2", change(resize=p["resize"] - 2)
    if p["fit"] == "fraction":
        yield "fit: fraction 0.88", change(fraction=0.88)


def strides(text):
    """Moves the stride of every bottleneck from its 1x1 to its 3x3 or back; Keras's names."""
    by_name = {node["name"]: node for node in nodes(text, "conv2d")}
    for name, node in by_name.items():
        found = re.fullmatch(r"(conv\d_block\d+)_1_conv", name)
        other = by_name.get(f"{found[1]}_2_conv") if found else None
        if other and node["stride"] != other["stride"]:
            node["stride"], other["stride"] = other["stride"], node["stride"]


def arithmetic_flips(text):
    """The fields of nodes, as (field, edit of the text, edit of tensors)."""
    norms, pools = nodes(text, "batch_norm"), nodes(text, "avg_pool")

    def each(layer, field, value):
        def edit(changed):
            for node in nodes(changed, layer):
                node[field] = value(node[field])
        return edit

    if norms:
        yield "epsilon of another publisher", each("batch_norm", "epsilon", lambda e: min(EPSILON.items(), key=lambda pair: abs(pair[0] - e))[1]), None
        yield "epsilon times 10", each("batch_norm", "epsilon", lambda e: e * 10), None
        if any(node["gamma"] for node in norms):
            yield "gamma left out", None, lambda name, array: np.ones_like(array) if name.endswith(".gamma") else array
        fed = {node["inputs"][0] for node in norms}
        with_bias = {node["name"] + ".bias" for node in nodes(text, "conv2d") if node["bias"] and node["name"] in fed}
        if with_bias:
            yield "bias before batch-norm left out", None, lambda name, array: np.zeros_like(array) if name in with_bias else array
    if any(node["padding"] != "valid" for node in pools):
        yield "padding counted in average pools", each("avg_pool", "count_padding", lambda counted: not counted), None
    if "squeezenet" in text["graph"]["arch"]:
        yield "pools round the other way", each("max_pool", "ceil", lambda ceil: not ceil), None
    copy = json.loads(json.dumps(text))
    strides(copy)
    if copy != text:
        yield "stride on the other convolution", strides, None


def flips(text):
    for field, change in pixels_flips(text):
        yield field, (lambda changed, change=change: change(changed["preprocessing"])), None
    yield from arithmetic_flips(text)


def read(path):
    """The text "kohl" of a model file as a dict."""
    with open(path, "rb") as file:
        return json.loads(json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]["kohl"])


def header(file, edit, room):
    """A model file's header with its text edited and both sums left out, filled with blanks to `room` bytes (0: 4 KiB more)."""
    values = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    texts = values["__metadata__"]
    text = json.loads(texts["kohl"])
    if edit:
        edit(text)
    texts["kohl"] = json.dumps(text, separators=(",", ":"))
    texts.pop("kohl_crc32c", None)
    texts.pop("kohl_header_crc32c", None)
    raw = json.dumps(values, separators=(",", ":")).encode()
    room = room or (len(raw) + 4096) // 64 * 64 + 56
    if len(raw) > room:
        raise ValueError("an edit made the header longer than there is room")
    return values, raw + b" " * (room - len(raw))


def write(source, target, edit=None, tensor=None):
    """A copy whose text went through edit and whose f32 tensors went through tensor(name, array); without sums."""
    with open(source, "rb") as file, open(target, "wb") as out:
        values, raw = header(file, edit, 0)
        out.write(len(raw).to_bytes(8, "little") + raw)
        values.pop("__metadata__")
        for name, entry in sorted(values.items(), key=lambda pair: pair[1]["data_offsets"]):
            data = file.read(entry["data_offsets"][1] - entry["data_offsets"][0])
            out.write(tensor(name, np.frombuffer(data, np.float32)).tobytes() if tensor and entry["dtype"] == "F32" else data)


def put(source, target, edit, tensor):
    """The same into a copy that write() made already; without a tensor to change only its header is written, at once."""
    if tensor:
        return write(source, target + ".values", edit, tensor) or target + ".values"
    with open(source, "rb") as file, open(target, "r+b") as out:
        room = int.from_bytes(out.read(8), "little")
        _, raw = header(file, edit, room)
        out.write(raw)
    return target
