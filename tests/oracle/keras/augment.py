#!/usr/bin/env python3
"""Compares kohl's augmentation with Keras's ImageDataGenerator and Pillow's ImageEnhance, at every CPU level.

    augment.py BUILD [path/to/shared/data]

Run by hand, with numpy, Pillow and scipy (Debian: python3-scipy).  Keras's transform is taken from the package
keras-preprocessing (1.1.2) where it can be imported; else from the lines below, which say the same: its matrix, and
scipy.ndimage.affine_transform with order 1 per channel.  BUILD is the built folder; its oracle/dump_ops is compared.

Geometry: within one grey level (what is left is the 24 bits of a fraction and of a float: far below it), but for pixels
whose source lies exactly on the edge where constant or wrap begins: there a rounding decides, and they are left out.
Colours: Pillow rounds the grey and the mean to whole levels (an error of 1/2, times |1 - factor|) and cuts fractions
off (1); it works on bytes, so only single changes of whole levels are compared.
Prints TAP lines with the largest difference and the share of values that differ by more than 0.5.
"""
import glob
import io
import os
import subprocess
import sys

import numpy as np
from PIL import Image, ImageEnhance
from scipy import ndimage

try:
    import scipy

    if not hasattr(scipy.ndimage, "interpolation"):
        scipy.ndimage.interpolation = scipy.ndimage
    from keras_preprocessing.image.affine_transformations import apply_affine_transform

    SOURCE = "keras-preprocessing"
except ImportError:
    SOURCE = "its definition"

    def apply_affine_transform(x, theta, tx, ty, shear, zx, zy, fill_mode, cval, **_):
        theta, shear = np.deg2rad(theta), np.deg2rad(shear)
        m = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
        m = m @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
        m = m @ np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]]) @ np.diag([zx, zy, 1])
        o = np.array([x.shape[0] / 2 + 0.5, x.shape[1] / 2 + 0.5])
        offset = m[:2, :2] @ -o + m[:2, 2] + o
        planes = [
            ndimage.affine_transform(x[..., c], m[:2, :2], offset, order=1, mode=fill_mode, cval=cval) for c in range(3)
        ]
        return np.stack(planes, -1)


KEYS = "rotation height_shift width_shift shear zoom_h zoom_w flip_h flip_v brightness contrast saturation".split()
NONE = dict.fromkeys(KEYS, 0) | {"zoom_h": 1, "zoom_w": 1, "brightness": 1, "contrast": 1, "saturation": 1}
GEOMETRY = {
    "nothing": {},
    "rotation 20": {"rotation": 20},
    "rotation -7.3": {"rotation": -7.3},
    "rotation 180": {"rotation": 179.5},
    "shift": {"height_shift": 0.2, "width_shift": -0.137},
    "shift by whole pixels": {"height_shift": 0.125, "width_shift": 0.25},
    "zoom": {"zoom_h": 0.8, "zoom_w": 1.3},
    "zoom far out": {"zoom_h": 4.7, "zoom_w": 6.1},
    "shear": {"shear": 15},
    "horizontal flip": {"flip_h": 1},
    "vertical flip": {"flip_v": 1},
    "experiment A": {"rotation": -16.4, "height_shift": 0.11, "width_shift": -0.19, "flip_h": 1},
    "all": {"rotation": 13, "height_shift": -0.07, "width_shift": 0.1, "shear": -9, "zoom_h": 1.1, "zoom_w": 0.9,
            "flip_h": 1, "flip_v": 1},
}  # fmt: skip
FILLS = ["nearest", "constant", "reflect", "wrap"]
CVAL = 77.0


def keras(a, k, fill):
    x = apply_affine_transform(
        a.astype(np.float32), theta=k["rotation"], tx=k["height_shift"] * a.shape[0], ty=k["width_shift"] * a.shape[1],
        shear=k["shear"], zx=k["zoom_h"], zy=k["zoom_w"], row_axis=0, col_axis=1, channel_axis=2, fill_mode=fill,
        cval=CVAL, order=1,
    )  # fmt: skip
    x = x[:, ::-1] if k["flip_h"] else x
    return x[::-1] if k["flip_v"] else x


def ties(a, k, fill):
    """Pixels whose source lies, but for rounding, on an outermost row or column: constant and wrap jump there."""
    h, w = a.shape[:2]
    theta, shear = np.deg2rad(k["rotation"]), np.deg2rad(k["shear"])
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    y = h - 1 - y if k["flip_v"] else y
    x = w - 1 - x if k["flip_h"] else x
    y, x = k["zoom_h"] * (y - h / 2 - 0.5), k["zoom_w"] * (x - w / 2 - 0.5)
    y, x = y - np.sin(shear) * x + k["height_shift"] * h, np.cos(shear) * x + k["width_shift"] * w
    y, x = np.cos(theta) * y - np.sin(theta) * x + h / 2 + 0.5, np.sin(theta) * y + np.cos(theta) * x + w / 2 + 0.5
    near = np.zeros((h, w), bool)
    for c, last in ((y, h - 1), (x, w - 1)):
        near |= np.abs(c - np.round(c / last) * last) < 1e-6
    return near if fill in ("constant", "wrap") else np.zeros((h, w), bool)


