"""Writes tests/fixtures/torch: small files of torch.save, and what torch itself says is in them.

    make_pth.py FOLDER TAG      TAG names the PyTorch: v2.13 (pip install torch==2.13.0 numpy), v1.13 (Debian's)

Good files are NAME-TAG-zip.pth and NAME-TAG-seq.pth, with a line a tensor in expected-TAG.tsv: file, name, type, shape,
CRC32C of the values as f32.  v2.13 also writes the files that must be refused, bad-NAME.pth.
"""
import os
import sys
from collections import OrderedDict

import numpy as np
import torch

FOLDER, TAG = sys.argv[1:]
TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
torch.manual_seed(7)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def small_net():
    return torch.nn.Sequential(OrderedDict(conv=torch.nn.Conv2d(3, 4, 3), bn=torch.nn.BatchNorm2d(4), relu=torch.nn.ReLU(), fc=torch.nn.Linear(4, 2)))


def kinds():
    """Every type, a single number, and tensors without any."""
    state = OrderedDict()
    for kind, name in TYPES.items():
        state[f"x.{name.lower()}"] = (torch.randn(2, 3) * 50).to(kind) if kind != torch.bool else torch.randn(2, 3) > 0
    state["scalar"] = torch.tensor(-1.5)
    state["counter"] = torch.tensor(123456789012)
    state["empty"] = torch.zeros(0, 4)
    state["eight.dims"] = torch.randn(1, 2, 1, 2, 1, 2, 1, 2)
    state["specials"] = torch.tensor([0.0, -0.0, 1e-45, -3.4e38, 6e-8])
    state["half.specials"] = torch.tensor([0.0, -0.0, 6e-8, 65504, -6.1e-5]).half()
    return state


def views():
    """Storages that are shared, and tensors that do not lie in one piece."""
    base = torch.arange(60, dtype=torch.float32).reshape(5, 12) / 7
    half = torch.randn(4, 6).half()
    cube = torch.randn(2, 3, 4)
    return {"base": base, "row": base[2], "column": base[:, 3], "slice": base[1:4, 2:9:3], "transposed": base.t(), "half.transposed": half.t(),
            "half.slice": half[::2, 1:], "expanded": torch.randn(3, 1).expand(3, 5), "repeated": torch.tensor(2.5).expand(4, 2, 3), "permuted": cube.permute(2, 0, 1),
            "cube": cube, "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "diagonal": base[:, :5].diagonal(),
            "empty.slice": base[5:, 3:]}


def trained():
    """A net and an optimizer after one step."""
    net = small_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net.fc(net.bn(net.conv(torch.randn(2, 3, 3, 3))).flatten(1)).sum().backward()
    optimizer.step()
    return net, optimizer


def checkpoint():
    net, optimizer = trained()
    wrapped = OrderedDict(("module." + name, tensor) for name, tensor in net.state_dict().items())
    return {"epoch": 3, "arch": "small", "state_dict": wrapped, "best": 71.25, "best_tensor": torch.tensor(0.5), "lists": [1, -2, 70000, 2**40, None, True, (), {}, (1, 2, 3, 4)],
            "optimizer": optimizer.state_dict()}


def nested():
    state = {"model": {"ema": None, "state_dict": {"module.backbone." + name: tensor for name, tensor in small_net().state_dict().items()}}}
    return state


GOOD = {
    "kinds": (kinds, lambda value: value),
    "views": (views, lambda value: value),
    "net": (lambda: small_net().state_dict(), lambda value: value),
    "parameters": (lambda: dict(small_net().named_parameters()), lambda value: value),
    "checkpoint": (checkpoint, lambda value: {name[7:]: tensor for name, tensor in value["state_dict"].items()}),
    "nested": (nested, lambda value: {name[16:]: tensor for name, tensor in value["model"]["state_dict"].items()}),
}


def write_good():
    lines = []
    for name in GOOD if TAG == "v2.13" else ("kinds", "views", "parameters"):
        build, tensors = GOOD[name]
        value = build()
        for container in ("zip", "seq"):
            path = f"{name}-{TAG}-{container}.pth"
            torch.save(value, os.path.join(FOLDER, path), _use_new_zipfile_serialization=container == "zip")
            back = torch.load(os.path.join(FOLDER, path), map_location="cpu")
            for key, tensor in tensors(back).items():
                tensor = tensor.detach()
                values = tensor.to(torch.float32).contiguous().numpy().astype("<f4").tobytes()
                crc = f"{crc32c(values):08x}" if tensor.dtype not in (torch.int64, torch.int32) else "-"
                lines.append("\t".join([path, key, TYPES[tensor.dtype], ",".join(map(str, tensor.shape)) or "scalar", crc]))
    with open(os.path.join(FOLDER, f"expected-{TAG}.tsv"), "w") as file:
        file.write("\n".join(lines) + "\n")


class Namespace:
    """A class of a user's own program."""


def write_bad():
    net, optimizer = trained()
    quantised = torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8)
    values = {
        "module": net,
        "optimizer": optimizer.state_dict(),
        "quantised": {"w": quantised},
        "sparse": {"w": torch.eye(3).to_sparse()},
        "complex": {"w": torch.zeros(2, dtype=torch.complex64)},
        "newer": {"w": torch.zeros(2, dtype=torch.uint16)},
        "tensor": torch.zeros(2),
        "list": [torch.zeros(2), torch.zeros(3)],
        "numpy": {"state_dict": net.state_dict(), "best": np.float64(3)},
        "object": {"state_dict": net.state_dict(), "args": Namespace()},
        "numbered": {0: torch.zeros(2)},
        "words": {"epoch": 3, "arch": "small"},
        "nine": {"w": torch.zeros((1,) * 9)},
    }
    for name, value in values.items():
        torch.save(value, os.path.join(FOLDER, f"bad-{name}.pth"))
    torch.save({"w": torch.zeros(2)}, os.path.join(FOLDER, "bad-protocol.pth"), pickle_protocol=4)
    torch.save({"w": torch.zeros(2)}, os.path.join(FOLDER, "bad-protocol-seq.pth"), pickle_protocol=4, _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), os.path.join(FOLDER, "bad-script.pth"))


write_good()
if TAG == "v2.13":
    write_bad()
