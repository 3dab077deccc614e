"""Training that is killed at random moments: after each kill, `kohl train --resume` must end with the same bytes as a run
that nobody stopped.

    kill.py BUILD [--kills N] [--seed S]

N runs (16; 200 is the full test), in turn of every configuration of runs.py, are killed by SIGKILL: a quarter at a moment
after their start, the others after their first checkpoint, drawn from the time that the whole run takes.  A third gets
SIGHUP a moment before, which asks for a checkpoint between two epochs, and a third of the resumed runs is killed once
more.  Every call has its own number of threads (1 to 3) and of decoding threads (0 to 4).  N / 8 more
runs are stopped by SIGINT.  Prints TAP.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import time

import runs

THREADS, WORKERS = (1, 2, 3), (0, 1, 2, 3, 4)
POLL = 5e-4  # seconds
MOST_TRIES = 50  # to kill a run before it ends
arguments = argparse.ArgumentParser()
arguments.add_argument("build")
arguments.add_argument("--kills", type=int, default=16)
arguments.add_argument("--seed", type=int, default=1)
arguments = arguments.parse_args()
draw = random.Random(arguments.seed)
report = runs.Report()
seen = collections.Counter()  # what the kills met


class Configuration:
    """A recipe with the result of its uninterrupted runs, which is one result whatever the number of threads."""

    def __init__(self, place, number):
        self.name, self.base, keys = runs.CONFIGURATIONS[number]
        self.place, self.recipe, self.number = place, f"r{number}", number
        self.run, self.attempts = f"stopped{number}", 0
        place.recipe(self.recipe, keys)
        self.whole, self.seconds = None, {}
        for threads in (1, 3):
            whole, begin = f"whole{number}_{threads}", time.monotonic()
            place.must_train(self.recipe, self.base, whole, threads=threads, workers=draw.choice(WORKERS))
            self.seconds[threads] = time.monotonic() - begin
            self.whole = self.whole or place.result(whole)
            self.seconds[2] = self.seconds[threads]
            self.same = place.result(whole) == self.whole and (threads == 1 or self.same)

    def call(self, resume, threads):
        """A resume finds the recipe by itself or is given it."""
        recipe = None if resume and draw.random() < 0.5 else self.recipe
        return self.place.command(recipe, self.base, self.run, threads, draw.choice(WORKERS), resume)

    def began(self):
        return os.path.exists(self.place.path(self.run, "recipe.yaml"))

    def forget(self):
        shutil.rmtree(self.place.path(self.run), ignore_errors=True)


def stop(one, resume, signals):
    """Starts a call and sends it the signals at a random moment.  Its exit code; 0 and above: it has ended before."""
    threads = draw.choice(THREADS)
    command = one.call(resume, threads)
    first = one.place.path(one.run, "last.ckpt")
    early = draw.random() < 1 / 4
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (early or os.path.exists(first)) and process.poll() is None:
            time.sleep(POLL)
        time.sleep(draw.random() * one.seconds[threads])
        for number in signals:
            process.send_signal(number)
            if number == signal.SIGHUP:
                time.sleep(draw.random() * 0.02)
        return process.wait(runs.LIMIT)


def look(one):
    """Counts what a stop has left behind."""
    folder = one.place.path(one.run)
    files = os.listdir(folder) if os.path.isdir(folder) else []
    seen["with half a file beside the whole ones"] += any(".tmp" in name for name in files)
    if "recipe.yaml" not in files:
        seen["before the recipe was kept"] += 1
    elif "last.ckpt" not in files:
        seen["before the first checkpoint"] += 1
    elif "best.safetensors" not in files:
        seen["before the first model"] += 1


def finish(one):
    """Resumes to the end; None, or what is wrong."""
    if not one.began():  # not even the recipe was kept: there is nothing to resume, which must be said
        code, said = one.place.train(one.recipe, one.base, one.run, resume=True)
        if code != 1 or "no run to resume" not in said:
            return f"resume of a folder without a recipe: exit {code}: {said}"
        one.forget()
        resume = False
    else:
        resume = True
    command = one.call(resume, draw.choice(THREADS))
    done = subprocess.run(command, capture_output=True, text=True, timeout=runs.LIMIT)
    if done.returncode or done.stderr:  # a damaged checkpoint would be warned of
        return f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}"
    left = [name for name in os.listdir(one.place.path(one.run)) if ".tmp" in name]
    if left:
        return f"half a file was left: {left}"
    got = one.place.result(one.run)
    wrong = [name for name, a, b in zip(("best.safetensors", "last.ckpt"), got, one.whole) if a != b]
    return f"{' and '.join(wrong)} differ from the uninterrupted run's; last: {' '.join(command)}" if wrong else None


def case(one, signals):
    """One stopped run; None, or what is wrong."""
    for _ in range(MOST_TRIES):
        one.forget()
        code = stop(one, False, signals)
        if code < 0 or code == 130:
            break
    else:
        return f"ended before its stop {MOST_TRIES} times, the last time with exit code {code}"
    look(one)
    if one.began() and draw.random() < 1 / 3:
        seen["killed again after a resume"] += stop(one, True, [signal.SIGKILL]) < 0
        look(one)
    return finish(one)


def main():
    with runs.folder() as folder:
        place, ready = runs.Place(arguments.build, folder), []
        for number in range(len(runs.CONFIGURATIONS)):
            ready.append(Configuration(place, number))
        begin, cases = time.monotonic(), collections.defaultdict(list)
        for i in range(arguments.kills):
            signals = [signal.SIGHUP, signal.SIGKILL] if draw.random() < 1 / 3 else [signal.SIGKILL]
            cases[i % len(ready)].append(signals)
        for i in range(arguments.kills // 8):
            cases[i % len(ready)].append([signal.SIGINT])
        for i, one in enumerate(ready):
            kills = len(cases[i])
            wrong = [text for text in (case(one, signals) for signals in cases[i]) if text]
            report(one.same, f"{one.name}: the same with 1 and 3 threads ({one.seconds[1]:.2f} {one.seconds[3]:.2f} s)")
            report(not wrong, f"{one.name}: {kills} stopped runs end as if they had not been",
                   f"{len(wrong)} do not, --seed {arguments.seed}; the first: {(wrong or [''])[0]}")
        seconds = time.monotonic() - begin
        met = ", ".join(f"{n} {what}" for what, n in sorted(seen.items()))
        print(f"# {arguments.kills} runs killed in {seconds:.0f} s; {met}")
    report.end()


main()
