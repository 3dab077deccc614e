"""Files of other programs through `kohl convert` and `kohl classify` against those programs' own logits.

    run.py BUILD [--only WORDS] [--scratch FOLDER]

make.py has each framework write a network of random weights in all its formats, with its logits of eight photographs;
then every file is converted, and the photographs go through kohl, decoding and resizing included.  Demanded of every
photograph:

    max |kohl - framework| / max |framework| <= 1e-4

Both compute in f32 and sum in different orders; make.py says beside each network how far the framework itself is from
its own f64 (a few 1e-6).  Errors of arithmetic are far larger: flips.py shows that for every field of a preset.  Also
demanded: the number of parameters that WEIGHTS.md's tables say; for the largest file, no more than 1.2 times its size
of memory; out again to Keras or torchvision, the bits of the framework's own safetensors file.  --only takes rows whose names ("keras/keras2_vgg19/h5") contain all WORDS.  Needs 4 GB of memory and 5 GB of
disk.  Prints TAP and puts the errors into results.csv beside itself.
"""
import argparse
import csv
import hashlib
import json
import os
import shutil
import tempfile

import numpy as np

import compare
import make

HERE = os.path.dirname(os.path.abspath(__file__))
# As published, without what a classifier of other classes would change.
PARAMETERS = {("vgg19", None): 143667240, ("vgg19_bn", None): 143678248 + 11008, ("alexnet", None): 61100840,
              ("inception_v3", "keras"): 23851784, ("inception_v3", "slim"): 23851784, ("inception_v3", "torchvision"): 23834568 + 34432, ("inception_v3", "timm"): 23834568 + 34432,
              ("resnet101", "keras-caffe"): 44707176, ("resnet101", "torchvision"): 44549160 + 105344, ("resnet101", "torchvision-v2"): 44549160 + 105344,
              ("resnet101", "timm"): 44549160 + 105344, ("resnet101", "slim"): 44549160 + 105344}


def size_of(path):
    """Of a file, of a folder's files, or of a file and those that belong to it."""
    folder = os.path.dirname(path)
    if os.path.basename(path) == "model.json":
        return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    stem = path[:-len("index")] if path.endswith(".index") else path
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder) if os.path.join(folder, name).startswith(stem) and not name.endswith(".npz"))


def parameters(text):
    """From "MODEL: arch, 143,667,240 parameters in 38 tensors, 1000 labels"."""
    words = text.split()
    return int(words[words.index("parameters") - 1].replace(",", "")) if "parameters" in words else -1


def keep(results):
    """Puts rows into results.csv, in place of older ones of the same files."""
    path, fields = os.path.join(HERE, "results.csv"), ["network", "format", "framework", "arch", "preset", "error", "said"]
    rows = {}
    if os.path.exists(path):
        with open(path, newline="") as file:
            rows = {tuple(row[field] for field in fields[:3]): row for row in csv.DictReader(file)}
    rows.update({tuple(row[field] for field in fields[:3]): row for row in results})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def tensors(path):
    """A safetensors file as a sorted list of (kind, shape, digest of the bytes); without what exports leave out.

    Keras numbers its layers anew with every model, so that names are no key; random numbers are."""
    out = []
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda pair: pair[1]["data_offsets"]):
            data = file.read(entry["data_offsets"][1] - entry["data_offsets"][0])
            if not name.startswith("AuxLogits") and not name.endswith("num_batches_tracked"):
                out.append((name.replace("/", ".").split(".")[-1], tuple(entry["shape"]), hashlib.sha256(data).hexdigest()))
    return sorted(out)


def round_trip(kohl, folder, row, target, name):
    """What comes out again has the bits of the safetensors file that the framework wrote of the same network."""
    reference, back = os.path.join(folder, f"{row['network']}.safetensors.safetensors"), os.path.join(folder, "back.safetensors")
    if row["format"] not in ("zip", "safetensors", "h5", "weights-h5", "h5-whole", "keras") or not os.path.exists(reference):
        return
    to = "keras" if "keras" in row["preset"] else "torchvision"
    code, _, error, _, _ = compare.run([kohl, "export", target, "--to", to, "-o", back])
    same = code == 0 and tensors(back) == tensors(reference)
    compare.report(same, f"{name}: exported to {to} it has the same bits", error)
    if os.path.exists(back):
        os.remove(back)


def check(kohl, folder, row, pictures, results):
    name, path = f"{row['network']}, {row['format']} of {row['framework']}", os.path.join(folder, row["file"])
    target = os.path.join(folder, "model.safetensors")
    code, out, error, peak, seconds = compare.run([kohl, "convert", path, "-o", target, *row["options"]])
    result = {"format": row["format"], "framework": row["framework"], "network": row["network"], "arch": row["arch"], "preset": row["preset"]}
    results.append(result)
    if not compare.report(code == 0, f"{name}: converts", error):
        return result.update(error="", said=error.replace(folder + "/", ""))
    size = size_of(path)
    print(f"# {name}: {size / 1e6:.0f} MB, {seconds:.2f} s, memory {peak / size:.2f} times the file")
    want = np.load(path + ".logits.npz")
    got = compare.classify(kohl, target, [os.path.join(pictures, file) for file in want["files"]])
    found = compare.worst(got, want["logits"])
    detail = got if isinstance(got, str) else f"shapes {got.shape} {want['logits'].shape}"
    compare.report(found <= row["tolerance"], f"{name}: {len(want['files'])} photographs, logits differ by {found:.1e}", detail)
    expected = PARAMETERS.get((row["arch"], None)) or PARAMETERS.get((row["arch"], row["preset"]))
    if expected and not ("onnx" in row["format"] and "unfolded" not in row["format"]):
        compare.report(parameters(out) == expected, f"{name}: {expected} parameters", out.strip())
    if row["arch"] == "vgg19":
        compare.report(peak <= 1.2 * size, f"{name}: memory of at most 1.2 times the file ({peak / size:.2f})")
        seconds = min(compare.run([kohl, "inspect", target])[4] for _ in range(5))  # the machine may be busy
        compare.report(seconds <= 0.1, f"{name}: opened and shown in {seconds:.3f} s")
    round_trip(kohl, folder, row, target, name)
    os.remove(target)
    result.update(error=f"{found:.1e}", said="")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--only", default="")
    parser.add_argument("--scratch")
    options = parser.parse_args()
    if not os.path.isdir(make.photographs.DATA):
        return compare.skip("../shared/data is absent")
    kohl, results = os.path.join(options.build, "kohl"), []
    with tempfile.TemporaryDirectory(prefix="kohl_weights_", dir=options.scratch) as scratch:
        for job in make.jobs(options.only):
            folder = os.path.join(scratch, "files")
            os.makedirs(folder)
            rows, pictures, problem = make.run_job(job, folder, scratch)
            if problem:
                compare.report(False, f"{job.network} by {job.writer}: is written", problem)
            for row in rows:
                check(kohl, folder, row, pictures, results)
            shutil.rmtree(folder)
            keep(results)
    compare.finish()


main()
