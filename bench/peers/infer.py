#!/usr/bin/env python3
"""Whole networks on the CPU: kohl beside PyTorch, ONNX Runtime, OpenVINO, ncnn and TensorFlow, which take turns.

    infer.py BUILD [--nets vgg19 ...] [--batch 1 16] [--threads 2] [--peers ncnn ...] [--rounds 9] [--csv FILE]

README.md says how the peers are installed and what a run measures.  All have the same random weights (He), the same
pictures, the same number of threads; each is a process of its own, stopped (SIGSTOP) while another one runs.  A peer
is first tried in every way that may be its fastest (column tried, ms) and then measured in that one; bf16 where it has
it in rows of its own.  A turn is the median of the runs of 0.3 s, at least one, behind 0.15 s that do not count; a row
has the median, the fastest and the slowest turn, and the largest error of the logits over the largest logit against
the same network in f64.  Memory and the time to open are in the rows of batch 1.  A peer that is not installed, or cannot
run a network, is named and left out.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

import model_file
from turns import Failed, Side, best_of, take_turns

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ("pytorch", "onnxruntime", "openvino", "ncnn", "tensorflow")
# name: architecture, side, classes (0: without its head), batches
NETS = {"vgg19": ("vgg19", 224, 1000, (1, 16)), "vgg19_notop": ("vgg19", 128, 0, (1, 32)),
        "inception_v3": ("inception_v3", 299, 1000, (1, 16)), "resnet101": ("resnet101", 224, 1000, (1, 16)),
        "alexnet": ("alexnet", 224, 1000, (1, 16)), "tiny": ("squeezenet1_1", 64, 10, (1, 2))}
COLUMNS = ("net size batch threads engine version precision mode tried ms_median ms_min ms_max rounds images_per_s ratio_to_kohl "
           "max_rel_error open_ms first_ms base_mb rss_mb peak_mb gmac gmac_f43 fma_peak_gflops limit_direct limit_f43 "
           "cpu processors level compiler commit").split()
WEIGHTS_SEED, PICTURES_SEED = 1, 2
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))[:200]}: exit code {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout


def engine_script(peer):
    return os.path.join(HERE, "engines", peer + "_infer.py")


def find_peers(options, script=engine_script):
    """Those of --peers that can be imported here; script(peer) is the file that does."""
    found = []
    for peer in options.peers:
        try:
            run(sys.executable, script(peer), "about", 1)
            found.append(peer)
        except Failed as error:
            print(f"# {peer} is absent: {str(error).splitlines()[-1]}", file=sys.stderr, flush=True)
    return found


class Net:
    """A network's files in a folder: kohl's model, what it exports, pictures, the truth."""

    def __init__(self, options, name, folder):
        self.name, self.folder, self.build = name, folder, options.build
        self.arch, self.size, self.classes, batches = NETS[name]
        self.batches = [b for b in options.batch or batches]
        model = self.path("model.safetensors")
        run(os.path.join(options.build, "oracle", "random_model"), self.arch, "torchvision", self.size, self.classes, WEIGHTS_SEED, model)
        layers = json.loads(run(self.kohl(), "inspect", model, "--format", "json"))["layers"]
        nodes, weights = model_file.read(model)
        self.direct, self.winograd = model_file.multiplies(nodes, weights, {layer["name"]: layer["output"] for layer in layers})
        self.about = {"arch": self.arch, "classes": self.classes, "input": layers[0]["output"], "batches": self.batches,
                      "gmac": self.direct / 1e9}
        with open(self.path("about.json"), "w") as file:
            json.dump(self.about, file)
        self.draw_pictures()

    def path(self, name):
        return os.path.join(self.folder, name)

    def kohl(self):
        return os.path.join(self.build, "kohl")

    def draw_pictures(self):
        shape = (max(self.batches), *self.about["input"])
        pixels = np.random.default_rng(PICTURES_SEED).integers(0, 256, shape, np.uint8)
        ((pixels / np.float32(255) - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)).astype("<f4").tofile(self.path("pictures.f32"))

    def prepare(self, peers):
        """Exports, the truth, the peers' own files.  Returns the peers that could make theirs."""
        for form, name in (("onnx", "model.onnx"), ("torchvision", "torchvision.safetensors")):
            run(self.kohl(), "export", self.path("model.safetensors"), "--to", form, "-o", self.path(name))
        try:
            run(sys.executable, os.path.join(HERE, "truth.py"), self.folder, max(self.batches))
        except Failed as error:
            print(f"# {self.name}: errors are left out: {str(error).splitlines()[-1]}", file=sys.stderr, flush=True)
        able = []
        for peer in peers:
            try:
                run(sys.executable, engine_script(peer), "prepare", self.folder)
                able.append(peer)
            except Failed as error:
                print(f"# {self.name}: {peer} is left out: {str(error).splitlines()[-1]}", file=sys.stderr, flush=True)
        return able

    def error(self, side, batch):
        """max |logits - truth| / max |truth| over the batch; None without a truth."""
        if not os.path.exists(self.path("truth.f64")):
            return None
        mine = self.path("output.f32")
        side.process.ask(f"output {mine}")
        found = np.fromfile(mine, "<f4").astype(np.float64)
        truth = np.fromfile(self.path("truth.f64"), "<f8").reshape(max(self.batches), -1)[:batch].ravel()
        if found.shape != truth.shape:
            raise Failed(f"{side.name()}: {found.size} numbers, expected {truth.size}")
        return float(np.abs(found - truth).max() / np.abs(truth).max())


