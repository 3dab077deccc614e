"""PNGs of every kind, written byte by byte: Pillow's and libpng's writers choose for themselves what is tested here.

    made(folder) -> [Made(path, mask)]

mask is None, or a bool array that says which pixels PNG's tRNS makes transparent, for the depths where Pillow
compares wrongly (tests/oracle/pillow.py says why).
"""
import collections
import os
import struct
import zlib

import numpy as np

Made = collections.namedtuple("Made", "path mask")
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
PASSES = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed(samples, depth):
    """Rows of [h, w, channels] samples as the file stores them."""
    h = samples.shape[0]
    flat = samples.reshape(h, -1)
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in flat]
    if depth == 8:
        return [row.astype(np.uint8).tobytes() for row in flat]
    bits = (flat[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    return [row.tobytes() for row in np.packbits(bits.reshape(h, -1).astype(np.uint8), axis=1)]


def filtered(rows, bpp, kinds):
    """The rows behind their filter bytes; kinds gives the filter of row y."""
    out, above = [], bytes(len(rows[0]))
    for row, kind in zip(rows, kinds):
        x = np.frombuffer(row, np.uint8).astype(int)
        up = np.frombuffer(above, np.uint8).astype(int)
        left = np.concatenate([np.zeros(min(bpp, len(x)), int), x[:-bpp]])[: len(x)]
        corner = np.concatenate([np.zeros(min(bpp, len(x)), int), up[:-bpp]])[: len(x)]
        guess = left + up - corner
        near = [abs(guess - v) for v in (left, up, corner)]
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], up, corner))
        base = [np.zeros_like(x), left, up, (left + up) // 2, paeth][kind]
        out.append(bytes([kind]) + ((x - base) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def encode(samples, depth, kind, before=b"", after=b"", interlace=0, filters=None, splits=(), level=6):
    """before: chunks between IHDR and IDAT; after: between IDAT and IEND; splits: bytes of the first IDATs."""
    h, w, channels = samples.shape
    filters = filters or (lambda y: 0)
    bpp = max(1, channels * depth // 8)
    if interlace:
        parts = [samples[y0::dy, x0::dx] for x0, dx, y0, dy in PASSES]
        parts = [p for p in parts if p.size]
    else:
        parts = [samples]
    body = b"".join(filtered(packed(p, depth), bpp, [filters(y) for y in range(len(p))]) for p in parts)
    body, idats = zlib.compress(body, level), []
    for size in splits:
        idats.append(chunk(b"IDAT", body[:size]))
        body = body[size:]
    idats.append(chunk(b"IDAT", body))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace))
    return SIGNATURE + head + before + b"".join(idats) + after + chunk(b"IEND", b"")


def palette(entries):
    return chunk(b"PLTE", bytes((i * k + k) % 256 for i in range(entries) for k in (7, 251, 13)))


def samples_of(rng, w, h, kind, depth, entries=None):
    """Noise in one quarter, else runs, so that every filter has something to do."""
    top = entries or 1 << depth
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([(x * (3 + c) + y * (5 - c)) * max(1, top >> 7) % top for c in range(CHANNELS[kind])], -1)
    a[: h // 2 + 1, : w // 2 + 1] = rng.integers(0, top, a[: h // 2 + 1, : w // 2 + 1].shape)
    return a


def transparent(rng, kind, depth, samples, entries):
    """A tRNS chunk and the mask of Made."""
    if kind == PALETTE:
        return chunk(b"tRNS", rng.integers(0, 256, max(1, entries // 2), dtype=np.uint8).tobytes()), None
    key = samples[0, 0]
    mask = (samples == key).all(-1) if depth != 8 else None
    return chunk(b"tRNS", b"".join(struct.pack(">H", int(v)) for v in key)), mask


IGNORED = [
    chunk(b"gAMA", struct.pack(">I", 30000)),
    chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    chunk(b"sRGB", b"\0"),
    chunk(b"iCCP", b"made\0\0" + zlib.compress(b"\0" * 128)),
    chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
    chunk(b"tEXt", b"Comment\0made"),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"made" * 100)),
    chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"made" * 100)),
    chunk(b"tIME", struct.pack(">HBBBBB", 2020, 1, 2, 3, 4, 5)),
    chunk(b"prVt", b"unknown"),
]


def kinds(rng):
    """(name, bytes, mask) of every colour type, depth, interlacing and transparency, in several sizes."""
    for kind, depths in DEPTHS.items():
        for depth in depths:
            for w, h in ((37, 23), (1, 1), (3, 17), (16, 8)):
                for interlace in (0, 1):
                    for clear in (False, True):
                        if clear and kind in (GREY_ALPHA, RGBA):
                            continue
                        entries = max(2, (1 << depth) - 1) if kind == PALETTE else None
                        s = samples_of(rng, w, h, kind, depth, entries)
                        before, mask = palette(entries) if kind == PALETTE else b"", None
                        if clear:
                            trns, mask = transparent(rng, kind, depth, s, entries)
                            before += trns
                        picks = rng.integers(0, 5, h)
                        name = f"png_{kind}_{depth}_{w}x{h}{'_laced' * interlace}{'_trns' * clear}"
                        yield name, encode(s, depth, kind, before, b"", interlace, lambda y: int(picks[y])), mask


def oddities(rng):
    """(name, bytes): what PNG allows and writers seldom do."""
    s = samples_of(rng, 41, 29, RGB, 8)
    for kind in range(5):
        yield f"filter{kind}", encode(s, 8, RGB, filters=lambda y: kind)
    yield "stored", encode(s, 8, RGB, level=0)
    yield "empty_idats", encode(s, 8, RGB, splits=(0, 0, 7, 0, 100, 0))
    yield "tiny_idats", encode(s, 8, RGB, splits=[1] * 200)
    yield "trailing", encode(s, 8, RGB) + b"trailing bytes" * 10
    for i, extra in enumerate(IGNORED):
        yield f"ignored{i}", encode(s, 8, RGB, before=extra)
    yield "ignored_all", encode(s, 8, RGB, before=b"".join(IGNORED))
    yield "after", encode(s, 8, RGB, after=IGNORED[5] + IGNORED[6])
    yield "background", encode(s, 8, RGB, before=chunk(b"bKGD", b"\0\1\0\2\0\3"))
    yield "significant", encode(s, 8, RGB, before=chunk(b"sBIT", b"\5\6\5"))
    yield "suggested", encode(s, 8, RGB, before=palette(9))
    p = samples_of(rng, 41, 29, PALETTE, 8)
    yield "beyond_palette", encode(p, 8, PALETTE, before=palette(100))
    few = samples_of(rng, 41, 29, PALETTE, 4)
    yield "beyond_palette4", encode(few, 4, PALETTE, before=palette(5) + chunk(b"tRNS", b"\0\x80"))
    yield "beyond_trns", encode(p, 8, PALETTE, before=palette(256) + chunk(b"tRNS", b"\0\x80\xff"))
    yield "extra_rows", SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 2, 8, 0, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(b"\0abcde" * 5)
    ) + chunk(b"IEND", b"")
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    frame = struct.pack(">IIIIHHBB", 41, 29, 0, 0, 1, 10, 0, 0)
    second = chunk(b"fcTL", struct.pack(">I", 1) + frame)
    second += chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(b"\0" * (29 * (1 + 41 * 3))))
    first = chunk(b"fcTL", struct.pack(">I", 0) + frame)
    yield "animated", encode(s, 8, RGB, before=control + first, after=second)
    later = chunk(b"fcTL", struct.pack(">I", 0) + frame)
    later += chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(b"\0" * (29 * (1 + 41 * 3))))
    yield "animated_apart", encode(s, 8, RGB, before=chunk(b"acTL", struct.pack(">II", 1, 0)), after=later)


