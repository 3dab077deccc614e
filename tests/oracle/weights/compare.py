"""What the scripts of this folder do with kohl: convert a file, run photographs, compare logits."""
import json
import os
import subprocess
import sys

import numpy as np

failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:600], flush=True)
    return good


def skip(text):
    print("# skipped " + text, flush=True)


def run(command):
    """(exit code, standard output, the last line of standard error, peak of resident memory in bytes, seconds)"""
    script = ("import json,resource,subprocess,sys,time; t=time.monotonic(); p=subprocess.run(sys.argv[1:],capture_output=True,text=True);"
              "print(json.dumps([p.returncode,p.stdout,p.stderr,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss*1024,time.monotonic()-t]))")
    done = subprocess.run([sys.executable, "-c", script, *map(str, command)], capture_output=True, text=True, check=True)
    code, out, error, peak, seconds = json.loads(done.stdout)
    return code, out, (error.strip().splitlines() or [""])[-1], peak, seconds


def classify(kohl, model, paths, *options):
    """Logits [pictures, classes] of a model file, or the error's text."""
    code, out, error, _, _ = run([kohl, "classify", model, *paths, "--raw", "--topk", "1", "--format", "json", *options])
    return error if code else np.array([json.loads(line)["logits"] for line in out.splitlines()])


def worst(got, want):
    """The largest over pictures of (largest |difference| / largest |logit|); NaN and another shape are infinite."""
    if not isinstance(got, np.ndarray) or got.shape != want.shape:
        return np.inf
    error = (np.abs(got - want).max(1) / np.abs(want).max(1)).max()
    return float(error) if np.isfinite(error) else np.inf


def finish():
    sys.exit(failures != 0)
