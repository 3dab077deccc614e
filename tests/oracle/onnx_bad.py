"""Damaged, hostile and unreadable ONNX models: each is refused by name.

    onnx_bad.py BUILD

Every file is the network of onnx_files.py with one thing wrong; expected are exit code 2, one line that names the file
and what is wrong, and soon.  Prints TAP; needs numpy.
"""
import os
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
import onnx_files as o
from onnx_files import CONV, CONVOLUTION, FC, FC_BIAS, attribute, info, message, model, node, nodes, tensor, varint, weights


def ints(name, value):
    return tensor(name, np.array(value, "<i8"))


def conv(extra=(), **attributes):
    """The first convolution with other attributes."""
    return [node("Conv", ["x", "c.weight", "c.bias", *extra], ["a"], "conv", **{**CONVOLUTION, **attributes})]


def middle(op, **attributes):
    return nodes(middle=[node(op, ["a"], ["b"], "it", **attributes)])


def raw_node(*fields):
    return message([(1, "a"), (2, "b"), (3, "it"), *fields])


def containers(files):
    good = model(nodes(), weights())
    cases = [
        ("a cut-off model", good[:-3], ["damaged or cut off"]),
        ("a cut-off graph", message([(1, 8), (7, message([(1, node("Relu", ["x"], ["y"]))])[:-2]), (8, message([(2, 13)]))]), ["damaged"]),
        ("no graph", message([(1, 8), (2, "w"), (8, message([(2, 13)]))]), ["'graph'", "missing"]),
        ("two graphs", message([(1, 8), (7, b""), (7, b""), (8, message([(2, 13)]))]), ["'graph'", "twice"]),
        ("no opset", message([(1, 8), (2, "w"), (7, b"\x12\x01g")]), ["opset_import", "7 to 23"]),
        ("opset 6", model(nodes(), weights(), opset=6), ["opset_import", "version 6"]),
        ("opset 24", model(nodes(), weights(), opset=24), ["opset_import", "version 24"]),
        ("opset 2^63", model(nodes(), weights(), opset=1 << 63), ["opset_import"]),
        ("a damaged opset", message([(1, 8), (8, b"\x0a\x05"), (7, b"")]), ["opset_import", "damaged"]),
        ("a damaged node", model([b"\x0a\x09x"], weights()), ["node 0", "damaged"]),
        ("a group", model([], [], top=[(8, message([(2, 13)]))]) + b"\x4b\x4c", ["damaged"]),
        ("no inputs", model(nodes(), weights(), []), ["0 inputs"]),
        ("two inputs", model(nodes(), weights(), [info("x", (1, 3, 6, 5)), info("z", (1, 3, 6, 5))]), ["2 inputs"]),
        ("no outputs", model(nodes(), weights(), outputs=()), ["0 outputs"]),
        ("nine outputs", model(nodes(), weights(), outputs=("y",) * 9), ["9 outputs"]),
        ("outputs of two branches", model(nodes() + [node("GlobalAveragePool", ["b"], ["z"])], weights(), outputs=("y", "z")), ["2 outputs", "behind"]),
        ("an output that nothing makes", model(nodes(), weights(), outputs=("nothing",)), ["'nothing'", "value of the graph"]),
        ("the input as output", model(nodes(), weights(), outputs=("x",)), ["'x'", "input itself"]),
        ("a constant as output", model(nodes(), weights(), outputs=("c.bias",)), ["'c.bias'", "constant"]),
        ("a sparse initializer", model(nodes(), weights(), graph=[(15, b"")]), ["sparse"]),
        ("an input of integers", model(nodes(), weights(), [info("x", (1, 3, 6, 5), 7)]), ["'x'", "data type 7"]),
        ("an input of 3 dimensions", model(nodes(), weights(), [info("x", (3, 6, 5))]), ["'x'", "3 dimensions"]),
        ("an input of 9 dimensions", model(nodes(), weights(), [info("x", (1,) * 9)]), ["'x'", "8 dimensions"]),
        ("an input without channels", model(nodes(), weights(), [info("x", (1, "c", 6, 5))]), ["'x'", "channels"]),
        ("an input without size", model(nodes(), weights(), [info("x", (1, 3, "h", "w"))]), ["'x'", "--size"]),
        ("an input of 2^31 pixels", model(nodes(), weights(), [info("x", (1, 3, 1 << 30, 5))]), ["'x'", "size"]),
        ("no weights", model([node("Relu", ["x"], ["y"])], []), ["no layer has weights"]),
        ("a value defined twice", model(nodes() + [node("Relu", ["a"], ["b"])], weights()), ["'b'", "twice"]),
        ("an initializer twice", model(nodes(), weights() + [tensor("c.bias", FC_BIAS)]), ["'c.bias'", "twice"]),
        ("a node before its input", model(nodes()[::-1], weights()), ["'gemm'", "'r'", "before"]),
        ("a node of itself", model(nodes(middle=[node("Relu", ["b"], ["b"], "it")]), weights()), ["'it'", "'b'", "before"]),
        ("an initializer that is missing", model(nodes(), weights(c_weight=None)), ["'conv'", "'c.weight'", "before"]),
        ("65,537 nodes", model([node("Constant", [], [])] * 65537, []), ["65537 nodes", "65536"]),
        ("262,145 inputs", model([message([(1, "x")] * 262145 + [(4, "Sum")])], []), ["262145 inputs"]),
    ]
    for what, data, words in cases:
        files.refused(what, data, words)


