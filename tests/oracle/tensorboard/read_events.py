#!/usr/bin/env python3
"""Event files against TensorBoard's own readers; needs PyPI's tensorboard, so it is run by hand.

    read_events.py BUILD [RUN]

Writes points of all sizes by BUILD/oracle/write_events, as a run and as its resumption from an earlier step, and reads
the folder by TensorBoard's accumulator (Python) and by the data server that its page uses (where this installation has
one): the same tags, steps and float32 bits, and of the first run only what is before the resumption.  With RUN, the
folder of a run, its curves must be the columns of its metrics.csv.  Prints TAP."""
import csv
import math
import os
import random
import struct
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing import event_accumulator
except ImportError as error:
    print(f"# skipped: {error}")
    sys.exit(0)

COLUMNS = {"loss": "loss", "accuracy": "accuracy", "lr": "lr", "validation/loss": "val_loss",
           "validation/accuracy": "val_accuracy", "validation/balanced_accuracy": "val_balanced_accuracy"}
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)


def bits(value):
    """The float32 that is nearest to value, as an integer; all NaNs are one."""
    return "nan" if math.isnan(value) else struct.unpack("<I", struct.pack("<f", value))[0]


def write(build, folder, points, resumed=-1):
    lines = "".join(f"{step} {tag} {'nan' if math.isnan(value) else value.hex()}\n" for step, tag, value in points)
    subprocess.run([os.path.join(build, "oracle", "write_events"), folder, str(resumed)], input=lines, text=True, check=True)


def accumulated(folder):
    """{tag: [(step, value)]} as TensorBoard's accumulator gives it, nothing left out."""
    everything = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    reader = event_accumulator.EventAccumulator(folder, size_guidance=everything)
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def served(folder):
    """The same by the data server, or None where there is none."""
    try:
        from tensorboard.data import server_ingester
        from tensorboard import context
        address = server_ingester.get_server_binary()
        server = server_ingester.SubprocessServerDataIngester(
            logdir=folder, reload_interval=1, samples_per_plugin={"scalars": 1 << 20},
            channel_creds_type=__import__("tensorboard.util.grpc_util", fromlist=["x"]).ChannelCredsType.LOCAL,
            server_binary=address)
        server.start()
    except Exception as error:  # whatever keeps it from starting: there is no data server here
        print(f"# no data server: {error}")
        return None
    provider, ctx = server.data_provider, context.RequestContext()
    out = {}
    answer = provider.read_scalars(ctx, experiment_id="", plugin_name="scalars", downsample=1 << 20)
    for run in answer.values():
        for tag, points in run.items():
            out[tag] = [(p.step, p.value) for p in points]
    return out


def same(what, read, expected):
    for tag in sorted(set(read) | set(expected)):
        got = [(s, bits(v)) for s, v in read.get(tag, [])]
        want = [(s, bits(v)) for s, v in expected.get(tag, [])]
        report(got == want, f"{what}: {tag}: {len(got)} points, expected {len(want)}")


def by_tag(points):
    out = {}
    for step, tag, value in points:
        out.setdefault(tag, []).append((step, value))
    return out


def written(build):
    draw = random.Random(1)
    values = [0.0, -0.0, 1e-45, 1e-40, 3.4e38, -1.5, 2 / 3, math.inf, math.nan]
    first = [(step, tag, draw.choice(values + [draw.random()])) for step in range(0, 3000, 3) for tag in COLUMNS]
    second = [(step, tag, draw.random()) for step in range(1503, 2400, 3) for tag in COLUMNS]
    with tempfile.TemporaryDirectory() as folder:
        write(build, folder, first)
        log = os.path.join(folder, "tensorboard")
        same("one run", accumulated(log), by_tag(first))
        write(build, folder, second, resumed=1500)
        joined = by_tag([p for p in first if p[0] <= 1500] + second)
        same("resumed", accumulated(log), joined)
        read = served(log)
        if read is not None:
            same("data server", read, joined)


def run_folder(folder):
    with open(os.path.join(folder, "metrics.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    read = accumulated(os.path.join(folder, "tensorboard"))
    for tag, column in COLUMNS.items():
        by_step = {int(row["step"]): float(row[column]) for row in rows if row.get(column)}
        got = {step: value for step, value in read.get(tag, []) if step in by_step}
        # rounded to a float here, 2^-24 of the value, and to 9 digits there, 5e-9 at most
        good = all(abs(got[s] - by_step[s]) <= (2.0**-24 + 5e-9) * abs(by_step[s]) for s in got)
        report(got.keys() == by_step.keys() and good,
               f"{folder}: {tag} is {column}, {len(by_step)} epochs")


if len(sys.argv) < 2:
    sys.exit(__doc__)
written(sys.argv[1])
if len(sys.argv) > 2:
    run_folder(sys.argv[2])
sys.exit(failures != 0)
