#!/usr/bin/env python3
"""Whole training steps on the CPU, forward, backward and RMSprop: kohl beside PyTorch and TensorFlow, which take turns.

    train.py BUILD [--nets vgg19_cleo ...] [--modes frozen ...] [--threads 2] [--peers pytorch ...] [--rounds 9] [--csv FILE]

Three modes: frozen (only the head learns), from a layer on (VGG-19: block5_conv1, Inception-v3: its first module), all
layers; the base runs forward in every step.  Batch-norms that learn take the batch's statistics; dropout is left out.
Turns, modes of the peers and rows are those of infer.py.  The error is that of the gradients of all layers together,
|found - truth| / |truth|, for two pictures, batch-norms frozen, against PyTorch's double (tests/oracle/pytorch/gradients.py,
whose network has no unit within rounding of its kink); without PyTorch it is left out.
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

import infer
import model_file
from turns import Failed, Side, best_of, take_turns

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ("pytorch", "tensorflow")
# name: side, batch, classes, side where gradients are compared, {mode: the first layer that learns}
NETS = {"vgg19_cleo": (128, 32, 23, 128, {"frozen": "flatten", "block5_conv1": "block5_conv1", "all": "block1_conv1"}),
        "inception_v3": (299, 16, 23, 139, {"frozen": "avg_pool", "first_module": "conv2d_6", "all": "conv2d_1"}),
        "cleo_small": (32, 2, 5, 32, {"frozen": "flatten", "all": "block1_conv1"})}
COLUMNS = ("net size batch mode threads engine version precision way tried ms_median ms_min ms_max rounds images_per_s ratio_to_kohl "
           "gradient_error rss_mb peak_mb cpu processors level compiler commit").split()
SEED = 1


def engine_script(peer):
    return os.path.join(HERE, "engines", peer + "_train.py")


def write_folder(options, folder, name, size, batch, redraws=()):
    """A model file with random weights, pictures of -1 to 1, and what engines/serve.py wants to know."""
    infer.run(os.path.join(options.build, "oracle", "train_step"), name, size, NETS[name][2], 2, SEED, "frozen",
              os.path.join(folder, "model.safetensors"), os.path.join(folder, "step.safetensors"), *redraws)
    pictures = np.random.default_rng(SEED).uniform(-1, 1, (batch, size, size, 3)).astype("<f4")
    pictures.tofile(os.path.join(folder, "pictures.f32"))
    with open(os.path.join(folder, "about.json"), "w") as file:
        json.dump({"input": [size, size, 3], "classes": NETS[name][2]}, file)


def sides_of(options, folder, peer, precision, modes, batch, layer, norms):
    """One Side for each way to run an engine; of kohl there is one."""
    tail = [layer, norms]
    if peer == "kohl":
        command = [os.path.join(options.build, "peers", "kohl_serve"), os.path.join(folder, "model.safetensors"),
                   os.path.join(folder, "pictures.f32"), str(batch), str(options.threads), *tail]
        version = infer.run(os.path.join(options.build, "kohl"), "--version").split()[-1]
        return [Side("kohl", version, "f32", "", command, options.threads)]
    about = json.loads(infer.run(sys.executable, engine_script(peer), "about", batch))
    serve = [sys.executable, engine_script(peer), "serve", folder, str(batch), str(options.threads), precision]
    return [Side(peer, about["version"], precision, mode, [*serve, mode, *tail], options.threads) for mode in modes]


def kinds(options, peers, batch):
    """(engine, precision, ways) of everything that is measured."""
    yield "kohl", "f32", [""]
    for peer in peers:
        about = json.loads(infer.run(sys.executable, engine_script(peer), "about", batch))
        for precision, modes in about["variants"].items():
            if precision in options.precisions:
                yield peer, precision, modes


def gradient_errors(options, name, peers):
    """{(engine, precision): error}; empty without PyTorch."""
    sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "oracle", "pytorch"))
    try:
        from gradients import compute, fixtures
    except ImportError as error:
        print(f"# gradient errors are left out: {error}", file=sys.stderr, flush=True)
        return {}
    size, classes, layers = NETS[name][3], NETS[name][2], NETS[name][4]
    case = {"arch": name, "size": size, "classes": classes, "batch": 2, "seed": str(SEED), "batch_norm": "frozen"}
    _, truth, _, redraws = compute(options.build, case)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_folder(options, folder, name, size, 2, redraws)
        fixtures.safetensors(os.path.join(folder, "step.safetensors"))["input"].astype("<f4").tofile(os.path.join(folder, "pictures.f32"))
        order = model_file.gradient_order(*model_file.read(os.path.join(folder, "model.safetensors")))
        exact = np.concatenate([truth[key].numpy().ravel() for key in order])
        output = os.path.join(folder, "gradients.f32")
        for peer, precision, modes in kinds(options, peers, 2):
            side, = sides_of(options, folder, peer, precision, modes[:1], 2, layers["all"], "frozen")
            try:
                side.begin()
                side.process.ask(f"output {output}")
                gradients = np.fromfile(output, "<f4").astype(np.float64)
                if gradients.shape != exact.shape:
                    raise Failed(f"{gradients.size} gradients, expected {exact.size}")
                found[peer, precision] = float(np.linalg.norm(gradients - exact) / np.linalg.norm(exact))
            except Failed as error:
                print(f"# gradients of {side.name()}: {error}", file=sys.stderr, flush=True)
            finally:
                side.close()
    return found


def rows(options, folder, name, mode, peers, errors, machine):
    size, batch, _, _, layers = NETS[name]
    sides = []
    try:
        for peer, precision, modes in kinds(options, peers, batch):
            ways = sides_of(options, folder, peer, precision, modes, batch, layers[mode], "train")
            if peer == "kohl":
                ways[0].begin()
            best = ways[0] if peer == "kohl" else best_of(ways)
            sides += [best] if best else []
        level, _, compiler = sides[0].process.ask("about").partition(", ")
        alive = take_turns(sides, options.rounds)
    finally:
        for side in sides:
            side.close()
    mine = statistics.median(sides[0].rounds)
    for side in alive:
        median = statistics.median(side.rounds)
        yield {"net": name, "size": size, "batch": batch, "mode": mode, "threads": options.threads, "engine": side.engine,
               "version": side.version, "precision": side.precision, "way": side.mode, "tried": side.tried,
               "ms_median": f"{median:.2f}", "ms_min": f"{min(side.rounds):.2f}", "ms_max": f"{max(side.rounds):.2f}",
               "rounds": len(side.rounds), "images_per_s": f"{1e3 * batch / median:.2f}", "ratio_to_kohl": f"{mine / median:.3f}",
               "gradient_error": infer.number(errors.get((side.engine, side.precision)), ".2e"), "rss_mb": f"{side.rss_mb:.0f}",
               "peak_mb": f"{side.peak_mb:.0f}", **machine, "level": level, "compiler": compiler}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=["vgg19_cleo", "inception_v3"])
    parser.add_argument("--modes", nargs="+", help="default: all three")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--precisions", nargs="+", choices=("f32", "bf16"), default=("f32", "bf16"), help="of the peers")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-errors", action="store_true", help="leave out the gradients' errors, which take minutes")
    parser.add_argument("--csv")
    return parser.parse_args()


def main():
    options = parse()
    peers, here, done = infer.find_peers(options, engine_script), infer.machine(), []
    for name in options.nets:
        errors = {} if options.no_errors else gradient_errors(options, name, peers)
        with tempfile.TemporaryDirectory() as folder:
            write_folder(options, folder, name, *NETS[name][:2])
            for mode in NETS[name][4]:
                if options.modes and mode not in options.modes:
                    continue
                for row in rows(options, folder, name, mode, peers, errors, here):
                    done.append(row)
                    print(" ".join(f"{key}={row[key]}" for key in COLUMNS[:17]), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(done)


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError) as error:
        sys.exit(f"train.py: {error}")
