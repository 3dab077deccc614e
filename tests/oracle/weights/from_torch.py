"""Random networks of torchvision's architectures, written by PyTorch, and their logits.

    from_torch.py FOLDER PHOTOGRAPHS NETWORK FORMAT ...

Runs with Debian's python3-torch 1.13 and python3-torchvision 0.14 (zip, sequential pickle, the ONNX exporter by
TorchScript with batch-norm folded and not) and with torch 2 of PyPI (safetensors, timm's names, both ONNX exporters); torchvision's
models come from Debian's package there too, read without its compiled part.  Adds its rows to FOLDER/manifest.json.

Weights.  Every layer is set as the photographs pass it for the first time, so that values keep their size and nothing
is near a default: kernels by He, batch-norm's statistics are the layer's own times 0.5 to 2 and moved by 0.3 deviations,
gamma 0.5 to 1.5.  An eighth of the channels has a variance as small as epsilon, as in trained networks: there a wrong
epsilon shows.
"""
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import photographs  # noqa: E402

NEW = not torch.__version__.startswith("1.")
VISION = "/usr/lib/python3/dist-packages/torchvision"


def vision_models():
    """torchvision.models' modules; with a torch that it was not compiled for its Python files alone."""
    if not NEW:
        return importlib.import_module
    for name, path in (("torchvision", VISION), ("torchvision.models", VISION + "/models")):
        module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None, is_package=True))
        module.__path__ = [path]
        sys.modules[name] = module
    return importlib.import_module


def vision(module, name, weights, **options):
    """(model, preparation of a path as torchvision's Weights object does it)"""
    module = vision_models()("torchvision.models." + module)
    transforms = getattr(getattr(module, weights[0]), weights[1]).transforms()
    return getattr(module, name)(weights=None, **options), lambda path: transforms(photographs.Image.open(path).convert("RGB")).numpy().transpose(1, 2, 0)


def timm(module, name, resize, size, bicubic, mean, std, **options):
    module = vision_models()("torchvision.models." + module)
    return getattr(module, name)(weights=None, **options), lambda path: photographs.crop(path, resize, size, bicubic, mean, std)


MEAN, STD = photographs.IMAGENET_MEAN, photographs.IMAGENET_STD
HALF = (0.5, 0.5, 0.5)
V1, V2 = "IMAGENET1K_V1", "IMAGENET1K_V2"
INCEPTION = {"init_weights": False, "transform_input": True}
# network: (builder, architecture, preset)
NETWORKS = {
    "vgg19": (lambda: vision("vgg", "vgg19", ("VGG19_Weights", V1)), "vgg19", "torchvision"),
    "vgg19_bn": (lambda: vision("vgg", "vgg19_bn", ("VGG19_BN_Weights", V1)), "vgg19_bn", "torchvision"),
    "inception_v3_aux": (lambda: vision("inception", "inception_v3", ("Inception_V3_Weights", V1), **INCEPTION), "inception_v3", "torchvision"),
    "inception_v3": (lambda: vision("inception", "inception_v3", ("Inception_V3_Weights", V1), **INCEPTION, aux_logits=False), "inception_v3", "torchvision"),
    # transform_input off: what remains is a network for p/127.5 - 1
    "inception_v3_plain": (lambda: timm("inception", "inception_v3", 342, 299, False, HALF, HALF, init_weights=False), "inception_v3", "torchvision"),
    "resnet101": (lambda: vision("resnet", "resnet101", ("ResNet101_Weights", V1)), "resnet101", "torchvision"),
    "resnet101_v2": (lambda: vision("resnet", "resnet101", ("ResNet101_Weights", V2)), "resnet101", "torchvision-v2"),
    "resnet18": (lambda: vision("resnet", "resnet18", ("ResNet18_Weights", V1)), "resnet18", "torchvision"),
    "resnet50": (lambda: vision("resnet", "resnet50", ("ResNet50_Weights", V1)), "resnet50", "torchvision"),
    "squeezenet1_1": (lambda: vision("squeezenet", "squeezenet1_1", ("SqueezeNet1_1_Weights", V1)), "squeezenet1_1", "torchvision"),
    "vgg16_bn": (lambda: vision("vgg", "vgg16_bn", ("VGG16_BN_Weights", V1)), "vgg16_bn", "torchvision"),
    "alexnet": (lambda: vision("alexnet", "alexnet", ("AlexNet_Weights", V1)), "alexnet", "torchvision"),
    "timm_vgg19": (lambda: timm("vgg", "vgg19", 256, 224, False, MEAN, STD), "vgg19", "timm"),
    "timm_vgg19_bn": (lambda: timm("vgg", "vgg19_bn", 256, 224, False, MEAN, STD), "vgg19_bn", "timm"),
    "timm_inception_v3": (lambda: timm("inception", "inception_v3", 341, 299, True, HALF, HALF, init_weights=False, aux_logits=False), "inception_v3", "timm"),
    "timm_resnet101": (lambda: timm("resnet", "resnet101", 235, 224, True, MEAN, STD), "resnet101", "timm"),
}


