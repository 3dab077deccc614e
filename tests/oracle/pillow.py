#!/usr/bin/python3
"""Compares kohl's decoding and fitting with Pillow, byte for byte.

    pillow.py BUILD [path/to/shared/data] [--full]

BUILD is the built folder, as build/release; its oracle/dump_picture is what is compared.

Prints TAP lines; exits 1 when one is "not ok", 77 where Pillow is missing.  Real pictures (hieroglyphs,
egyptian_artifacts) are compared where the data folder is there, a sample of them or with --full all; the others are
made here from fixed seeds.
"""
import collections
import io
import os
import random
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    from PIL import Image, ImageOps

    from pictures import exif, jpeg, png
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


Request = collections.namedtuple(
    "Request", "mode filter w h resize fraction background orient fast path mask",
    defaults=("none", "bilinear", 1, 1, 1, 1.0, (255, 255, 255), 0, 0, None, None))


def line_of(r):
    r = r._replace(background=" ".join(map(str, r.background)), fraction=repr(r.fraction))
    return " ".join(map(str, r[:-1])) + "\n"


def ask(program, requests):
    """Each request to an array or an error text."""
    lines = "".join(map(line_of, requests))
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


def wanted(request):
    """The sides that kohl_fit_want asks for."""
    if request.mode == "crop":
        return request.resize, request.resize
    if request.mode == "fraction":
        return int(np.ceil(request.w / request.fraction)), int(np.ceil(request.h / request.fraction))
    return request.w, request.h


def draft(im, request, turned):
    w, h = wanted(request)[::-1] if turned else wanted(request)
    if request.mode != "letterbox":
        im.draft(None, (w, h))
    elif im.width // w >= im.height // h:  # one side is enough
        im.draft(None, (w, 1))
    else:
        im.draft(None, (1, h))


def pillow_rgb(request):
    """What kohl promises: Pillow's RGB, alpha pasted over the background, 16-bit grey by its high byte."""
    im = Image.open(request.path)
    orientation = exif.pillow_orientation(im) if request.orient else 1
    if request.fast:
        draft(im, request, orientation >= 5)
    im.load()
    clear = "transparency" in im.info and request.mask is None
    if request.mask is not None:
        del im.info["transparency"]
    if im.mode.startswith("I"):
        out = Image.fromarray((np.asarray(im).astype(np.int64) >> 8).astype(np.uint8)).convert("RGB")
    elif im.mode in ("RGBA", "LA", "PA") or clear:
        im = im.convert("RGBA")
        out = Image.new("RGB", im.size, request.background)
        out.paste(im, mask=im.getchannel("A"))
    else:
        out = im.convert("RGB")
    if request.mask is not None:
        out.paste(request.background, mask=Image.fromarray(request.mask))
    return exif.turned(out, orientation)


def pillow_fit(im, request):
    mode, name, w, h, resize, fraction, background = request[:7]
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
            try:
                want = np.asarray(pillow_fit(pillow_rgb(request), request))
            except (OSError, SyntaxError, ValueError) as error:
                wrong.append(f"{line_of(request).strip()}: Pillow refuses: {error}")
                continue
            if isinstance(got, str):
                wrong.append(f"{line_of(request).strip()}: {got}")
            elif got.shape != want.shape:
                wrong.append(f"{line_of(request).strip()}: shape {got.shape}, expected {want.shape}")
            elif not np.array_equal(got, want):
                delta = np.abs(got.astype(int) - want)
                text_of = f"{int((delta > 0).sum())} bytes differ, by up to {int(delta.max())}"
                wrong.append(f"{line_of(request).strip()}: {text_of}")
    report(not wrong, f"{text}: {len(requests)} pictures, {len(wrong)} differ")
    for line in wrong[:5]:
        print("# " + line)


def decode_only(paths, **fields):
    return [Request(path=p, **fields) for p in paths]


def fits(paths, rng, per_path, **fields):
    made = []
    for path in paths:
        for _ in range(per_path):
            mode = rng.choice(["stretch", "letterbox", "crop", "fraction"])
            w, h = rng.randint(1, 150), rng.randint(1, 150)
            if mode == "letterbox":  # Pillow fails where a side rounds to 0
                w, h = rng.randint(140, 150), rng.randint(140, 150)
            resize = max(w, h) + rng.randint(0, 30)
            background = tuple(rng.randint(0, 255) for _ in range(3))
            made.append(Request(mode, rng.choice(list(FILTERS)), w, h, resize, rng.uniform(0.3, 1.0), background,
                                path=path, **fields))
    return made


