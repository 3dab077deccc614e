"""Pictures from JPEG files to resized bytes: kohl beside Pillow and torchvision, which take turns.

    pip install torch==2.13.0 torchvision==0.28.0 pillow      (peers only: nothing of the project needs them)
    load_pictures.py BUILD [--data FOLDER] [--rounds 9] [--count 240] [--csv FILE]

Two sets of photographs, 500 x 375, quality 90, 4:2:0, made of FOLDER's JPEGs: `smooth`, one enlarged (bicubic), and
`detailed`, six at their own size side by side, which has as many coefficients to decode as a photograph of that size.

A round is a pass over a set (kohl: three) behind one that is not counted; a row has the median of the rounds.  All
stretch to a square: kohl and Pillow with lanczos, torchvision (which has none for tensors) with antialiased bicubic
and bilinear.  Pillow must be there, it makes the pictures; without torchvision the others go on.
Two threads: kohl's loader with two workers; two processes of Pillow that keep their pixels to themselves; a DataLoader
with two workers and batches of 32.  The resize's share is of the decoder's processor time, in the same pass on one
thread.
"""
import argparse
import csv
import glob
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image
import PIL

try:
    import torch
    import torchvision
    from torchvision.io import decode_jpeg, read_file
    from torchvision.transforms.v2 import functional
except (ImportError, OSError, RuntimeError) as error:
    torch = None
    print(f"# torchvision is left out: {error}", flush=True)

HERE = os.path.dirname(os.path.abspath(__file__))
W, H, BATCH, EPOCHS = 500, 375, 32, 3
WHATS = {"decode": (0, False), "resize 224": (224, False), "resize 128": (128, False), "fast 128": (128, True)}


