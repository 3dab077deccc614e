"""JPEGs of every kind: most by build/MODE/oracle/make_jpeg, some by surgery on their segments.

    made(make_jpeg, folder) -> paths that Pillow and kohl read
    damaged(folder, paths)  -> (path, what kohl says) that both refuse
"""
import os
import struct
import subprocess

SIZES = ((1, 1), (17, 3), (3, 17), (64, 48), (131, 97))
SAMPLINGS = {"444": "111111", "422": "211111", "420": "221111", "440": "121111", "411": "411111", "410": "421111",
             "odd": "222111", "up": "112121", "441": "141111"}
EOI = b"\xff\xd9"


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def find(data, marker):
    """Where the first segment with this marker begins."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return at


def insert(data, extra):
    """extra behind SOI."""
    return data[:2] + extra + data[2:]


def requests():
    """(name, space, w, h, quality, sampling, process, restart, marker)"""
    for w, h in SIZES:
        for name, sampling in SAMPLINGS.items():
            for process in ("baseline", "progressive"):
                yield f"ycc{name}_{process}", "ycc", w, h, 85, sampling, process, 0, 1
        for space, sampling in (("grey", "11"), ("rgb", "111111"), ("cmyk", "11111111"), ("ycck", "22111122")):
            for process in ("baseline", "progressive", "arithmetic", "both", "scans"):
                yield f"{space}_{process}", space, w, h, 90, sampling, process, 0, 1
        yield "grey22", "grey", w, h, 90, "22", "baseline", 0, 1
        yield "cmyk42", "cmyk", w, h, 90, "21111111", "baseline", 0, 0
        yield "ycck_bare", "ycck", w, h, 90, "22111122", "baseline", 0, 0
        yield "ycc_bare", "ycc", w, h, 90, "221111", "baseline", 0, 0
        yield "rgb_bare", "rgb", w, h, 90, "111111", "baseline", 0, 0
        for restart in (1, 3):
            for process in ("baseline", "progressive", "arithmetic"):
                yield f"restart{restart}_{process}", "ycc", w, h, 80, "221111", process, restart, 1
    for quality in range(1, 101):
        yield f"quality{quality}", "ycc", 67, 45, quality, ("221111", "111111")[quality % 2], "baseline", 0, 1


def operated(folder, read):
    """(name, bytes): segments added, changed or spoilt in ways that both accept."""
    ycc, cmyk, ycck = read("ycc420_baseline_64x48"), read("cmyk_baseline_64x48"), read("ycck_baseline_64x48")
    rgb, bare = read("rgb_baseline_64x48"), read("ycc_bare_64x48")
    for name, data in (("cmyk", cmyk), ("ycck", ycck), ("rgb", rgb)):
        for transform in (0, 1, 2, 7):
            at = find(data, 0xEE) + 4
            yield f"{name}_adobe{transform}", data[: at + 11] + bytes([transform]) + data[at + 12 :]
    for transform in (0, 1, 2):
        adobe = segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))
        yield f"bare_adobe{transform}", insert(bare, adobe)
    thumbnail = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\4\3" + bytes(range(36)))
    yield "thumbnail", bare[:2] + thumbnail + bare[2:]
    yield "thumbnail_jpeg", ycc[:2] + segment(0xE0, b"JFXX\0\x10" + read("grey_baseline_17x3")) + ycc[2:]
    yield "trailing", ycc + b"\0trailing\xff\xd8\xff" * 20
    yield "second", ycc + read("grey_baseline_17x3")
    yield "stray", ycc[: find(ycc, 0xDB)] + b"\0\1\2\3" + ycc[find(ycc, 0xDB) :]
    yield "fill", ycc[: find(ycc, 0xDB)] + b"\xff" * 9 + ycc[find(ycc, 0xDB) :]
    yield "stray_end", ycc[:-2] + b"\1\2\3" + EOI
    yield "no_tables", ycc[: find(ycc, 0xC4)] + ycc[find(ycc, 0xDA) :]  # as in Motion JPEG: the standard ones
    yield "comment", insert(ycc, segment(0xFE, b"made " * 100))
    yield "profile", insert(ycc, segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(200)))
    yield "photoshop", insert(ycc, segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\x10" + bytes(16)))
    yield "late_jfif", insert(ycc, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"))
    for ids in (b"RGB", b"\0\1\2", b"YCC", b"\1\2\3"):
        yield f"ids_{ids.hex()}", renamed(bare, ids)


def renamed(data, ids):
    """The components' names changed, in the frame and in the scan."""
    out = bytearray(data)
    frame, scan = find(data, 0xC0), find(data, 0xDA)
    for i in range(3):
        out[frame + 10 + 3 * i] = ids[i]
        out[scan + 5 + 2 * i] = ids[i]
    return bytes(out)


def damaged(folder):
    """(path, what kohl says, does Pillow refuse it too?)"""

    def read(name):
        with open(os.path.join(folder, name + ".jpg"), "rb") as f:
            return f.read()

    ycc, grey = read("ycc420_baseline_64x48"), read("grey_baseline_64x48")
    sof, sos = find(ycc, 0xC0), find(ycc, 0xDA)
    middle = sos + (len(ycc) - sos) // 2

    def poked(data, at, value):
        return data[:at] + bytes([value]) + data[at + 1 :]

    yield store(folder, "bits12", poked(ycc, sof + 4, 12)), "JPEG of 12 bits a channel, expected 8", True
    yield store(folder, "lossless", poked(ycc, sof + 1, 0xC3)), "lossless JPEG (SOF3), expected baseline", True
    yield store(folder, "hierarchical", poked(ycc, sof + 1, 0xC5)), "hierarchical JPEG (SOF5), expected baseline", True
    yield store(folder, "no_height", ycc[: sof + 5] + b"\0\0" + ycc[sof + 7 :]), "DNL not supported", True
    yield store(folder, "no_end", ycc[:-2]), "truncated JPEG: the picture goes on after its", True
    yield store(folder, "half", ycc[:middle]), "truncated JPEG: the picture goes on after its", True
    yield store(folder, "early_end", ycc[:middle] + EOI), "damaged JPEG: its pixels end early", False
    yield store(folder, "no_scan", grey[: find(grey, 0xDA)] + EOI), "", True
    yield store(folder, "two_frames", ycc[:sof] + ycc[sof:sof + 19] + ycc[sof:]), "two SOF", True


def store(folder, name, data):
    path = os.path.join(folder, name + ".jpg")
    with open(path, "wb") as f:
        f.write(data)
    return path


def made(program, folder):
    lines, paths = [], []
    for number, (name, space, w, h, quality, sampling, process, restart, marker) in enumerate(requests()):
        paths.append(os.path.join(folder, f"{name}_{w}x{h}.jpg"))
        lines.append(f"{space} {w} {h} {quality} {sampling} {process} {restart} {marker} {number} {paths[-1]}\n")
    done = subprocess.run([program], input="".join(lines), stdout=subprocess.PIPE, check=True, text=True)
    assert done.stdout == f"done {len(lines)}\n", done.stdout

    def read(name):
        with open(os.path.join(folder, name + ".jpg"), "rb") as f:
            return f.read()

    return paths + [store(folder, name, data) for name, data in operated(folder, read)]
