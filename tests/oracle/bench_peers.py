"""The bench beside other engines (bench/peers), with kohl alone: its processes, its arithmetic and its table.

    bench_peers.py BUILD

Runs infer.py and train.py on tiny networks without peers: rows and errors.  Then its parts with engines made here: one that spins
between its turns must get no processor while it is stopped, one that fails must be named and left out, of several ways the
fastest must be taken.  The multiplications of VGG-19 and Inception-v3 are counted against numbers known from elsewhere.  Prints TAP.
"""
import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "bench", "peers")
sys.path.insert(0, PEERS)
import model_file  # noqa: E402
import turns  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
# Answers like engines/serve.py; WHAT: spin (a thread that never rests), fail (at the second run), or ms to sleep in a run.
ENGINE = r"""
import sys, threading, time
what, runs = sys.argv[1], 0
def spin():
    while True: pass
if what == "spin": threading.Thread(target=spin, daemon=True).start()
for line in sys.stdin:
    word = line.split()[0]
    if word == "run":
        runs += 1
        if what == "fail" and runs > 1: print("error out of luck", flush=True); continue
        ms = float(what) if what[0].isdigit() else 1.0
        begin = time.perf_counter(); time.sleep(ms / 1e3)
        print("ok", 1e3 * (time.perf_counter() - begin), flush=True)
    else: print("ok 1", flush=True)
"""


def report(good, text, detail=""):
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:600].replace("\n", " "))


def side(what):
    return turns.Side("made up", "", "f32", what, [sys.executable, "-c", ENGINE, what], 1)


def processor_s(process):
    with open(f"/proc/{process.child.pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def whole_run():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.csv")
        done = subprocess.run([sys.executable, os.path.join(PEERS, "infer.py"), BUILD, "--nets", "tiny", "--batch", "1", "2", "--peers", "--rounds",
                               "2", "--threads", "1", "--csv", path], capture_output=True, text=True, check=False)
        report(done.returncode == 0, "infer.py runs", done.stderr)
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    report([(r["engine"], r["batch"], r["rounds"]) for r in rows] == [("kohl", "1", "2"), ("kohl", "2", "2")], "a row for each batch", rows)
    for row in rows:
        # numpy's double is the truth: a wrong layout, picture or weight is 1e-2 and more, f32 1e-6
        report(0 < float(row["max_rel_error"]) < 1e-5, f"batch {row['batch']}: the error of f32", row)
        ordered = 0 < float(row["ms_min"]) <= float(row["ms_median"]) <= float(row["ms_max"])
        speed = 1e3 * int(row["batch"]) / float(row["ms_median"])
        report(ordered and abs(float(row["images_per_s"]) / speed - 1) < 1e-2, f"batch {row['batch']}: times", row)
        report(float(row["images_per_s"]) < float(row["limit_f43"]), f"batch {row['batch']}: below the limit", row)
    memory = [float(rows[0][key]) for key in ("base_mb", "rss_mb", "peak_mb")] if rows else [0, 0, 0]
    report(0 < memory[0] < memory[1] <= memory[2] and rows[1]["rss_mb"] == "", "memory in the row of batch 1", memory)


def whole_training():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.csv")
        done = subprocess.run([sys.executable, os.path.join(PEERS, "train.py"), BUILD, "--nets", "cleo_small", "--no-errors", "--peers", "--rounds", "2",
                               "--threads", "1", "--csv", path], capture_output=True, text=True, check=False)
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    report(done.returncode == 0 and [(r["engine"], r["mode"], r["rounds"]) for r in rows] == [("kohl", "frozen", "2"), ("kohl", "all", "2")],
           "train.py runs", done.stderr)
    # twice the work and more in the backward pass: with only the head learning a step cannot take as long
    report(float(rows[0]["ms_min"]) < float(rows[1]["ms_min"]), "a step of the head alone is shorter", rows)


def stopped():
    spinner = side("spin")
    try:
        spinner.begin()
        before, begin = processor_s(spinner.process), time.perf_counter()
        time.sleep(0.5)
        used, passed = processor_s(spinner.process) - before, time.perf_counter() - begin
        # a clock tick at most: without the stop it would use all of the time that it gets
        report(spinner.process.state() == "T" and used <= 0.02, f"an engine that spins is stopped ({used:.2f} of {passed:.2f} s)")
        report(spinner.turn() >= 1, "and goes on when it is asked")
    finally:
        spinner.close()


def left_out():
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        sides = [side("1"), side("fail")]
        for one in sides:
            one.begin()
        alive = turns.take_turns(sides, 3)
        sides[0].close()
    report(alive == sides[:1] and len(sides[0].rounds) == 3 and "out of luck" in said.getvalue(), "an engine that fails is named and left out",
           said.getvalue())
    with contextlib.redirect_stderr(io.StringIO()):
        best = turns.best_of([side("30"), side("fail"), side("3"), side("15")])
        none = turns.best_of([side("fail")])
    report(best.mode == "3" and best.tried.count(";") == 2 and none is None, "of several ways the fastest is taken", best.tried)
    best.close()


def counted():
    """Multiplications of one picture.  Direct ones as published (VGG-19 19.63 G, Inception-v3 5.71 G).  F(4,3) takes a quarter where a map's sides
    are multiples of 4: all of VGG-19's at 128; at 224 block 5 has 14x14, computed as 16x16, and the dense layers' 0.1236 G stay:
    (19.5084 - 1.8497) / 4 + 1.8497 / 4 * 256 / 196 + 0.1236 = 5.1423."""
    for arch, size, classes, direct, least in (("vgg19", 224, 1000, 19.632, 5.1423), ("vgg19", 128, 0, 6.3701, 6.3701 / 4),
                                               ("inception_v3", 299, 1000, 5.713, None)):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            subprocess.run([os.path.join(BUILD, "oracle", "random_model"), arch, "torchvision", str(size), str(classes), "1", path], check=True)
            shown = subprocess.run([os.path.join(BUILD, "kohl"), "inspect", path, "--format", "json"], capture_output=True, check=True).stdout
            shapes = {layer["name"]: layer["output"] for layer in json.loads(shown)["layers"]}
            products, winograd = model_file.multiplies(*model_file.read(path), shapes)
        good = abs(winograd / 1e9 / least - 1) < 1e-4 if least else winograd < products
        report(good and abs(products / 1e9 / direct - 1) < 1e-4, f"{arch} @{size}: multiplications", (products, winograd))


whole_run()
whole_training()
stopped()
left_out()
counted()
