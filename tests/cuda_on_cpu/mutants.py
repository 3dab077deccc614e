#!/usr/bin/env python3
"""Breaks every kernel of CUDA in small ways and asks whether the tests say so.

  mutants.py [--op OP] [--file TEXT] [--csv FILE] [--jobs N]          every mutant; by hand, takes long
  mutants.py --sample N [--seed S] [--seconds T]                      some of them, as TAP, for `make check`

A mutant is one change to one line of kernels/*/*_cuda.cu or a .cuh: a barrier deleted, `<` for `<=` or the other way
round, the last one of a range left out, a division that rounded up rounding down, a `+ 1` or `- 1` left out.  It is
compiled, linked with kernelcheck in place of the right file, and run on the CPU with threads in ascending and in
descending order, under the detector of races, and with AddressSanitizer, until one of them reports it.  A run that
crashes or takes too long reports it too.  Mutants that change nothing are listed, with the reason, in
equivalent_mutants.txt.  At least 95 % of the others must be reported.  Needs the three builds of `make cuda-host`."""

import argparse
import concurrent.futures
import csv
import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EQUIVALENT = os.path.join(ROOT, "tests/cuda_on_cpu/equivalent_mutants.txt")
REQUIRED = 0.95
# lane, MODE of its build, order of threads
LANES = [("plain", "release", "ascending"), ("descending", "release", "descending"),
         ("races", "tsan", "ascending"), ("asan", "asan", "ascending")]


def build_of(mode):
    return "build/cuda_on_cpu" + ("" if mode == "release" else "_" + mode)


class Mutant:
    def __init__(self, path, text, begin, end, replacement, name):
        self.path, self.name = path, name
        self.line = text.count("\n", 0, begin) + 1
        self.text = text[:begin] + replacement + text[end:]
        self.source = text.splitlines()[self.line - 1].strip()

    def key(self):
        return (self.path, self.name, self.source)


def blank(text):
    """The same text with comments, strings and preprocessor lines as spaces: places stay."""
    wipe = lambda m: re.sub(r"[^\n]", " ", m.group())
    text = re.sub(r"/\*.*?\*/|//[^\n]*", wipe, text, flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', wipe, text)
    return re.sub(r"^[ \t]*#(\\\n|[^\n])*", wipe, text, flags=re.M)


def device_ranges(code):
    """Where functions of the device have their bodies."""
    ranges, stack, since = [], [], 0
    for m in re.finditer(r"[{};]", code):
        if m.group() == "{":
            declaration = code[since:m.start()]
            stack.append((m.start(), bool(re.search(r"__(global|device)__", declaration))))
        elif m.group() == "}" and stack:
            begin, device = stack.pop()
            if device:
                ranges.append((begin, m.end()))
        since = m.end()
    return ranges


def mutants_of(path):
    with open(os.path.join(ROOT, path)) as file:
        text = file.read()
    code = blank(text)
    ranges = device_ranges(code)
    on_device = lambda at: any(begin <= at < end for begin, end in ranges)
    found, up = [], []

    def add(begin, end, replacement, name):
        found.append(Mutant(path, text, begin, end, replacement, name))

    for m in re.finditer(r"__sync(?:threads|warp)\(\);", code):
        add(m.start(), m.end(), ";", "barrier deleted")
    for m in re.finditer(r"\(([^()]+) \+ (\w+)( - 1)?\) / (\w+)", code):
        rounds_up = m.group(2) == m.group(4) if m.group(3) else m.group(2).isdigit() and m.group(4).isdigit() and \
            int(m.group(2)) + 1 == int(m.group(4))
        if rounds_up:
            up.append((m.start(), m.end()))
            add(m.start(), m.end(), "(%s) / %s" % (m.group(1), m.group(4)), "rounded down")
    for m in re.finditer(r"\bkohl_grid\(", code):
        depth, at, comma = 1, m.end(), 0
        while depth:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            if code[at] == "," and depth == 1:
                comma = at
            at += 1
        if comma:
            grid = "(unsigned)((%s) / (%s))" % (text[m.end():comma], text[comma + 1:at - 1])
            add(m.start(), at, grid, "grid rounded down")
    for m in re.finditer(r" (<=|>=|<|>) ", code):
        if not on_device(m.start()):
            continue
        swapped = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}[m.group(1)]
        add(m.start(1), m.end(1), swapped, "%s for %s" % (swapped, m.group(1)))
        if m.group(1) == "<":
            add(m.start(1), m.end(1), "+ 1 <", "last one left out")
    for m in re.finditer(r" [+-] 1\b(?![.\w])", code):
        if on_device(m.start()) and not any(b <= m.start() < e for b, e in up):
            add(m.start(), m.end(), "", "%s left out" % m.group().strip())
    found.sort(key=lambda mutant: mutant.line)
    names = {}
    for mutant in found:  # the second of its kind in a line is told apart
        key = mutant.line, mutant.name
        names[key] = names.get(key, 0) + 1
        if names[key] > 1:
            mutant.name += " (%d)" % names[key]
    return found


