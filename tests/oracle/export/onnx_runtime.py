"""`kohl export --to onnx` against ONNX Runtime; docs/export-onnx.md is what runs.

    pip install onnx onnxruntime numpy      (an oracle only: nothing of the project needs them)
    onnx_runtime.py BUILD [ARCHITECTURE|small|tuned ...]

The files pass onnx.checker with full shape inference.  Prints TAP; needs 3 GB in the temporary folder.
"""
import json
import os
import tempfile

import numpy as np
import onnx

from common import blocks, compare, done, export, fine_tuned, kohl_logits, pictures, pixels, prepare, random_model, report, wanted

NETWORKS = [("squeezenet1_1", "torchvision"), ("inception_v3", "keras"), ("inception_v3", "torchvision"), ("resnet101", "keras-caffe"),
            ("resnet101", "torchvision"), ("resnet18", "torchvision"), ("vgg19", "keras-caffe"), ("vgg16_bn", "torchvision"), ("alexnet", "torchvision")]


def answers(path, batch):
    """What the page's lines give: probabilities, logits, metadata."""
    space = {"pictures": batch}
    code = "".join(blocks("export-onnx.md"))
    exec(code.replace('"model.onnx"', repr(path)), space)
    return space["probabilities"], space["logits"], space["metadata"]


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def check(name, model, folder, *options):
    path = export(model, "onnx", os.path.join(folder, "model.onnx"), *options)
    onnx.checker.check_model(path, full_check=True)
    report(True, f"{name}: onnx.checker")
    pre = json.loads(metadata(path)["preprocessing"])
    files = pictures()
    batch = pixels(files, pre)
    batch = batch if "--preprocessing" in options else prepare(batch, pre)
    probabilities, logits, about = answers(path, np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    compare(name, kohl_logits(model, files), logits)
    top = logits - logits.max(1, keepdims=True)
    softmax = np.exp(top) / np.exp(top).sum(1, keepdims=True)
    report(np.abs(probabilities - softmax).max() < 1e-6, f"{name}: probabilities")
    report(about["task"] == "one_label" and len(json.loads(about["labels"])) == logits.shape[1], f"{name}: metadata")
    os.remove(path)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.safetensors")
        for arch, preset in filter(lambda n: wanted(n[0]), NETWORKS):
            check(f"{arch} {preset}", random_model(arch, preset, 1000, path), folder)
        if wanted("small"):
            check("resnet18 of 7 classes", random_model("resnet18", "torchvision", 7, path), folder)
            check("alexnet with preprocessing", random_model("alexnet", "torchvision", 7, path), folder, "--preprocessing")
            # 9x9 averaged to 7x7, which no pool of ONNX does
            check("vgg16 at 299", random_model("vgg16", "torchvision", 10, path, size=299), folder)
            check("squeezenet1_1 at 231, pools that round up", random_model("squeezenet1_1", "torchvision", 10, path, size=231), folder)
        if wanted("tuned"):
            base, tuned = fine_tuned(folder)
            check("squeezenet1_1, real weights", base, folder)
            check("squeezenet1_1, fine-tuned", tuned, folder)
            check("squeezenet1_1, fine-tuned, with preprocessing", tuned, folder, "--preprocessing")


main()
done()
