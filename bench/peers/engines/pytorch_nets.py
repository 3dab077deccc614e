"""PyTorch's networks for the engines: those of tests/oracle/pytorch, with the weights of `kohl export --to torchvision`."""
import os
import sys

import torch
from safetensors.torch import load_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tests", "oracle", "pytorch"))
import networks  # noqa: E402


def load(folder, about):
    """Ready to run; without a top only the features."""
    options = {"transform_input": False} if about["arch"] == "inception_v3" else {}
    with torch.device("meta"):
        net = getattr(networks, about["arch"])(**options)
        net = net if about["classes"] else torch.nn.Sequential()
        if not about["classes"]:
            net.add_module("features", getattr(networks, about["arch"])().features)
    net.load_state_dict(load_file(os.path.join(folder, "torchvision.safetensors")), assign=True)
    return net.eval().requires_grad_(False)