def open_sides(options, net, peers, batch):
    command = [os.path.join(options.build, "peers", "kohl_serve"), net.path("model.safetensors"), net.path("pictures.f32"), str(batch),
               str(options.threads)]
    version = run(net.kohl(), "--version").split()[-1]
    mine = Side("kohl", version, "f32", "", command, options.threads)
    mine.begin()
    sides = [mine]
    for peer in peers:
        about = json.loads(run(sys.executable, engine_script(peer), "about", batch))
        for precision, modes in about["variants"].items():
            if precision not in options.precisions:
                continue
            serve = [sys.executable, engine_script(peer), "serve", net.folder, str(batch), str(options.threads), precision]
            best = best_of([Side(peer, about["version"], precision, mode, [*serve, mode], options.threads) for mode in modes])
            sides += [best] if best else []
    return sides


def number(value, form):
    return "" if value is None else format(value, form)


def rows(options, net, peers, batch, machine):
    sides = open_sides(options, net, peers, batch)
    try:
        level, _, compiler = sides[0].process.ask("about").partition(", ")
        peaks = []
        alive = take_turns(sides, options.rounds, lambda: peaks.append(float(sides[0].process.ask("peak"))))
        for side in alive:
            side.error = net.error(side, batch)
    finally:
        for side in sides:
            side.close()
    peak, mine = max(peaks), statistics.median(sides[0].rounds)
    for side in alive:
        median, alone = statistics.median(side.rounds), batch == 1
        yield {"net": net.name, "size": net.size, "batch": batch, "threads": options.threads, "engine": side.engine,
               "version": side.version, "precision": side.precision, "mode": side.mode, "tried": side.tried,
               "ms_median": f"{median:.3f}", "ms_min": f"{min(side.rounds):.3f}", "ms_max": f"{max(side.rounds):.3f}",
               "rounds": len(side.rounds), "images_per_s": f"{1e3 * batch / median:.2f}", "ratio_to_kohl": f"{mine / median:.3f}",
               "max_rel_error": number(side.error, ".2e"), "open_ms": number(side.open_ms, ".1f") if alone else "",
               "first_ms": number(side.first_ms, ".1f") if alone else "", "base_mb": number(side.base_mb, ".0f") if alone else "",
               "rss_mb": number(side.rss_mb, ".0f") if alone else "", "peak_mb": number(side.peak_mb, ".0f") if alone else "",
               "gmac": f"{net.direct / 1e9:.3f}", "gmac_f43": f"{net.winograd / 1e9:.3f}", "fma_peak_gflops": f"{peak:.1f}",
               "limit_direct": f"{peak * 1e9 / 2 / net.direct:.2f}", "limit_f43": f"{peak * 1e9 / 2 / net.winograd:.2f}",
               **machine, "level": level, "compiler": compiler}


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"cpu": model, "processors": os.cpu_count(), "commit": commit.stdout.strip()}


def print_row(row):
    limit = 100 * float(row["images_per_s"]) / float(row["limit_f43"])
    print(f"{row['net']:12} {row['batch']:>3} {row['engine']:12} {row['precision']:4} {row['mode']:14} {row['ms_median']:>9} ms "
          f"({row['ms_min']} - {row['ms_max']}) {row['images_per_s']:>8}/s  x kohl {row['ratio_to_kohl']}  {limit:.0f} % of F(4,3)  "
          f"error {row['max_rel_error']}  open {row['open_ms']} ms  rss {row['rss_mb']} MB", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=[name for name in NETS if name != "tiny"])
    parser.add_argument("--batch", nargs="+", type=int, help="default: 1 and the net's larger one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--precisions", nargs="+", choices=("f32", "bf16"), default=("f32", "bf16"), help="of the peers")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", help="keep the networks' files in this folder")
    parser.add_argument("--csv")
    return parser.parse_args()


def main():
    options = parse()
    peers, here, writer, file = find_peers(options), machine(), None, None
    if options.csv:
        file = open(options.csv, "w", newline="")
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
    for name in options.nets:
        with tempfile.TemporaryDirectory() as temporary:
            folder = os.path.join(options.work, name) if options.work else temporary
            os.makedirs(folder, exist_ok=True)
            net = Net(options, name, folder)
            able = net.prepare(peers)
            for batch in net.batches:
                for row in rows(options, net, able, batch, here):
                    print_row(row)
                    if writer:
                        writer.writerow(row)
                        file.flush()
    if file:
        file.close()


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"infer.py: {error}")
