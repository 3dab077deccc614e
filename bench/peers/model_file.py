"""kohl's model files in numpy: nodes, weights, and how many multiplications the network needs.

    nodes, weights = read("model.safetensors")      weights by "<node>.<suffix>", filters krsc, dense [out, in]
"""
import json
import struct

import numpy as np

TILE, POINTS = 4, 36  # F(4x4, 3x3): 36 products for 16 outputs of 3x3


def read(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    graph = json.loads(header.pop("__metadata__")["kohl"])["graph"]
    data = np.memmap(path, np.uint8, "r", 8 + size)
    weights = {name: data[t["data_offsets"][0]:t["data_offsets"][1]].view("<f4").reshape(t["shape"]) for name, t in header.items()}
    return graph["nodes"], weights


def logits_name(nodes):
    last = nodes[-1]
    return last["inputs"][0] if last["layer"] in ("softmax", "sigmoid") else last["name"]


def multiplies(nodes, weights, shapes):
    """Of one picture: (direct, with F(4,3) for every 3x3 convolution of stride 1).  shapes: [h, w, c] of each node."""
    direct = winograd = 0
    for node in nodes:
        weight = weights.get(node["name"] + ".weight")
        if weight is None:
            continue
        h, w, _ = shapes[node["name"]]
        products = h * w * weight.size
        direct += products
        if node["layer"] == "conv2d" and node["kernel"] == [3, 3] and node["stride"] == node["dilation"] == [1, 1]:
            products = -(-h // TILE) * -(-w // TILE) * POINTS * weight.size // 9
        winograd += products
    return direct, winograd


def fold(nodes, weights, until):
    """The same network with the batch-norms before node `until` multiplied into the convolutions that they follow."""
    weights, kept, renamed, before = dict(weights), [], {}, True
    convolutions = {}
    for node in nodes:
        before = before and node["name"] != until
        node = {**node, "inputs": [renamed.get(name, name) for name in node["inputs"]]}
        convolution = convolutions.get(node["inputs"][0]) if node["inputs"] else None
        if not before or node["layer"] != "batch_norm" or convolution is None:
            kept.append(node)
            if node["layer"] == "conv2d":
                convolutions[node["name"]] = node
            continue
        name, at = node["name"], convolution["name"]
        scale = weights.get(name + ".gamma", 1) / np.sqrt(weights[name + ".variance"].astype(np.float64) + node["epsilon"])
        bias = weights.get(at + ".bias", 0) - weights[name + ".mean"]
        weights[at + ".weight"] = (weights[at + ".weight"] * scale[:, None, None, None]).astype(np.float32)
        weights[at + ".bias"] = (bias * scale + weights.get(name + ".beta", 0)).astype(np.float32)
        convolution["bias"], renamed[name] = True, at
    return kept, weights


def gradient_order(nodes, weights):
    """The names of what kohl_serve writes as gradients."""
    return [name for node in nodes for name in (node["name"] + ".weight", node["name"] + ".bias") if name in weights]