def tensors(files):
    def c(**how):
        return model(nodes(), weights(c_weight=tensor("c.weight", CONV, **how)))

    files.write(b"\0" * 100, "short.bin")
    os.symlink("short.bin", os.path.join(files.scratch, "link.bin"))
    os.mkdir(os.path.join(files.scratch, "folder"))
    outside = ["c.weight", "model's folder"]
    cases = [
        ("raw_data that is short", c(shape=(4, 3, 3, 4)), ["'c.weight'", "432 bytes", "576"]),
        ("float_data that is short", c(how="list", shape=(4, 3, 4, 4)), ["'c.weight'", "432 bytes", "768"]),
        ("a shape that overflows", c(shape=(1 << 62, 1 << 62, 3, 3)), ["'c.weight'", "memory"]),
        ("a shape below 0", c(shape=(-4, 3, 3, 3)), ["'c.weight'", "below 0"]),
        ("nine dimensions", c(shape=(1,) * 9), ["'c.weight'", "8 dimensions"]),
        ("numbers in two fields", c(extra=[(4, CONV.tobytes())]), ["'c.weight'", "twice"]),
        ("numbers in a field of another type", c(type=11, how="list"), ["'c.weight'"]),
        ("floats as whole numbers", c(how=None, extra=[(5, b"\1" * 108)]), ["'c.weight'", "another type"]),
        ("whole numbers for a filter", model(nodes(), weights(c_weight=tensor("c.weight", CONV.astype("<i4")))), ["'conv'", "'c.weight'", "data type 6"]),
        ("a string tensor for a filter", c(type=8), ["'conv'", "'c.weight'", "data type 8"]),
        ("no numbers at all", c(how=None), ["'c.weight'", "0 bytes"]),
        ("unpacked numbers", c(how=None, extra=[(4, 1.0)] * 108), ["'c.weight'", "not packed"]),
        ("a segment", c(extra=[(3, b"")]), ["'c.weight'", "segment"]),
        ("a damaged tensor", model(nodes(), weights() + [b"\x0a"]), ["damaged"]),
        ("a packed shape that is cut off", model(nodes(), weights() + [message([(8, "t"), (1, b"\x80")])]), ["'t'", "cut off"]),
        ("halves beyond 16 bits", model(nodes(), weights(c_weight=tensor("c.weight", CONV.astype("<f2"), None, extra=[(5, varint(65536) * 108)]))), ["'c.weight'", "65536", "16 bits"]),
        ("not a number", model(nodes(), weights(c_bias=tensor("c.bias", np.full(4, np.nan, "<f4")))), ["c.bias", "nan"]),
        ("a double beyond floats", model(nodes(), weights(c_bias=tensor("c.bias", np.full(4, 1e39, "<f8")))), ["c.bias"]),
        ("a name of 513 bytes", model(nodes(conv=[node("Conv", ["x", "n" * 513, "c.bias"], ["a"], **CONVOLUTION)]), weights(c_weight=tensor("n" * 513, CONV))), ["513 bytes"]),
        ("a name with a zero", model(nodes(conv=[node("Conv", ["x", "c\0", "c.bias"], ["a"], **CONVOLUTION)]), weights(c_weight=tensor("c\0", CONV))), ["without a zero"]),
        ("a file that is missing", c(how=("nothing.bin", 0, None)), ["'c.weight'", "nothing.bin"]),
        ("a file that is short", c(how=("short.bin", 0, None)), ["'c.weight'", "432 bytes", "has 100"]),
        ("an offset behind the file", c(how=("short.bin", 101, None)), ["'c.weight'", "from 101"]),
        ("an offset of 2^62", c(how=("short.bin", 1 << 62, None)), ["'c.weight'"]),
        ("an offset of 2^64", c(how=("short.bin", 1 << 64, None)), ["'c.weight'", "offset"]),
        ("an offset that is no number", c(how=("short.bin", "-1", None)), ["'c.weight'", "offset '-1'"]),
        ("a length that is no number", c(how=("short.bin", 0, "0x10")), ["'c.weight'", "length '0x10'"]),
        ("another length", c(how=("short.bin", 0, 431)), ["'c.weight'", "431"]),
        ("a file of a folder", c(how=("folder/short.bin", 0, None)), outside),
        ("a file above", c(how=("../short.bin", 0, None)), outside),
        ("the folder above", c(how=("..", 0, None)), outside),
        ("an absolute path", c(how=("/etc/passwd", 0, None)), outside),
        ("no location", c(how=(None, 0, None)), outside),
        ("a location with a zero", c(how=("short.bin\0", 0, None)), outside),
        ("a location of 256 bytes", c(how=("s" * 256, 0, None)), outside),
        ("a hidden file", c(how=(".short", 0, None)), outside),
        ("a link", c(how=("link.bin", 0, None)), ["'c.weight'", "link"]),
        ("a folder for a file", c(how=("folder", 0, None)), ["'c.weight'", "regular file"]),
        ("external and inside", c(how=("short.bin", 0, None), extra=[(9, CONV.tobytes())]), ["'c.weight'", "twice"]),
        ("external strings", c(how=("short.bin", 0, None), type=8), ["'c.weight'", "not read"]),
    ]
    for what, data, words in cases:
        files.refused(what, data, words)


