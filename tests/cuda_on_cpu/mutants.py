#!/usr/bin/env python3
"""Breaks every kernel of CUDA in small ways and asks whether the tests say so.

  mutants.py [--op OP] [--file TEXT] [--csv FILE] [--jobs N]     every mutant; by hand, takes long
             [--seconds S]                                       as many as that allows, drawn by --seed
             [--rest]                                            those alone that FILE does not have as reported
  mutants.py --sample SECONDS [--seed S]                         some of the recorded ones, as TAP, for `make check`

A mutant is one change to one line of kernels/*/*_cuda.cu or a .cuh: a barrier deleted, `<` for `<=` or the other way
round, the last one of a range left out, a division that rounded up rounding down, a `+ 1` or `- 1` left out.  It is
compiled, linked with kernelcheck in place of the right file, and run on the CPU with threads in ascending and in
descending order, under the detector of races, and with AddressSanitizer and UBSan, until one of them reports it.  A run that
crashes or takes too long reports it too.  Mutants that change nothing are listed, with the reason, in
equivalent_mutants.txt.  At least 95 % of the others must be reported.  bench/results/cuda_mutants.csv has the last
result; a sample must agree with it.  Needs the three builds of `make cuda-host`."""

import argparse
import concurrent.futures
import csv
import glob
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EQUIVALENT = os.path.join(ROOT, "tests/cuda_on_cpu/equivalent_mutants.txt")
RECORD = os.path.join(ROOT, "bench/results/cuda_mutants.csv")
REQUIRED = 0.95
NOBODY = "nobody"
FAST_LINK = ["-fuse-ld=gold", "-Wl,--strip-debug"]
# of UBSan what a moved border does wrong; all of it takes twice as long to compile
CHECKS = {"asan": ["-fno-sanitize=undefined", "-fsanitize=bounds,shift"]}
LIMIT = 60  # seconds of the processor for one run; the right kernels take a few
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
    names = glob.glob("kernels/*/*_cuda.cu", root_dir=ROOT) + glob.glob("kernels/*/*.cuh", root_dir=ROOT)
    return sorted(n for n in names if not n.startswith("kernels/core/") or n.endswith(".cuh"))


def users():
    """Which .cu files include a file, from what the compiler wrote."""
    result = {}
    for name in glob.glob("build/cuda_on_cpu/obj/kernels/*/*.cu.d", root_dir=ROOT):
        with open(os.path.join(ROOT, name)) as file:
            words = file.read().split(":", 1)[1].split("\n\n")[0].replace("\\\n", " ").split()
        unit = words[0]
        if not unit.endswith("_cuda.cu") or not os.path.exists(os.path.join(ROOT, unit)):
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

    def compile(self, mutant, unit, mode, folder):
        """The program kernelcheck with the mutant in that unit, or None where it is no program."""
        compiler, link, libraries = self.flags[mode]
        source = os.path.join(folder, mutant.path) if unit == mutant.path else unit
        stem = os.path.join(folder, mode + "_" + unit.replace("/", "_"))
        command = compiler[:1] + ["-I" + folder] + compiler[1:] + ["-w", "-O1", "-g0"] + CHECKS.get(mode, []) + ["-c", source, "-o", stem + ".o"]
        if subprocess.run(command, cwd=ROOT, capture_output=True).returncode:
            return None
        subprocess.run(link + FAST_LINK + [stem + ".o"] + self.checkers + [build_of(mode) + "/libkohl.a"] + libraries +
                       ["-o", stem], cwd=ROOT, check=True, capture_output=True)
        return stem

    def right(self, program, unit, order):
        """Whether a run reports nothing; it ends with the first failure."""
        op, name = unit.split("/")[1:]
        direction, impl = name[:-len(".cu")].split("_", 1)
        command = [program, "check", op, "--device", "cuda", "--impl", impl, "--direction", direction, "--fast", "--cases", "8"]
        environment = dict(os.environ, KOHL_CUDA_ORDER=order, ASAN_OPTIONS="detect_leaks=0")
        limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 1))
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, errors="replace", preexec_fn=limit) as process:
            for line in process.stdout:
                if line.startswith("FAILED"):
                    process.kill()
                    return False
        return process.returncode == 0

    def baseline(self, unit):
        """Nothing may be reported of the right kernels."""
        for lane, mode, order in LANES:
            if not self.right(os.path.join(build_of(mode), "kernelcheck"), unit, order):
                sys.exit("mutants: %s without any mutation is reported (%s)" % (unit, lane))

    def judge(self, mutant):
        """The lane that reports it, NOBODY, or None where it does not compile."""
        units = sorted(self.users.get(mutant.path, [mutant.path]))
        programs = {}
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, os.path.dirname(mutant.path)))
            with open(os.path.join(folder, mutant.path), "w") as file:
                file.write(mutant.text)
            for lane, mode, order in LANES:
                for unit in units:
                    if (unit, mode) not in programs:
                        programs[unit, mode] = self.compile(mutant, unit, mode, folder)
                    if not programs[unit, mode]:
                        return None
                    if not self.right(programs[unit, mode], unit, order):
                        return lane
        return NOBODY