def damaged(folder):
    """(path, what kohl says, does Pillow refuse it too?)"""
    stricter = ("crc_IDAT", "crc_IEND", "no_palette", "short", "critical", "method")
    for name, data, says in spoilt(np.random.default_rng(2)):
        yield store(folder, name, data), says, name not in stricter


def spoilt(rng):
    s = samples_of(rng, 41, 29, RGB, 8)
    good = encode(s, 8, RGB, before=IGNORED[5])
    for name in (b"IHDR", b"tEXt", b"IDAT", b"IEND"):
        at = good.find(name)
        end = at + 4 + struct.unpack(">I", good[at - 4 : at])[0]
        bad = good[:end] + bytes([good[end] ^ 1]) + good[end + 1 :]
        yield f"crc_{name.decode()}", bad, f"{name.decode()}: CRC error"
    yield "no_palette", encode(samples_of(rng, 9, 9, PALETTE, 8), 8, PALETTE), "Missing PLTE"
    yield "bad_filter", encode_filter_byte(s, 9), "bad adaptive filter"
    yield "short", encode_short(), "Not enough image data"
    yield "critical", encode(s, 8, RGB, before=chunk(b"NEED", b"x")), "NEED: unhandled critical chunk"
    for name, head in (
        ("depth3", (5, 2, 3, 0, 0, 0, 0)), ("rgb4", (5, 2, 4, 2, 0, 0, 0)), ("type5", (5, 2, 8, 5, 0, 0, 0)),
        ("method", (5, 2, 8, 0, 1, 0, 0)), ("filters", (5, 2, 8, 0, 0, 1, 0)), ("lace", (5, 2, 8, 0, 0, 0, 2)),
    ):
        yield name, SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *head)) + chunk(
            b"IDAT", zlib.compress(b"\0abcde" * 2)) + chunk(b"IEND", b""), "Invalid IHDR data"


def encode_filter_byte(samples, value):
    rows = packed(samples, 8)
    body = b"".join(bytes([value if y == 3 else 0]) + r for y, r in enumerate(rows))
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 8, RGB, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def encode_short():
    head = struct.pack(">IIBBBBB", 5, 4, 8, 0, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0abcde" * 2)) + chunk(b"IEND", b"")


def store(folder, name, data):
    path = os.path.join(folder, name + ".png")
    with open(path, "wb") as f:
        f.write(data)
    return path


def made(folder):
    rng = np.random.default_rng(1)
    out = [Made(store(folder, name, data), mask) for name, data, mask in kinds(rng)]
    return out + [Made(store(folder, name, data), None) for name, data in oddities(rng)]
