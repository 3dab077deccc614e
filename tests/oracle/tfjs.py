"""TF.js layers-models against TF.js itself, and the real Inception-v3 of npm's nsfwjs.

    tfjs.py BUILD

    fixtures   small models that the tensorflowjs converter and TF.js wrote (tfjs/models.py, models.js): weights equal in
               every bit to what the format says of their bytes, probabilities to those of TF.js
    damaged    files of them are refused by name
    real       from ../shared/data: the model as JSON, as JavaScript and in archives of both gives the same tensors as
               the safetensors file, and built from its own topology the recorded probabilities

Prints TAP."""
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests", "fixtures", "tfjs")
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "inception_v3")
KOHL = os.path.join(os.path.abspath(sys.argv[1]), "kohl")
SUFFIXES = {"kernel": "weight", "moving_mean": "mean", "moving_variance": "variance"}
# WEIGHTS of the golden picture ((7h + 13w + 29c) mod 256): TF.js's CPU backend and numpy agree to 1e-6.
GOLDEN = (0.0805693, 0.0043980, 0.9084632, 0.0050311, 0.0015384)
SHARD = 4 << 20
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:600])


def kohl(*args):
    return subprocess.run([KOHL, *map(str, args)], capture_output=True, text=True, check=False)


def must(*args):
    done = kohl(*args)
    if done.returncode:
        raise RuntimeError(f"kohl {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr[:300]}")
    return done


def tensors(path):
    raw = open(path, "rb").read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__")
    return {name: np.frombuffer(raw[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]], "<f4").reshape(t["shape"])
            for name, t in header.items()}


def probabilities(model, pictures, count):
    lines = must("classify", model, *pictures, "--format", "json", "--topk", count).stdout.splitlines()
    return [{p["label"]: p["probability"] for p in json.loads(line)["predictions"]} for line in lines if line]


def decode(folder):
    """The weights of a model by the format's rules, in the order of kohl's files."""
    model = json.load(open(os.path.join(folder, "model.json")))
    out = {}
    for group in model["weightsManifest"]:
        data = b"".join(open(os.path.join(folder, path), "rb").read() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            packed = entry.get("quantization", {})
            dtype = np.dtype(packed.get("dtype", entry["dtype"])).newbyteorder("<")
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, dtype, count, at).reshape(entry["shape"])
            at += count * dtype.itemsize
            if "scale" in packed:
                values = values.astype(np.float64) * packed["scale"] + packed["min"]
            layer, kind = entry["name"].rsplit("/", 1)
            order = {4: (3, 0, 1, 2), 2: (1, 0)}.get(values.ndim)
            out[layer + "." + SUFFIXES.get(kind, kind)] = (values.transpose(order) if order else values).astype(np.float32)
    return out


def fixtures(scratch):
    expected = json.load(open(os.path.join(FIXTURES, "expected.json")))
    model = os.path.join(scratch, "small.safetensors")
    for name in sorted(os.listdir(FIXTURES)):
        folder = os.path.join(FIXTURES, name)
        if not os.path.isdir(folder):
            continue
        must("convert", os.path.join(folder, "model.json"), "--preset", "nsfwjs", "-o", model)
        got, want = tensors(model), decode(folder)
        same = [n for n in want if n in got and np.array_equal(got[n].view("u4"), want[n].view("u4"))]
        report(len(same) == len(want) and set(got) == set(want), f"{name}: {len(want)} tensors are equal in every bit",
               sorted(set(want) ^ set(got)) or set(want) - set(same))
        answer = probabilities(model, [os.path.join(FIXTURES, "picture.png")], 9)[0]
        error = max(abs(answer[str(i)] - p) for i, p in enumerate(expected[name]))
        # Sums of at most 63 products in f32 and a softmax: some 1e-6.  uint8 and float16 differ by 2e-3.
        report(error <= 1e-5 and len(answer) == len(expected[name]), f"{name}: probabilities of TF.js within 1e-5 ({error:.1e})")


