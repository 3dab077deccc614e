"""A tree of pictures with bad things of every kind in it: each must be named once, with the right reason.

    bad_files.py BUILD [--full]

Makes 2,000 small pictures with 1 % or more that are bad (--full: 100,000 with 1 %), in kinds that a folder really
holds: files that are no pictures or half of one, and entries that are no files at all.  Pictures that only look odd (a
PNG named .jpg, CMYK, 16 bits, palettes) must not be named.  `kohl data DIR --format json` is compared with what was
made.  Lists as CSV and on standard input follow, the bad ones refused with the line.  The memory of the list for each
picture and the time of listing are printed beside that of `find -type f`.  Prints TAP.

Root may read everything: run by root, the command is started as nobody, where that is possible."""
import io
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np
from PIL import Image

BUILD = os.path.abspath(sys.argv[1])
KOHL = os.path.join(BUILD, "kohl")
FULL = "--full" in sys.argv
FILES = 100000 if FULL else 2000
CLASSES = 20
SAME_LENGTH = "/sys/devices/system/cpu/online"  # says 4096 bytes and has a few: a file that changes while it is read
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
failures = 0
rng = np.random.default_rng(11)


def report(good, text, more=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good:
        print("# " + str(more)[:1500].replace("\n", "\n# "))


def encoded(kind, picture, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def noise(mode="RGB", size=(12, 10)):
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (size[1], size[0], bands) if bands > 1 else (size[1], size[0])
    return Image.fromarray(rng.integers(0, 256, shape, np.uint8), mode)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, body=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:]


def many_scans():
    """A progressive JPEG whose last scan comes 200 times: of one colour, so that no scan corrects what another said."""
    data = encoded("JPEG", Image.new("RGB", (32, 32), (90, 120, 30)), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 200 + data[-2:]


def resized_header(data):
    """A JPEG that says it has no columns."""
    at = data.index(b"\xff\xc0")
    return data[:at + 7] + b"\0\0" + data[at + 9:]


def other_precision(data):
    at = data.index(b"\xff\xc0")
    return data[:at + 4] + b"\x0c" + data[at + 5:]


def jpg():
    return encoded("JPEG", noise(size=(24, 20)))


def good_png():
    return encoded("PNG", noise(size=(24, 20)))


def half(data):
    return data[:len(data) // 2]


# name of the kind: (ending, the bytes or what makes the entry, words of the reason)
FILE_KINDS = {
    "empty": (".jpg", lambda: b"", "empty file"),
    "half a JPEG": (".jpg", lambda: half(jpg()), "JPEG"),
    "half a PNG": (".png", lambda: half(good_png()), "truncated PNG"),
    "a JPEG's first bytes": (".jpeg", lambda: jpg()[:20], "JPEG"),
    "a PNG's signature": (".png", lambda: good_png()[:8], "truncated PNG"),
    "text": (".jpg", lambda: b"no picture at all\n", "not a JPEG or PNG: begins with the bytes 6e 6f 20 70"),
    "an HTML page": (".jpg", lambda: b"<!DOCTYPE html><title>404</title>", "a HTML file"),
    "a GIF": (".png", lambda: encoded("GIF", noise().convert("P")), "a GIF file"),
    "a BMP": (".jpg", lambda: encoded("BMP", noise()), "a BMP file"),
    "a TIFF": (".jpg", lambda: encoded("TIFF", noise()), "a TIFF file"),
    "a WebP": (".jpg", lambda: b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP file"),
    "a zip": (".png", lambda: b"PK\3\4" + bytes(30), "a zip file"),
    "zeros": (".jpg", lambda: bytes(500), "begins with the bytes 00 00 00 00"),
    "a PNG with a wrong checksum": (".png", lambda: flipped(good_png(), 60), "damaged PNG"),
    "a PNG whose pixels do not unpack": (".png", lambda: png(8, 8, b"\x78\x9cgarbage"), "PNG"),
    "a PNG of 60,000 x 60,000": (".png", lambda: png(60000, 60000), "60000"),
    "a PNG without columns": (".png", lambda: png(0, 8), "PNG"),
    "a JPEG without columns": (".jpg", lambda: resized_header(jpg()), "JPEG"),
    "a JPEG of 12 bits": (".jpg", lambda: other_precision(jpg()), "JPEG"),
    "a JPEG of 200 scans": (".jpg", many_scans, "JPEG scan"),
}
ENTRY_KINDS = {
    "a folder": (".jpg", os.mkdir, "a folder, expected a regular file"),
    "a FIFO": (".jpg", os.mkfifo, "a FIFO, socket or device"),
    "a socket": (".png", lambda path: socket_at(path), "a FIFO, socket or device"),
    "a link to a device": (".jpg", lambda path: os.symlink("/dev/zero", path), "a FIFO, socket or device"),
    "a link to itself": (".png", lambda path: os.symlink(os.path.basename(path), path), "Too many levels"),
    "a link to nowhere": (".jpg", lambda path: os.symlink("nowhere.png", path), "No such file"),
    "a name that is not UTF-8": ("\udcff.png", lambda path: write(path, good_png()), "not UTF-8"),
    "a file of 300 MB": (".png", lambda path: sparse(path), "expected at most 268435456"),
    "a file that changes": (".jpg", lambda path: os.symlink(SAME_LENGTH, path), "changed while it was read"),
    "an unreadable file": (".jpg", lambda path: (write(path, jpg()), os.chmod(path, 0)), "Permission denied"),
}
ODD_KINDS = {
    "a PNG named .jpg": (".jpg", good_png), "a JPEG named .png": (".png", jpg),
    "CMYK": (".jpg", lambda: encoded("JPEG", noise("CMYK"))), "grey": (".jpg", lambda: encoded("JPEG", noise("L"))),
    "16 bits": (".png", lambda: encoded("PNG", Image.fromarray(rng.integers(0, 65536, (9, 7)).astype(np.int32)))),
    "alpha": (".png", lambda: encoded("PNG", noise("RGBA"))),
    "grey and alpha": (".png", lambda: encoded("PNG", noise("LA"))),
    "palette": (".PNG", lambda: encoded("PNG", noise().convert("P"))),
    "one bit": (".png", lambda: encoded("PNG", noise("L").convert("1"))),
    "progressive": (".JPEG", lambda: encoded("JPEG", noise(), progressive=True)),
    "rubbish behind the end": (".jpg", lambda: jpg() + b"rubbish"),
}


def socket_at(path):
    here = os.getcwd()
    os.chdir(os.path.dirname(path))  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.basename(path))
    os.chdir(here)


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(300 << 20)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def impossible(kind):
    """Why a kind cannot be made here."""
    if kind == "an unreadable file" and os.geteuid() == 0 and not NOBODY:
        return "root may read everything, and nobody cannot run the command"
    if kind == "a file that changes" and not (os.path.isfile(SAME_LENGTH) and os.stat(SAME_LENGTH).st_size > 100):
        return f"no {SAME_LENGTH}"
    return None


def make(root):
    """Fills root; returns {path: words of the reason} of the bad, and the number of good pictures."""
    bad, good, number = {}, 0, 0
    for k in range(CLASSES):
        os.makedirs(os.path.join(root, f"class {k:02}", "deeper"))

    def place(ending):
        nonlocal number
        number += 1
        deeper = ["deeper"] * (number % 7 == 0)
        return os.path.join(root, f"class {number % CLASSES:02}", *deeper, f"{number:06}{ending}")

    kinds = {**FILE_KINDS, **ENTRY_KINDS}
    for _ in range(FILES // 100 // len(kinds) or 1):
        for kind, (ending, what, words) in kinds.items():
            if impossible(kind):
                continue
            path = place(ending)
            if kind in FILE_KINDS:
                write(path, what())
            else:
                what(path)
            bad[path.encode(errors="surrogateescape").decode(errors="replace")] = (kind, words)
    for ending, what in ODD_KINDS.values():
        write(place(ending), what())
        good += 1
    while number < FILES:
        write(place(".png"), encoded("PNG", noise()))
        good += 1
    write(os.path.join(root, "class 00", "notes.txt"), b"passed over")
    return bad, good


def data(*args, text=None):
    done = subprocess.run([KOHL, "data", *args], capture_output=True, input=text, timeout=3000, check=False, **NOBODY)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def check_tree(root, bad, good):
    code, out, err = data(root, "--format", "json")
    found = json.loads(out) if code in (0, 2) and out else {"bad": [], "pictures": -1}
    report(code == 2 and err.count("\n") == 1, "bad pictures end with exit code 2 and one line", f"{code}: {err}")
    report(found["pictures"] == good, f"{good} good pictures are counted", found["pictures"])
    named = {}
    for entry in found["bad"]:
        named.setdefault(entry["path"], []).append(entry["reason"])
    report(set(named) == set(bad), f"{len(bad)} bad ones are named and no other",
           sorted(set(named) ^ set(bad))[:8] + [named.get(p) for p in sorted(set(named) ^ set(bad))[:8]])
    by_kind = {}
    for path, (kind, words) in bad.items():
        reasons = named.get(path, [])
        if len(reasons) != 1 or words not in reasons[0]:
            by_kind.setdefault(kind, f"{path}: {reasons}, expected one with '{words}'")
    for kind in {**FILE_KINDS, **ENTRY_KINDS}:
        if impossible(kind):
            print(f"# skipped: {kind}: {impossible(kind)}")
        else:
            report(kind not in by_kind, f"{kind}: named once, with its reason", by_kind.get(kind))


def check_lists(root):
    def csv(text, *args):
        path = os.path.join(root, "list.csv")
        write(path, text)
        return data(path, *args)
    write(os.path.join(root, "one.png"), good_png())
    code, out, err = csv("\ufeffpath,label\r\none.png,\"a, \u00e9\"\r\n".encode(), "--format", "json")
    report(code == 0 and json.loads(out)["classes"][0]["name"] == "a, \u00e9", "a CSV with BOM, CRLF and quotes", err)
    write(os.path.join(root, "list.csv"), b"path,label\none.png,a\n" + b"x" * (100 << 20) + b"\n")
    bound = 64 << 20
    done = subprocess.run([KOHL, "data", os.path.join(root, "list.csv"), "--threads", "1"], capture_output=True,
                          text=True, timeout=300, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (bound, bound)))
    report(done.returncode == 2 and "line 3: a record of more than 1048576 bytes" in done.stderr,
           "a line of 100 MB is refused within 64 MiB of memory", done.stderr)
    for text, words in ((b"path,label\none\0.png,a\n", "line 2: a NUL byte"),
                        (b"path,label\none.png,a\xe9\n", "line 2: text that is not UTF-8"),
                        (b"path,label,weight\none.png,a,NaN\n", "line 2: weight 'NaN', expected a finite number"),
                        (b"path,label,split\none.png,a,dev\n", "line 2: split 'dev', expected train")):
        code, out, err = csv(text)
        report(code == 2 and words in err and err.count("\n") == 1 and not out, f"a CSV: {words}", f"{code}: {err}")
    code, out, err = csv(b"path,label\none.png,a\nnone.png,b\n", "--format", "json")
    bad = json.loads(out)["bad"] if out else []
    report(code == 2 and len(bad) == 1 and "No such file" in bad[0]["reason"], "a CSV that names no file", err)
    names = "\n".join(os.path.join(root, "class 03", n) for n in sorted(os.listdir(os.path.join(root, "class 03")))
                      if n.endswith(".png") and n.isascii())
    code, out, err = data("-", "--format", "json", text=names.encode())
    found = json.loads(out) if out else {"classes": [{}], "bad": [], "pictures": 0}
    report(code in (0, 2) and found["classes"][0].get("name") == "class 03" and
           found["pictures"] + len(found["bad"]) == names.count("\n") + 1, "a list of paths on standard input", err)


def check_copies(root):
    """Two copies across classes and parts, one picture stored again at another quality, and two that are unlike."""
    picture = noise(size=(9, 8)).resize((90, 80), Image.BICUBIC)
    other = Image.fromarray(255 - np.asarray(picture)[:, ::-1])
    first = encoded("JPEG", picture, quality=95)
    for name, content in (("1.jpg", first), ("2.jpg", first), ("3.jpg", encoded("JPEG", picture, quality=60)),
                          ("4.jpg", encoded("JPEG", other, quality=95))):
        write(os.path.join(root, name), content)
    write(os.path.join(root, "copies.csv"),
          b"path,label,split\n1.jpg,a,train\n2.jpg,b,test\n3.jpg,a,test\n4.jpg,b,train\n")
    code, out, err = data(os.path.join(root, "copies.csv"), "--format", "json")
    found = json.loads(out) if out else {"copies": [], "similar": []}
    def names(groups):
        return [([os.path.basename(p) for p in g["pictures"]], g["labels_differ"], g["splits_differ"]) for g in groups]
    report(code == 0 and names(found["copies"]) == [(["1.jpg", "2.jpg"], True, True)], "identical files are found",
           out + err)
    report(names(found["similar"]) == [(["1.jpg", "3.jpg"], False, True)], "a picture stored again is similar", out)


def measure(root):
    program = os.path.join(BUILD, "oracle", "list_samples")
    best, find = 1e9, 1e9
    for _ in range(5):
        done = subprocess.run([program, root], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        best = min(best, found["seconds"])
        begin = time.perf_counter()
        subprocess.run(["find", root, "-type", "f"], stdout=subprocess.DEVNULL, check=True)
        find = min(find, time.perf_counter() - begin)
    n = found["pictures"]
    print(f"# {n} pictures: listed in {best * 1e3:.0f} ms, find -type f {find * 1e3:.0f} ms; "
          f"{found['kept'] / n:.1f} bytes a picture kept, {found['peak'] / n:.1f} at the most")
    # Texts lie in blocks of 64 KiB, of which the last is not full.
    report(found["peak"] <= 64 * n + (64 << 10), "a list asks for 64 bytes a picture and 64 KiB at the most", found)


def try_nobody():
    try:
        subprocess.run([KOHL, "--version"], stdout=subprocess.DEVNULL, check=True, **NOBODY)
    except (OSError, subprocess.SubprocessError):
        NOBODY.clear()


def main():
    try_nobody()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = os.path.join(folder, "tree")
        begin = time.perf_counter()
        bad, good = make(root)
        made = time.perf_counter()
        check_tree(root, bad, good)
        print(f"# made in {made - begin:.1f} s, looked through in {time.perf_counter() - made:.1f} s")
        check_lists(root)
        os.mkdir(os.path.join(folder, "copies"))
        check_copies(os.path.join(folder, "copies"))
        measure(root)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