def make_pictures(source, folder, kind, count):
    files = sorted(glob.glob(os.path.join(source, "**", "*.jpg"), recursive=True))
    if not files:
        sys.exit(f"{source}: no JPEGs")
    os.makedirs(os.path.join(folder, kind, "all"))
    for i in range(count):
        take = [Image.open(files[(i * len(files) // count + j * 7) % len(files)]).convert("RGB") for j in range(6)]
        picture = take[0].resize((W, H), Image.BICUBIC)
        if kind == "detailed":
            w, h = W // 3 + 1, H // 2 + 1
            for j, tile in enumerate(take):
                left, top = max(0, tile.width - w) // 2, max(0, tile.height - h) // 2
                picture.paste(tile.crop((left, top, left + w, top + h)), (j % 3 * w, j // 3 * h))
        picture.save(os.path.join(folder, kind, "all", f"{i:04d}.jpg"), quality=90, subsampling=2)
    return sorted(glob.glob(os.path.join(folder, kind, "all", "*.jpg")))


class Kohl:
    name, version, filters = "kohl", "", ("lanczos",)

    def __init__(self, options):
        self.driver = os.path.join(options.build, "oracle", "picture_speed")

    def pass_over(self, files, what, threads, filter_name):
        """Seconds, processor seconds, the decoder's and the resize's (None: not told apart) of one pass."""
        size, fast = WHATS[what]
        source = os.path.dirname(os.path.dirname(files[0]))

        def run(mode):
            command = [self.driver, source, mode, str(size or 1), str(threads), str(EPOCHS)]
            command.append("fast" if fast else "exact")
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return [float(x) / EPOCHS for x in done.stdout.split()]
        _, seconds, used, _, _ = run("load" if size else "decode")
        steps = run("steps") if size and threads == 1 else None
        return seconds, used, steps and steps[3], steps and steps[4]


def pillow_one(path, what):
    size, fast = WHATS[what]
    begin = time.thread_time()
    picture = Image.open(path)
    if fast:
        picture.draft("RGB", (size, size))
    picture = picture.convert("RGB")
    middle = time.thread_time()
    if size:
        picture = picture.resize((size, size), Image.LANCZOS)
    return middle - begin, time.thread_time() - middle, picture


def torch_one(path, what, filter_name):
    size, _ = WHATS[what]
    begin = time.thread_time()
    picture = decode_jpeg(read_file(path))
    middle = time.thread_time()
    if size:
        mode = getattr(functional.InterpolationMode, filter_name.upper())
        picture = functional.resize(picture, [size, size], interpolation=mode, antialias=True)
    return middle - begin, time.thread_time() - middle, picture


def alone(files, one, *arguments):
    begin, before, decode, resize = time.perf_counter(), time.process_time(), 0, 0
    for path in files:
        steps = one(path, *arguments)
        decode, resize = decode + steps[0], resize + steps[1]
    return time.perf_counter() - begin, time.process_time() - before, decode, resize


class Pillow:
    name, version, filters = "pillow", PIL.__version__, ("lanczos",)

    def __init__(self, options):
        self.pool = multiprocessing.get_context("fork").Pool(2)

    def pass_over(self, files, what, threads, filter_name):
        if threads == 1:
            alone(files, pillow_one, what)
            return alone(files, pillow_one, what)
        halves = [(files[0::2], pillow_one, what), (files[1::2], pillow_one, what)]
        for _ in range(2):
            begin = time.perf_counter()
            parts = self.pool.starmap(alone, halves, chunksize=1)
            seconds = time.perf_counter() - begin
        return seconds, sum(part[1] for part in parts), None, None


class Files:
    """What a DataLoader draws from; a decoded picture of full size is not sent to the reader, only its height."""

    def __init__(self, files, what, filter_name):
        self.files, self.what, self.filter_name = files, what, filter_name

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        picture = torch_one(self.files[i], self.what, self.filter_name)[2]
        return picture if WHATS[self.what][0] else picture.shape[1]


class Torchvision:
    name, filters = "torchvision", ("bicubic", "bilinear")
    version = torchvision.__version__.split("+")[0] if torch else ""

    def __init__(self, options):
        torch.set_num_threads(1)

    def pass_over(self, files, what, threads, filter_name):
        if WHATS[what][1]:
            return None
        if threads == 1:
            alone(files, torch_one, what, filter_name)
            return alone(files, torch_one, what, filter_name)
        loader = torch.utils.data.DataLoader(Files(files, what, filter_name), BATCH, num_workers=threads,
                                             persistent_workers=True)
        for _ in range(2):
            begin = time.perf_counter()
            for _ in loader:
                pass
            seconds = time.perf_counter() - begin
        return seconds, None, None, None


def different_pixels(options, files, what):
    """Of all pixels, those of kohl's that are not Pillow's."""
    size, fast = WHATS[what]
    mode = "stretch" if size else "none"
    lines = [f"{mode} lanczos {size or 1} {size or 1} 0 0 255 255 255 0 {int(fast)} {path}\n" for path in files]
    done = subprocess.run([os.path.join(options.build, "oracle", "dump_picture")], input="".join(lines).encode(),
                          capture_output=True, check=True)
    at, different = 0, 0
    for path in files:
        end = done.stdout.index(b"\n", at)
        count = int(done.stdout[at:end].split()[3])
        mine, peer = done.stdout[end + 1:end + 1 + count], pillow_one(path, what)[2].tobytes()
        if mine != peer:
            different += sum(mine[i:i + 3] != peer[i:i + 3] for i in range(0, len(peer), 3))
        at = end + 1 + count
    return different


def row_of(engine, filter_name, what, threads, count, results):
    rates = [count / r[0] for r in results]
    row = {"engine": engine.name, "version": engine.version, "filter": filter_name if WHATS[what][0] else "",
           "what": what, "threads": threads, "pictures_per_s": f"{statistics.median(rates):.0f}",
           "lowest": f"{min(rates):.0f}", "highest": f"{max(rates):.0f}", "processor_ms": "",
           "resize_share_percent": ""}
    if results[0][1] is not None:
        row["processor_ms"] = f"{1e3 * statistics.median(r[1] for r in results) / count:.3f}"
    if WHATS[what][0] and results[0][2]:
        row["resize_share_percent"] = f"{100 * statistics.median(r[3] / r[2] for r in results):.1f}"
    return row


def measure(options, engines, files, what, threads):
    takers = [(e, f) for e in engines for f in (e.filters if WHATS[what][0] else e.filters[:1])]
    results = {taker: [] for taker in takers}
    for number in range(options.rounds):
        for taker in takers if number % 2 == 0 else takers[::-1]:
            results[taker].append(taker[0].pass_over(files, what, threads, taker[1]))
    for taker in takers:
        if results[taker][0]:
            yield row_of(*taker, what, threads, len(files), results[taker])


def machine():
    model = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"machine": model, "commit": commit.stdout.strip()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--data", default=os.path.join(HERE, "..", "..", "..", "shared", "data", "egyptian_artifacts"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--csv")
    options = parser.parse_args()
    engines = [kind(options) for kind in (Kohl, Pillow) + ((Torchvision,) if torch else ())]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("smooth", "detailed"):
            files = make_pictures(options.data, folder, kind, options.count)
            kilobytes = sum(map(os.path.getsize, files)) / len(files) / 1000
            for what in WHATS:
                wrong = different_pixels(options, files, what)
                print(f"# {kind}, {what}: {wrong} pixels of {len(files)} pictures differ from Pillow's", flush=True)
            for what in WHATS:
                for threads in (1, 2):
                    for row in measure(options, engines, files, what, threads):
                        rows.append({**machine(), "pictures": kind, "kilobytes": f"{kilobytes:.1f}", **row})
                        print(" ".join(f"{v}" for v in list(rows[-1].values())[2:]), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
