"""JPEGs and PNGs with EXIF, whole and damaged, and what Pillow makes of them."""
import os
import struct

import numpy as np
from PIL import Image

from pictures import jpeg, png

METHODS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Image.Transpose, as ImageOps.exif_transpose chooses


def pillow_orientation(im):
    try:
        value = im.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, struct.error):  # not a TIFF header
        return 1
    return value if value in METHODS else 1


def turned(im, orientation):
    return im.transpose(Image.Transpose(METHODS[orientation])) if orientation in METHODS else im


def entry(order, tag, kind, count, value):
    return struct.pack(order + "HHI", tag, kind, count) + value


def block(order, entries, offset=8, count=None, magic=None):
    """A TIFF directory."""
    head = (b"II" if order == "<" else b"MM") + (magic or struct.pack(order + "H", 42))
    count = len(entries) if count is None else count
    return head + struct.pack(order + "I", offset) + struct.pack(order + "H", count) + b"".join(entries) + b"\0\0\0\0"


def blocks():
    """(name, EXIF): the eight orientations, and what goes wrong."""
    for name, order in (("ii", "<"), ("mm", ">")):
        short = lambda v: entry(order, 0x0112, 3, 1, struct.pack(order + "HH", v, 0))
        word = lambda v: entry(order, 0x0112, 4, 1, struct.pack(order + "I", v))
        width = entry(order, 0x0100, 4, 1, struct.pack(order + "I", 640))
        model = entry(order, 0x0110, 2, 6, struct.pack(order + "I", 8 + 2 + 24 + 4))
        lost = entry(order, 0x0110, 2, 600, struct.pack(order + "I", 10))
        for value in range(11):
            yield f"{name}{value}", block(order, [width, short(value)])
        yield f"{name}_long", block(order, [word(6)])
        yield f"{name}_byte", block(order, [entry(order, 0x0112, 1, 1, b"\6\0\0\0")])
        yield f"{name}_text", block(order, [entry(order, 0x0112, 2, 1, b"6\0\0\0")])
        yield f"{name}_unknown_type", block(order, [entry(order, 0x0112, 99, 1, b"\6\0\0\0")])
        yield f"{name}_two_values", block(order, [entry(order, 0x0112, 3, 2, struct.pack(order + "HH", 8, 3))])
        far = entry(order, 0x0112, 3, 4, struct.pack(order + "I", 26))
        yield f"{name}_far", block(order, [far]) + struct.pack(order + "4H", 5, 6, 7, 8)
        yield f"{name}_no_value", block(order, [entry(order, 0x0112, 3, 0, struct.pack(order + "HH", 6, 0))])
        yield f"{name}_huge_count", block(order, [entry(order, 0x0112, 3, 0xFFFFFFFF, struct.pack(order + "I", 8))])
        yield f"{name}_behind_text", block(order, [model, short(7)]) + b"model\0"
        yield f"{name}_behind_lost", block(order, [lost, short(7)])
        yield f"{name}_before_lost", block(order, [short(7), lost])
        yield f"{name}_twice", block(order, [short(3), short(6)])
        yield f"{name}_fewer", block(order, [width, short(6)], count=1)
        yield f"{name}_more", block(order, [width, short(6)], count=9)
        one = block(order, [short(6)])
        yield f"{name}_later", one[:4] + struct.pack(order + "I", 20) + bytes(12) + one[8:]
        yield f"{name}_beyond", block(order, [short(6)], offset=5000)
        yield f"{name}_at_end", block(order, [short(6)], offset=26)
        yield f"{name}_magic", block(order, [short(6)], magic=b"\1\2")
        yield f"{name}_swapped_magic", block(order, [short(6)], magic=struct.pack(order + "H", 42)[::-1])
        whole = block(order, [width, short(6)])
        for size in (0, 1, 7, 8, 9, 10, 21, 22, 30, 33, 34, 35):
            yield f"{name}_cut{size}", whole[:size]


def made(folder, jpegs):
    """Paths: every block in a JPEG and in a PNG, and JPEGs and PNGs with more than one block."""
    paths = []
    plain = next(p for p in jpegs if p.endswith("ycc420_baseline_131x97.jpg"))
    with open(plain, "rb") as f:
        photo = f.read()
    samples = png.samples_of(np.random.default_rng(3), 31, 47, png.RGBA, 8)
    app = lambda e: jpeg.segment(0xE1, b"Exif\0\0" + e)
    for name, e in blocks():
        if len(e) == 0 or len(e) >= 8:  # Pillow fails on the photo where the TIFF header is cut
            paths.append(jpeg.store(folder, f"exif_{name}", jpeg.insert(photo, app(e))))
        paths.append(png.store(folder, f"exif_{name}", png.encode(samples, 8, png.RGBA, png.chunk(b"eXIf", e))))
    six, three = (block(">", [entry(">", 0x0112, 3, 1, struct.pack(">HH", v, 0))]) for v in (6, 3))
    photos = {
        "two": jpeg.insert(photo, app(six) + app(three)),
        "late": photo[: jpeg.find(photo, 0xDA)] + app(six) + photo[jpeg.find(photo, 0xDA) :],
        "bare": jpeg.insert(photo, jpeg.segment(0xE1, b"Exif\0" + six)),
        "short": jpeg.insert(photo, jpeg.segment(0xE1, b"Exif\0") + app(six)),
        "xmp_first": jpeg.insert(photo, jpeg.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + app(six)),
        "stray": jpeg.insert(photo, app(b"x") + b"\0\xff\0\1" + app(six)),
        "stray_first": photo[: jpeg.find(photo, 0xDB)] + b"\0\1\2\xff\xff" + app(six) + photo[jpeg.find(photo, 0xDB) :],
        "in_comment": jpeg.insert(photo, jpeg.segment(0xFE, app(six))),
        "after_end": photo + app(six),
    }
    paths += [jpeg.store(folder, f"exif_{name}", data) for name, data in photos.items()]
    chunk6, chunk3 = png.chunk(b"eXIf", six), png.chunk(b"eXIf", three)
    for name, before, after in (("after", b"", chunk6), ("both", chunk3, chunk6), ("two", chunk6 + chunk3, b"")):
        for lace in (0, 1):
            paths.append(png.store(folder, f"exif_{name}{lace}", png.encode(samples, 8, png.RGBA, before, after, lace)))
    return paths
