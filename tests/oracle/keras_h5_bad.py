"""Damaged and hostile .h5 files through `kohl convert`: each is refused by name, soon, in little memory.

Files with one thing wrong each, truncated ones, flipped bytes, bombs, and a global heap over which libhdf5 1.10 loops
for ever.  Expected: exit code 2, one line that names the file and what is wrong, no output and no other file changed.

    keras_h5_bad.py BUILD

Prints TAP; needs h5py, like keras_h5.py, whose writers it uses.
"""
import json
import os
import struct
import sys
import time

import numpy as np

sys.dont_write_bytecode = True
from keras_h5 import KOHL, VGG, change, conv, h5py, keras1, layer_json, main, put_names, refuse, report, run, saved, tiny_layers, tiny_sequence, values, vgg_block, write

RANDOM = np.random.default_rng(21)


def malformed(scratch):
    layers, path = vgg_block(), os.path.join(scratch, "bad.h5")
    kernel = "block1_conv2/block1_conv2/kernel:0"

    def again(edit=None, **how):
        write(path, layers, **how)
        return change(path, edit) if edit else path

    def replace(make):
        def edit(file):
            del file[kernel]
            make(file)
        return again(edit)

    other = os.path.join(scratch, "other.h5")
    write(other, layers)
    refuse(scratch, "a soft link", replace(lambda f: f.__setitem__(kernel, h5py.SoftLink("/block1_conv1"))), ["kernel:0", "soft link"], *VGG)
    refuse(scratch, "an external link", replace(lambda f: f.__setitem__(kernel, h5py.ExternalLink(other, kernel))), ["external link"], *VGG)
    refuse(scratch, "external storage", replace(lambda f: f.create_dataset(kernel, (3, 3, 64, 64), "<f4", external=[(other, 0, h5py.h5f.UNLIMITED)])), [kernel, "external"], *VGG)

    def virtual(file):
        layout = h5py.VirtualLayout(shape=(3, 3, 64, 64), dtype="<f4")
        layout[:] = h5py.VirtualSource(other, kernel, shape=(3, 3, 64, 64))
        file.create_virtual_dataset(kernel, layout)

    refuse(scratch, "virtual storage", replace(virtual), [kernel, "virtual"], *VGG)
    shape = (3, 3, 64, 64)
    refuse(scratch, "integers", replace(lambda f: f.create_dataset(kernel, shape, "<i4", data=np.zeros(shape))), [kernel, "floats"], *VGG)
    refuse(scratch, "texts for numbers", replace(lambda f: f.create_dataset(kernel, data="text")), [kernel, "floats"], *VGG)
    refuse(scratch, "another filter", replace(lambda f: f.create_dataset(kernel, data=np.zeros(shape, "<f4"), compression="lzf")), [kernel, "filter"], *VGG)
    refuse(scratch, "numbers never written", replace(lambda f: f.create_dataset(kernel, shape, "<f4")), [kernel, "stored"], *VGG)
    refuse(scratch, "a huge contiguous array of nothing", replace(lambda f: f.create_dataset(kernel, (1 << 20, 1 << 20, 1 << 20), "<f4")), [kernel, "stored"], *VGG)
    refuse(scratch, "a huge array of nothing", replace(lambda f: f.create_dataset(kernel, (1 << 20, 1 << 20), "<f4", chunks=(1024, 1024), compression="gzip")), [kernel, "stored"], *VGG)
    refuse(scratch, "nine dimensions", replace(lambda f: f.create_dataset(kernel, data=np.zeros((1,) * 9, "<f4"))), [kernel, "8 dimensions"], *VGG)
    refuse(scratch, "a group for a tensor", replace(lambda f: f.create_group(kernel)), [kernel, "missing"], *VGG)
    refuse(scratch, "no such tensor", replace(lambda f: None), [kernel, "missing"], *VGG)
    refuse(scratch, "a transposed kernel", replace(lambda f: f.create_dataset(kernel, data=np.zeros((64, 64, 3, 3), "<f4"))), ["block1_conv2", "[64,64,3,3]", "[3,3,64,64]", "transposed"], *VGG)
    refuse(scratch, "a value that is not finite", replace(lambda f: f.create_dataset(kernel, data=np.full(shape, np.inf, "<f4"))), [kernel, "inf"], *VGG)
    refuse(scratch, "a missing layer's group", again(lambda f: f.__delitem__("block1_conv2")), ["layer 'block1_conv2'", "missing"], *VGG)
    refuse(scratch, "a missing layer", write(path, layers[:1]), ["block1_conv2", "missing"], *VGG)
    refuse(scratch, "a layer too many", write(path, layers + [conv("block1_conv3", 3, 3, 64, 64)]), ["block1_conv3", "extra"], *VGG)
    refuse(scratch, "no layer_names", again(lambda f: f.attrs.__delitem__("layer_names")), ["layer_names"], *VGG)
    refuse(scratch, "numbers for layer_names", again(lambda f: f.attrs.__setitem__("layer_names", np.arange(4))), ["layer_names", "no text"], *VGG)
    refuse(scratch, "no weight_names", again(lambda f: f["block1_conv1"].attrs.__delitem__("weight_names")), ["block1_conv1", "weight_names"], *VGG)
    refuse(scratch, "a name that climbs", again(lambda f: put_names(f["block1_conv1"], "weight_names", ["../x", "./y"])), ["missing"], *VGG)
    refuse(scratch, "an empty list", write(path, []), ["no weights"], *VGG)
    refuse(scratch, "Theano's backend", again(lambda f: f.attrs.__setitem__("backend", "theano")), ["flipped"], *VGG)
    theano = os.path.join(scratch, "vgg19_weights_th_dim_ordering_th_kernels.h5")
    refuse(scratch, "Theano's kernels", write(theano, layers), ["flipped"], *VGG)
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", data=values(3, 3, 3, 64))
    refuse(scratch, "Keras 3's layout with too few layers", path, ["block1_conv1", "missing", "layers/conv2d/vars/0"], *VGG)
    open(path, "wb").write(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    refuse(scratch, "only the first bytes of HDF5", path, ["HDF5"], *VGG)
    open(path, "wb").write(b"no weights at all\n")
    refuse(scratch, "not HDF5", path, ["of no known format"], *VGG)


def lists(scratch):
    """Names: repeated, shared, of other types; the file's version."""
    layers, path = vgg_block(), os.path.join(scratch, "lists.h5")
    names = ["block1_conv1", "block1_conv2"]

    def attribute(name, value):
        write(path, layers)
        return change(path, lambda f: f.attrs.__setitem__(name, value))

    def listed(layer, weights):
        write(path, layers)
        return change(path, lambda f: put_names(f[layer], "weight_names", weights))

    def linked(**links):
        write(path, layers)
        return change(path, lambda f: [f.__setitem__(name, link) for name, link in links.items()] and put_names(f, "layer_names", [*names, *links]))

    refuse(scratch, "a layer that is listed twice", change(write(path, layers), lambda f: put_names(f, "layer_names", names + names[:1])), ["both are", "block1_conv1"], *VGG)
    refuse(scratch, "a weight that is listed twice", listed("block1_conv1", ["block1_conv1/kernel:0"] * 2), ["both are", "block1_conv1"], *VGG)
    refuse(scratch, "a soft link to itself", linked(extra=h5py.SoftLink("/extra")), ["extra", "soft link"], *VGG)
    refuse(scratch, "soft links in a circle", linked(one=h5py.SoftLink("/two"), two=h5py.SoftLink("/one")), ["one", "soft link"], *VGG)
    refuse(scratch, "a soft link to nothing", linked(extra=h5py.SoftLink("/nothing")), ["extra", "soft link"], *VGG)
    write(path, layers)
    change(path, lambda f: f["block1_conv2"].__setitem__("up", f["block1_conv2"]))
    refuse(scratch, "a hard link in a circle", change(path, lambda f: put_names(f["block1_conv2"], "weight_names", ["up/" * 150 + "kernel:0"])), ["block1_conv2", "missing"], *VGG)
    refuse(scratch, "a version of another program", attribute("keras_version", "MXNet"), ["keras_version", "MXNet"], *VGG)
    refuse(scratch, "a version that is no text", attribute("keras_version", 2.4), ["keras_version", "no text"], *VGG)
    refuse(scratch, "versions of a future Keras", attribute("keras_version", "17.0.1"), ["keras_version", "17.0.1"], *VGG)
    refuse(scratch, "a backend that is no text", attribute("backend", np.arange(3)), ["backend", "no text"], *VGG)
    refuse(scratch, "a name of 2,000 bytes", listed("block1_conv1", ["x" * 2000]), ["weight_names", "too long"], *VGG)


def config(scratch):
    """The JSON of a saved model."""
    path, layers, options = os.path.join(scratch, "config.h5"), tiny_layers(), ("--preset", "keras")
    sequence = lambda extra: json.dumps({"class_name": "Sequential", "config": {"layers": tiny_sequence(batch_input_shape=[None, 30, 30, 3]) + extra}})
    nested = {"class_name": "Dropout", "config": {"name": "deep", "rate": 0}}
    nested["config"]["noise_shape"] = json.loads("[" * 70 + "]" * 70)
    refuse(scratch, "JSON of depth 74", saved(path, layers, sequence([nested])), ["config.h5", "64"], *options)
    refuse(scratch, "a padding before a dense layer", saved(path, layers, sequence([layer_json("ZeroPadding2D", "pad", padding=[[1, 1], [1, 1]]), layer_json("Dense", "end", units=4)])), ["layer 'end'", "ZeroPadding2D"], *options)
    refuse(scratch, "a padding at the end", saved(path, layers, sequence([layer_json("ZeroPadding2D", "pad", padding=1)])), ["ZeroPadding2D"], *options)
    refuse(scratch, "a padding of three numbers", saved(path, layers, sequence([layer_json("ZeroPadding2D", "pad", padding=[1, 2, 3])])), ["layer 'pad'", "padding", "[1, 2, 3]"], *options)
    refuse(scratch, "a padding of -1", saved(path, layers, sequence([layer_json("ZeroPadding2D", "pad", padding=[-1, 2])])), ["layer 'pad'", "padding"], *options)
    refuse(scratch, "a padding before a pool of other values", saved(path, layers, sequence([layer_json("ZeroPadding2D", "pad", padding=1), layer_json("MaxPooling2D", "pool")])), ["layer 'pool'", "ReLU"], *options)
    refuse(scratch, "a sum of one", saved(path, layers, sequence([layer_json("Add", "sum")])), ["layer 'sum'", "inbound_nodes"], *options)
    saved(path, layers, sequence([]))
    for text, phrases in (("a\nb\nc\n", ["3 labels", "expected 4"]), ("a\nb\na\nc\n", ["line 3", "'a'"]), ("a\n\nb\nc\n", ["line 2", "empty"])):
        code, error = run(path, os.path.join(scratch, "out.safetensors"), "--labels", labels(scratch, text), *options)
        report(code == 2 and all(phrase in error for phrase in ["labels.txt", *phrases]), f"refused: labels {text!r}", error)
    target = os.path.join(scratch, "named.safetensors")
    code, error = run(path, target, "--labels", labels(scratch, "alef\nbe\u00e9\ngamma\ndelta\n"), *options)
    data = b"" if code else open(target, "rb").read()
    header = json.loads(json.loads(data[8:8 + int.from_bytes(data[:8], "little")])["__metadata__"]["kohl"]) if data else {}
    report(header.get("labels") == ["alef", "be\u00e9", "gamma", "delta"], "--labels of a saved model are in the model file", error)
    want = {"order": "rgb", "width": 30, "mean": [1, 1, 1], "std": [1, 1, 1]}
    got = header.get("preprocessing", {})
    report(all(got.get(key) == value for key, value in want.items()) and abs(got.get("scale", 0) - 1 / 127.5) < 1e-8, "--preset of a saved model is its preprocessing", got)
    code, error = run(saved(path, layers, "[" * 3000), target, *options)
    report(code == 2 and open(target, "rb").read() == data, "a failure leaves the model file that was there", error)


def labels(scratch, text):
    path = os.path.join(scratch, "labels.txt")
    open(path, "w", encoding="utf-8").write(text)
    return path


def measured(path, target, *options):
    """Exit code, error, seconds and peak MiB of kohl and its processes."""
    begin = time.monotonic()
    pipe = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(pipe[1], 2)
        os.execv(KOHL, [KOHL, "convert", "--quiet", "--threads", "1", path, "-o", target, *options])
    os.close(pipe[1])
    error = open(pipe[0]).read()
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), error, time.monotonic() - begin, usage.ru_maxrss / 1024


