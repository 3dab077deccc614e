"""Whole training steps of VGG-19 beside PyTorch: forward, backward, RMSprop; f32; the head for Egyptian objects.

    pip install torch==2.13.0 numpy      (a peer only: nothing of the project needs it)
    train_step.py BUILD [--size 128] [--batch 32] [--threads 2] [--rounds 9] [--csv FILE]

Three modes: frozen (only the head is trained), from block5_conv1, and all layers; the base runs forward in every step.
kohl and PyTorch take turns, round by round; a round is the median of three steps behind one that is not counted.
PyTorch is given what is best for it: frozen layers without gradients, channels-last or its own layout, whichever was
faster in a trial, and fused optimizer loops.  A row has the median of the rounds, the fastest, the slowest, and the
relative error of all gradients against PyTorch in double (two pictures, the same weights and labels for both).
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "oracle", "pytorch"))

MODES = {"frozen": "train:head", "block5_conv1": "train:block5_conv1", "all": "train"}
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
STEPS = 3


class Peer:
    """VGG-19 in PyTorch's modules; the first `frozen` of them run without gradients."""

    def __init__(self, mode, size, batch, layout):
        torch.manual_seed(1)
        layers, channels = [], 3
        cut = {"frozen": None, "block5_conv1": 4, "all": 0}[mode]
        at_block = []
        for filters, count in BLOCKS:
            at_block.append(len(layers))
            for _ in range(count):
                layers += [torch.nn.Conv2d(channels, filters, 3, padding=1), torch.nn.ReLU(inplace=True)]
                channels = filters
            layers.append(torch.nn.MaxPool2d(2))
        at = len(layers) if cut is None else at_block[cut]
        flat = 512 * (size // 32) ** 2
        head = [torch.nn.Flatten(), torch.nn.Linear(flat, 256), torch.nn.ReLU(), torch.nn.Dropout(0.4),
                torch.nn.Linear(256, 23)]
        self.base = torch.nn.Sequential(*layers[:at]).to(memory_format=layout)
        self.top = torch.nn.Sequential(*layers[at:], *head).to(memory_format=layout)
        for parameter in self.base.parameters():
            parameter.requires_grad_(False)
        self.optimizer = torch.optim.RMSprop(self.top.parameters(), lr=1e-4, alpha=0.9, eps=1e-7, foreach=True)
        self.x = torch.randn(batch, 3, size, size).to(memory_format=layout)
        self.y = torch.arange(batch) % 23

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            x = self.base(self.x)
        loss = torch.nn.functional.cross_entropy(self.top(x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def round(self):
        times = []
        for _ in range(STEPS + 1):
            begin = time.perf_counter()
            self.step()
            times.append(1e3 * (time.perf_counter() - begin))
        return statistics.median(times[1:])


def best_peer(mode, options):
    tried = {}
    for layout in (torch.channels_last, torch.contiguous_format):
        peer = Peer(mode, options.size, options.batch, layout)
        tried[peer.round()] = (peer, "channels_last" if layout == torch.channels_last else "contiguous")
    return tried[min(tried)]


def kohl_round(options, mode):
    command = [os.path.join(options.build, "kohl"), "bench", "net", "vgg19_cleo", "--size", str(options.size), "--batch",
               str(options.batch), "--mode", MODES[mode], "--threads", str(options.threads), "--runs", str(STEPS),
               "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["ms_median"]


def gradient_errors(options):
    """Relative error of all gradients together, kohl's and PyTorch f32's, against f64."""
    from gradients import compute
    case = {"arch": "vgg19_cleo", "size": options.size, "classes": 23, "batch": 2, "seed": "1", "batch_norm": "frozen"}
    mine, truth, peer, _ = compute(options.build, case)
    names = [name for name in mine if name.endswith((".weight", ".bias"))]
    total = sum(truth[n].double().pow(2).sum().item() for n in names)
    return tuple((sum((side[n].double() - truth[n]).pow(2).sum().item() for n in names) / total) ** 0.5
                 for side in (mine, peer))


def measure(options, mode, errors):
    peer, layout = best_peer(mode, options)
    rounds = {"kohl": [], "pytorch": []}
    for number in range(options.rounds):
        order = ("kohl", "pytorch") if number % 2 == 0 else ("pytorch", "kohl")
        for name in order:
            rounds[name].append(kohl_round(options, mode) if name == "kohl" else peer.round())
    ratio = statistics.median(rounds["pytorch"]) / statistics.median(rounds["kohl"])
    for name, error in zip(("kohl", "pytorch"), errors):
        values = rounds[name]
        median = statistics.median(values)
        yield {"net": "vgg19_cleo", "size": options.size, "batch": options.batch, "mode": mode,
               "threads": options.threads, "engine": name, "version": "" if name == "kohl" else torch.__version__,
               "layout": "nhwc" if name == "kohl" else layout, "ms_median": f"{median:.1f}",
               "ms_min": f"{min(values):.1f}", "ms_max": f"{max(values):.1f}",
               "images_per_s": f"{1e3 * options.batch / median:.2f}",
               "ratio_to_pytorch": f"{ratio if name == 'kohl' else 1:.3f}", "gradient_error": f"{error:.2e}"}


def machine():
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": model, "commit": commit.stdout.strip()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    for name, default in (("size", 128), ("batch", 32), ("threads", 2), ("rounds", 9)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--csv")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    errors = gradient_errors(options)
    rows = []
    for mode in MODES:
        for row in measure(options, mode, errors):
            rows.append({**row, **machine()})
            print(" ".join(f"{k}={v}" for k, v in rows[-1].items()), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
