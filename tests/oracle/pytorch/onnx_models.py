"""Networks that PyTorch exports to ONNX, through kohl's reader, against ONNX Runtime's logits.

    pip install torch==2.13.0 onnx onnxruntime onnxscript numpy     (oracles only: nothing of the project needs them)
    onnx_models.py BUILD [--small] [NAME ...]
    apt install python3-torch python3-torchvision python3-onnx      (and then)
    /usr/bin/python3 onnx_models.py export FOLDER [--small]; onnx_models.py compare BUILD FILE ...

The first exports by PyTorch 2: TorchScript's exporter at opsets 9 to 17 and the newer one, with batch-norms folded and
kept, with and without external data, small networks that have one thing each and VGG-19, AlexNet, ResNet-101 and
Inception-v3 in full size (networks.py).  The second does it with torchvision's own networks and an older exporter.  Each
file is read by oracle/run_source, which must give what ONNX Runtime gives for the same numbers:

    max |kohl - onnxruntime| / max |onnxruntime| <= 1e-4

Both are f32 engines that sum in different orders; of sums of N products the difference is about sqrt(N) * 2^-24 relative
to their size, some 1e-6 after a hundred layers; mistakes of arithmetic are above 1e-3.  --small leaves the full-size
networks out.  Needs 2 GB of memory and of the temporary folder.  Prints TAP.

    onnx_models.py fixtures FOLDER          writes tests/fixtures/onnx: models and ONNX Runtime's outputs
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
TOLERANCE = 1e-4
# The exporter's imitation of ceil_mode by pads that do not count beside a Pad that does.
REFUSED = ("average_ceil_include-9.onnx",)
ANY_SIZE = 107  # of inputs without a size
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:600])


def kohl(build, path, x, size=0):
    """What run_source gives for x [n,c,h,w], as [n, values]; or its error."""
    run = subprocess.run([os.path.join(build, "oracle", "run_source"), path, str(size)],
                         input=np.ascontiguousarray(x.transpose(0, 2, 3, 1)).tobytes(), capture_output=True)
    if run.returncode:
        return None, run.stderr.decode()
    return np.frombuffer(run.stdout, np.float32).reshape(len(x), -1), run.stderr.decode()


def compare(build, path, seed=1):
    import onnxruntime
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001: its own limits
        print(f"# {path}: ONNX Runtime refuses it: {str(error)[:160]}")
        return
    info = session.get_inputs()[0]
    shape = [s if isinstance(s, int) else 2 if i == 0 else ANY_SIZE for i, s in enumerate(info.shape)]
    size = 0 if isinstance(info.shape[2], int) else ANY_SIZE
    dtype = np.float16 if info.type == "tensor(float16)" else np.float32
    x = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32).astype(dtype)
    last = info.shape[3] in (1, 3) and info.shape[1] not in (1, 3)
    expected = session.run(None, {info.name: x})[0].astype(np.float32)
    if expected.ndim == 4 and not last:
        expected = expected.transpose(0, 2, 3, 1)
    expected = expected.reshape(shape[0], -1)
    found, error = kohl(build, path, (x.transpose(0, 3, 1, 2) if last else x).astype(np.float32), size)
    name = os.path.relpath(path, os.path.dirname(os.path.dirname(path)))
    if os.path.basename(path) in REFUSED:
        return report(found is None and "pads" in error, f"{name} is refused", error)
    if found is None or found.shape != expected.shape:
        return report(False, name, error)
    worst = np.abs(found - expected).max() / np.abs(expected).max()
    report(bool(worst <= (TOLERANCE if dtype == np.float32 else 1e-2)), f"{name}: {worst:.1e}")


def small_networks():
    """name: (module, input shape, opsets, exporters)"""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Function(nn.Module):
        """Layers by attribute, and how they are put together."""
        def __init__(self, run, **layers):
            super().__init__()
            self.run = run
            for key, layer in layers.items():
                setattr(self, key, layer)

        def forward(self, x):
            return self.run(self, x)

    def net(run, **layers):
        return Function(run, **layers)

    both, script = ("script", "dynamo"), ("script",)
    conv = nn.Conv2d
    c3 = dict(c=conv(3, 8, 3, padding=1), fc=nn.Linear(8, 5))
    head = lambda m, y: m.fc(y.mean((2, 3)))
    out = {
        "flatten": (net(lambda m, x: m.fc(torch.flatten(F.relu(m.c(x)), 1)), c=conv(3, 4, 3, 2), fc=nn.Linear(4 * 5 * 6, 7)),
                    (2, 3, 11, 13), both),
        "view": (net(lambda m, x: m.fc(F.relu(m.c(x)).view(x.size(0), -1)), c=conv(3, 4, 3, 2), fc=nn.Linear(4 * 5 * 5, 7)),
                 (2, 3, 11, 11), both),
        "reshape": (net(lambda m, x: m.fc(m.c(x).reshape(-1, 100)), c=conv(3, 4, 3, 2), fc=nn.Linear(100, 7)),
                    (2, 3, 11, 11), both),
        "mean": (net(lambda m, x: head(m, m.c(x)), **c3), (2, 3, 9, 8), both),
        "mean_keepdims": (net(lambda m, x: m.fc(m.c(x).mean((2, 3), keepdim=True).flatten(1)), **c3), (2, 3, 9, 8), both),
        "mean_negative": (net(lambda m, x: m.fc(m.c(x).mean((-1, -2))), **c3), (2, 3, 9, 8), both),
        "conv_head": (net(lambda m, x: torch.flatten(m.d(F.adaptive_avg_pool2d(m.c(x), 1)), 1), c=conv(3, 8, 3),
                          d=conv(8, 5, 1)), (2, 3, 9, 9), both),
        "convolutional": (net(lambda m, x: m.d(F.relu(m.c(x))), c=conv(3, 8, 3, 2, 1), d=conv(8, 5, 1)), (2, 3, 9, 9), both),
        "groups": (net(lambda m, x: head(m, F.relu(m.d(m.c(x)))), c=conv(3, 12, 3), d=conv(12, 8, 3, groups=4, padding=1),
                       fc=nn.Linear(8, 5)), (2, 3, 12, 12), both),
        "depthwise": (net(lambda m, x: head(m, F.relu(m.d(m.c(x)))), c=conv(3, 8, 1), d=conv(8, 8, 5, groups=8, stride=2,
                          padding=2), fc=nn.Linear(8, 5)), (2, 3, 12, 12), both),
        "dilation": (net(lambda m, x: head(m, m.c(x)), c=conv(3, 8, 3, dilation=(2, 3), padding=(1, 2)), fc=nn.Linear(8, 5)),
                     (2, 3, 15, 17), both),
        "rectangles": (net(lambda m, x: head(m, m.d(m.c(x))), c=conv(3, 8, (1, 7), padding=(0, 3)),
                           d=conv(8, 8, (5, 1), (2, 1), padding=(2, 0)), fc=nn.Linear(8, 5)), (2, 3, 13, 10), both),
        "padded_conv": (net(lambda m, x: head(m, m.c(F.pad(x, (1, 2, 0, 3)))), c=conv(3, 8, 3, 2), fc=nn.Linear(8, 5)),
                        (2, 3, 12, 12), both),
        "padded_twice": (net(lambda m, x: head(m, m.c(F.pad(x, (1, 0, 2, 1)))), c=conv(3, 8, 3, 2, 1), fc=nn.Linear(8, 5)),
                         (2, 3, 12, 12), both),
        "padded_max": (net(lambda m, x: head(m, F.max_pool2d(F.pad(F.relu(m.c(x)), (0, 1, 0, 1)), 3, 2)), **c3),
                       (2, 3, 12, 12), both),
        "max_ceil": (net(lambda m, x: head(m, F.max_pool2d(m.c(x), 3, 2, ceil_mode=True)), **c3), (2, 3, 12, 13), both),
        "max_pad": (net(lambda m, x: head(m, F.max_pool2d(m.c(x), 3, 2, 1)), **c3), (2, 3, 12, 13), both),
        "max_ceil_pad": (net(lambda m, x: head(m, F.max_pool2d(m.c(x), 3, 2, 1, ceil_mode=True)), **c3), (2, 3, 12, 13), both),
        "max_pixels": (net(lambda m, x: F.max_pool2d(m.c(x), 2, 2, ceil_mode=True), c=conv(3, 5, 3)), (2, 3, 9, 12), both),
        "average": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 2), c=conv(3, 5, 3)), (2, 3, 12, 13), both),
        "average_include": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 1, 1), c=conv(3, 5, 3)), (2, 3, 12, 13), both),
        "average_exclude": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 1, 1, count_include_pad=False), c=conv(3, 5, 3)),
                            (2, 3, 12, 13), both),
        "average_ceil": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 2, ceil_mode=True), c=conv(3, 5, 3)), (2, 3, 13, 10), both),
        "average_ceil_pad": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 2, 1, ceil_mode=True, count_include_pad=False),
                                 c=conv(3, 5, 3)), (2, 3, 12, 13), both),
        "average_ceil_include": (net(lambda m, x: F.avg_pool2d(m.c(x), 3, 2, 1, ceil_mode=True), c=conv(3, 5, 3)),
                                 (2, 3, 12, 14), both),
        "global_max": (net(lambda m, x: m.fc(torch.flatten(F.adaptive_max_pool2d(m.c(x), 1), 1)), **c3), (2, 3, 9, 8), script),
        "add": (net(lambda m, x: head(m, F.relu(m.c(x) + m.d(x))), c=conv(3, 8, 3, padding=1), d=conv(3, 8, 1),
                    fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
        "concat": (net(lambda m, x: head(m, torch.cat((m.c(x), F.relu(m.d(x)), x), 1)), c=conv(3, 3, 3, padding=1),
                       d=conv(3, 2, 1), fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
        "no_bias": (net(lambda m, x: m.fc(F.relu(m.c(x)).mean((2, 3))), c=conv(3, 8, 3, bias=False),
                        fc=nn.Linear(8, 5, bias=False)), (2, 3, 9, 9), both),
        "batch_norm": (net(lambda m, x: head(m, F.relu(m.b(m.c(x)))), c=conv(3, 8, 3, bias=False),
                           b=nn.BatchNorm2d(8, eps=1e-3, momentum=0.25), fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
        "pre_activation": (net(lambda m, x: head(m, m.c(F.relu(m.b(x)))), c=conv(3, 8, 3), b=nn.BatchNorm2d(3),
                               fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
        "two_norms": (net(lambda m, x: head(m, m.d(F.relu(m.b(F.relu(m.c(x)))))), c=conv(3, 8, 3), b=nn.BatchNorm2d(8),
                          d=conv(8, 8, 3), fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
        "rows_norm": (net(lambda m, x: m.fc(F.relu(m.b(m.d(m.c(x).mean((2, 3)))))), c=conv(3, 8, 3), d=nn.Linear(8, 6),
                          b=nn.BatchNorm1d(6), fc=nn.Linear(6, 5)), (2, 3, 9, 9), both),
        "softmax": (net(lambda m, x: torch.softmax(head(m, m.c(x)), 1), **c3), (2, 3, 9, 9), both),
        "sigmoid": (net(lambda m, x: torch.sigmoid(head(m, m.c(x))), **c3), (2, 3, 9, 9), both),
        "clamp": (net(lambda m, x: head(m, m.c(x).clamp(min=0)), **c3), (2, 3, 9, 9), both),
        "scaled": (net(lambda m, x: head(m, m.c((x - torch.tensor([.485, .456, .406]).view(1, 3, 1, 1)) /
                                                  torch.tensor([.229, .224, .225]).view(1, 3, 1, 1))), **c3), (2, 3, 9, 9), both),
        "scaled_by_one": (net(lambda m, x: head(m, m.c(x * 2 - 1)), **c3), (2, 3, 9, 9), both),
        "scaled_slices": (net(lambda m, x: head(m, m.c(torch.cat((x[:, 0:1] * 2 + 1, x[:, 1:2] * 3 - 1, x[:, 2:3] * .5 + .25),
                                                                 1))), **c3), (2, 3, 9, 9), both),
        "perceptron": (net(lambda m, x: m.fc(F.relu(m.d(torch.flatten(x, 1)))), d=nn.Linear(75, 9), fc=nn.Linear(9, 4)),
                       (2, 3, 5, 5), both),
        "matmul": (net(lambda m, x: torch.flatten(F.relu(m.c(x)), 1) @ m.w + m.b, c=conv(3, 4, 3, 2),
                       w=nn.Parameter(torch.randn(100, 7) / 10), b=nn.Parameter(torch.randn(7))), (2, 3, 11, 11), both),
        "shared": (net(lambda m, x: head(m, m.d(F.relu(m.d(F.relu(m.c(x)))))), c=conv(3, 8, 3), d=conv(8, 8, 3, padding=1),
                       fc=nn.Linear(8, 5)), (2, 3, 9, 9), both),
    }
    return out


def export_all(folder, small):
    """Everything that this PyTorch can export; the paths."""
    import torch
    import networks
    paths = []
    newer = int(torch.__version__.split(".")[0]) >= 2
    training = torch.onnx.TrainingMode

    def export(name, model, shape, **options):
        path = os.path.join(folder, name + ".onnx")
        symbolic = options.pop("symbolic", ())
        if options.get("dynamo"):
            if symbolic:
                options["dynamic_shapes"] = ({i: torch.export.Dim(f"d{i}") for i in symbolic},)
        else:
            if newer:
                options["dynamo"] = False
            options["dynamic_axes"] = {"x": {i: f"d{i}" for i in symbolic}} if symbolic else None
        try:
            torch.onnx.export(model, (torch.randn(shape),), path, input_names=["x"], **options)
            paths.append(path)
        except Exception as error:  # noqa: BLE001
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            print(f"# {name}: PyTorch does not export it: {first[:160]}", flush=True)

    torch.manual_seed(3)
    for name, (model, shape, exporters) in small_networks().items():
        networks.draw(model, 5)
        for opset in (9, 11, 13, 17) if newer else (9, 11, 13, 16):
            export(f"{name}-{opset}", model, shape, opset_version=opset, symbolic=(0,) if opset == 11 else ())
        if "norm" in name or name == "pre_activation":
            for opset in (9, 13, 15):
                export(f"{name}-{opset}-kept", model, shape, opset_version=opset, training=training.PRESERVE,
                       do_constant_folding=False)
        if newer and "dynamo" in exporters:
            export(f"{name}-dynamo", model, shape, dynamo=True, external_data=False)
            export(f"{name}-dynamo-batch", model, shape, dynamo=True, external_data=False, symbolic=(0,))
    full = {"vgg19": 224, "alexnet": 224, "resnet101": 224, "inception_v3": 299}
    if newer:
        model = networks.draw(networks.inception_v3(11, 16), 4)
        for opset in (9, 11, 13, 17):
            export(f"inception-small-{opset}", model, (1, 3, 107, 107), opset_version=opset)
            export(f"inception-small-{opset}-kept", model, (1, 3, 107, 107), opset_version=opset, training=training.PRESERVE,
                   do_constant_folding=False)
        export("inception-small-dynamo", model, (1, 3, 107, 107), dynamo=True, external_data=True)
        export("inception-small-any-size", model, (1, 3, 107, 107), opset_version=13, symbolic=(0, 2, 3))
        model = networks.draw(networks.small_resnet(), 4)
        export("resnet-small-any-size", model, (1, 3, 64, 64), opset_version=13, symbolic=(0, 2, 3))
        export("resnet-small-dynamo-any-size", model, (2, 3, 64, 64), dynamo=True, external_data=False, symbolic=(0, 2, 3))
    if small:
        return paths
    for name, size in full.items():
        if newer:
            model = networks.draw(getattr(networks, name)(), 7)
            export(name + "-dynamo", model, (1, 3, size, size), dynamo=True, external_data=True)
            export(name + "-17", model, (1, 3, size, size), opset_version=17)
        else:
            import torchvision
            options = {"aux_logits": False, "init_weights": False, "transform_input": True} if name == "inception_v3" else {}
            model = networks.draw(getattr(torchvision.models, name)(weights=None, **options), 7)
            for opset in (9, 13, 16):
                export(f"{name}-torchvision-{opset}", model, (1, 3, size, size), opset_version=opset)
            if name in ("resnet101", "inception_v3"):
                export(f"{name}-torchvision-kept", model, (1, 3, size, size), opset_version=13, training=training.PRESERVE,
                       do_constant_folding=False)
    return paths


def fixtures(folder):
    """One network with most of what there is, as different exporters write it; its input is pattern() of onnx_files.py."""
    import networks
    import onnxruntime
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.bn = nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6, eps=1e-3)
            self.a, self.b, self.c = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.Conv2d(6, 4, (1, 3), padding=(0, 1))
            self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(10 * 3 * 4, 8), nn.ReLU(), nn.Linear(8, 5))

        def forward(self, x):
            a = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
            b = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
            c = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
            x = F.relu(self.bn(self.stem(torch.cat((a, b, c), 1))))
            x = F.relu(self.a(F.avg_pool2d(x, 3, 1, 1)) + self.b(x))
            x = F.max_pool2d(torch.cat((x, self.c(x)), 1), 3, 2, ceil_mode=True)
            return self.classifier(torch.flatten(x, 1))

    model, shape = networks.draw(Small(), 9), (1, 3, 12, 15)
    h, w, c = np.indices((12, 15, 3))
    x = (((7 * h + 13 * w + 29 * c) % 256) / np.float32(255)).astype(np.float32).transpose(2, 0, 1)[None]
    keep = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    options = {"script9": dict(opset_version=9, dynamo=False), "script13-kept": dict(opset_version=13, dynamo=False, **keep),
               "newer": dict(dynamo=True, external_data=False), "newer-external": dict(dynamo=True, external_data=True)}
    outputs = {}
    for name, how in options.items():
        path = os.path.join(folder, name + ".onnx")
        torch.onnx.export(model, (torch.zeros(shape),), path, input_names=["x"], **how)
        strip(path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        outputs[name] = [float(v) for v in session.run(None, {"x": x})[0].ravel()]
    with open(os.path.join(folder, "outputs.json"), "w", encoding="utf-8") as file:
        json.dump(outputs, file, indent=1)


def strip(path):
    """Leaves out what exporters say about themselves, paths of this machine among it."""
    import onnx
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def main():
    if sys.argv[1] == "fixtures":
        fixtures(sys.argv[2])
        return 0
    small = "--small" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--small"]
    if arguments[0] == "export":
        export_all(arguments[1], small)
        return 0
    if arguments[0] == "compare":
        for path in arguments[2:]:
            compare(arguments[1], path)
        return failures > 0
    with tempfile.TemporaryDirectory() as folder:
        for path in export_all(folder, small):
            if all(re.search(name, path) for name in arguments[1:]):
                compare(arguments[0], path)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
