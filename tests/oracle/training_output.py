"""What `kohl train` prints and how it takes signals, on pictures and a base made here.

    training_output.py BUILD

Standard output that is no terminal has plain lines, --json lines that parse and agree with metrics.csv, --quiet nothing;
on a terminal (a pty) no rewritten line is wider than it.  SIGINT and SIGTERM end a run with exit code 130 and the
command that goes on, after which the model has the bytes of an uninterrupted run's; SIGHUP writes a checkpoint in the
middle of an epoch, and the run goes on.  The same for --folds.  Prints TAP."""
import csv
import fcntl
import json
import os
import pty
import random
import re
import shlex
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "errors"))
import fixtures

KOHL = os.path.abspath(os.path.join(sys.argv[1] if len(sys.argv) > 1 else "build/release", "kohl"))
PATIENCE = 120  # seconds for what takes less than one
RECIPE = """epochs: 60
batch: 8
seed: 2
best: val_loss
pictures: {fit: stretch, filter: bilinear}
head: {dense: [16], dropout: 0.25}
optimizer: {lr: 3e-3}
"""
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)


def make_data():
    """60 pictures of 3 classes, every second one a JPEG; every fifth one is not what its label says."""
    draw = random.Random(3)
    colours = {"red": (192, 64, 64), "green": (64, 192, 64), "blue": (64, 64, 192)}
    for name in colours:
        os.makedirs(f"data/{name}")
        for i in range(20):
            colour = draw.choice(list(colours.values())) if i % 5 == 4 else colours[name]
            pixels = bytes(max(0, min(255, c + draw.randrange(-60, 61))) for _ in range(32 * 32) for c in colour)
            picture = Image.frombytes("RGB", (32, 32), pixels)
            picture.save(f"data/{name}/{i:02d}.{'jpg' if i % 2 else 'png'}")
    fixtures.write("base.safetensors", fixtures.safetensors(fixtures.metadata(), fixtures.tensors()))
    fixtures.write("r.yaml", RECIPE)


def command(run, *more):
    return [KOHL, "train", "r.yaml", "--data", "data", "--init-from", "base.safetensors", "--out", run, "--threads", "1", *more]