def bombs(scratch):
    """Small files that ask for much; 16 MiB above the promise of 2x and 64 MiB are the program's own."""
    path, target = os.path.join(scratch, "bomb.h5"), os.path.join(scratch, "out.safetensors")

    def small(text, phrases, *options):
        code, error, seconds, peak = measured(path, target, *options)
        most = 2 * os.path.getsize(path) / 2**20 + 64 + 16
        good = code == 2 and not os.path.exists(target) and error.count("\n") == 1 and all(phrase in error for phrase in phrases)
        report(good and seconds < 30 and peak <= most, f"a bomb of {os.path.getsize(path) >> 10} KiB: {text}: refused with at most {most:.0f} MiB", f"code {code}, {seconds:.1f} s, {peak:.0f} MiB: {error}")

    kernel = "block1_conv1/block1_conv1/kernel:0"
    for text, phrases, chunks in (("one chunk of 1 GiB", ["chunks"], (1 << 28,)), ("a chunk of 64 MiB", ["chunks"], (1 << 24,)), ("chunks of 1 MiB", ["twice"], (1 << 18,))):
        with h5py.File(write(path, vgg_block()[:1], without=()), "a") as file:
            del file[kernel]
            zeros = file.create_dataset(kernel, (1 << 28,), "<f4", chunks=chunks, compression=9)
            if chunks[0] <= 1 << 24:
                for i in range(0, 1 << 28, 1 << 24):
                    zeros[i:i + (1 << 24)] = 0
            else:
                zeros.id.write_direct_chunk((0,), bytes(1 << 20))
        small(text, phrases, *VGG)
    long, count = "x" * 400, 3000
    with h5py.File(write(path, vgg_block()[:1], without=()), "a") as file:
        file.attrs["layer_names"] = np.array([long, *map(str, range(count - 1))], dtype=h5py.string_dtype())
    data = bytearray(open(path, "rb").read())
    text = data.find(long.encode())
    first = data.find(struct.pack("<IQ", len(long), data.rfind(b"GCOL", 0, text)))  # 16 bytes a name: length, heap, index
    data[first:first + 16 * count] = data[first:first + 16] * count
    open(path, "wb").write(data)
    small("3,000 names that are one", ["layer_names", "longer than the file"], *VGG)


