#!/usr/bin/python3
"""Compares kohl's decoding and fitting with Pillow, byte for byte.

    pillow.py BUILD [path/to/shared/data]

BUILD is the built folder, as build/release; its oracle/dump_picture is what is compared.

Prints TAP lines; exits 1 when one is "not ok", 77 where Pillow is missing.  Real pictures (hieroglyphs,
egyptian_artifacts) are compared where the data folder is there; the others are made here from fixed seeds.
"""
import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    import numpy as np
    from PIL import Image, ImageOps
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
failures = 0
count = 0


def report(good, text):
    global failures, count
    count += 1
    failures += not good
    print(("ok" if good else "not ok") + f" {count} - {text}", flush=True)


def ask(program, requests):
    """Each request (mode, filter, w, h, resize, fraction, background, path) to an array or an error text."""
    lines = "".join("{} {} {} {} {} {!r} {} {} {} {}\n".format(*r[:6], *r[6], r[7]) for r in requests)
    done = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    stream, answers = io.BytesIO(done.stdout), []
    for _ in requests:
        line = stream.readline().decode(errors="replace").rstrip("\n")
        if line.startswith("ok "):
            w, h, size = (int(x) for x in line.split()[1:4])
            answers.append(np.frombuffer(stream.read(size), np.uint8).reshape(h, w, 3))
        else:
            answers.append(line)
    return answers


def pillow_rgb(path, background):
    """What kohl promises: Pillow's RGB, alpha pasted over the background, 16-bit grey by its high byte."""
    im = Image.open(path)
    im.load()
    if im.mode.startswith("I"):
        return Image.fromarray((np.asarray(im).astype(np.int64) >> 8).astype(np.uint8)).convert("RGB")
    if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
        im = im.convert("RGBA")
        under = Image.new("RGB", im.size, background)
        under.paste(im, mask=im.getchannel("A"))
        return under
    return im.convert("RGB")


def pillow_fit(im, mode, name, w, h, resize, fraction, background):
    if mode == "none":
        return im
    if mode == "stretch":
        return im.resize((w, h), FILTERS[name])
    if mode == "letterbox":
        return ImageOps.pad(im, (w, h), FILTERS[name], background)
    if mode == "crop":
        short, long = min(im.size), max(im.size)
        longer = int(resize * long / short)
        im = im.resize((resize, longer) if im.width <= im.height else (longer, resize), FILTERS[name])
        top, left = int(round((im.height - h) / 2.0)), int(round((im.width - w) / 2.0))
        return im.crop((left, top, left + w, top + h))
    top = int((im.height - im.height * fraction) / 2)
    left = int((im.width - im.width * fraction) / 2)
    return im.crop((left, top, im.width - left, im.height - top)).resize((w, h), FILTERS[name])


def compare(program, requests, text):
    wrong = []
    for at in range(0, len(requests), 64):
        part = requests[at : at + 64]
        for request, got in zip(part, ask(program, part)):
            want = np.asarray(pillow_fit(pillow_rgb(request[7], request[6]), *request[:7]))
            if isinstance(got, str):
                wrong.append(f"{request}: {got}")
            elif got.shape != want.shape:
                wrong.append(f"{request}: shape {got.shape}, expected {want.shape}")
            elif not np.array_equal(got, want):
                delta = np.abs(got.astype(int) - want)
                wrong.append(f"{request}: {int((delta > 0).sum())} bytes differ, by up to {int(delta.max())}")
    report(not wrong, f"{text}: {len(requests)} pictures")
    for line in wrong[:5]:
        print("# " + line)


def decode_only(paths, background=(255, 255, 255)):
    return [("none", "bilinear", 1, 1, 1, 1.0, background, p) for p in paths]


def fits(paths, rng, per_path):
    made = []
    for path in paths:
        for _ in range(per_path):
            mode = rng.choice(["stretch", "letterbox", "crop", "fraction"])
            w, h = rng.randint(1, 150), rng.randint(1, 150)
            if mode == "letterbox":  # Pillow fails where a side rounds to 0
                w, h = rng.randint(40, 150), rng.randint(40, 150)
            resize = max(w, h) + rng.randint(0, 30)
            background = tuple(rng.randint(0, 255) for _ in range(3))
            made.append((mode, rng.choice(list(FILTERS)), w, h, resize, rng.uniform(0.3, 1.0), background, path))
    return made