def attributes(files):
    def it(*fields):
        return model(nodes(middle=[raw_node(*fields)]), weights())

    def a(attributes, **how):
        return model(nodes(conv=conv(**attributes), **how), weights())

    def pool(**attributes):
        return model(middle("MaxPool", **attributes), weights())

    two = dict(kernel_shape=[2, 2])
    cases = [
        ("an unknown operator", model(middle("Elu"), weights()), ["'it'", "Elu", "not read"]),
        ("an operator of others", model(nodes(middle=[node("Relu", ["a"], ["b"], "it", "com.microsoft")]), weights()), ["'it'", "own"]),
        ("no operator", it(), ["'it'", "not read"]),
        ("a node without a name", model(nodes(middle=[node("Elu", ["a"], ["b"])]), weights()), ["node 1 (Elu)"]),
        ("an attribute twice", it((4, "MaxPool"), (5, attribute("kernel_shape", [2, 2])), (5, attribute("kernel_shape", [2, 2]))), ["'it'", "'kernel_shape'", "twice"]),
        ("a damaged attribute", it((4, "MaxPool"), (5, b"\x0a\x80")), ["'it'", "damaged"]),
        ("an attribute of another type", pool(kernel_shape=2), ["'it'", "'kernel_shape'", "type"]),
        ("a number as text", a(dict(group="1")), ["'conv'", "'group'", "type"]),
        ("a list of nine", pool(kernel_shape=[2] * 9), ["'kernel_shape'", "more than 8"]),
        ("a packed list that is cut off", it((4, "MaxPool"), (5, message([(1, "kernel_shape"), (8, b"\x80"), (20, 7)]))), ["'kernel_shape'", "cut off"]),
        ("one stride", a(dict(strides=[2])), ["'conv'", "strides", "2 numbers"]),
        ("a stride of 0", a(dict(strides=[0, 1])), ["'conv'", "stride is 0"]),
        ("a stride below 0", a(dict(strides=[-1, 1])), ["'conv'", "strides", "-1"]),
        ("a stride of 2^40", a(dict(strides=[1 << 40, 1])), ["'conv'", "strides"]),
        ("pads below 0", a(dict(pads=[-1, 0, 0, 0])), ["'conv'", "pads", "-1"]),
        ("two pads", a(dict(pads=[1, 1])), ["'conv'", "pads", "4 numbers"]),
        ("a kernel that is not the weight's", a(dict(kernel_shape=[3, 2])), ["'conv'", "weight's"]),
        ("a dilation of 0", a(dict(dilations=[0, 1])), ["'conv'", "dilation is 0"]),
        ("no groups", a(dict(group=0)), ["'conv'", "groups is 0"]),
        ("groups that do not divide", a(dict(group=2)), ["groups"]),
        ("SAME_LOWER", a(dict(auto_pad="SAME_LOWER", pads=[0, 0, 0, 0])), ["'conv'", "SAME_LOWER"]),
        ("pads beside SAME_UPPER", a(dict(auto_pad="SAME_UPPER")), ["'conv'", "'pads'"]),
        ("a window beyond the picture", a(dict(pads=[0, 0, 0, 0], dilations=[4, 1])), ["too small"]),
        ("a convolution of one dimension", model(nodes(), weights(c_weight=tensor("c.weight", CONV[..., 0]))), ["'conv'", "3 dimensions"]),
        ("a filter for other channels", model(nodes(), weights(c_weight=tensor("c.weight", CONV[:, :2].copy()))), ["'c.weight'", "[4, 2, 3, 3]", "[4, 3, 3, 3]"]),
        ("a bias of 3", model(nodes(), weights(c_bias=tensor("c.bias", FC_BIAS[:3]))), ["'c.bias'", "[3]", "[4]"]),
        ("a dense layer for other inputs", model(nodes(), weights(fc_weight=tensor("fc.weight", FC[:, :59].copy()))), ["'fc.weight'", "[4, 59]", "[4, 60]"]),
        ("a pool without a kernel", pool(), ["'it'", "kernel"]),
        ("a dilated pool", pool(dilations=[2, 2], **two), ["'it'", "'dilations'"]),
        ("a pool's padding of a window", pool(pads=[2, 0, 0, 0], **two), ["padding of a whole"]),
        ("the second output of a pool", model(nodes(middle=[node("MaxPool", ["a"], ["q", "b"], "it", **two)]), weights()), ["'it'", "second"]),
        ("alpha 2", model(nodes(tail=[node("Gemm", ["r", "fc.weight", "fc.bias"], ["y"], "it", alpha=2.0, transB=1)]), weights()), ["'it'", "'alpha'"]),
        ("transA", model(nodes(tail=[node("Gemm", ["r", "fc.weight"], ["y"], "it", transA=1, transB=1)]), weights()), ["'it'", "'transA'"]),
        ("a Gemm of a picture", model(nodes(flatten=[node("Identity", ["b"], ["r"])]), weights()), ["'gemm'", "picture"]),
        ("a Gemm without a weight", model(nodes(tail=[node("Gemm", ["r"], ["y"], "it")]), weights()), ["'it'", "constant tensor"]),
        ("a filter that is computed", model(nodes(conv=[node("Conv", ["x", "x"], ["a"], "it")]), weights()), ["'it'", "constant tensor"]),
        ("a convolution of a constant", model(nodes(conv=[node("Conv", ["c.weight", "c.weight"], ["a"], "it")]), weights()), ["'it'", "a constant"]),
        ("Clip to 6", model(nodes(middle=[node("Clip", ["a", "zero", "six"], ["b"], "it")]), weights() + [tensor("zero", np.float32(0)), tensor("six", np.float32(6))]), ["'it'", "0 to 6"]),
        ("a leaky Clip", model(middle("Clip", min=-1.0), weights(), opset=9), ["'it'", "-1"]),
        ("Max with 1", model(nodes(middle=[node("Max", ["a", "one"], ["b"], "it")]), weights() + [tensor("one", np.float32(1))]), ["'it'"]),
        ("an even LRN", model(middle("LRN", size=4), weights()), ["window", "odd"]),
        ("an LRN without size", model(middle("LRN"), weights()), ["'it'", "'size'"]),
        ("a dropout of everything", model(middle("Dropout", ratio=1.0), weights(), opset=9), ["rate is 1"]),
        ("a softmax of columns", model(nodes(tail=[node("Softmax", ["a"], ["y"], "it", axis=3)]), weights()), ["'it'", "'axis'"]),
        ("an older softmax of a picture", model(nodes(tail=[node("Softmax", ["a"], ["y"], "it")]), weights(), opset=11), ["'it'", "rows"]),
        ("a cast to whole numbers", model(middle("Cast", to=7), weights()), ["'it'", "'to'", "7"]),
        ("batch-norm in training", model(middle("BatchNormalization", training_mode=1), weights()), ["'it'", "'training_mode'"]),
    ]
    for what, data, words in cases:
        files.refused(what, data, words)