def damaged(scratch):
    """Through the command: exit code and one line.  Every other way of damage is in the unit tests."""
    folder = os.path.join(scratch, "bad")
    shutil.copytree(os.path.join(FIXTURES, "keras2_uint8"), folder)
    model, shard = os.path.join(folder, "model.json"), os.path.join(folder, "group1-shard2of2.bin")
    text, data = open(model).read(), open(shard, "rb").read()
    for what, json_text, shard_bytes, words in (
            ("a shard that is too short", text, data[:-1], "have 546 bytes, expected the 547 of its tensors"),
            ("no shard", text, None, "shard 'group1-shard2of2.bin' is not there"),
            ("a graph-model", text.replace("layers-model", "graph-model"), data, "is a TF.js graph-model"),
            ("a tensor less", text.replace('"wide/bias"', '"wider/bias"'), data, "wide"),
            ("a layer that is not known", text.replace('"Dropout"', '"Attention"'), data, "Attention"),
            ("half of model.json", text[:len(text) // 2], data, "found the end of the text")):
        open(model, "w").write(json_text)
        if shard_bytes is None:
            os.remove(shard)
        else:
            open(shard, "wb").write(shard_bytes)
        done = kohl("convert", model, "--preset", "nsfwjs", "-o", os.path.join(scratch, "bad.safetensors"))
        report(done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, f"{what} is refused", done.stderr)


def module(value):
    """What browserify and a minifier make of a literal, in short."""
    return ('!function(e){if("object"==typeof exports&&"undefined"!=typeof module)module.exports=e()}(function(){return function e'
            "(n,r,t){return n}({1:[function(e,n,r){n.exports=" + value + "},{}]},{},[1])(1)});").encode()


def real_files():
    """The shards of the real model, out of the safetensors file, and its JSON."""
    raw = open(os.path.join(DATA, "inception_v3.uint8.safetensors"), "rb").read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    model = json.load(open(os.path.join(DATA, "model.json")))
    group = model["weightsManifest"][0]
    data = b"".join(raw[8 + size + header[w["name"]]["data_offsets"][0]:8 + size + header[w["name"]]["data_offsets"][1]]
                    for w in group["weights"])
    files = {path: data[i * SHARD:(i + 1) * SHARD] for i, path in enumerate(group["paths"])}
    files["model.json"] = json.dumps(model).encode()
    modules = {path + ".min.js": module('"' + base64.b64encode(files[path]).decode() + '"') for path in group["paths"]}
    modules["model.min.js"] = module(json.dumps(model, separators=(",", ":")).replace(":true", ":!0").replace(":false", ":!1")
                                     .replace(":0.", ":.").replace('"class_name"', "class_name"))
    return files, modules, hashlib.sha256(data).hexdigest()


def archive(path, files):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo("package/dist/models/inception_v3/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        graph = tarfile.TarInfo("package/dist/models/a/model.json")
        graph.size = 24
        tar.addfile(graph, io.BytesIO(b'{"format":"graph-model"}'))


def real(scratch):
    if not os.path.isdir(DATA):
        print("# skipped: ../shared/data is absent, the real model was not read")
        return
    files, modules, digest = real_files()
    report(digest == "8a457f3fdec7db18b16e44323454db0eaeb8f314eda0046b2e293e58a5bfabf4", "real: the shards are npm's")
    plain = os.path.join(scratch, "plain.safetensors")
    must("convert", os.path.join(DATA, "inception_v3.uint8.safetensors"), "--arch", "inception_v3", "--preset", "nsfwjs", "-o", plain)
    want = tensors(plain)
    for name, data in {**files, **modules}.items():
        open(os.path.join(scratch, name), "wb").write(data)
    archive(os.path.join(scratch, "json.tgz"), files)
    archive(os.path.join(scratch, "modules.tgz"), modules)
    out = os.path.join(scratch, "real.safetensors")
    for name in ("model.json", "model.min.js", "json.tgz", "modules.tgz"):
        for options in (("--arch", "inception_v3"), ()):
            must("convert", os.path.join(scratch, name), *options, "--preset", "nsfwjs", "-o", out)
            got = tensors(out)
            same = [n for n in want if n in got and np.array_equal(got[n].view("u4"), want[n].view("u4"))]
            report(len(want) == len(got) == len(same) == 382, f"real: {' '.join((name, *options))}: 382 tensors are equal in every bit",
                   sorted(set(want) ^ set(got))[:4])
            if not options and name in ("model.json", "modules.tgz"):
                answers(scratch, out, name)


def answers(scratch, model, name):
    """Of the network that the file describes (or of ours): the golden picture and the recorded ones."""
    h, w, c = np.meshgrid(np.arange(299), np.arange(299), np.arange(3), indexing="ij")
    golden = os.path.join(scratch, "golden.png")
    Image.fromarray(((7 * h + 13 * w + 29 * c) % 256).astype(np.uint8)).save(golden)
    oracle = json.load(open(os.path.join(DATA, "oracle.json")))
    names = sorted(oracle["images"])[:8 if name == "model.json" else 1]
    pictures = [golden] + [os.path.join(DATA, "png", n + ".png") for n in names]
    wanted = [GOLDEN] + [oracle["images"][n]["probabilities"] for n in names]
    error = max(abs(got[str(i)] - p) for got, want in zip(probabilities(model, pictures, 5), wanted) for i, p in enumerate(want))
    report(error <= 1e-4, f"real: {name}: probabilities of {len(pictures)} pictures within 1e-4 ({error:.1e})")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        fixtures(scratch)
        damaged(scratch)
        real(scratch)
    sys.exit(failures != 0)


main()