def picture(rng, w, h, channels):
    """Smooth areas, edges and noise."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([(x * (3 + c) + y * (5 - c)) % 256 for c in range(channels)], -1).astype(np.int64)
    a[: h // 2, : w // 2] = rng.integers(0, 256, (h // 2, w // 2, channels))
    a[h // 2 :, w // 2 :] = 255 * rng.integers(0, 2, channels)
    return a.astype(np.uint8)


def png_raw(w, h, depth, kind, rows, chunks=b"", interlace=0):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace)
    body = zlib.compress(b"".join(b"\0" + r for r in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunks + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def make_pngs(folder):
    rng = np.random.default_rng(1)
    paths = []

    def keep(name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as f:
            f.write(data)
        paths.append(path)

    for depth in (1, 2, 4, 8, 16):
        rows = [rng.integers(0, 256, (37 * depth + 7) // 8, dtype=np.uint8).tobytes() for _ in range(23)]
        keep(f"grey{depth}.png", png_raw(37, 23, depth, 0, rows))
    for name, kind, channels in (("rgb", 2, 3), ("la", 4, 2), ("rgba", 6, 4)):
        for depth in (8, 16):
            rows = [rng.integers(0, 256, 37 * channels * depth // 8, dtype=np.uint8).tobytes() for _ in range(23)]
            keep(f"{name}{depth}.png", png_raw(37, 23, depth, kind, rows))
    for mode in ("P", "RGB", "RGBA"):
        im = Image.fromarray(picture(rng, 61, 45, 4 if mode == "RGBA" else 3))
        im = im.quantize(31) if mode == "P" else im
        for options in ({}, {"optimize": True}, {"transparency": bytes(range(0, 248, 8))} if mode == "P" else {}):
            path = os.path.join(folder, f"{mode}{len(paths)}.png")
            im.save(path, **options)
            paths.append(path)
    return paths


def make_jpegs(folder):
    rng = np.random.default_rng(2)
    paths = []
    for w, h in ((1, 1), (8, 8), (17, 33), (64, 48), (131, 97)):
        for mode, channels in (("L", 1), ("RGB", 3), ("CMYK", 4)):
            a = picture(rng, w, h, channels)
            im = Image.fromarray(a[..., 0] if channels == 1 else a, mode)
            for number, options in enumerate(
                ({}, {"quality": 95}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"quality": 10})
            ):
                if mode != "RGB" and "subsampling" in options:
                    continue
                path = os.path.join(folder, f"{mode}_{w}x{h}_{number}.jpg")
                im.save(path, **options)
                paths.append(path)
    return paths


def ycck(path, folder):
    """A CMYK JPEG of Pillow whose Adobe marker is changed to say YCCK (transform 2)."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    at = data.find(b"Adobe\0")
    data[at + 11] = 2
    out = os.path.join(folder, "ycck_" + os.path.basename(path))
    with open(out, "wb") as f:
        f.write(data)
    return out


def truncations(program, path, folder):
    """Whatever prefix Pillow refuses, kohl refuses; a prefix that kohl takes is the whole picture."""
    with open(path, "rb") as f:
        data = f.read()
    whole = ask(program, decode_only([path]))[0]
    paths = []
    for size in range(0, len(data), max(1, len(data) // 400)):
        paths.append(os.path.join(folder, f"cut{size}{os.path.splitext(path)[1]}"))
        with open(paths[-1], "wb") as f:
            f.write(data[:size])
    wrong = 0
    for cut, got in zip(paths, ask(program, decode_only(paths))):
        try:
            Image.open(cut).convert("RGB")
            refused = False
        except (OSError, SyntaxError):
            refused = True
        taken = not isinstance(got, str)
        wrong += (refused and taken) or (taken and not np.array_equal(got, whole))
        os.unlink(cut)
    report(not wrong, f"{len(paths)} truncations of {os.path.basename(path)}: {wrong} taken wrongly")


def resize_sizes(program, folder):
    """Random sizes up and down, all filters, and long thin pictures."""
    nprng, rng, requests = np.random.default_rng(3), random.Random(3), []
    sizes = [(rng.randint(1, 90), rng.randint(1, 90)) for _ in range(60)] + [(1000, 1), (1, 1000), (700, 3)]
    for w, h in sizes:
        path = os.path.join(folder, f"r{len(requests)}.png")
        Image.fromarray(picture(nprng, w, h, 3)).save(path)
        for name in FILTERS:
            for _ in range(4):
                q, p = rng.choice([w, rng.randint(1, 200)]), rng.choice([h, rng.randint(1, 200)])
                requests.append(("stretch", name, q, p, 1, 1.0, (0, 0, 0), path))
    compare(program, requests, "stretch to random sizes, five filters")


def real(program, data):
    rng = random.Random(4)
    signs = os.path.join(data, "hieroglyphs")
    if not os.path.isdir(signs):
        print(f"# skipped: {data} is absent")
        return
    by_mode = {}
    for folder, _, names in sorted(os.walk(signs)):
        for name in sorted(names):
            if name.endswith(".png"):
                path = os.path.join(folder, name)
                by_mode.setdefault(Image.open(path).mode, []).append(path)
    paths = [p for mode in sorted(by_mode) for p in rng.sample(by_mode[mode], min(60, len(by_mode[mode])))]
    modes = ", ".join(f"{mode} {min(60, len(by_mode[mode]))}" for mode in sorted(by_mode))
    compare(program, decode_only(paths), f"hieroglyphs decoded ({modes})")
    compare(program, fits(paths, rng, 2), "hieroglyphs fitted")
    photos = []
    for folder, _, names in sorted(os.walk(os.path.join(data, "egyptian_artifacts"))):
        photos += [os.path.join(folder, n) for n in sorted(names) if n.endswith(".jpg")]
    photos = rng.sample(photos, 50)
    compare(program, decode_only(photos), "egyptian_artifacts decoded")
    compare(program, fits(photos, rng, 2), "egyptian_artifacts fitted")


def main():
    program = os.path.join(sys.argv[1], "oracle", "dump_picture")
    data = sys.argv[2] if len(sys.argv) > 2 else "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        pngs, jpegs = make_pngs(folder), make_jpegs(folder)
        jpegs += [ycck(p, folder) for p in jpegs if "CMYK" in p]
        compare(program, decode_only(pngs), "PNG kinds decoded")
        compare(program, decode_only(pngs, (10, 200, 77)), "PNG kinds over a colour")
        compare(program, decode_only(jpegs), "JPEG kinds decoded")
        compare(program, fits(pngs + jpegs, random.Random(5), 6), "JPEG and PNG kinds fitted")
        resize_sizes(program, folder)
        truncations(program, os.path.join(folder, "RGB_64x48_0.jpg"), folder)
        truncations(program, os.path.join(folder, "RGB_64x48_2.jpg"), folder)
        truncations(program, os.path.join(folder, "rgb8.png"), folder)
        real(program, data)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
