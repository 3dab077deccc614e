"""ONNX in a few lines of numpy: decodes a ModelProto and computes it in double, for networks that `kohl export` writes.

Independent of kohl and of onnx's own packages (Debian's python3-onnx is not needed to test).  Formulas are those of ONNX's
operator specification, opset 13; any other operator or attribute is an error.
"""
import struct

import numpy as np


def fields(data):
    """(number, value) of a message: whole numbers, floats or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        wire = tag & 7
        if wire == 0:
            yield tag >> 3, varint()
        elif wire == 5:
            yield tag >> 3, struct.unpack_from("<f", data, at)[0]
            at += 4
        elif wire == 2:
            size = varint()
            assert at + size <= len(data), "a field that leaves its message"
            yield tag >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {wire}")


def every(data, number):
    return [value for field, value in fields(data) if field == number]


def one(data, number):
    found = every(data, number)
    assert len(found) == 1, (number, len(found))
    return found[0]


def text(data):
    return bytes(data).decode()


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def tensor(data):
    kind = {1: "<f4", 7: "<i8"}[one(data, 2)]
    return text(one(data, 8)), np.frombuffer(one(data, 9), kind).reshape([signed(d) for d in every(data, 1)])


def attribute(data):
    kind = one(data, 20)
    value = {1: lambda: one(data, 2), 2: lambda: signed(one(data, 3)), 7: lambda: [signed(v) for v in every(data, 8)]}[kind]()
    return text(one(data, 1)), value


def value_info(data):
    kind = one(one(data, 2), 1)
    assert one(kind, 1) == 1  # float
    shape = [text(one(dim, 2)) if every(dim, 2) else one(dim, 1) for dim in every(one(kind, 2), 1)]
    return text(one(data, 1)), shape


class Model:
    """What a file has; its names are checked: each is made once, and before it is used."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = memoryview(file.read())
        graph = one(data, 7)
        self.ir, self.producer = one(data, 1), text(one(data, 2))
        self.opsets = [(text(one(o, 1)), one(o, 2)) for o in every(data, 8)]
        self.metadata = {text(one(m, 1)): text(one(m, 2)) for m in every(data, 14)}
        self.name = text(one(graph, 2))
        self.nodes = [(text(one(n, 4)), [text(i) for i in every(n, 1)], text(one(n, 2)), dict(attribute(a) for a in every(n, 5)))
                      for n in every(graph, 1)]
        self.constants = dict(tensor(t) for t in every(graph, 5))
        self.inputs = [value_info(v) for v in every(graph, 11)]
        self.outputs = [value_info(v) for v in every(graph, 12)]
        assert len(self.constants) == len(every(graph, 5)), "two initializers of one name"
        known = set(self.constants) | {name for name, _ in self.inputs}
        for op, inputs, output, _ in self.nodes:
            assert set(inputs) <= known, (op, inputs)
            assert output not in known, output
            known.add(output)
        assert {name for name, _ in self.outputs} <= known
        used = {i for _, inputs, _, _ in self.nodes for i in inputs}
        assert set(self.constants) <= used, "an initializer that nobody reads"

    def run(self, batch):
        """{name: array} of the outputs."""
        (name, shape), = self.inputs
        assert list(batch.shape[1:]) == shape[1:] and shape[0] == "N"
        values = {n: c.astype(np.float64) if c.dtype.kind == "f" else c for n, c in self.constants.items()}
        values[name] = batch.astype(np.float64)
        for op, inputs, output, attributes in self.nodes:
            attributes = dict(attributes)
            values[output] = OPS[op](attributes, *(values[i] for i in inputs))
            assert not attributes, f"{op}: attributes {attributes}"
        found = {n: values[n] for n, _ in self.outputs}
        for n, shape in self.outputs:
            assert list(found[n].shape[1:]) == shape[1:] and shape[0] == "N", (n, found[n].shape, shape)
        return found


def windows(x, kernel, stride, pads, dilation=(1, 1), fill=0.0):
    """[n,c,p,q,r,s] of a picture with padding around."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    p, q = ((size - (k - 1) * d - 1) // s + 1 for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation))
    out = np.empty(x.shape[:2] + (p, q) + tuple(kernel))
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            y, z = r * dilation[0], s * dilation[1]
            out[..., r, s] = x[:, :, y:y + (p - 1) * stride[0] + 1:stride[0], z:z + (q - 1) * stride[1] + 1:stride[1]]
    return out


def conv(a, x, weight, bias=0.0):
    groups, kernel = a.pop("group"), a.pop("kernel_shape")
    assert tuple(kernel) == weight.shape[2:]
    cells = windows(x, kernel, a.pop("strides"), a.pop("pads"), a.pop("dilations"))
    c, k = x.shape[1] // groups, weight.shape[0] // groups
    parts = [np.einsum("ncpqrs,kcrs->nkpq", cells[:, g * c:(g + 1) * c], weight[g * k:(g + 1) * k], optimize=True) for g in range(groups)]
    return np.concatenate(parts, 1) + np.reshape(bias, (-1, 1, 1))


def max_pool(a, x):
    return windows(x, a.pop("kernel_shape"), a.pop("strides"), a.pop("pads"), fill=-np.inf).max((4, 5))


def average_pool(a, x):
    kernel, stride, pads = a.pop("kernel_shape"), a.pop("strides"), a.pop("pads", (0, 0, 0, 0))
    counted = windows(np.ones_like(x), kernel, stride, pads, fill=float(a.pop("count_include_pad", 0)))
    return windows(x, kernel, stride, pads).sum((4, 5)) / counted.sum((4, 5))


def batch_normalization(a, x, scale, bias, mean, variance):
    factor = scale / np.sqrt(variance + a.pop("epsilon"))
    shape = (-1,) + (1,) * (x.ndim - 2)
    return (x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape)


def softmax(a, x):
    e = np.exp(x - x.max(a["axis"], keepdims=True))
    return e / e.sum(a.pop("axis"), keepdims=True)


def lrn(a, x):
    size, alpha = a.pop("size"), a.pop("alpha")
    squares = np.pad(x * x, ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0)))
    total = sum(squares[:, i:i + x.shape[1]] for i in range(size))
    return x / (a.pop("bias") + alpha / size * total) ** a.pop("beta")


def gemm(a, x, weight, bias=0.0):
    assert a.pop("transB") == 1
    return x @ weight.T + bias


def reshape(a, x, shape):
    return x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(shape)])


OPS = {
    "Conv": conv, "MaxPool": max_pool, "AveragePool": average_pool, "BatchNormalization": batch_normalization, "LRN": lrn, "Softmax": softmax,
    "Gemm": gemm, "Reshape": reshape,
    "Relu": lambda a, x: np.maximum(x, 0),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Identity": lambda a, x: x,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "GlobalMaxPool": lambda a, x: x.max((2, 3), keepdims=True),
    "Flatten": lambda a, x: x.reshape(x.shape[0], -1),
    "Transpose": lambda a, x: x.transpose(a.pop("perm")),
    "Concat": lambda a, *x: np.concatenate(x, a.pop("axis")),
    "Gather": lambda a, x, index: np.take(x, index, a.pop("axis")),
    "Pad": lambda a, x, pads: np.pad(x, list(zip(pads[:4], pads[4:]))),
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Sub": lambda a, x, y: x - y,
    "Div": lambda a, x, y: x / y,
}