def all_files():
    names = glob.glob("kernels/*/*.cu", root_dir=ROOT) + glob.glob("kernels/*/*.cuh", root_dir=ROOT)
    return sorted(n for n in names if not n.startswith("kernels/core/") or n.endswith(".cuh"))


def users():
    """Which .cu files include a file, from what the compiler wrote."""
    result = {}
    for name in glob.glob("build/cuda_on_cpu/obj/kernels/*/*.cu.d", root_dir=ROOT):
        with open(os.path.join(ROOT, name)) as file:
            words = file.read().split(":", 1)[1].split("\n\n")[0].replace("\\\n", " ").split()
        unit = words[0]
        if unit.startswith("kernels/core/") or not os.path.exists(os.path.join(ROOT, unit)):
            continue
        for word in words:
            result.setdefault(os.path.normpath(word.rstrip(":")), set()).add(unit)
    return result


def make_flags(mode):
    words = subprocess.run(["make", "-s", "--no-print-directory", "CUDA=host", "MODE=" + mode, "host-flags"],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return words[0].split(), words[1].split(), words[2].split()


class Runner:
    def __init__(self):
        self.flags = {mode: make_flags(mode) for mode in {lane[1] for lane in LANES}}
        self.users = users()
        self.checkers = sorted(glob.glob("build/cuda_on_cpu/obj/tests/kernelcheck/*.o", root_dir=ROOT))
        self.seconds = {}

    def compile(self, mutant, units, mode, folder):
        """The program kernelcheck with the mutant, or None where it is no program."""
        compiler, link, libraries = self.flags[mode]
        objects = []
        for unit in units:
            source = os.path.join(folder, mutant.path) if mutant and unit == mutant.path else unit
            objects.append(os.path.join(folder, mode + "_" + unit.replace("/", "_") + ".o"))
            command = compiler[:1] + ["-I" + folder] + compiler[1:] + ["-w", "-O1", "-g0", "-c", source, "-o", objects[-1]]
            if subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
                return None
        program = os.path.join(folder, "kernelcheck_" + mode)
        subprocess.run(link + objects + self.checkers + [build_of(mode) + "/libkohl.a"] + libraries + ["-o", program],
                       cwd=ROOT, check=True, capture_output=True)
        return program

    def right(self, program, unit, order, limit):
        op, name = unit.split("/")[1:]
        impl = name[:-len(".cu")].split("_", 1)[1]
        command = [program, "check", op, "--device", "cuda", "--impl", impl, "--fast"]
        environment = dict(os.environ, KOHL_CUDA_ORDER=order, ASAN_OPTIONS="detect_leaks=0")
        begin = time.monotonic()
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=limit)
        except subprocess.TimeoutExpired:
            return False
        self.seconds[unit, program.rsplit("_", 1)[1]] = time.monotonic() - begin
        return done.returncode == 0

    def baseline(self, unit):
        """Nothing may be reported of the right kernels; also measures how long they take."""
        with tempfile.TemporaryDirectory() as folder:
            for lane, mode, order in LANES:
                program = self.compile(None, [unit], mode, folder)
                if not program or not self.right(program, unit, order, 600):
                    sys.exit("mutants: %s without any mutation is reported (%s)" % (unit, lane))
        return {mode: self.seconds[unit, mode] for _, mode, _ in LANES}

    def judge(self, mutant, limits):
        """The lane that reports it, "" for none, None where it does not compile."""
        units = sorted(self.users.get(mutant.path, [mutant.path]))
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, os.path.dirname(mutant.path)))
            with open(os.path.join(folder, mutant.path), "w") as file:
                file.write(mutant.text)
            programs = {}
            for lane, mode, order in LANES:
                if mode not in programs:
                    programs[mode] = self.compile(mutant, units, mode, folder)
                if not programs[mode]:
                    return None
                for unit in units:
                    if not self.right(programs[mode], unit, order, 10 + 10 * limits[unit][mode]):
                        return lane
        return ""


