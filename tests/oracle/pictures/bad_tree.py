"""A tree of pictures with bad ones of 30 kinds in it, and the same tree without them.

    made(root, files, reads_all) -> Tree
    cleaned(tree, to)            -> the root of a tree with the same list, in which every picture is good
"""
import collections
import io
import itertools
import os
import socket
import struct
import zlib

import numpy as np
from PIL import Image

CLASSES = 20
SAME_LENGTH = "/sys/devices/system/cpu/online"  # says 4096 bytes and has a few: a file that changes while it is read
rng = np.random.default_rng(11)

# good: paths of pictures.  bad: {path: (kind, words of the reason)}; these paths may have surrogates in them.
Tree = collections.namedtuple("Tree", "root good bad")


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


def small_png():
    """Noise of 12 x 10 pixels; written by hand, since there are 100,000."""
    rows = np.zeros((10, 1 + 36), np.uint8)
    rows[:, 1:] = rng.integers(0, 256, (10, 36), np.uint8)
    return png(12, 10, zlib.compress(rows.tobytes(), 1))


def salt():
    """Makes two files of a kind differ: of identical files only the first one is trained on."""
    return rng.bytes(12)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:]


def many_scans():
    """A progressive JPEG whose last scan comes 200 times: of one colour, so that no scan corrects what another said."""
    data = encoded("JPEG", Image.new("RGB", (32, 32), tuple(rng.integers(40, 200, 3).tolist())), progressive=True)
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
    "text": (".jpg", lambda: b"no picture at all\n" + salt(), "not a JPEG or PNG: begins with the bytes 6e 6f 20 70"),
    "an HTML page": (".jpg", lambda: b"<!DOCTYPE html><title>404</title>" + salt(), "a HTML file"),
    "a GIF": (".png", lambda: encoded("GIF", noise().convert("P")), "a GIF file"),
    "a BMP": (".jpg", lambda: encoded("BMP", noise()), "a BMP file"),
    "a TIFF": (".jpg", lambda: encoded("TIFF", noise()), "a TIFF file"),
    "a WebP": (".jpg", lambda: b"RIFF\x24\0\0\0WEBPVP8 " + salt(), "a WebP file"),
    "a zip": (".png", lambda: b"PK\3\4" + salt(), "a zip file"),
    "zeros": (".jpg", lambda: bytes(500 + rng.integers(5000)), "begins with the bytes 00 00 00 00"),
    "a PNG with a wrong checksum": (".png", lambda: flipped(good_png(), 60), "damaged PNG"),
    "a PNG whose pixels do not unpack": (".png", lambda: png(8, 8, b"\x78\x9cgarbage" + salt()), "PNG"),
    "a PNG of 60,000 x 60,000": (".png", lambda: png(60000, 60000, salt()), "60000"),
    "a PNG without columns": (".png", lambda: png(0, 8, salt()), "PNG"),
    "a JPEG without columns": (".jpg", lambda: resized_header(jpg()), "JPEG"),
    "a JPEG of 12 bits": (".jpg", lambda: other_precision(jpg()), "JPEG"),
    "a JPEG of 200 scans": (".jpg", many_scans, "JPEG scan"),
}
# Entries that are no pictures whatever they hold: they do not come into the list.
ENTRY_KINDS = {
    "a folder": (".jpg", os.mkdir, "a folder, expected a regular file"),
    "a FIFO": (".jpg", os.mkfifo, "a FIFO, socket or device"),
    "a socket": (".png", lambda path: socket_at(path), "a FIFO, socket or device"),
    "a link to a device": (".jpg", lambda path: os.symlink("/dev/zero", path), "a FIFO, socket or device"),
    "a link to itself": (".png", lambda path: os.symlink(os.path.basename(path), path), "Too many levels"),
    "a link to nowhere": (".jpg", lambda path: os.symlink("nowhere.png", path), "No such file"),
    "a name that is not UTF-8": ("\udcff.png", lambda path: write(path, good_png()), "not UTF-8"),
}
READ_KINDS = {
    "a file of 300 MB": (".png", lambda path: sparse(path), "expected at most 268435456"),
    "a file that changes": (".jpg", lambda path: os.symlink(SAME_LENGTH, path), "changed while it was read"),
    "an unreadable file": (".jpg", lambda path: (write(path, jpg()), os.chmod(path, 0)), "Permission denied"),
}
KINDS = {**FILE_KINDS, **ENTRY_KINDS, **READ_KINDS}
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


def impossible(kind, reads_all):
    """Why a kind cannot be made here; reads_all: whoever runs the command may read everything."""
    if kind == "an unreadable file" and reads_all:
        return "root may read everything, and nobody cannot run the command"
    if kind == "a file that changes" and not (os.path.isfile(SAME_LENGTH) and os.stat(SAME_LENGTH).st_size > 100):
        return f"no {SAME_LENGTH}"
    return None


def contents(kind):
    """Ending, maker of the bytes or None, maker of the entry or None."""
    if kind in FILE_KINDS:
        ending, what, _ = FILE_KINDS[kind]
        return ending, what, None
    ending, what, _ = {**ENTRY_KINDS, **READ_KINDS}[kind]
    return ending, None, what


def made(root, files, reads_all):
    """files entries, of which 1 % are bad, or one of each kind; they stand anywhere among the good ones."""
    for k in range(CLASSES):
        os.makedirs(os.path.join(root, f"class {k:02}", "deeper"))
    kinds = [kind for kind in KINDS if not impossible(kind, reads_all)]
    bad_count = max(files // 100, len(kinds))
    odd_count = max(files // 500, len(ODD_KINDS))
    places = iter(rng.permutation(files)[:bad_count + odd_count])
    special = dict(zip(itertools.islice(places, bad_count), itertools.cycle(kinds)))
    special.update(zip(places, itertools.cycle(ODD_KINDS)))
    tree = Tree(root, [], {})
    for number in range(files):
        kind = special.get(number)
        ending, data, entry = (".png", small_png, None) if kind is None else \
            (*ODD_KINDS[kind], None) if kind in ODD_KINDS else contents(kind)
        deeper = ["deeper"] * (number % 7 == 0)
        path = os.path.join(root, f"class {number % CLASSES:02}", *deeper, f"IMG_20260412_{number:06}{ending}")
        if data:
            write(path, data())
        else:
            entry(path)
        if kind in KINDS:
            tree.bad[path] = (kind, KINDS[kind][2])
        else:
            tree.good.append(path)
    # passed over in silence: what is no picture by its name, what is hidden, a link that leads round in a circle
    write(os.path.join(root, "class 00", "notes.txt"), b"")
    write(os.path.join(root, "class 00", ".hidden.jpg"), b"")
    os.symlink("..", os.path.join(root, "class 01", "again"))
    return tree


def listed_bad(tree):
    """The bad ones that come into the list, as a file of theirs may be a picture."""
    return {path: what for path, what in tree.bad.items() if what[0] not in ENTRY_KINDS}


def cleaned(tree, to):
    """Good files are the same ones, by links; of the bad ones some good picture takes the place."""
    for k in range(CLASSES):
        os.makedirs(os.path.join(to, f"class {k:02}", "deeper"))
    for path in tree.good:
        os.link(path, to + path[len(tree.root):])
    for path in listed_bad(tree):
        write(to + path[len(tree.root):], small_png())
    return to