def picture(rng, w, h, channels):
    """Smooth areas, edges and noise."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([(x * (3 + c) + y * (5 - c)) % 256 for c in range(channels)], -1).astype(np.int64)
    a[: h // 2, : w // 2] = rng.integers(0, 256, (h // 2, w // 2, channels))
    a[h // 2 :, w // 2 :] = 255 * rng.integers(0, 2, channels)
    return a.astype(np.uint8)


def refusals(program, cases, text):
    """Each case (path, what kohl says, does Pillow refuse it too); None: that is not looked at."""
    wrong = []
    for (path, says, both), got in zip(cases, ask(program, decode_only([c[0] for c in cases]))):
        try:
            Image.open(path).convert("RGB")
            pillow = False
        except (OSError, SyntaxError, ValueError):
            pillow = True
        if not isinstance(got, str) or path not in got or says not in got or (both is not None and both != pillow):
            wrong.append(f"{path}: kohl says {got if isinstance(got, str) else 'nothing'}, Pillow refuses: {pillow}")
    report(not wrong, f"{text}: {len(cases)} files")
    for line in wrong[:5]:
        print("# " + line)


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
                requests.append(Request("stretch", name, q, p, path=path))
    compare(program, requests, "stretch to random sizes, five filters")


def real(program, data, full):
    signs = os.path.join(data, "hieroglyphs")
    if not os.path.isdir(signs):
        print(f"# skipped: {data} is absent")
        return
    rng = random.Random(4)
    by_mode = collections.defaultdict(list)
    for folder, _, names in sorted(os.walk(signs)):
        for name in sorted(names):
            if name.endswith(".png"):
                path = os.path.join(folder, name)
                by_mode[Image.open(path).mode].append(path)
    take = (lambda paths, n: paths) if full else (lambda paths, n: rng.sample(paths, min(n, len(paths))))
    parts = {mode: take(by_mode[mode], 60) for mode in sorted(by_mode)}
    paths = [p for part in parts.values() for p in part]
    compare(program, decode_only(paths), "hieroglyphs decoded " + str({m: len(p) for m, p in parts.items()}))
    compare(program, fits(paths, rng, 2), "hieroglyphs fitted")
    photos = []
    for folder, _, names in sorted(os.walk(os.path.join(data, "egyptian_artifacts"))):
        photos += [os.path.join(folder, n) for n in sorted(names) if n.endswith(".jpg")]
    photos = take(photos, 50)
    compare(program, decode_only(photos), "egyptian_artifacts decoded")
    compare(program, fits(photos, rng, 2), "egyptian_artifacts fitted")
    compare(program, fits(photos, rng, 1, fast=1), "egyptian_artifacts decoded fast and fitted")


def main():
    warnings.simplefilter("ignore")  # what Pillow says of damaged EXIF
    full = "--full" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--full"]
    program, make_jpeg = (os.path.join(arguments[0], "oracle", name) for name in ("dump_picture", "make_jpeg"))
    data = arguments[1] if len(arguments) > 1 else "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(5)
        pngs, jpegs = png.made(folder), jpeg.made(make_jpeg, folder)
        compare(program, [Request(path=p.path, mask=p.mask) for p in pngs], "PNG kinds decoded")
        coloured = [Request(path=p.path, mask=p.mask, background=(10, 200, 77)) for p in pngs]
        compare(program, coloured, "PNG kinds over a colour")
        compare(program, decode_only(jpegs), "JPEG kinds decoded")
        compare(program, fits([p.path for p in pngs if p.mask is None] + jpegs, rng, 2), "JPEG and PNG kinds fitted")
        resize_sizes(program, folder)
        for size in (1, 9, 16, 40):
            scaled = decode_only(jpegs, w=size, h=size + 3, fast=1)
            compare(program, scaled, f"JPEG kinds decoded fast for {size} x {size + 3}")
        compare(program, fits(jpegs, rng, 1, fast=1), "JPEG kinds decoded fast and fitted")
        turned = exif.made(folder, jpegs)
        compare(program, decode_only(turned, orient=1), "EXIF orientations")
        compare(program, decode_only(turned), "EXIF orientations that are not asked for")
        compare(program, fits(turned, rng, 2, orient=1, fast=1), "EXIF orientations, fast and fitted")
        refusals(program, list(jpeg.damaged(folder)), "damaged JPEGs refused")
        refusals(program, list(png.damaged(folder)), "damaged PNGs refused")
        for name in ("ycc420_baseline_64x48.jpg", "ycc420_progressive_64x48.jpg", "png_2_8_37x23.png",
                     "png_6_8_37x23_laced.png"):
            truncations(program, os.path.join(folder, name), folder)
        real(program, data, full)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