def levels():
    with open("/proc/cpuinfo") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    return ["ref"] + ["avx2"] * ("avx2" in flags) + ["avx512"] * ("avx512bw" in flags)


def ask(program, level, a, k, fill="nearest", size=None, window=(0.5, 0.5)):
    h, w = a.shape[:2]
    p, q = size or (h, w)
    numbers = " ".join(repr(k[key]) for key in KEYS)
    line = f"augment {level} {fill} {CVAL} {CVAL} {CVAL} {h} {w} {p} {q} {numbers} {window[0]} {window[1]}\n"
    done = subprocess.run([program], input=line.encode() + a.tobytes(), stdout=subprocess.PIPE, check=True)
    stream = io.BytesIO(done.stdout)
    word, _, rest = stream.readline().decode().rstrip("\n").partition(" ")
    if word != "ok":
        raise SystemExit(f"dump_ops: {rest}")
    return np.frombuffer(stream.read(int(rest)), np.float32).reshape(p, q, 3)


class Report:
    count = failures = 0

    def line(self, text, differences, limit):
        d = np.concatenate([x.ravel() for x in differences])
        worst, share = float(d.max()), float((d > 0.5).mean())
        good = worst <= limit  # a NaN is not
        self.count += 1
        self.failures += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {text}: largest difference {worst:.2g}, "
              f"{100 * share:.2g} % above 0.5 (limit {limit:g})", flush=True)  # fmt: skip


def colours(report, program, level, photos):
    enhance = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    for name, factor in [(n, f) for n in enhance for f in (0.0, 0.4, 0.85, 1.3, 2.5)]:
        found = []
        for a in photos:
            want = np.asarray(enhance[name](Image.fromarray(a)).enhance(factor)).astype(np.float64)
            got = ask(program, level, a, NONE | {name: factor})
            found.append(np.abs(got - want))
        # brightness blends with black, which nothing rounds
        limit = 1.0 + (0.5 * abs(1 - factor) if name != "brightness" else 0) + 1e-3
        report.line(f"{level}: {name} {factor}", found, limit)


def main():
    program = os.path.join(sys.argv[1], "oracle", "dump_ops")
    data = sys.argv[2] if len(sys.argv) > 2 else "../shared/data"
    paths = sorted(glob.glob(os.path.join(data, "egyptian_artifacts", "*", "*.jpg")))[::263]
    if not paths:
        print(f"# skipped: {data}/egyptian_artifacts is absent")
        return 0
    print(f"# Keras's transform from {SOURCE}; {len(paths)} photographs, two enlarged ones, three of noise")
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    big = Image.fromarray(photos[0])
    photos += [np.asarray(big.resize((1024, 768))), np.asarray(big.resize((333, 1021)))]
    rng = np.random.default_rng(1)
    photos += [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((64, 48), (17, 5), (1024, 64))]
    report = Report()
    for level in levels():
        for fill in FILLS:
            for name, change in GEOMETRY.items():
                k = NONE | change
                pairs = [(ask(program, level, a, k, fill), keras(a, k, fill)) for a in photos]
                exact = name in ("nothing", "shift by whole pixels") or "flip" in name
                # a shift of 1/8 and 1/4 of the side is whole for the photographs; pixels are the source's own then
                whole = [i for i, a in enumerate(photos) if a.shape[0] % 8 == 0 and a.shape[1] % 4 == 0]
                if exact and name != "shift by whole pixels":
                    whole = range(len(photos))
                differences = [np.abs(got.astype(np.float64) - want) for got, want in pairs]
                if exact:
                    report.line(f"{level}, {fill}: {name}", [differences[i] for i in whole], 0.0)
                else:
                    near = [ties(a, k, fill) for a in photos]
                    left = sum(int(mask.sum()) for mask in near)
                    text = f"{level}, {fill}: {name}" + (f" without {left} pixels on an edge" if left else "")
                    report.line(text, [d[~mask] for d, mask in zip(differences, near)], 1.0)
        window = [(a, ask(program, level, a, NONE, size=(40, 41), window=(0.999, 0.25))) for a in photos[:4]]
        cut = [np.abs(got - a[-40:, (w := int(0.25 * (a.shape[1] - 40))) : w + 41]) for a, got in window]
        report.line(f"{level}: a window of a larger picture", cut, 0.0)
        colours(report, program, level, photos[:5])
    print(f"1..{report.count}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
