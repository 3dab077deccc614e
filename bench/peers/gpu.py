#!/usr/bin/env python3
"""Whole networks on a GPU: kohl beside PyTorch, which take turns.

    pip install torch      (a peer only: nothing of the project needs it; without it kohl is timed alone)
    gpu.py nets  --build DIR --net vgg19 --size 224 --batch 16 [--compile]
    gpu.py train --build DIR --net vgg19_cleo --size 128 --batch 32 --mode head|block|all [--compile]
           [--device cuda:N] [--rounds 3] [--runs N] [--commit TEXT]

A run begins with a batch in the host's memory and ends when its results are there: the copies count for both.  nets is
the forward pass; train is forward, backward and RMSprop, of the head, from the last block on, or of all layers.  Weights
are random (He), pictures noise from a seed.  PyTorch gets what is best for it: channels-last, cudnn.benchmark, pinned
memory, no gradients for frozen layers; and is measured as it is (eager), as one recorded graph where that works (graph;
kohl's run is one, too), and with --compile through torch.compile, each in f32 and with
TF32.  A round is the median of the runs that fit into 0.4 s; a row has the median, the fastest and the slowest round,
and the largest error of the logits over the largest logit, against the same network in f64.

kohl's error is measured where a double on one core of the CPU takes seconds (`kohl bench net --truth`); that its results
on the GPU have the CPU's bits is tests/gpu/run.sh --part check.  Prints CSV.
"""
import argparse
import copy
import csv
import functools
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "oracle", "pytorch"))

try:
    import torch
    import networks
    if not torch.cuda.is_available():
        raise RuntimeError("it finds no GPU")
except (ImportError, OSError, RuntimeError) as error:
    torch = None
    print(f"PyTorch is left out: {error}", file=sys.stderr, flush=True)

COLUMNS = ("part net size batch mode engine variant precision version ms_median ms_min ms_max images_per_s ratio_to_kohl "
           "gflop_per_image gflops max_rel_error device driver commit").split()
# the first layer of the last block: kohl's name, and what PyTorch's modules begin with
BLOCKS = {"vgg19_cleo": ("block5_conv1", ("base.28", "base.30", "base.32", "base.34", "top")),
          "inception_v3": ("conv2d_86", ("Mixed_7c", "fc")), "resnet101": ("conv5_block3_1_conv", ("layer4.2", "fc"))}
HEADS = {"vgg19_cleo": ("top",), "inception_v3": ("fc",), "resnet101": ("fc",)}
ROUND_S, WARM_UP = 0.4, 3


def kohl(options, *more):
    mode = {"head": "train:head", "all": "train"}.get(options.mode)
    if options.mode == "block":
        mode = "train:" + BLOCKS[options.net][0]
    command = [os.path.join(options.build, "kohl"), "bench", "net", options.net, "--size", str(options.size), "--batch",
               str(options.batch), "--device", options.device, "--format", "json", *more]
    command += ["--mode", mode] if mode else []
    command += ["--runs", str(options.runs)] if options.runs else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def device_row(options):
    done = subprocess.run([os.path.join(options.build, "kohl"), "devices", "--format", "json"], capture_output=True,
                          text=True, check=True)
    name = options.device if ":" in options.device else options.device + ":0"
    return next(d for d in json.loads(done.stdout)["devices"] if d["device"] == name)


def vgg19_cleo(size):
    """VGG-19 with kohl's head for Egyptian objects."""
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.base = networks.vgg19().features
            self.top = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(512 * (size // 32) ** 2, 256),
                                           torch.nn.ReLU(), torch.nn.Dropout(0.4), torch.nn.Linear(256, 23))

        def forward(self, x):
            return self.top(self.base(x))
    return Net()


@functools.lru_cache(maxsize=1)
def build(name, size):
    """On the CPU; drawing the weights takes seconds, so once."""
    if name == "vgg19_cleo":
        net = vgg19_cleo(size)
    elif name == "inception_v3":
        net = networks.inception_v3(transform_input=False)
    else:
        net = getattr(networks, name)()
    return networks.draw(net, 1)


def freeze(net, options):
    """Frozen modules are as in inference; the rest learns, batch-norms of the whole network only where all does."""
    prefixes = {"head": HEADS, "all": None, "block": {k: v[1] for k, v in BLOCKS.items()}}[options.mode]
    trained = ("",) if prefixes is None else prefixes[options.net]
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(trained))
    for name, module in net.named_modules():
        module.training = name.startswith(trained)
    return [p for p in net.parameters() if p.requires_grad]


@functools.lru_cache(maxsize=1)
def double_net(name, size, device):
    return copy.deepcopy(build(name, size)).to(device).double()


def truth_of(options, x):
    return double_net(options.net, options.size, x.device)(x.double())


