"""A network of kohl's as PyTorch's operators: for gradients.py, steps.py and make_fixtures.py beside it.

    pip install torch==2.13.0 numpy safetensors      (an oracle only: nothing of the project needs it)

oracle/train_step writes a model file; Network reads its graph and weights, computes the step in f64 and in f32, and
settles the network first.

Settling.  A unit of ReLU whose input is within rounding of 0 may be on in one arithmetic and off in another, and then
every gradient below it differs by far more than rounding; so may the winner of a max-pool.  Neither engine is wrong
there, and nothing can be learnt.  Therefore, layer by layer, a unit is *near its kink* when |x| <= 8 rms, where rms is
that of PyTorch's f32 - f64 at this layer and channel, and a window of a max-pool when its two largest values are as
near, times sqrt(2) since both are off.  Every channel with such a unit gets its filter drawn again (train_step's
TENSOR:ROW=DRAW), until no unit of the network is near.  An engine with twice the rounding errors of PyTorch's then
flips a unit with a probability of 6e-5 per unit that was 8 rms away, of which there are few.
"""
import importlib.util
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("fixtures", os.path.join(os.path.dirname(HERE), "gradients.py"))
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

MARGIN, DRAWS = 8.0, 1000
SUFFIXES = ("weight", "bias", "gamma", "beta", "mean", "variance")