def read_equivalent():
    entries = {}
    with open(EQUIVALENT) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                path, name, source, reason = (word.strip() for word in line.split(" | "))
                entries[path, name, source] = reason
    return entries


def run(mutants, jobs, seconds, keep=lambda results: None):
    """[(mutant, lane)], in the order given; after `seconds` no new one is begun.  Some are given to `keep` now and then."""
    runner, results, deadline = Runner(), [], time.monotonic() + seconds
    one = lambda mutant: (mutant, runner.judge(mutant) if time.monotonic() < deadline else "late")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        if seconds == float("inf"):
            list(pool.map(runner.baseline, sorted({u for m in mutants for u in runner.users.get(m.path, [m.path])})))
        for done, (mutant, lane) in enumerate(pool.map(one, mutants), 1):
            if done % 20 == 0:
                print("mutants: %d of %d" % (done, len(mutants)), file=sys.stderr, flush=True)
                keep(results)
            if lane == NOBODY:
                print("# survived: %s:%d: %s: %s" % (mutant.path, mutant.line, mutant.name, mutant.source), flush=True)
            if lane and lane != "late":
                results.append((mutant, lane))
    return results


def read_record(path=RECORD):
    """[(mutant's key, line, lane)] of the last run of all.  The same key twice is of the same code in two lines."""
    with open(path, newline="") as file:
        return [((row["file"], row["mutation"], row["code"]), int(row["line"]), row["reported by"])
                for row in csv.DictReader(file)]


def write_record(path, results):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "line", "mutation", "code", "reported by"])
        for m, lane in sorted(results, key=lambda r: (r[0].path, r[0].line, r[0].name)):
            writer.writerow([m.path, m.line, m.name, m.source, lane])


def share(lanes):
    return sum(1 for lane in lanes if lane != NOBODY) / len(lanes) if lanes else 0.0


def sample(mutants, options):
    """The record says that enough are reported, and some mutants drawn now are reported as it says."""
    recorded = [lane for _, _, lane in read_record()]
    survivors = {key for key, _, lane in read_record() if lane == NOBODY}
    record = {key for key, _, _ in read_record()}
    print("%s - %d recorded mutants, %.1f %% reported" % ("ok" if share(recorded) >= REQUIRED else "not ok",
                                                         len(recorded), 100 * share(recorded)))
    mutants = [m for m in mutants if m.key() in record]
    random.Random(options.seed).shuffle(mutants)
    results = run(mutants, options.jobs, options.sample)
    missed = [m for m, lane in results if lane == NOBODY and m.key() not in survivors]
    print("%s - %d mutants drawn, %d reported, %d more than recorded were not" %
          ("ok" if results and not missed else "not ok", len(results),
           sum(1 for _, lane in results if lane != NOBODY), len(missed)))


def whole(mutants, options):
    kept = {}
    if options.rest:
        kept = {(key, line): lane for key, line, lane in read_record(options.csv) if lane != NOBODY}
    before = [(m, kept[m.key(), m.line]) for m in mutants if (m.key(), m.line) in kept]
    wanted = [m for m in mutants if (m.key(), m.line) not in kept]
    if options.seconds:
        random.Random(options.seed).shuffle(wanted)
    keep = lambda results: options.csv and write_record(options.csv, before + results)
    results = before + run(wanted, options.jobs, options.seconds or float("inf"), keep)
    if options.csv:
        write_record(options.csv, results)
    lanes = [lane for _, lane in results]
    print("# " + ", ".join("%s %d" % (name, lanes.count(name)) for name, _, _ in LANES) +
          "; %d not judged: they do not compile, or there was no time" % (len(mutants) - len(results)))
    print("%s - %d mutants, %d reported, %.1f %%" % ("ok" if share(lanes) >= REQUIRED else "not ok", len(lanes),
                                                    len(lanes) - lanes.count(NOBODY), 100 * share(lanes)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--op")
    parser.add_argument("--file", help="only files whose path contains this")
    parser.add_argument("--csv")
    parser.add_argument("--rest", action="store_true", help="keep what --csv has as reported, judge the others")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, metavar="S", help="begin no more after so long")
    parser.add_argument("--sample", type=float, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="only say which there are")
    options = parser.parse_args()
    if options.rest and not options.csv:
        parser.error("--rest is of a --csv")
    equivalent = read_equivalent()
    mutants = [m for path in all_files() for m in mutants_of(path)]
    for key in sorted(set(equivalent) - {m.key() for m in mutants}):
        print("not ok - equivalent_mutants.txt: there is no such mutant: %s" % " | ".join(key))
    mutants = [m for m in mutants if m.key() not in equivalent and (options.file or "") in m.path and
               (not options.op or m.path.startswith("kernels/%s/" % options.op))]
    if options.list:
        for m in mutants:
            print("%s:%d: %s: %s" % (m.path, m.line, m.name, m.source))
    elif options.sample:
        sample(mutants, options)
    else:
        whole(mutants, options)


if __name__ == "__main__":
    main()