class Peer:
    """One way to run PyTorch; run() is a whole batch, host to host."""

    def __init__(self, options, variant, tf32):
        self.options, self.variant, self.precision = options, variant, "tf32" if tf32 else "f32"
        self.tf32, self.graph = tf32, None
        self.device = torch.device(options.device if ":" in options.device else options.device + ":0")
        self.net = copy.deepcopy(build(options.net, options.size)).to(self.device, memory_format=torch.channels_last)
        generator = torch.Generator().manual_seed(2)
        shape = (options.batch, 3, options.size, options.size)
        self.host = torch.rand(shape, generator=generator).mul_(2).sub_(1).contiguous(memory_format=torch.channels_last)
        self.host = self.host.pin_memory()
        self.x = self.host.to(self.device)
        self.labels = (torch.arange(options.batch) % 23).to(self.device)
        self.optimizer = None
        if options.mode:
            self.optimizer = torch.optim.RMSprop(freeze(self.net, options), lr=1e-4, alpha=0.9, eps=1e-7, foreach=True,
                                                 capturable=variant == "graph")
        self.call = torch.compile(self.net) if variant == "compile" else self.net
        self.set_precision()
        self.out = torch.empty_like(self.put(), device="cpu").pin_memory()
        self.wait()
        if variant == "graph":
            self.record()

    def set_precision(self):
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = self.tf32
        torch.backends.cuda.matmul.allow_tf32 = self.tf32

    def put(self):
        """Puts a batch on the stream; what comes back to the host at the end."""
        self.x.copy_(self.host, non_blocking=True)
        if not self.optimizer:
            with torch.inference_mode(self.variant != "compile"), torch.no_grad():
                return self.call(self.x)
        self.optimizer.zero_grad(set_to_none=self.variant != "graph")
        loss = torch.nn.functional.cross_entropy(self.call(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def record(self):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.put()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.out.copy_(self.put(), non_blocking=True)
        self.wait()

    def wait(self):
        torch.cuda.synchronize(self.device)

    def run(self):
        if self.graph:
            self.graph.replay()
        else:
            self.out.copy_(self.put(), non_blocking=True)
        self.wait()

    def round(self):
        self.set_precision()
        times = []
        for _ in range(WARM_UP):
            self.run()
        begin = time.perf_counter()
        while len(times) < (self.options.runs or 5) or (not self.options.runs and time.perf_counter() - begin < ROUND_S):
            start = time.perf_counter()
            self.run()
            times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times)

    def error(self):
        """Of one picture's logits against f64, over the largest."""
        if self.optimizer:
            return None
        with torch.no_grad():
            self.set_precision()
            mine, truth = self.call(self.x)[:1].double(), truth_of(self.options, self.x[:1])
        return ((mine - truth).abs().max() / truth.abs().max()).item()

    def gflop(self):
        """Of a picture in the forward pass."""
        from torch.utils.flop_counter import FlopCounterMode
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            self.net(self.x)
        return counter.get_total_flops() / 1e9 / self.options.batch


def peers(options):
    """What can be made of PyTorch here; what cannot is said."""
    found = []
    variants = ("compile",) if options.compile else ("eager", "graph")
    for variant in variants if torch else ():
        for tf32 in (False, True):
            try:
                found.append(Peer(options, variant, tf32))
            except Exception as error:  # pylint: disable=broad-except
                print(f"PyTorch {variant} {'tf32' if tf32 else 'f32'} is left out: {type(error).__name__}: "
                      f"{str(error).strip().splitlines()[0] if str(error).strip() else ''}", file=sys.stderr, flush=True)
                torch.cuda.synchronize()
    return found


def rows(options):
    sides = peers(options)
    times = {side: [] for side in ["kohl", *sides]}
    first = None
    for number in range(options.rounds):
        for side in ["kohl", *sides] if number % 2 == 0 else [*reversed(sides), "kohl"]:
            if side == "kohl":
                # the error in double once, where it is affordable
                result = kohl(options, *([] if first is None else ["--truth", "0"]))
                first = first or result
                times[side].append(result["ms_median"])
            else:
                times[side].append(side.round())
    here = device_row(options)
    mine = statistics.median(times["kohl"])
    for side, values in times.items():
        median, own = statistics.median(values), side == "kohl"
        work = first["gflops"] / first["images_per_s"] if own else None if side.optimizer else side.gflop()
        error = first.get("max_rel_error") if own else side.error()
        yield {"part": options.part, "net": options.net, "size": options.size, "batch": options.batch,
               "mode": options.mode or "", "engine": "kohl" if own else "pytorch", "variant": "" if own else side.variant,
               "precision": "f32" if own else side.precision, "version": "" if own else torch.__version__,
               "ms_median": f"{median:.4f}", "ms_min": f"{min(values):.4f}", "ms_max": f"{max(values):.4f}",
               "images_per_s": f"{1e3 * options.batch / median:.2f}", "ratio_to_kohl": f"{mine / median:.3f}",
               "gflop_per_image": "" if work is None else f"{work:.3f}",
               "gflops": "" if work is None else f"{work * options.batch / median * 1e3:.1f}",
               "max_rel_error": "" if error is None else f"{error:.2e}", "device": here["name"],
               "driver": here["driver"], "commit": options.commit}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("nets", "train"))
    parser.add_argument("--build", required=True)
    parser.add_argument("--net", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--mode", choices=("head", "block", "all"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--commit", default="not given")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    if (options.mode is None) != (options.part == "nets"):
        parser.error("train needs --mode, nets has none")
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(options):
        writer.writerow(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
