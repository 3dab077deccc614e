"""Gradients of whole networks against PyTorch in double precision.

    pip install torch==2.13.0 numpy safetensors      (an oracle only: nothing of the project needs it)
    gradients.py BUILD [ARCH ...] [--seed N]

oracle/train_step writes a model with random weights, one batch, and kohl's logits and gradients.  This script reads the
graph out of the model file, computes the same step with PyTorch's operators in f64 and in f32, and demands for the
logits and every gradient

    ||kohl - f64|| <= 4 * ||PyTorch f32 - f64||

so that kohl is as accurate as a good f32 engine, give or take the order of its sums.  Batch-norm is in frozen mode.
Prints TAP.

A unit of ReLU whose input is within rounding of 0 may be on in one arithmetic and off in another, and then every gradient
below it differs by far more than rounding.  On maps of a few pixels, in networks of a hundred layers, one such unit is
usual in any f32 engine: resnet101 and vgg19_bn at 64 px pass with some seeds and not with others (by hand:
gradients.py BUILD resnet101 --seed 4), so they are not in the list.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors import safe_open

BUILD = sys.argv[1]
# architecture: size, classes, batch
CASES = {"squeezenet1_1": (67, 10, 4), "vgg16": (64, 10, 4), "vgg19": (64, 10, 4), "inception_v3": (139, 10, 4),
         "resnet18": (64, 10, 4), "resnet50": (64, 10, 4), "alexnet": (128, 10, 4), "alexnet2012": (131, 10, 4),
         "cleo_small": (64, 10, 4), "vgg19_cam": (64, 10, 4)}
BY_HAND = {"vgg19_bn": (64, 10, 4), "resnet101": (64, 10, 4)}
SEED = sys.argv[sys.argv.index("--seed") + 1] if "--seed" in sys.argv else "1"
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)


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
    left, right, top, bottom = pads(node, x)
    if node["ceil"]:  # what is missing for the last window, on the bottom and right
        raise NotImplementedError("ceil")
    maximum = node["layer"] == "max_pool"
    padded = F.pad(x, (left, right, top, bottom), value=float("-inf") if maximum else 0.0)
    if maximum:
        return F.max_pool2d(padded, node["kernel"], node["stride"])
    total = F.avg_pool2d(padded, node["kernel"], node["stride"], divisor_override=1)
    if node["count_padding"]:
        return total / (node["kernel"][0] * node["kernel"][1])
    ones = F.pad(torch.ones_like(x[:1, :1]), (left, right, top, bottom))
    return total / F.avg_pool2d(ones, node["kernel"], node["stride"], divisor_override=1)


def forward(nodes, weights, x):
    """The logits: NCHW inside, flattened as kohl does (h, w, c)."""
    value = {}
    for node in nodes:
        name, kind = node["name"], node["layer"]
        inputs = [value[i] for i in node["inputs"]]
        w = {s: weights.get(f"{name}.{s}") for s in ("weight", "bias", "gamma", "beta", "mean", "variance")}
        if kind == "input":
            y = x
        elif kind == "conv2d":
            y = F.conv2d(F.pad(inputs[0], pads(node, inputs[0])), w["weight"].permute(0, 3, 1, 2), w["bias"],
                         node["stride"], 0, node["dilation"], node["groups"])
        elif kind == "dense":
            y = F.linear(inputs[0].flatten(1), w["weight"], w["bias"])[:, :, None, None]
        elif kind in ("max_pool", "avg_pool"):
            y = pool(node, inputs[0])
        elif kind == "adaptive_avg_pool":
            y = F.adaptive_avg_pool2d(inputs[0], node["output"])
        elif kind == "global_avg_pool":
            y = inputs[0].mean((2, 3), keepdim=True)
        elif kind == "batch_norm":
            shape = (1, -1, 1, 1)
            y = (inputs[0] - w["mean"].view(shape)) / torch.sqrt(w["variance"].view(shape) + node["epsilon"])
            y = y * (w["gamma"].view(shape) if w["gamma"] is not None else 1)
            y = y + (w["beta"].view(shape) if w["beta"] is not None else 0)
        elif kind == "relu":
            y = F.relu(inputs[0])
        elif kind == "concat":
            y = torch.cat(inputs, 1)
        elif kind == "add":
            y = inputs[0] + inputs[1]
        elif kind == "lrn":
            size = node["window"]
            square = F.pad(inputs[0] ** 2, (0, 0, 0, 0, size // 2, size // 2))
            total = sum(square[:, i:i + inputs[0].shape[1]] for i in range(size))
            y = inputs[0] * (node["bias"] + node["alpha"] * total) ** -node["beta"]
        elif kind == "flatten":
            y = inputs[0].permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        elif kind == "dropout":
            y = inputs[0]
        elif kind == "softmax":
            return value[node["inputs"][0]].flatten(1)
        else:
            raise NotImplementedError(kind)
        if node.get("activation") == "relu":
            y = F.relu(y)
        value[name] = y
    raise ValueError("no softmax at the end")


def step(nodes, weights, trained, x, labels, dtype):
    weights = {k: v.to(dtype).requires_grad_(k in trained) for k, v in weights.items()}
    logits = forward(nodes, weights, x.to(dtype))
    F.cross_entropy(logits, labels).backward()
    return {"logits": logits.detach(), **{k: weights[k].grad for k in trained}}


def check(arch):
    size, classes, batch = {**CASES, **BY_HAND}[arch]
    with tempfile.TemporaryDirectory() as folder:
        model, run = os.path.join(folder, "m.safetensors"), os.path.join(folder, "s.safetensors")
        done = subprocess.run([os.path.join(BUILD, "oracle", "train_step"), arch, str(size), str(classes), str(batch), SEED, model, run],
                              capture_output=True, text=True)
        if done.returncode:
            report(False, f"{arch}: {done.stderr.strip()}")
            return
        with safe_open(model, "pt") as file:
            nodes = json.loads(file.metadata()["kohl"])["graph"]["nodes"]
            weights = {k: file.get_tensor(k) for k in file.keys()}
        with safe_open(run, "pt") as file:
            mine = {k: file.get_tensor(k) for k in file.keys()}
    x, labels = mine.pop("input").permute(0, 3, 1, 2), mine.pop("labels").long()
    mine.pop("losses")
    trained = [k for k in mine if k != "logits"]
    truth = step(nodes, weights, trained, x, labels, torch.float64)
    peer = step(nodes, weights, trained, x, labels, torch.float32)
    worst, where = 0.0, ""
    for name, value in mine.items():
        error = (value.double() - truth[name]).norm().item()
        theirs = (peer[name].double() - truth[name]).norm().item()
        ratio = error / theirs if theirs else (0.0 if error == 0 else float("inf"))
        if not ratio <= worst:
            worst, where = ratio, name
    report(worst <= 4, f"{arch} {size} px, batch {batch}: {len(mine)} tensors, worst error {worst:.2f} of PyTorch f32's ({where})")


torch.manual_seed(0)
torch.set_num_threads(2)
for each in [a for a in sys.argv[2:] if a in CASES or a in BY_HAND] or CASES:
    check(each)
sys.exit(failures > 0)