def pads(node, x):
    """left, right, top, bottom of a window for an NCHW tensor."""
    if node["padding"] == "explicit":
        top, left, bottom, right = node["pad"]
        return left, right, top, bottom
    if node["padding"] == "valid":
        return 0, 0, 0, 0
    out = []
    for axis, size in ((1, x.shape[3]), (0, x.shape[2])):
        stride, kernel = node["stride"][axis], node["kernel"][axis]
        dilation = node.get("dilation", [1, 1])[axis]
        total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        out += [total // 2, total - total // 2]
    return tuple(out)


def pool(node, x):
    if node["ceil"]:
        raise NotImplementedError("ceil")
    maximum = node["layer"] == "max_pool"
    padded = F.pad(x, pads(node, x), value=float("-inf") if maximum else 0.0)
    if maximum:
        return F.max_pool2d(padded, node["kernel"], node["stride"])
    total = F.avg_pool2d(padded, node["kernel"], node["stride"], divisor_override=1)
    if node["count_padding"]:
        return total / (node["kernel"][0] * node["kernel"][1])
    ones = F.pad(torch.ones_like(x[:1, :1]), pads(node, x))
    return total / F.avg_pool2d(ones, node["kernel"], node["stride"], divisor_override=1)


def batch_norm(node, x, w, running):
    """Fixed, or (trained) by the batch's own statistics; then running receives the new running ones."""
    shape, name = (1, -1, 1, 1), node["name"]
    mean, variance = w["mean"], w["variance"]
    if node["trainable"]:
        momentum, count = float(np.float32(node["momentum"])), x.numel() // x.shape[1]  # f32, as kohl keeps it
        old_mean, old_variance = mean, variance
        mean = x.mean((0, 2, 3))
        variance = (x - mean.view(shape)).square().mean((0, 2, 3))
        unbiased = variance * (count / (count - 1)) if node["unbiased"] and count > 1 else variance
        running[name + ".mean"] = (momentum * old_mean + (1 - momentum) * mean).detach()
        running[name + ".variance"] = (momentum * old_variance + (1 - momentum) * unbiased).detach()
    y = (x - mean.view(shape)) / torch.sqrt(variance.view(shape) + node["epsilon"])
    y = y * (w["gamma"].view(shape) if w["gamma"] is not None else 1)
    return y + (w["beta"].view(shape) if w["beta"] is not None else 0)


def before_activation(node, inputs, weights, running):
    """A node's value, NCHW, before its own ReLU."""
    name, kind = node["name"], node["layer"]
    w = {s: weights.get(f"{name}.{s}") for s in SUFFIXES}
    if kind == "conv2d":
        return F.conv2d(F.pad(inputs[0], pads(node, inputs[0])), w["weight"].permute(0, 3, 1, 2), w["bias"],
                        node["stride"], 0, node["dilation"], node["groups"])
    if kind == "dense":
        return F.linear(inputs[0].flatten(1), w["weight"], w["bias"])[:, :, None, None]
    if kind in ("max_pool", "avg_pool"):
        return pool(node, inputs[0])
    if kind == "adaptive_avg_pool":
        return F.adaptive_avg_pool2d(inputs[0], node["output"])
    if kind == "global_avg_pool":
        return inputs[0].mean((2, 3), keepdim=True)
    if kind == "batch_norm":
        return batch_norm(node, inputs[0], w, running)
    if kind == "concat":
        return torch.cat(inputs, 1)
    if kind == "add":
        return inputs[0] + inputs[1]
    if kind == "lrn":
        size = node["window"]
        square = F.pad(inputs[0] ** 2, (0, 0, 0, 0, size // 2, size // 2))
        total = sum(square[:, i:i + inputs[0].shape[1]] for i in range(size))
        return inputs[0] * (node["bias"] + node["alpha"] * total) ** -node["beta"]
    if kind == "flatten":  # as kohl does: h, w, c
        return inputs[0].permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
    if kind in ("relu", "dropout", "softmax"):
        return inputs[0]
    raise NotImplementedError(kind)


def rectified(node):
    return node["layer"] == "relu" or node.get("activation") == "relu"


class Network:
    def __init__(self, model, seed):
        with safe_open(model, "pt") as file:
            self.nodes = json.loads(file.metadata()["kohl"])["graph"]["nodes"]
            self.weights = {k: file.get_tensor(k) for k in file.keys()}
        self.index = {node["name"]: i for i, node in enumerate(self.nodes)}
        self.seed = seed
        names = [f"{node['name']}.{s}" for node in self.nodes for s in SUFFIXES]
        self.tensor = {name: i for i, name in enumerate(n for n in names if n in self.weights)}
        self.draws = {}  # (tensor, row): how often it was drawn

    def node(self, i, value, weights, running):
        """(before its activation, after it)"""
        node = self.nodes[i]
        y = before_activation(node, [value[name] for name in node["inputs"]], weights, running)
        return y, F.relu(y) if rectified(node) else y

    def forward(self, weights, x):
        """The logits [n, k] and the new running statistics."""
        value, running = {self.nodes[0]["name"]: x}, {}
        for i in range(1, len(self.nodes)):
            value[self.nodes[i]["name"]] = self.node(i, value, weights, running)[1]
        return value[self.nodes[-1]["name"]].flatten(1), running

    def step(self, x, labels, trained, dtype):
        """logits, losses, the gradients of the tensors named in `trained`, running statistics."""
        weights = {k: v.to(dtype).requires_grad_(k in trained) for k, v in self.weights.items()}
        logits, running = self.forward(weights, x.to(dtype))
        losses = F.cross_entropy(logits, labels, reduction="none")
        losses.mean().backward()
        return {"logits": logits.detach(), "losses": losses.detach(), **{k: weights[k].grad for k in trained}, **running}

    def origin(self, i, channel):
        """The filter that makes a channel of a node: (index of a conv2d or dense, row)."""
        node = self.nodes[i]
        while node["layer"] not in ("conv2d", "dense"):
            inputs, i = node["inputs"], None
            if node["layer"] == "concat":
                for name in inputs:
                    width = self.channels(name)
                    if channel < width:
                        i = self.index[name]
                        break
                    channel -= width
            else:
                i = self.index[inputs[-1]]  # of an add: the branch's own, not the way around it
            node = self.nodes[i]
        return i, channel

    def channels(self, name):
        node = self.nodes[self.index[name]]
        while node["layer"] not in ("conv2d", "dense", "concat"):
            node = self.nodes[self.index[node["inputs"][-1]]]
        return sum(map(self.channels, node["inputs"])) if node["layer"] == "concat" else node.get("filters", node.get("units"))

    def redraw(self, i, row):
        name = self.nodes[i]["name"] + ".weight"
        draw = self.draws[name, row] = self.draws.get((name, row), 1) + 1
        if draw > DRAWS:
            raise RuntimeError(f"{name}, filter {row}: near its kink after {DRAWS} draws")
        weight = self.weights[name]
        fan = weight.numel() // weight.shape[0]
        bits = fixtures.words(self.seed, self.tensor[name], draw, row * fan, fan)
        scale = np.sqrt(np.float32(6) / np.float32(fan))  # f32 throughout, as network.h
        weight[row] = torch.from_numpy(fixtures.uniform(bits) * scale).reshape(weight.shape[1:])

    @torch.no_grad()
    def settle(self, x):
        """Draws filters again until no unit is near its kink; how many."""
        value64, value32 = {self.nodes[0]["name"]: x.double()}, {self.nodes[0]["name"]: x}
        i = 1
        while i < len(self.nodes):
            node = self.nodes[i]
            weights = {f"{node['name']}.{s}": self.weights.get(f"{node['name']}.{s}") for s in SUFFIXES}
            y64, z64 = self.node(i, value64, {k: v.double() for k, v in weights.items() if v is not None}, {})
            y32, z32 = self.node(i, value32, {k: v for k, v in weights.items() if v is not None}, {})
            near = set()
            if rectified(node):
                near = near_zero(y64, y32)
            elif node["layer"] == "max_pool":
                near = near_ties(node, value64[node["inputs"][0]], value32[node["inputs"][0]])
            if near:
                rows = {self.origin(i, channel) for channel in near}
                for at, row in sorted(rows):
                    self.redraw(at, row)
                i = min(at for at, _ in rows)
                continue
            value64[node["name"]], value32[node["name"]] = z64, z32
            i += 1
        return len(self.draws)

    def redraws(self):
        return [f"{name}:{row}={draw}" for (name, row), draw in sorted(self.draws.items())]


def rounding(x64, x32):
    """rms of f32 - f64 for each channel [1, c, 1, 1], and no less than over the whole layer."""
    error = (x32.double() - x64).square()
    return torch.maximum(error.mean((0, 2, 3), keepdim=True), error.mean()).sqrt()


def near_zero(x64, x32):
    near = (x64.abs() <= MARGIN * rounding(x64, x32)) | ((x64 > 0) != (x32 > 0))
    return set(near.any(3).any(2).any(0).nonzero().flatten().tolist())


def near_ties(node, x64, x32):
    """Two equal values are both 0: off, and nothing passes through either."""
    margin, pad = MARGIN * math.sqrt(2) * rounding(x64, x32), pads(node, x64)
    n, c = x64.shape[:2]
    padded = F.pad(x64, pad, value=float("-inf"))
    windows = F.unfold(padded.flatten(0, 1)[:, None], node["kernel"], stride=node["stride"])
    first, second = windows.topk(2, dim=1).values.unbind(1)
    gap = (first - second).view(n, c, -1)
    near = (gap <= margin.flatten(2)) & (first != second).view(n, c, -1)
    return set(near.any(2).any(0).nonzero().flatten().tolist())