def shapes(files):
    def flat(*flatten, extra=(), **how):
        return model(nodes(flatten=list(flatten)), weights() + list(extra), **how)

    def first(*conv, extra=(), **how):
        return model(nodes(conv=list(conv) + [node("Conv", ["t", "c.weight", "c.bias"], ["a"], **CONVOLUTION)]), weights() + list(extra), **how)

    one, pads = tensor("one", np.float32(1)), ints("pads", [0, 0, 1, 1, 0, 0, 1, 1])
    cases = [
        ("Flatten of axis 2", flat(node("Flatten", ["b"], ["r"], "it", axis=2)), ["'it'", "'axis'"]),
        ("Reshape to columns", flat(node("Reshape", ["b", "s"], ["r"], "it"), extra=[ints("s", [60, 1])]), ["'it'", "shape"]),
        ("Reshape to three dimensions", flat(node("Reshape", ["b", "s"], ["r"], "it"), extra=[ints("s", [1, 4, 15])]), ["'it'", "shape"]),
        ("Reshape to another count", flat(node("Reshape", ["b", "s"], ["r"], "it"), extra=[ints("s", [1, 30])]), ["'it'", "30 values"]),
        ("Reshape to floats", flat(node("Reshape", ["b", "s"], ["r"], "it"), extra=[tensor("s", np.ones(2, "<f4"))]), ["'it'", "whole numbers"]),
        ("Reshape to a computed height", flat(node("Shape", ["b"], ["q"]), node("Gather", ["q", "two"], ["n"]), node("Unsqueeze", ["n", "zero"], ["v"]), node("Concat", ["v", "rest"], ["s"], axis=0), node("Reshape", ["b", "s"], ["r"], "it"), extra=[ints("two", 2), ints("zero", [0]), ints("rest", [-1])]), ["'it'", "shape"]),
        ("an element behind a shape", flat(node("Shape", ["b"], ["q"]), node("Gather", ["q", "four"], ["n"], "it"), node("Reshape", ["b", "n"], ["r"]), extra=[ints("four", 4)]), ["'it'", "4"]),
        ("the shape of a shape", flat(node("Shape", ["b"], ["q"]), node("Shape", ["q"], ["s"], "it"), node("Reshape", ["b", "s"], ["r"])), ["'it'"]),
        ("Squeeze of pixels", model(nodes()[:2] + [node("Squeeze", ["b", "hw"], ["y"], "it")], weights() + [ints("hw", [2, 3])]), ["'it'", "one pixel"]),
        ("Squeeze of everything", flat(node("Squeeze", ["b"], ["r"], "it")), ["'it'", "axes"]),
        ("a mean over channels", flat(node("ReduceMean", ["b"], ["r"], "it", axes=[1, 2], keepdims=0)), ["'it'", "height and width"]),
        ("a mean over axis 4", flat(node("ReduceMean", ["b"], ["r"], "it", axes=[2, 4])), ["'it'", "4"]),
        ("a Transpose of height and width", flat(node("Transpose", ["b"], ["q"], "it", perm=[0, 1, 3, 2]), node("Flatten", ["q"], ["r"])), ["'it'", "'perm'"]),
        ("a convolution of channels last", model(nodes(conv=[node("Conv", ["x", "c.weight", "c.bias"], ["a"], "it", **CONVOLUTION)]), weights(), [info("x", (1, 6, 5, 3))]), ["'it'", "channels last"]),
        ("a flattened picture as output", model(nodes()[:3], weights(), outputs=("r",)), ["one pixel"]),
        ("a softmax of a flattened picture", model(nodes(tail=[node("Softmax", ["r"], ["y"], "it")]), weights()), ["'it'", "flattened"]),
        ("Concat of height", model(nodes(middle=[node("Concat", ["a", "a"], ["b"], "it", axis=2)]), weights()), ["'it'", "'axis'"]),
        ("Concat of nine", model(nodes(middle=[node("Concat", ["a"] * 9, ["b"], "it", axis=1)]), weights()), ["'it'", "1 to 8"]),
        ("Concat of a constant", model(nodes(middle=[node("Concat", ["a", "c.weight"], ["b"], "it", axis=1)]), weights()), ["'it'", "a constant"]),
        ("Concat of two sizes", model(nodes(middle=[node("MaxPool", ["a"], ["q"], kernel_shape=[2, 2]), node("Concat", ["a", "q"], ["b"], "it", axis=1)]), weights()), ["'it'", "same height"]),
        ("Add of two shapes", model(nodes(middle=[node("GlobalAveragePool", ["a"], ["q"]), node("Add", ["a", "q"], ["b"], "it")]), weights()), ["'it'", "same shape"]),
        ("Add of a picture and rows", model(nodes(tail=[node("Add", ["r", "b"], ["y"], "it")]), weights()), ["'it'"]),
        ("Add of a constant", model(nodes(middle=[node("Add", ["a", "one"], ["b"], "it")]), weights() + [one]), ["'it'", "operands"]),
        ("Mul in the middle", model(nodes(middle=[node("Mul", ["a", "one"], ["b"], "it")]), weights() + [one]), ["'it'", "operands"]),
        ("a bias for each pixel", model(nodes(conv=[node("Conv", ["x", "c.weight"], ["q"], **CONVOLUTION), node("Add", ["q", "it"], ["a"], "it")]), weights() + [tensor("it", np.ones((3, 5), "<f4"))]), ["'it'", "bias"]),
        ("an input scaled in two ways", model(nodes(middle=[node("Mul", ["x", "two"], ["t"]), node("Conv", ["t", "c.weight"], ["q"], "it", **CONVOLUTION), node("Add", ["a", "q"], ["b"])]), weights() + [tensor("two", np.float32(2))]), ["'it'", "two ways"]),
        ("an input divided by 0", first(node("Div", ["x", "zero"], ["t"], "it"), extra=[tensor("zero", np.float32(0))]), ["'it'", "finite"]),
        ("a constant minus the input", first(node("Sub", ["one", "x"], ["t"], "it"), extra=[one]), ["'it'", "operands"]),
        ("one channel of the input", first(node("Gather", ["x", "two"], ["q"], axis=1), node("Unsqueeze", ["q", "axes"], ["t"]), extra=[ints("two", 2), ints("axes", [1])]), ["one channel"]),
        ("a fourth channel", first(node("Gather", ["x", "three"], ["t"], "it", axis=1), extra=[ints("three", 3)]), ["'it'", "channel"]),
        ("channels in another order", first(*[node("Slice", ["x", f"n{i}", f"n{i + 1}", "n1"], [f"c{i}"]) for i in range(3)], node("Concat", ["c2", "c1", "c0"], ["t"], "it", axis=1), extra=[ints(f"n{i}", [i]) for i in range(4)]), ["'it'", "order"]),
        ("a slice of pixels", first(node("Slice", ["x", "n1", "n2", "n2"], ["t"], "it"), extra=[ints("n1", [1]), ints("n2", [2])]), ["'it'", "slice"]),
        ("a slice that ends at 2^63", first(node("Slice", ["x", "n1", "n2", "n1"], ["t"], "it"), extra=[ints("n1", [(1 << 63) - 1]), ints("n2", [(1 << 63) - 1])]), ["'it'", "slice"]),
        ("Pad of a mirror", first(node("Pad", ["x", "pads"], ["t"], "it", mode="reflect"), extra=[pads]), ["'it'", "reflect"]),
        ("Pad with 1", first(node("Pad", ["x", "pads", "one"], ["t"], "it"), extra=[pads, one]), ["'it'", "another number"]),
        ("Pad of channels", first(node("Pad", ["x", "p"], ["t"], "it"), extra=[ints("p", [0, 1, 0, 0, 0, 0, 0, 0])]), ["'it'", "height and width"]),
        ("Pad below 0", first(node("Pad", ["x", "p"], ["t"], "it"), extra=[ints("p", [0, 0, -1, 0, 0, 0, 0, 0])]), ["'it'", "height and width"]),
        ("Pad before a Relu", model(nodes(middle=[node("Pad", ["a", "pads"], ["q"]), node("Relu", ["q"], ["b"], "it")]), weights() + [pads]), ["'it'", "padded"]),
        ("Pad before a MaxPool of any sign", model(nodes(middle=[node("Pad", ["a", "pads"], ["q"]), node("MaxPool", ["q"], ["b"], "it", kernel_shape=[2, 2])]), weights() + [pads]), ["'it'", "sign"]),
        ("Pad before SAME_UPPER", model(nodes(conv=[node("Pad", ["x", "pads"], ["t"]), node("Conv", ["t", "c.weight"], ["a"], "it", auto_pad="SAME_UPPER")]), weights() + [pads]), ["'it'", "SAME_UPPER"]),
        ("Pad before pads that do not count", model(nodes(middle=[node("Pad", ["a", "pads"], ["q"]), node("AveragePool", ["q"], ["b"], "it", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]), weights() + [pads]), ["'it'", "do not count"]),
        ("a padded output", model(nodes()[:2] + [node("Pad", ["b", "pads"], ["y"])], weights() + [pads]), ["'y'", "padded"]),
        ("zeros that are ones", flat(node("ConstantOfShape", ["n"], ["s"], "it", value=ints("", [1])), node("Reshape", ["b", "s"], ["r"]), extra=[ints("n", [2])]), ["'it'", "zeros"]),
        ("a constant of text", flat(node("Constant", [], ["s"], "it", value_string="text"), node("Reshape", ["b", "s"], ["r"])), ["'it'", "value"]),
    ]
    for what, data, words in cases:
        files.refused(what, data, words)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        files = o.Files(sys.argv[1], scratch)
        for part in (containers, tensors, attributes, shapes):
            part(files)
    return o.failures > 0


if __name__ == "__main__":
    sys.exit(main())