def kohl(run, *more):
    return subprocess.run(command(run, *more), capture_output=True, timeout=PATIENCE)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def forms():
    done = kohl("plain", "--set", "epochs=12")
    text = done.stdout.decode()
    epochs = [line for line in text.splitlines() if line.startswith("epoch ")]
    report(done.returncode == 0 and done.stderr == b"", "plain: exit code 0, nothing on standard error")
    report(len(epochs) == 12 and epochs[0].startswith("epoch  1/12  loss "), "plain: a line for each epoch")
    report("\r" not in text and "\033" not in text, "plain: no escape sequences, no rewritten lines")
    done = kohl("quiet", "--set", "epochs=12", "--quiet")
    report(done.returncode == 0 and done.stdout + done.stderr == b"", "--quiet: nothing is printed")
    report(content("quiet/best.safetensors") == content("plain/best.safetensors"), "--quiet: the same model")
    done = kohl("json", "--set", "epochs=12", "--json")
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    epochs = [line for line in lines if line["event"] == "epoch"]
    with open("json/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("epoch", "step", "loss", "accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy")
    # metrics.csv has 9 digits
    agree = all(abs(line[n] - float(row[n])) <= 5e-9 * abs(line[n]) for line, row in zip(epochs, rows) for n in names)
    report(len(epochs) == len(rows) == 12 and agree, "--json: the epochs are those of metrics.csv")
    known = {"phase", "epoch", "stopped early", "end"}
    report({line["event"] for line in lines} <= known, "--json: no other events than phase, epoch, stopped early, end")
    end = lines[-1]
    report(end["event"] == "end" and end["status"] == "done" and end["epochs"] == 12, "--json: an end")
    done = kohl("quiet_json", "--set", "epochs=2", "--json", "--quiet")
    report(json.loads(done.stdout)["event"] == "end", "--json --quiet: the end alone")
    done = kohl("json", "--json")
    report(done.returncode == 1 and json.loads(done.stdout)["status"] == "failed", "--json: an end of what fails, too")


def terminal(width):
    """Everything that a run writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    child = subprocess.Popen(command(f"terminal{width}", "--set", "epochs=5", "--set", "data.oversample=500"),
                             stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    text = b""
    try:
        while part := os.read(master, 65536):
            text += part
    except OSError:  # Linux: the other side is closed
        pass
    os.close(master)
    return child.wait(timeout=PATIENCE), text.decode()


def terminals():
    try:
        for side in pty.openpty():
            os.close(side)
    except OSError as error:
        print(f"# skipped: this machine has no terminals: {error}")
        return
    for width in (200, 80, 30):
        code, text = terminal(width)
        shown = re.findall(r"\r([^\r\n]*)\033\[K", text)
        lines = [line for line in shown if line]
        widest = max(map(len, lines), default=0)
        report(code == 0 and 0 < widest < width, f"terminal of {width} columns: the widest rewritten line has {widest}")
        report(any("loss " in line for line in lines), f"terminal of {width} columns: the loss is shown")
        report(text.count("epoch 5/5  loss") == 1, f"terminal of {width} columns: a line for each epoch stays")


def started(arguments):
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_epochs(child, count):
    """Reads lines of --json until so many epochs have ended."""
    for line in child.stdout:
        count -= json.loads(line)["event"] == "epoch"
        if count == 0:
            return
    raise RuntimeError(child.stderr.read())


def goes_on(name, code, error):
    """Runs the command that an interrupted run proposes."""
    report(code == 130 and error.count("\n") == 1, f"{name}: exit code {code}, {error.count(chr(10))} line: {error.strip()}")
    proposal = error.partition("go on with: kohl ")[2]
    if not proposal:
        return False
    done = subprocess.run([KOHL, *shlex.split(proposal)], capture_output=True, timeout=PATIENCE, text=True)
    report(done.returncode == 0, f"{name}: the proposed command goes on {done.stderr.strip()}")
    return done.returncode == 0


def interrupts():
    kohl("whole")
    # a folder that a shell would take apart
    for number, run in ((signal.SIGINT, "it's 1 $run"), (signal.SIGTERM, "stopped")):
        child = started(command(run, "--json"))
        read_epochs(child, 3)
        child.send_signal(number)
        out, error = child.communicate(timeout=PATIENCE)
        name = signal.Signals(number).name
        report(json.loads(out.splitlines()[-1])["status"] == "interrupted", f"{name}: --json says so")
        report(os.path.exists(f"{run}/last.ckpt"), f"{name}: there is a checkpoint")
        if goes_on(name, child.returncode, error):
            report(content(f"{run}/best.safetensors") == content("whole/best.safetensors"),
                   f"{name}: stopped and resumed, the model has the same bytes")
    child = started(command("twice", "--json"))
    read_epochs(child, 2)
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)  # the same one twice might come as one
    child.communicate(timeout=PATIENCE)
    report(child.returncode == 130, f"a second signal: exit code {child.returncode}")
    done = subprocess.run([KOHL, "train", "--resume", "--data", "data", "--out", "twice"], capture_output=True, timeout=PATIENCE)
    report(done.returncode == 0 and content("twice/best.safetensors") == content("whole/best.safetensors"),
           "a second signal: what was stopped at once can be resumed, too")


def hangup():
    """An epoch of half a minute: the checkpoints must come before its end, and the run be there after them."""
    last, log = "hangup/last.ckpt", "hangup/log.txt"

    def number():
        return os.stat(last).st_ino if os.path.exists(last) else None  # a new file each time

    child = started(command("hangup", "--set", "batch=1", "--set", "data.oversample=30000", "--set", "head.dense=[1024,256]"))
    before = time.time() + PATIENCE
    while not os.path.exists(log) and time.time() < before:
        time.sleep(0.01)
    time.sleep(1)  # for the features of 60 pictures and the checkpoint before the first step
    for which in ("first", "second"):
        first, before = number(), time.time() + 10
        child.send_signal(signal.SIGHUP)
        while number() == first and child.poll() is None and time.time() < before:
            time.sleep(0.005)
        report(number() != first and child.poll() is None and not os.path.exists("hangup/metrics.csv"),
               f"SIGHUP: a {which} checkpoint within the epoch (kohl_train asks save_now after every step)")
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=PATIENCE)
    report(child.returncode == 130 and "go on with" in error, "SIGHUP: the run goes on until it is interrupted")


def read_folds(run):
    with open(f"{run}/folds.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows[:-2], rows[-2], rows[-1]


def folds():
    short = ("--set", "epochs=25", "--folds", "4")
    done = kohl("k", *short)
    text = done.stdout.decode()
    report(done.returncode == 0 and "fold 4 of 4" in text and "+- sd" in text, "--folds: a table at the end")
    rows, mean, spread = read_folds("k")
    report([row["fold"] for row in rows] == list("1234"), "--folds: a row for each")
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        values = [float(row[name]) for row in rows]
        good = abs(float(mean[name]) - statistics.mean(values)) <= 1e-12
        good &= abs(float(spread[name]) - statistics.stdev(values)) <= 1e-12
        report(good, f"--folds: {name}: mean {float(mean[name]):.4f} and standard deviation {float(spread[name]):.4f}")
    for i, row in enumerate(rows, 1):
        judged = subprocess.run([KOHL, "eval", f"k/fold-{i}/best.safetensors", f"k/fold-{i}/test.csv", "--format", "json"],
                                capture_output=True, timeout=PATIENCE)
        figures = json.loads(judged.stdout)
        report(figures["accuracy"] == float(row["accuracy"]) and figures["n"] == int(row["pictures"]) == 15,
               f"--folds: fold {i} as `kohl eval` judges it")
    child = started(command("stopped_k", *short, "--json"))
    read_epochs(child, 25 + 3)
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=PATIENCE)
    end = json.loads(out.splitlines()[-1])
    report(end["status"] == "interrupted" and len(end["results"]) == 1, "--folds: stopped in the second fold")
    if goes_on("--folds", child.returncode, error):
        report(content("stopped_k/folds.csv") == content("k/folds.csv"), "--folds: stopped and resumed, the same figures")
    done = kohl("k", "--resume", "--folds", "5")
    report(done.returncode == 1 and b"4 folds, expected 5" in done.stderr, "--folds: another number is refused")
    done = kohl("k", "--resume", *short, "--set", "seed=5")
    report(done.returncode == 1 and b"overrides" in done.stderr, "--folds: another recipe is refused")
    done = kohl("k", "--resume", *short)
    report(done.returncode == 0 and not re.search(rb"^epoch", done.stdout, re.M) and b"+- sd" in done.stdout, "--folds: nothing left to do")
    done = kohl("none", "--folds", "4", "--set", "speed=3")
    report(done.returncode == 1 and not os.path.exists("none"), "--folds: a wrong option leaves no folder")


with tempfile.TemporaryDirectory() as scratch:
    os.chdir(scratch)
    make_data()
    forms()
    terminals()
    interrupts()
    hangup()
    folds()
    os.chdir(ROOT)
sys.exit(failures != 0)