class Setter:
    """Hooks that give every layer its weights when the first photographs reach it."""

    def __init__(self, model, seed):
        self.random, self.conv = np.random.default_rng(seed), None
        self.last = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))][-1]
        self.small = {m.bn3 for m in model.modules() if hasattr(m, "bn3")}
        self.hooks = []
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                self.hooks += [module.register_forward_pre_hook(self.kernel), module.register_forward_hook(self.bias)]
            if isinstance(module, nn.BatchNorm2d):
                self.hooks.append(module.register_forward_pre_hook(self.statistics))

    def tensor(self, array):
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    def kernel(self, module, inputs):
        shape = tuple(module.weight.shape)
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        module.weight.copy_(self.tensor(self.random.standard_normal(shape, np.float32) * scale))
        if module.bias is not None:
            module.bias.zero_()
        self.conv = module

    def bias(self, module, inputs, y):
        """Takes most of the mean away (without it photographs look ever more alike) and moves every output."""
        if module.bias is None:
            return None
        axes = (0, 2, 3) if y.dim() == 4 else (0,)
        mean, deviation = y.mean(axes), y.std()
        module.bias.copy_(-0.7 * mean + deviation * self.tensor(self.random.normal(0.3, 0.3, len(mean))))
        y = y + (module.bias[:, None, None] if y.dim() == 4 else module.bias)
        if module is self.last:
            scale = 8 / y.abs().max()
            module.weight *= scale
            module.bias *= scale
            y = y * scale
        return y

    def statistics(self, module, inputs):
        x = inputs[0]
        count = x.shape[1]
        faint = self.random.permutation(count)[:count // 8]
        scale = torch.ones(count)
        scale[faint] = torch.sqrt(module.eps * self.tensor(self.random.uniform(0.5, 2, len(faint))) / x.var((0, 2, 3))[faint])
        self.conv.weight *= scale[:, None, None, None]
        if self.conv.bias is not None:
            self.conv.bias *= scale
        x = x * scale[:, None, None]
        variance = x.var((0, 2, 3))
        module.running_mean.copy_(x.mean((0, 2, 3)) + variance.sqrt() * self.tensor(self.random.normal(0, 0.3, count)))
        module.running_var.copy_(variance * self.tensor(self.random.uniform(0.5, 2, count)))
        module.weight.copy_(self.tensor(self.random.uniform(0.5, 1.5, count) * (0.4 if module in self.small else 1)))
        module.bias.copy_(self.tensor(self.random.normal(0.3, 0.3, count)))
        return (x,)

    def done(self):
        for hook in self.hooks:
            hook.remove()


def rename_timm(state):
    """timm's documented names: VGG's dense layers are convolutions of pre_logits and head.fc; the others torchvision's."""
    names = {"classifier.0": ("pre_logits.fc1", (4096, 512, 7, 7)), "classifier.3": ("pre_logits.fc2", (4096, 4096, 1, 1)), "classifier.6": ("head.fc", None)}
    out = {}
    for key, value in state.items():
        stem, _, end = key.rpartition(".")
        if stem in names:
            new, shape = names[stem]
            key, value = f"{new}.{end}", value.reshape(shape) if shape and end == "weight" else value
        out[key] = value.contiguous()
    return out


def write(model, form, path, size):
    example = torch.zeros(1, 3, size, size)
    if form == "zip":
        torch.save(model.state_dict(), path)
    elif form == "sequential":
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    elif form in ("safetensors", "timm"):
        from safetensors.torch import save_file
        save_file(rename_timm(model.state_dict()) if form == "timm" else model.state_dict(), path, metadata={"format": "pt"})
    elif form == "onnx-new":
        torch.onnx.export(model, (example,), path, dynamo=True, external_data=True, verbose=False)
    else:
        options = {"dynamo": False} if NEW else {}
        options["opset_version"] = 9 if form == "onnx-9" else 13
        if form == "onnx-unfolded":
            options.update(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        torch.onnx.export(model, example, path, input_names=["input"], output_names=["logits"], **options)


ENDING = {"zip": ".pth", "sequential": ".pth", "safetensors": ".safetensors", "timm": ".safetensors"}


@torch.no_grad()
def main():
    folder, pictures, network = sys.argv[1:4]
    build, arch, preset = NETWORKS[network]
    torch.set_num_threads(1)
    model, prepare = build()
    model.eval()
    paths = [os.path.join(pictures, name) for name in sorted(os.listdir(pictures))]
    x = torch.from_numpy(photographs.batch(paths, prepare)).permute(0, 3, 1, 2).contiguous()
    setter = Setter(model, sorted(NETWORKS).index(network))
    model(x[::2])
    setter.done()
    if getattr(model, "AuxLogits", None) is not None:
        for parameter in model.AuxLogits.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    logits = model(x).numpy()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    double = model.double()(x[:2].double()).numpy()
    noise = float((np.abs(double - logits[:2]).max(1) / np.abs(double).max(1)).max())
    model.float()
    model.load_state_dict(state)
    rows = []
    for form in sys.argv[4:]:
        path = os.path.join(folder, f"{network}.{form}" + ENDING.get(form, ".onnx"))
        write(model, form, path, x.shape[2])
        np.savez(path + ".logits.npz", logits=logits, files=np.array([os.path.basename(path) for path in paths]))
        rows.append({"file": os.path.basename(path), "framework": f"torch {torch.__version__.split('+')[0]}", "network": network, "arch": arch, "preset": preset,
                     "format": form, "options": ["--arch", arch, "--preset", preset], "labels": logits.shape[1], "tolerance": 1e-4, "noise": noise,
                     "spread": float(np.abs(logits - logits.mean(0)).max() / np.abs(logits).max()), "size": x.shape[2]})
    with open(os.path.join(folder, "manifest.json"), "w") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
