#!/usr/bin/python3
"""Compares every level of kohl's resize kernels with Pillow, byte for byte.

    pillow_resize.py BUILD

BUILD is the built folder, as build/release; its oracle/dump_ops is what is compared.  Where pillow.py checks decoding
and fitting of whole files, this looks at the kernels: each filter up and down, odd sizes, sides of one pixel, long thin
pictures, sides on both sides of every register's width.  Prints TAP lines; exits 1 when one is "not ok", 77 where
Pillow is missing.
"""
import io
import os
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print(f"1..0 # skipped: {error}")
    sys.exit(77)

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# h, w, p, q
SIZES = [
    (1, 1, 1, 1), (1, 1, 7, 5), (7, 5, 1, 1),
    (1, 100, 1, 33), (100, 1, 33, 1), (1, 100, 50, 3), (100, 1, 3, 50),
    (2, 3, 17, 19), (13, 11, 13, 7), (13, 11, 5, 11), (13, 11, 13, 11), (375, 500, 224, 224), (500, 375, 224, 224),
    (375, 500, 256, 341), (97, 89, 224, 223), (31, 1000, 8, 9), (1000, 31, 9, 8), (700, 3, 100, 40),
    (299, 449, 128, 128), (640, 480, 3, 2), (64, 64, 32, 32), (32, 32, 64, 64), (33, 65, 16, 17),
    (200, 199, 199, 200), (17, 16, 400, 401),
]  # fmt: skip


def levels():
    with open("/proc/cpuinfo") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    wanted = {"ref": [], "avx2": ["avx2", "fma"], "avx512": ["avx512f", "avx512bw", "avx512dq", "avx512vl"]}
    return [level for level, needs in wanted.items() if all(need in flags for need in needs)]


def pictures():
    rng = np.random.default_rng(1)
    for h, w, p, q in SIZES:
        yield rng.integers(0, 256, (h, w, 3), dtype=np.uint8), p, q
    for _ in range(60):
        h, w, p, q = (int(x) for x in rng.integers(1, 70, 4))
        # black and white: sums that must be clamped, and the widest swing of every filter
        yield (255 * rng.integers(0, 2, (h, w, 3))).astype(np.uint8), p, q


def ask(program, requests):
    done = subprocess.run([program], input=b"".join(requests), stdout=subprocess.PIPE, check=True)
    stream, answers = io.BytesIO(done.stdout), []
    for _ in requests:
        word, _, rest = stream.readline().decode().rstrip("\n").partition(" ")
        answers.append(np.frombuffer(stream.read(int(rest)), np.uint8) if word == "ok" else rest)
    return answers


def main():
    program = os.path.join(sys.argv[1], "oracle", "dump_ops")
    count = failures = 0
    cases = list(pictures())
    for name, mode in FILTERS.items():
        want = [np.asarray(Image.fromarray(a).resize((q, p), mode)) for a, p, q in cases]
        for level in levels():
            requests = [
                f"resize {level} {name} {a.shape[0]} {a.shape[1]} {p} {q}\n".encode() + a.tobytes() for a, p, q in cases
            ]
            wrong = []
            for (a, p, q), expected, got in zip(cases, want, ask(program, requests)):
                if isinstance(got, str):
                    wrong.append(f"{a.shape[:2]} to {(p, q)}: {got}")
                elif not np.array_equal(got.reshape(expected.shape), expected):
                    bytes_off = int((got.reshape(expected.shape) != expected).sum())
                    wrong.append(f"{a.shape[:2]} to {(p, q)}: {bytes_off} bytes")
            count += 1
            failures += bool(wrong)
            print(f"{'not ok' if wrong else 'ok'} {count} - {name} at level {level}: {len(cases)} pictures")
            for line in wrong[:5]:
                print("# " + line)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
