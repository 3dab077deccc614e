#!/usr/bin/env python3
"""A GPU that fails: at every single call of CUDA's runtime that a short training and a classification make.

    fail.py BUILD [--asan BUILD] [--all]

Counts the calls of `kohl train --device cuda` (three steps of all layers) and of `kohl classify --device cuda` in the host
build, then runs them again with the Nth call failing (without --all some 40 of them, every kind of call at least once).
Such a run must end with exit code 4 and one line of error that names the device; nothing of CUDA may be left behind
(memory, streams, events, graphs), no temporary file, no half of an answer, and what it saved must be whole.  A call
whose failure harms nobody (HARMLESS: giving back, asking; the wait before the device is closed) may be overlooked: then
all is as without the failure.  With --asan some of them run under LeakSanitizer too.  Prints TAP."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
import runs  # noqa: E402

KEYS = {"epochs": 1, "train": "all", "batch": 16, "data.oversample": 0, "head.dense": [], "features.variants": 0,
        "optimizer.name": "sgd", "optimizer.lr": 0.01, "optimizer.momentum": 0.9,
        "limits.resident_bytes": 0}  # what fails while pictures are brought to the GPU ends nothing: resident.py
HARMLESS = {"cudaFree", "cudaFreeHost", "cudaEventDestroy", "cudaStreamDestroy", "cudaGraphDestroy",
            "cudaGraphExecDestroy", "cudaDeviceGetAttribute", "cudaDriverGetVersion", "cudaRuntimeGetVersion",
            "cudaMemGetInfo"}
SOME = 40
report = runs.Report()


class Subject:
    """One command, and what it gives: (exit code, standard error, answer, objects left, names of calls)."""

    def __init__(self, name, place, command, results, answers):
        self.name, self.place, self.command, self.results, self.answers = name, place, command, results, answers

    def run(self, build, fail=None):
        calls = self.place.path("calls")
        shutil.rmtree(self.place.path("run"), ignore_errors=True)
        if os.path.exists(calls):
            os.remove(calls)
        suppressions = "suppressions=%s/tests/lsan.supp:print_suppressions=0" % runs.ROOT
        environment = dict({"LSAN_OPTIONS": suppressions}, **os.environ, KOHL_CUDA_CALLS=calls)
        if fail:
            environment["KOHL_CUDA_FAIL"] = str(fail)
        done = subprocess.run([os.path.join(build, "kohl"), *self.command], capture_output=True, text=True,
                              timeout=runs.LIMIT, env=environment)
        out, names, left = done.stdout if self.answers else "", [], 0
        if os.path.exists(calls):  # else it was killed, or the runtime has reported something
            with open(calls, encoding="utf-8") as file:
                names = file.read().splitlines()[1:]
            left = int(names.pop(0).split()[0])
        return done.returncode, done.stderr.strip(), out, left, names

    def judge(self, build, at):
        """(the call that failed, None or what is wrong)."""
        code, said, out, left, names = self.run(build, at)
        call = names[at - 1].replace(" FAILED", "") if len(names) >= at else ""
        harmless = call in HARMLESS or (call == "cudaStreamSynchronize" and call not in names[at:])
        errors = [line for line in said.splitlines() if ": warning: " not in line]
        if "Sanitizer" in said:
            return call, said[-300:]
        if left > (1 if harmless else 0):
            return call, f"{left} objects of CUDA left"
        if code == 0 and harmless:
            return call, None if (out, self.results()) == self.right else "the results differ from those without a failure"
        if code != 4:
            return call, f"exit {code}, expected 4: {said[-300:]}"
        if len(errors) != 1 or "cuda:0: " not in errors[0]:
            return call, f"expected one line that names cuda:0: {said[-300:]}"
        if out:
            return call, f"half an answer: {out[:200]}"
        return call, self.place_whole()

    def place_whole(self):
        run = self.place.path("run")
        names = os.listdir(run) if os.path.isdir(run) else []
        if any(".tmp" in name for name in names):
            return f"left behind: {names}"
        try:
            if "last.ckpt" in names:
                self.place.checkpoint("run")
        except (OSError, ValueError) as error:
            return str(error)
        return None

    def test(self, build, sanitized, everything):
        code, said, out, left, names = self.run(build)
        count = len(names)
        self.right = out, self.results()
        report(code == 0 and left == 0, f"{self.name}: {count} calls, nothing left", f"exit {code}, {left} left: {said[-300:]}")
        if code:
            return
        step = 1 if everything else max(1, count // SOME)
        chosen = sorted({*range(1, count + 1, step), *range(1, min(count, 12) + 1), count})
        seen, keeping, wrong = set(), [], []
        for at in chosen:
            call, why = self.judge(build, at)
            seen.add(call)
            if not call.startswith("cudaFree") and not call.endswith("Destroy"):  # what fails to give back leaks
                keeping.append(at)
            if why:
                wrong.append(f"call {at}, {call}: {why}")
        report(not wrong, f"{self.name}: {len(chosen)} failing calls of {len(seen)} kinds",
               "\n".join(wrong[:8]) + f"\n{len(wrong)} wrong")
        if sanitized:
            some = keeping[::max(1, len(keeping) // 8)]
            wrong = [f"call {at}: {why}" for at in some for _, why in [self.judge(sanitized, at)] if why]
            report(not wrong, f"{self.name}: {len(some)} failing calls with LeakSanitizer", "\n".join(wrong[:4]))


def main():
    build = sys.argv[1]
    sanitized = sys.argv[sys.argv.index("--asan") + 1] if "--asan" in sys.argv else None
    everything = "--all" in sys.argv
    with runs.folder() as folder:
        place = runs.Place(build, os.path.realpath(folder))
        place.recipe("r", KEYS)
        train = [*place.command("r", "plain", "run")[1:], "--device", "cuda"]
        subject = Subject("train", place, train, lambda: place.result("run"), False)
        subject.test(build, sanitized, everything)
        if not os.path.exists(place.path("run", "best.safetensors")):
            subject.run(build)
        if os.path.exists(place.path("run", "best.safetensors")):
            shutil.copy(place.path("run", "best.safetensors"), place.path("model.safetensors"))
            pictures = [place.path("data", "basalt", name) for name in sorted(os.listdir(place.path("data", "basalt")))[:3]]
            classify = ["classify", place.path("model.safetensors"), *pictures, "--device", "cuda"]
            Subject("classify", place, classify, lambda: None, True).test(build, sanitized, everything)
        else:
            report(False, "classify", "there is no model to classify with")
    report.end()


if __name__ == "__main__":
    main()
