"""Writes tests/fixtures/gradients/, from which tests/oracle/gradients.py checks without PyTorch.

    pip install torch==2.13.0 numpy safetensors      (an oracle only: nothing of the project needs it)
    make_fixtures.py BUILD [NAME ...]                NAME: "vgg19_frozen", "steps", ...; without any all

A file per network and mode, of what gradients.py beside this script compares: the command that makes the weights and
pictures, and a line per tensor with the norm of PyTorch's f64 result, the limit of kohl's error (4 times PyTorch f32's)
and the f64 result's projections; steps.json has the losses of steps.py for the networks that train fast.  Nothing is
written of a network that does not pass with PyTorch at hand.
"""
import json
import os
import sys

import torch

import gradients
import steps
from network import fixtures

# (architecture, batch-norm): steps of steps.json
STEPS = (("cleo_small", "frozen"), ("squeezenet1_1", "frozen"))


def network_text(case, truth, peer, redraws, sketch):
    rows = {}  # {tensor: "ROW=DRAW ROW=DRAW"}
    for redraw in redraws:
        tensor, row = redraw.rsplit(":", 1)
        rows[tensor] = f"{rows[tensor]} {row}" if tensor in rows else row
    head = {**case, "seed": int(case["seed"]), "pytorch": torch.__version__, "redraw": rows}
    lines = [f"{json.dumps(key)}:{json.dumps(value)},\n" for key, value in head.items()]
    tensors = []
    for name, value in truth.items():
        limit = 4 * gradients.peer_error(name, truth, peer)
        tensors.append(f"{json.dumps(name)}:" + fixtures.fixture_line(value.norm().item(), limit, sketch(value.numpy())))
    return "{" + "".join(lines) + '"tensors":{\n' + ",\n".join(tensors) + "\n}}\n"


def write(name, text):
    os.makedirs(fixtures.FIXTURES, exist_ok=True)
    with open(os.path.join(fixtures.FIXTURES, name + ".json"), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    build, names = sys.argv[1], sys.argv[2:]
    torch.set_num_threads(2)
    sketch = fixtures.Sketch()
    for arch, norm in sorted(fixtures.NEEDED):
        name = f"{arch}_{norm}"
        if name not in (names or [name]):
            continue
        size, classes, batch = gradients.CASES[arch]
        case = {"arch": arch, "size": size, "classes": classes, "batch": batch, "seed": "1", "batch_norm": norm}
        results = gradients.check(build, case)
        if results:
            truth, peer, redraws = results
            write(name, network_text(case, truth, peer, redraws, sketch))
    if "steps" in (names or ["steps"]):
        cases = [(steps.case_of(*key), steps.check(build, steps.case_of(*key))) for key in STEPS]
        lines = [json.dumps({**case, "losses": [float(f"{x:.9g}") for x in losses]}) for case, losses in cases if losses]
        write("steps", "[\n" + ",\n".join(lines) + "\n]\n")
    sys.exit(fixtures.failures > 0)


if __name__ == "__main__":
    main()
