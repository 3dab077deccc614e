"""The published package itself: npm's nsfwjs 4.4.0, 25 MB; by hand.

    npm.py BUILD [ARCHIVE.tgz]

Fetches it with npm, unless it is given, and compares what `kohl convert` makes of the archive and of the unpacked
JavaScript with ../shared/data's safetensors file, and the answers to the golden picture.  tfjs.py does the same with
files put together from ../shared/data."""
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "inception_v3")
KOHL = os.path.join(os.path.abspath(sys.argv[1]), "kohl")
DIGEST = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"
GOLDEN = (0.0805693, 0.0043980, 0.9084632, 0.0050311, 0.0015384)
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text + ("" if good else f" # {detail}"), flush=True)


def kohl(*args):
    done = subprocess.run([KOHL, *map(str, args)], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def data_of(path):
    raw = open(path, "rb").read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    return {n: (t["dtype"], t["shape"], raw[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
            for n, t in header.items() if n != "__metadata__"}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        archive = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(scratch, "nsfwjs-4.4.0.tgz")
        if len(sys.argv) <= 2:
            subprocess.run(["npm", "pack", "--silent", "nsfwjs@4.4.0"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        report(hashlib.sha256(open(archive, "rb").read()).hexdigest() == DIGEST, "the archive is the one that was described")
        tarfile.open(archive).extractall(scratch)
        unpacked = os.path.join(scratch, "package", "dist", "models", "inception_v3", "model.min.js")
        golden = os.path.join(scratch, "golden.png")
        h, w, c = np.meshgrid(np.arange(299), np.arange(299), np.arange(3), indexing="ij")
        Image.fromarray(((7 * h + 13 * w + 29 * c) % 256).astype(np.uint8)).save(golden)
        plain, out = os.path.join(scratch, "plain.safetensors"), os.path.join(scratch, "out.safetensors")
        kohl("convert", os.path.join(DATA, "inception_v3.uint8.safetensors"), "--arch", "inception_v3", "--preset", "nsfwjs", "-o", plain)
        want = data_of(plain)
        for source in (archive, unpacked):
            for options in (("--arch", "inception_v3"), ()):
                said = kohl("convert", "-v", source, *options, "--preset", "nsfwjs", "-o", out)[1]
                name = " ".join((os.path.basename(source), *options))
                report(source != archive or "reads 'package/dist/models/inception_v3/model.min.js', 1 of 3" in said,
                       f"{name}: which model it is is said", said)
                report(data_of(out) == want and len(want) == 382, f"{name}: 382 tensors are equal in every bit")
                answer = {p["label"]: p["probability"] for p in json.loads(kohl("classify", out, golden, "--format", "json")[0])["predictions"]}
                error = max(abs(answer[str(i)] - p) for i, p in enumerate(GOLDEN))
                report(error <= 2e-6, f"{name}: the golden probabilities within 2e-6 ({error:.1e})")
    sys.exit(failures != 0)


main()
