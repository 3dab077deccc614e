"""ONNX models, written byte by byte and by PyTorch's exporters, through kohl's reader: the numbers that numpy and ONNX
Runtime give.

    onnx_files.py BUILD

A small writer of protocol buffers makes one network in every way in which files may hold it: each type and place of
numbers, names, order of channels, spelling of a shape.  numpy computes it in f64; allowed are 1e-5 of the largest output:
sums of at most 144 products of f32, rounded, are off by less than 144 * 2^-24 = 9e-6 of the sum of their sizes.  The files
of tests/fixtures/onnx are exports with recorded outputs (pytorch/onnx_models.py).  Prints TAP; needs numpy.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "fixtures", "onnx")
TYPES = {"<f4": 1, "<i4": 6, "<i8": 7, "<f2": 10, "<f8": 11}
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good:
        print("# " + str(detail)[:400])


# Protocol buffers: a message is a list of (field, value); whole numbers, floats (f32), bytes and texts.

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def message(fields):
    out = b""
    for number, value in fields:
        if isinstance(value, (bool, int, np.integer)):
            out += varint(number << 3) + varint(int(value))
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def packed(numbers):
    return b"".join(varint(int(n)) for n in numbers)


def tensor(name, array, how="raw", type=None, shape=None, extra=()):
    """how: raw, list (the field of its type), halves (int32_data), or (location, offset, length) of a file beside."""
    array = np.asarray(array)
    array = array if array.ndim == 0 else np.ascontiguousarray(array)
    code = type or TYPES[array.dtype.newbyteorder("<").str]
    fields = [(1, n) for n in (array.shape if shape is None else shape)] + [(2, code), (8, name)]
    if how == "raw":
        fields.append((9, array.tobytes()))
    elif how == "list":
        field = {1: 4, 6: 5, 7: 7, 11: 10}[code]
        fields.append((field, packed(array.ravel()) if field in (5, 7) else array.tobytes()))
    elif how == "halves":
        fields.append((5, packed(np.frombuffer(array.tobytes(), "<u2"))))
    elif how is not None:
        entries = [(k, str(v)) for k, v in zip(("location", "offset", "length"), how) if v is not None]
        fields += [(13, message([(1, k), (2, v)])) for k, v in entries] + [(14, 1)]
    return message(fields + list(extra))


def attribute(name, value):
    if isinstance(value, bytes) and value[:1] != b"\0":
        return message([(1, name), (5, value), (20, 4)])
    if isinstance(value, str):
        return message([(1, name), (4, value), (20, 3)])
    if isinstance(value, float):
        return message([(1, name), (2, value), (20, 1)])
    if isinstance(value, (list, tuple)):
        return message([(1, name), (20, 7)] + [(8, n) for n in value])
    return message([(1, name), (3, value), (20, 2)])


def node(op, inputs, outputs, name="", domain="", **attributes):
    fields = [(1, i) for i in inputs] + [(2, o) for o in outputs]
    fields += [(3, name)] * bool(name) + [(4, op)] + [(5, attribute(k, v)) for k, v in attributes.items()]
    return message(fields + [(7, domain)] * bool(domain))


def info(name, dims, type=1):
    sizes = [message([(1, d)] if isinstance(d, int) else [(2, d)]) for d in dims]
    return message([(1, name), (2, message([(1, message([(1, type), (2, message([(1, s) for s in sizes]))]))]))])


def model(nodes, tensors, inputs=None, outputs=("y",), opset=13, graph=(), top=()):
    inputs = [info("x", (1, 3, 6, 5))] if inputs is None else inputs
    fields = [(1, n) for n in nodes] + [(2, "g")] + [(5, t) for t in tensors] + [(11, i) for i in inputs]
    fields += [(12, info(o, (1, 4))) for o in outputs] + list(graph)
    return message([(1, 8), (2, "writer"), (7, message(fields)), (8, message([(2, opset)]))] + list(top))


# The network: a 3x3 convolution with padding and stride (2, 1), ReLU, and a dense layer of the flattened 3x5x4.

RANDOM = np.random.default_rng(4)
CONV, CONV_BIAS = RANDOM.standard_normal((4, 3, 3, 3)).astype("<f4"), RANDOM.standard_normal(4).astype("<f4")
FC, FC_BIAS = RANDOM.standard_normal((4, 60)).astype("<f4"), RANDOM.standard_normal(4).astype("<f4")
CONVOLUTION = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1])


def weights(**replaced):
    """The four tensors, with others in the place of some; None leaves one out."""
    usual = {"c.weight": tensor("c.weight", CONV), "c.bias": tensor("c.bias", CONV_BIAS),
             "fc.weight": tensor("fc.weight", FC), "fc.bias": tensor("fc.bias", FC_BIAS)}
    usual.update({k.replace("_", "."): v for k, v in replaced.items()})
    return [v for v in usual.values() if v is not None]


def nodes(conv=None, middle=None, flatten=None, tail=None):
    """The four nodes, or lists of others in the place of some."""
    return (conv or [node("Conv", ["x", "c.weight", "c.bias"], ["a"], "conv", **CONVOLUTION)]) + \
        (middle or [node("Relu", ["a"], ["b"], "relu")]) + (flatten or [node("Flatten", ["b"], ["r"], "flat", axis=1)]) + \
        (tail or [node("Gemm", ["r", "fc.weight", "fc.bias"], ["y"], "gemm", transB=1)])


def pattern(h, w, c):
    h, w, c = np.indices((h, w, c))
    return (((7 * h + 13 * w + 29 * c) % 256) / np.float32(255)).astype(np.float32)


def convolve(x, conv=CONV, bias=CONV_BIAS, stride=(2, 1), pads=(1, 1, 1, 1)):
    """h,w,c to h,w,k in f64."""
    top, left, bottom, right = pads
    x = np.pad(x.astype(np.float64), ((top, bottom), (left, right), (0, 0)))
    k, _, r, s = conv.shape
    h, w = (x.shape[0] - r) // stride[0] + 1, (x.shape[1] - s) // stride[1] + 1
    out = np.zeros((h, w, k))
    for i in range(h):
        for j in range(w):
            window = x[i * stride[0]:i * stride[0] + r, j * stride[1]:j * stride[1] + s]
            out[i, j] = np.einsum("rsc,kcrs->k", window, conv.astype(np.float64)) + bias
    return out


def dense(y, fc=FC, bias=FC_BIAS):
    return fc.astype(np.float64) @ y.transpose(2, 0, 1).ravel() + bias


def relu(x):
    return np.maximum(x, 0)


class Files:
    def __init__(self, build, scratch):
        self.run_source, self.scratch = os.path.join(build, "oracle", "run_source"), scratch

    def run(self, path, x=None, size=0):
        x = pattern(6, 5, 3) if x is None else x
        run = subprocess.run([self.run_source, path, str(size)], input=x.astype("<f4").tobytes(), capture_output=True,
                             timeout=60)
        return run.returncode, np.frombuffer(run.stdout, "<f4"), run.stderr.decode()

    def write(self, data, name="m.onnx"):
        path = os.path.join(self.scratch, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def same(self, what, data, expected, x=None, size=0, tolerance=1e-5):
        code, found, error = self.run(self.write(data), x, size)
        expected = np.asarray(expected).ravel()
        good = code == 0 and found.shape == expected.shape
        worst = np.abs(found - expected).max() / np.abs(expected).max() if good else np.inf
        report(bool(worst <= tolerance), what, error.strip() if code else f"off by {worst}")

    def refused(self, what, data, words, size=0):
        """One line that names the file and has all the words."""
        code, _, error = self.run(self.write(data), size=size)
        lines = error.strip().splitlines()
        good = code == 2 and len(lines) == 1 and "m.onnx" in error and not error.strip().endswith(".")
        report(good and all(w in error for w in words), what, f"exit code {code}: {error}")


def storage(files, y):
    for how, array in (("raw", CONV), ("list", CONV), ("raw", CONV.astype("<f8")), ("list", CONV.astype("<f8"))):
        files.same(f"numbers: {how} {array.dtype}", model(nodes(), weights(c_weight=tensor("c.weight", array, how))), y)
    half = CONV.astype("<f2")
    expected = dense(relu(convolve(pattern(6, 5, 3), half)))
    for how in ("raw", "halves"):
        files.same(f"numbers: {how} half", model(nodes(), weights(c_weight=tensor("c.weight", half, how))), expected)
    upper = (CONV.view("<u4") >> 16).astype("<u2")
    brain = (upper.astype("<u4") << 16).view("<f4")
    expected = dense(relu(convolve(pattern(6, 5, 3), brain)))
    for how in ("raw", "halves"):
        files.same(f"numbers: {how} bfloat16", model(nodes(), weights(c_weight=tensor("c.weight", upper, how, 16))), expected)
    cast = [node("Cast", ["half"], ["c.weight"], to=1)]
    files.same("a half that is cast to float", model(cast + nodes(), weights(c_weight=tensor("half", half))),
               dense(relu(convolve(pattern(6, 5, 3), half))))
    files.write(b"junk" + CONV.tobytes() + FC.tobytes(), "data.bin")
    for length in (CONV.nbytes, None):
        files.same(f"numbers in a file beside, length {length}",
                   model(nodes(), weights(c_weight=tensor("c.weight", CONV, ("data.bin", 4, length)))), y)
    files.write(CONV.tobytes(), "whole file")
    files.same("numbers in two files", model(nodes(), weights(
        c_weight=tensor("c.weight", CONV, ("whole file", None, None)),
        fc_weight=tensor("fc.weight", FC, ("data.bin", 4 + CONV.nbytes, FC.nbytes)))), y)
    files.same("numbers in a file that no layer uses",
               model(nodes(), weights() + [tensor("unused", CONV, ("is not there", 0, None))]), y)
    constants = [node("Constant", [], [n], value=tensor("", a)) for n, a in
                 (("c.weight", CONV), ("c.bias", CONV_BIAS), ("fc.weight", FC), ("fc.bias", FC_BIAS))]
    files.same("constants for initializers", model(constants + nodes(), []), y)
    listed = [info("x", (1, 3, 6, 5)), info("c.weight", CONV.shape), info("fc.bias", (4,))]
    files.same("initializers among the inputs", model(nodes(), weights(), listed), y)


def dense_layers(files, y):
    for what, tail, replaced in (
            ("Gemm of in,out", [node("Gemm", ["r", "fc.weight", "fc.bias"], ["y"])], dict(fc_weight=tensor("fc.weight", FC.T))),
            ("MatMul and Add", [node("MatMul", ["r", "fc.weight"], ["z"]), node("Add", ["z", "fc.bias"], ["y"])],
             dict(fc_weight=tensor("fc.weight", FC.T))),
            ("Add from the left", [node("MatMul", ["r", "fc.weight"], ["z"]), node("Add", ["fc.bias", "z"], ["y"])],
             dict(fc_weight=tensor("fc.weight", FC.T), fc_bias=tensor("fc.bias", FC_BIAS[None]))),
            ("MatMul of a transposed constant", [node("Transpose", ["fc.weight"], ["t"], perm=[1, 0]),
                                                 node("MatMul", ["r", "t"], ["z"]), node("Add", ["z", "fc.bias"], ["y"])], {}),
            ("Gemm without a bias, and Add", [node("Gemm", ["r", "fc.weight"], ["z"], transB=1),
                                              node("Add", ["z", "fc.bias"], ["y"])], {}),
            ("Gemm, alpha and beta 1", [node("Gemm", ["r", "fc.weight", "fc.bias"], ["y"], alpha=1.0, beta=1.0, transB=1)], {})):
        files.same(what, model(nodes(tail=tail), weights(**replaced)), y)
    mean, square = [node("ReduceMean", ["a"], ["b"], axes=[2, 3], keepdims=1)], tensor("fc.weight", FC[:, :4])
    shared = [node("Gemm", ["r", "fc.weight", "fc.bias"], ["s"], transB=1), node("Gemm", ["s", "fc.weight", "fc.bias"], ["y"], transB=1)]
    expected = FC[:, :4].astype(np.float64) @ (FC[:, :4].astype(np.float64) @ convolve(pattern(6, 5, 3)).mean((0, 1)) + FC_BIAS) + FC_BIAS
    files.same("one weight for two layers", model(nodes(middle=mean, tail=shared), weights(fc_weight=square)), expected)
    alias = [node("Identity", ["fc.bias"], ["c.bias"])]
    files.same("a bias that is another's", model(alias + nodes(), weights(c_bias=None)),
               dense(relu(convolve(pattern(6, 5, 3), bias=FC_BIAS))))
    relu_mean = [node("Relu", ["a"], ["q"]), node("GlobalAveragePool", ["q"], ["b"])]
    files.same("one pixel", model(nodes(middle=relu_mean), weights(fc_weight=square)),
               FC[:, :4].astype(np.float64) @ relu(convolve(pattern(6, 5, 3))).mean((0, 1)) + FC_BIAS)


def shapes(files, y):
    def constant(name, value):
        return tensor(name, np.array(value, "<i8"))

    for value in ([0, -1], [1, -1], [-1, 60], [1, 60]):
        files.same(f"Reshape to {value}", model(nodes(flatten=[node("Reshape", ["b", "shape"], ["r"])]),
                                                weights() + [constant("shape", value)]), y)
    for first in ([node("Shape", ["b"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Unsqueeze", ["n", "axes"], ["v"])],
                  [node("Shape", ["b"], ["s"]), node("Slice", ["s", "axes", "one", "axes"], ["v"])],
                  [node("Shape", ["b"], ["v"], start=0, end=1)],
                  [node("Shape", ["b"], ["s"]), node("Gather", ["s", "axes"], ["w"]), node("Squeeze", ["w", "axes"], ["n"]),
                   node("Cast", ["n"], ["n2"], to=6), node("Unsqueeze", ["n2", "axes"], ["v"])]):
        flatten = first + [node("Concat", ["v", "rest"], ["shape"], axis=0), node("Reshape", ["b", "shape"], ["r"])]
        files.same(f"a shape that is computed by {len(first)} nodes", model(nodes(flatten=flatten), weights() + [
            constant("zero", 0), constant("axes", [0]), constant("one", [1]), constant("rest", [-1])]), y)
    last = [info("x", (1, 6, 5, 3))]
    first = [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Conv", ["t", "c.weight", "c.bias"], ["a"], **CONVOLUTION)]
    files.same("channels last", model(nodes(conv=first), weights(), last), y)
    behind = [node("Transpose", ["b"], ["t2"], perm=[0, 2, 3, 1]), node("Reshape", ["t2", "shape"], ["r"])]
    tail = [node("MatMul", ["r", "fc.weight"], ["z"]), node("Add", ["z", "fc.bias"], ["y"])]
    rows = FC.reshape(4, 4, 3, 5).transpose(2, 3, 1, 0).reshape(60, 4)
    files.same("channels last before the dense layer too", model(nodes(conv=first, flatten=behind, tail=tail), weights(
        fc_weight=tensor("fc.weight", rows)) + [constant("shape", [-1, 60])], last), y)
    mean = relu(convolve(pattern(6, 5, 3))).mean((0, 1))
    for what, pool in (("GlobalAveragePool and Squeeze", [node("GlobalAveragePool", ["b"], ["p"]), node("Squeeze", ["p", "hw"], ["y"])]),
                       ("ReduceMean", [node("ReduceMean", ["b"], ["y"], axes=[-1, -2], keepdims=0)]),
                       ("ReduceMean of channels last", [node("Transpose", ["b"], ["p"], perm=[0, 2, 3, 1]),
                                                        node("ReduceMean", ["p"], ["y"], axes=[1, 2], keepdims=0)])):
        files.same(what, model(nodes()[:2] + pool, weights() + [constant("hw", [2, 3])]), mean)
    files.same("ReduceMean, axes as input", model(nodes()[:2] + [node("ReduceMean", ["b", "hw"], ["y"], keepdims=0)],
                                                  weights() + [constant("hw", [2, 3])], opset=18), mean)
    any_size = [info("x", ("n", 3, "h", "w"))]
    files.same("another size", model(nodes()[:2] + [node("ReduceMean", ["b"], ["y"], axes=[2, 3], keepdims=0)], weights(), any_size),
               relu(convolve(pattern(8, 8, 3))).mean((0, 1)), pattern(8, 8, 3), 8)


def layers(files, y):
    x = pattern(6, 5, 3)
    same = [node("Conv", ["x", "c.weight", "c.bias"], ["a"], auto_pad="SAME_UPPER", strides=[2, 1])]
    files.same("SAME_UPPER", model(nodes(conv=same), weights()), dense(relu(convolve(x, pads=(0, 1, 1, 1)))))
    bias = [node("Conv", ["x", "c.weight"], ["q"], **CONVOLUTION), node("Add", ["q", "c.bias"], ["a"])]
    files.same("Conv and Add", model(nodes(conv=bias), weights(c_bias=tensor("c.bias", CONV_BIAS[:, None, None]))), y)
    pad = [node("Pad", ["x", "pads"], ["p"], mode="constant"), node("Conv", ["p", "c.weight", "c.bias"], ["a"], strides=[2, 1])]
    files.same("Pad and Conv", model(nodes(conv=pad), weights() + [tensor("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], "<i8"))]), y)
    old = [node("Pad", ["x"], ["p"], pads=[0, 0, 1, 1, 0, 0, 1, 1]), node("Conv", ["p", "c.weight", "c.bias"], ["a"], strides=[2, 1])]
    files.same("Pad, pads as attribute", model(nodes(conv=old), weights(), opset=9), y)
    for what, middle in (("Clip from 0", [node("Clip", ["a", "zero"], ["b"])]), ("Max with 0", [node("Max", ["a", "zero"], ["b"])]),
                         ("Dropout", [node("Dropout", ["a", "ratio"], ["q"]), node("Relu", ["q"], ["b"])]),
                         ("Cast to float", [node("Cast", ["a"], ["q"], to=1), node("Relu", ["q"], ["b"])]),
                         ("AveragePool of one cell", [node("AveragePool", ["a"], ["q"], kernel_shape=[1, 1]), node("Relu", ["q"], ["b"])]),
                         ("two Identities", [node("Identity", ["a"], ["q"]), node("Identity", ["q"], ["s"]), node("Relu", ["s"], ["b"])])):
        files.same(what, model(nodes(middle=middle), weights() + [tensor("zero", np.float32(0)), tensor("ratio", np.float32(.5))]), y)
    a = convolve(x)
    near = np.pad(a ** 2, ((0, 0), (0, 0), (1, 1)))
    total = near[..., :-2] + near[..., 1:-1] + near[..., 2:]
    lrn = node("LRN", ["a"], ["b"], size=3, alpha=0.5, beta=0.75, bias=2.0)
    files.same("LRN", model(nodes(middle=[lrn]), weights()), dense(a / (2 + 0.5 / 3 * total) ** 0.75))
    numbers = {n: RANDOM.uniform(0.5, 1.5, 4).astype("<f4") for n in ("scale", "shift", "mean", "var")}
    norm = [node("BatchNormalization", ["a", *numbers], ["q"], epsilon=0.25), node("Relu", ["q"], ["b"])]
    n = {k: v.astype(np.float64) for k, v in numbers.items()}
    files.same("BatchNormalization", model(nodes(middle=norm), weights() + [tensor(k, v) for k, v in numbers.items()]),
               dense(relu((a - n["mean"]) / np.sqrt(n["var"] + 0.25) * n["scale"] + n["shift"])))
    for axis in (1, -1):
        logits = dense(relu(a))
        tail = [node("Gemm", ["r", "fc.weight", "fc.bias"], ["z"], transB=1), node("Softmax", ["z"], ["y"], axis=axis)]
        files.same(f"Softmax of axis {axis}", model(nodes(tail=tail), weights()), np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
    files.same("an output on the way to another", model(nodes(), weights(), outputs=("b", "y")), y)
    dead = [node("Conv", ["x", "c.weight"], ["dead"]), node("FancyOp", ["dead"], ["deader"], domain="org.example")]
    files.same("nodes that nothing needs", model(dead + nodes(), weights()), y)
    for mean, std in ((np.array([.5, .25, .75], "<f4"), np.array([2, .5, 4], "<f4")), (np.array(.5, "<f4"), np.array(2, "<f4"))):
        shape = (1, 3, 1, 1) if mean.ndim else ()
        scale = [node("Sub", ["x", "mean"], ["s"]), node("Div", ["s", "std"], ["t"]), node("Conv", ["t", "c.weight", "c.bias"], ["a"], **CONVOLUTION)]
        files.same(f"an input that is scaled by {mean.size}", model(nodes(conv=scale), weights() + [
            tensor("mean", mean.reshape(shape)), tensor("std", std.reshape(shape))]), dense(relu(convolve((x - mean) / std))))


def fixtures(files):
    with open(os.path.join(FIXTURES, "outputs.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    for name, expected in recorded.items():
        code, found, error = files.run(os.path.join(FIXTURES, name + ".onnx"), pattern(12, 15, 3))
        expected = np.array(expected)
        worst = np.abs(found - expected).max() / np.abs(expected).max() if code == 0 and found.shape == expected.shape else np.inf
        report(bool(worst <= 1e-5), f"exported: {name}", error.strip() if code else f"off by {worst}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        files = Files(sys.argv[1], scratch)
        y = dense(relu(convolve(pattern(6, 5, 3))))
        files.same("as it is usually written", model(nodes(), weights()), y)
        for opset in (7, 9, 23):
            files.same(f"opset {opset}", model(nodes(), weights(), opset=opset), y)
        for part in (storage, dense_layers, shapes, layers):
            part(files, y)
        fixtures(files)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