def objects(data):
    """Offset and index of every object in the global heaps of a file."""
    at = data.find(b"GCOL")
    while at >= 0:
        end, object = at + struct.unpack_from("<Q", data, at + 8)[0], at + 16
        while object + 16 <= end:
            index, _, _, size = struct.unpack_from("<HHIQ", data, object)
            yield object, index
            object += 16 + (size + 7) // 8 * 8 if index else end
        at = data.find(b"GCOL", at + 1)


def heaps(scratch):
    """A free object of no bytes: libhdf5 1.10 stays on it for ever; newer ones call the file damaged."""
    path, target = os.path.join(scratch, "heap.h5"), os.path.join(scratch, "out.safetensors")
    data = bytearray(open(write(path, vgg_block(), texts="variable"), "rb").read())
    free = [object for object, index in objects(data) if index == 0]
    for object in free:
        struct.pack_into("<Q", data, object + 8, 0)
    open(path, "wb").write(data)
    code, error, seconds, peak = measured(path, target, *VGG)
    report(free and code == 2 and "heap.h5" in error and "damaged" in error and error.count("\n") == 1 and not os.path.exists(target) and seconds < 60,
           f"a global heap that never ends is given up after {seconds:.0f} seconds", f"code {code}: {error}")


def pieces(scratch):
    """Cut off anywhere, and single bits changed in what is mostly no number."""
    path, target = os.path.join(scratch, "piece.h5"), os.path.join(scratch, "out.safetensors")
    sequence = {"class_name": "Sequential", "config": {"layers": tiny_sequence(batch_input_shape=[None, 30, 30, 3])}}
    files = {"weights": (lambda: write(path, vgg_block(), keras1), VGG),
             "variable texts": (lambda: write(path, vgg_block(), texts="variable"), VGG),
             "a saved model": (lambda: saved(path, tiny_layers(), sequence), ("--preset", "keras"))}

    def wrong(data, codes, options):
        """What is wrong with the answer to a file of these bytes, or None.  Code 1: a model_config that is lost."""
        open(path, "wb").write(data)
        code, error, seconds, peak = measured(path, target, *options)
        left = os.path.exists(target)
        if left:
            os.remove(target)
        line = code == 0 or ("piece.h5" in error and error.count("\n") == 1)
        good = code in codes and line and left == (code == 0) and seconds < 30 and peak < 100 and os.listdir(scratch) == ["piece.h5"]
        return None if good else (code, error, f"{seconds:.1f} s, {peak:.0f} MiB")

    for name, (make, options) in files.items():
        data = open(make(), "rb").read()
        lengths = sorted({9, 48, 96, 97, 500, 1000, 2000, len(data) - 1, *(len(data) * i // 24 for i in range(1, 24))})
        bad = [(length, *result) for length in lengths if (result := wrong(data[:length], (2,), options))]
        report(not bad, f"refused: {name}, cut off at {len(lengths)} places", bad[:3])
        bad, flips = [], 60
        for at in RANDOM.integers(0, min(len(data), 12000), flips):
            broken = bytearray(data)
            broken[at] ^= 1 << int(RANDOM.integers(8))
            if result := wrong(broken, (0, 1, 2), options):
                bad.append((int(at), *result))
        report(not bad, f"{name}: {flips} changed bits end in a model or one line, within 30 s and 100 MiB", bad[:3])


if __name__ == "__main__":
    sys.exit(main(malformed, lists, config, bombs, heaps, pieces))
