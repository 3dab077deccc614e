"""Files of other programs through `kohl convert` and `kohl classify` against those programs' own logits.

    run.py BUILD [--only WORD] [--keep FOLDER]

make.py has each framework write a network of random weights in all its formats, with its logits of eight photographs;
then every file is converted, and the photographs go through kohl, decoding and resizing included.  Demanded of every
photograph:

    max |kohl - framework| / max |framework| <= 1e-4

Both compute in f32 and sum in different orders; make.py says beside each network how far the framework itself is from
its own f64 (a few 1e-6).  Errors of arithmetic are far larger: flips.py shows that for every field of a preset.  Also
demanded: the number of parameters that WEIGHTS.md's tables say; for the largest file, no more than 1.2 times its size
of memory.  --only takes rows whose name contains WORD ("inception_v3", "onnx", "keras2_vgg19.h5").  Needs 4 GB of
memory and 5 GB of disk.  Prints TAP and writes results.csv beside itself unless --only is given.
"""
import argparse
import csv
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


def check(kohl, folder, row, pictures, results):
    name, path = f"{row['network']}, {row['format']} of {row['framework']}", os.path.join(folder, row["file"])
    target = os.path.join(folder, "model.safetensors")
    code, out, error, peak, seconds = compare.run([kohl, "convert", path, "-o", target, *row["options"]])
    result = {"format": row["format"], "framework": row["framework"], "network": row["network"], "arch": row["arch"], "preset": row["preset"]}
    results.append(result)
    if not compare.report(code == 0, f"{name}: converts", error):
        return result.update(error="", said=error.replace(folder, "").replace(path, row["file"]))
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
        code, _, error, _, seconds = compare.run([kohl, "inspect", target])
        compare.report(code == 0, f"{name}: is there after {seconds:.2f} s", error)
    os.remove(target)
    result.update(error=f"{found:.1e}", said="")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep")
    options = parser.parse_args()
    if not os.path.isdir(make.photographs.DATA):
        return compare.skip("../shared/data is absent")
    kohl, results = os.path.join(options.build, "kohl"), []
    with tempfile.TemporaryDirectory(prefix="kohl_weights_", dir=options.keep) as scratch:
        for job in make.jobs(options.only):
            folder = os.path.join(scratch, "files")
            os.makedirs(folder)
            rows, pictures, problem = make.run_job(job, folder, scratch)
            if problem:
                compare.report(False, f"{job.network} by {job.writer}: is written", problem)
            for row in rows:
                check(kohl, folder, row, pictures, results)
            shutil.rmtree(folder)
    if not options.only:
        with open(os.path.join(HERE, "results.csv"), "w", newline="") as file:
            writer = csv.DictWriter(file, ["format", "framework", "network", "arch", "preset", "error", "said"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(results)
    compare.finish()


main()
