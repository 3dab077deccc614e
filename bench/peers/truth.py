"""The logits of a network in double precision: truth.py FOLDER COUNT writes FOLDER/truth.f64, NHWC.

By PyTorch in float64 from the weights of `kohl export --to torchvision`; without PyTorch, or a network of that name in
tests/oracle/pytorch, by numpy from `kohl export --to onnx` (tests/oracle/export/onnx_numpy.py), which is for small ones.
"""
import json
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.path.join(HERE, "..", "..", "tests", "oracle")


def by_pytorch(folder, about, pictures):
    sys.path.insert(0, os.path.join(HERE, "engines"))
    import pytorch_nets
    if not hasattr(pytorch_nets.networks, about["arch"]):
        raise ImportError(f"tests/oracle/pytorch has no {about['arch']}")
    net = pytorch_nets.load(folder, about).double()
    with pytorch_nets.torch.no_grad():
        for picture in pictures:
            yield net(pytorch_nets.torch.from_numpy(picture[None]).double()).numpy()[0]


def by_numpy(folder, pictures):
    sys.path.insert(0, os.path.join(ORACLE, "export"))
    import onnx_numpy
    model = onnx_numpy.Model(os.path.join(folder, "model.onnx"))
    for picture in pictures:
        outputs = model.run(picture[None])
        yield outputs.get("logits", outputs.get("output"))[0]


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    with open(os.path.join(folder, "about.json")) as file:
        about = json.load(file)
    h, w, c = about["input"]
    pictures = np.fromfile(os.path.join(folder, "pictures.f32"), "<f4", count * h * w * c)
    pictures = np.ascontiguousarray(pictures.reshape(count, h, w, c).transpose(0, 3, 1, 2))
    try:
        found = list(by_pytorch(folder, about, pictures))
    except ImportError as error:
        if about["gmac"] > 1:
            sys.exit(f"truth: {error}; and numpy is for less than a GMAC")
        found = list(by_numpy(folder, pictures))
    found = np.stack(found)
    found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
    found.astype("<f8").tofile(os.path.join(folder, "truth.f64"))


if __name__ == "__main__":
    main()
