"""`kohl export --to torchvision` against torchvision's own networks; docs/export-torchvision.md is what runs.

    apt-get install python3-torch python3-torchvision; pip install safetensors     (oracles only: nothing of the project needs them)
    torchvision_load.py BUILD [ARCHITECTURE|tuned ...]

Every file is loaded with strict=True.  Where the weights come from another publisher, whose network computes otherwise, the
network is changed as the warning of `kohl export` says.  Prints TAP; needs 3 GB in the temporary folder.
"""
import json
import os
import tempfile

import numpy as np
import torch
from safetensors import safe_open

from common import blocks, compare, done, export, fine_tuned, kohl_logits, pictures, pixels, prepare, random_model, report, wanted

CONSTRUCTOR = "torchvision.models.squeezenet1_1(num_classes=1000)"
INCEPTION = "torchvision.models.inception_v3(num_classes=1000, aux_logits=False, transform_input=False, init_weights=False)"
NETWORKS = [("squeezenet1_1", "torchvision", CONSTRUCTOR), ("inception_v3", "torchvision", INCEPTION), ("inception_v3", "keras", INCEPTION),
            *[(arch, "torchvision", f"torchvision.models.{arch}(num_classes=1000)")
              for arch in ("resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "vgg19", "vgg19_bn", "alexnet")],
            ("vgg19", "keras-caffe", "torchvision.models.vgg19(num_classes=1000)")]


def load(path, constructor=CONSTRUCTOR, block=0):
    space = {}
    code = blocks("export-torchvision.md")
    exec(code[0].split("model =")[0] if block else "", space)
    exec(code[block].replace(CONSTRUCTOR, constructor).replace('"torch.safetensors"', repr(path)).replace('"head.safetensors"', repr(path)), space)
    return space["model"].eval()


def logits(model, path, files):
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    pre = json.loads(metadata["preprocessing"])
    batch = prepare(pixels(files, pre), pre).transpose(0, 3, 1, 2)
    with torch.no_grad():
        return model(torch.from_numpy(np.ascontiguousarray(batch))).numpy(), metadata


def as_published(model, differences):
    """The changes that the warning names."""
    if "output" in differences:
        for module in model.modules():
            if isinstance(module, torch.nn.MaxPool2d):
                module.ceil_mode = False
    if "count_padding" in differences:
        plain = torch.nn.functional.avg_pool2d
        torch.nn.functional.avg_pool2d = lambda *a, **k: plain(*a, **{**k, "count_include_pad": False})
        return lambda: setattr(torch.nn.functional, "avg_pool2d", plain)
    return lambda: None


def check(name, source, folder, constructor, block=0, differs=""):
    path = export(source, "torchvision", os.path.join(folder, "torch.safetensors"))
    said = export.said
    model = load(path, constructor, block)
    files = pictures()
    with safe_open(path, "numpy") as file:
        differences = file.metadata().get("differences", "")
    report((differs in differences if differs else not differences) and differences in said, f"{name}: says what differs", differences + "|" + said)
    undo = as_published(model, differences)
    theirs, metadata = logits(model, path, files)
    undo()
    compare(name, kohl_logits(source, files), theirs)
    if "count_padding" in differences:
        theirs, _ = logits(model, path, files)
        ours = kohl_logits(source, files)
        report(np.abs(ours - theirs).max() / np.abs(theirs).max() > 1e-3, f"{name}: the padding of average pools is seen")
    report(len(json.loads(metadata["labels"])) == theirs.shape[1] and metadata["names"] == "torchvision", f"{name}: metadata")
    os.remove(path)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for arch, preset, constructor in filter(lambda n: wanted(n[0]), NETWORKS):
            source = random_model(arch, preset, 1000, os.path.join(folder, "model.safetensors"))
            check(f"{arch} {preset}", source, folder, constructor, differs="count_padding" if (arch, preset) == ("inception_v3", "keras") else "")
        if not wanted("tuned"):
            return
        base, tuned = fine_tuned(folder)
        check("squeezenet1_1, real weights", base, folder, CONSTRUCTOR, differs="output")
        check("squeezenet1_1, fine-tuned", tuned, folder, "", block=1, differs="output")


main()
done()