def read_equivalent():
    entries = {}
    with open(EQUIVALENT) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                path, name, source, reason = (word.strip() for word in line.split(" | "))
                entries[path, name, source] = reason
    return entries


def run(runner, mutants, jobs, seconds, show):
    """[(mutant, lane)], in the order given; after `seconds` no new one is begun."""
    units = sorted({u for m in mutants for u in runner.users.get(m.path, [m.path])})
    results, deadline = [], time.monotonic() + seconds
    limits = {}

    def one(mutant):
        if time.monotonic() > deadline:
            return mutant, "late"
        for unit in runner.users.get(mutant.path, [mutant.path]):
            limits[unit] = limits.get(unit) or runner.baseline(unit)
        return mutant, runner.judge(mutant, limits)

    if seconds == float("inf"):
        limits = {unit: runner.baseline(unit) for unit in units}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for mutant, lane in pool.map(one, mutants):
            if lane == "late":
                continue
            results.append((mutant, lane))
            if show and lane == "":
                print("survived: %s:%d: %s: %s" % (mutant.path, mutant.line, mutant.name, mutant.source), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--op")
    parser.add_argument("--file", help="only files whose path contains this")
    parser.add_argument("--csv")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    equivalent = read_equivalent()
    mutants = [m for path in all_files() for m in mutants_of(path)]
    stale = [key for key in equivalent if key not in {m.key() for m in mutants}]
    for key in stale:
        print("not ok - equivalent_mutants.txt: there is no such mutant: %s" % " | ".join(key))
    mutants = [m for m in mutants if m.key() not in equivalent]
    if options.op:
        mutants = [m for m in mutants if m.path.startswith("kernels/%s/" % options.op)]
    if options.file:
        mutants = [m for m in mutants if options.file in m.path]
    if options.list:
        for m in mutants:
            print("%s:%d: %s: %s" % (m.path, m.line, m.name, m.source))
        return 0
    if options.sample:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    results = run(Runner(), mutants, options.jobs, options.seconds, True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["file", "line", "mutation", "reported by"])
            for m, lane in sorted(results, key=lambda r: (r[0].path, r[0].line, r[0].name)):
                writer.writerow([m.path, m.line, m.name, {None: "compiler", "": "nobody"}.get(lane, lane)])
    counted = [lane for _, lane in results if lane is not None]
    reported = sum(1 for lane in counted if lane)
    share = reported / len(counted) if counted else 0.0
    lanes = ", ".join("%s %d" % (n, counted.count(n)) for n, _, _ in LANES)
    print("# %d equivalent ones left out, %d did not compile; %s" % (len(equivalent), len(results) - len(counted), lanes))
    right = share >= REQUIRED and not stale
    print("%s - %d mutants, %d reported: %.1f %%" % ("ok" if right else "not ok", len(counted), reported, 100 * share))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
