"""CIFAR batches against Python's own pickle and numpy.

    cifar.py BUILD

Random pixels are stored as the data sets are: binary and pickled in protocols 2 to 5 with keys of both kinds, with 10
and with 100 classes, and by hand in the form of Python 2.  `kohl data cifar` stores each of them again as 32 x 32
pictures, which must be the same bytes and labels; other sizes are read back from what it writes.  A pickle that calls
anything, and one cut anywhere, must be refused.  Prints TAP."""
import json
import os
import pickle
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

KOHL = os.path.join(os.path.abspath(sys.argv[1]), "kohl")
failures = 0


def report(good, text, more=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good:
        print("# " + str(more)[:500].replace("\n", " "))


def kohl(*args):
    return subprocess.run([KOHL, "data", *args], capture_output=True, text=True, timeout=120, check=False)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def records(folder):
    """All records of the written data batches as {(label, pixels)} and those of the test batch."""
    def read(name):
        data = np.fromfile(os.path.join(folder, name), np.uint8).reshape(-1, 3073)
        return [bytes(row) for row in data]
    return sorted(sum((read(f"data_batch_{i}.bin") for i in range(1, 6)), [])), sorted(read("test_batch.bin"))


def check(folder, name, batches, *options):
    """batches: (labels, pixels) of each training batch, then of the test batch."""
    out = folder + "_out"
    done = kohl("cifar", folder, out, *options)
    if done.returncode:
        report(False, name, done.stderr)
        return
    rows = [sorted(bytes([label]) + bytes(row) for label, row in zip(*batch)) for batch in batches]
    train, test = records(out)
    report(train == sorted(sum(rows[:-1], [])) and test == rows[-1], name, f"{len(train)} and {len(test)} records")


def python2(labels, pixels):
    """A batch as Python 2 wrote it; bytes keys, a raw string of pixels."""
    n = len(labels)
    return (b"\x80\x02}q\x01(U\x0bbatch_labelq\x0aU\x01xU\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\n"
            b"ndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01J" + n.to_bytes(4, "little") + b"M\x00\x0c\x86cnumpy\ndtype\nq\x06"
            b"U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" +
            (n * 3072).to_bytes(4, "little") + pixels.tobytes() + b"tbU\x06labelsq\x08]q\x09(" +
            b"".join(b"K" + bytes([label]) for label in labels) + b"eu.")


def pickled(folder, protocol, text_keys, fine, batches, names):
    def key(word):
        return word if text_keys else word.encode()
    meta = {key("fine_label_names" if fine else "label_names"): names, key("coarse_label_names"): names[:20]}
    write(os.path.join(folder, "meta" if fine else "batches.meta"), pickle.dumps(meta, protocol))
    files = ["train", "test"] if fine else [f"data_batch_{i}" for i in range(1, len(batches))] + ["test_batch"]
    for file, (labels, pixels) in zip(files, batches):
        batch = {key("batch_label"): key("batch"), key("filenames"): [key(f"{i}.png") for i in range(len(labels))],
                 key("fine_labels" if fine else "labels"): labels, key("data"): pixels}
        if fine:
            batch[key("coarse_labels")] = [label % 20 for label in labels]
        write(os.path.join(folder, file), pickle.dumps(batch, protocol))


class Calls:
    def __reduce__(self):
        return os.mkdir, ("called",)


def hostile(root):
    good = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 0]}, 2)
    meta = pickle.dumps({b"label_names": [b"a"]}, 2)
    bad = {
        "a call": pickle.dumps({b"data": Calls(), b"labels": [0]}, 2),
        "another type": pickle.dumps({b"data": np.zeros((2, 3072), np.float32), b"labels": [0, 0]}, 3),
        "columns first": pickle.dumps({b"data": np.asfortranarray(np.arange(6144).astype(np.uint8).reshape(2, 3072)),
                                       b"labels": [0, 0]}, 3),
        "too few labels": pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, 3),
        "a label beyond the names": pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [7]}, 3),
        "no square": pickle.dumps({b"data": np.zeros((1, 3000), np.uint8), b"labels": [0]}, 3),
        "a deep nest": b"\x80\x02" + b"(" * 300000 + b".",
        "text": b"hello",
    }
    bad.update({f"cut at {n}": good[:n] for n in list(range(0, 200, 7)) + [len(good) // 2, len(good) - 1]})
    wrong = []
    for name, data in bad.items():
        folder = os.path.join(root, "bad")
        write(os.path.join(folder, "batches.meta"), meta)
        write(os.path.join(folder, "data_batch_1"), data)
        done = kohl(folder)
        if done.returncode != 2 or "data_batch_1: " not in done.stderr or done.stderr.count("\n") != 1 or done.stdout:
            wrong.append(f"{name}: exit {done.returncode}: {done.stderr!r}")
    report(not wrong and not os.path.exists("called"), f"{len(bad)} bad pickles are refused and name the file", wrong)


def sizes(root, random):
    """Pictures of another size, written and read back."""
    for side in (8, 33):
        source, out = os.path.join(root, f"png{side}"), os.path.join(root, f"set{side}")
        for label in ("a", "b"):
            os.makedirs(os.path.join(source, label))
            for i in range(3):
                pixels = random.integers(0, 256, (side, side, 3), np.uint8)
                Image.fromarray(pixels).save(os.path.join(source, label, f"{i}.png"))
        first = kohl("cifar", source, out, "--size", str(side))
        done = kohl(out, "--format", "json")
        again = json.loads(done.stdout) if done.returncode == 0 else {"width": {}, "classes": []}
        want = [Image.open(os.path.join(source, label, f"{i}.png")) for label in ("a", "b") for i in range(3)]
        want = sorted(bytes([k // 3]) + np.asarray(p).transpose(2, 0, 1).tobytes() for k, p in enumerate(want))
        got = b"".join(open(os.path.join(out, f"data_batch_{i}.bin"), "rb").read() for i in range(1, 6))
        step = 1 + 3 * side * side
        got = sorted(got[at:at + step] for at in range(0, len(got), step))
        report(first.returncode == 0 and again["width"].get("median") == side and got == want and
               [c["count"] for c in again["classes"]] == [3, 3], f"a set of {side} x {side} pixels written and read",
               first.stderr + done.stderr)


def main():
    random = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as root:
        os.chdir(root)
        names10, names100 = [f"name {i}" for i in range(10)], [f"n{i:02}" for i in range(100)]
        def batches(counts, classes):
            return [(random.integers(0, classes, n).tolist(), random.integers(0, 256, (n, 3072), np.uint8))
                    for n in counts]
        ten, hundred = batches([7, 5, 3], 10), batches([9, 4], 100)
        folder = os.path.join(root, "binary10")
        write(os.path.join(folder, "batches.meta.txt"), "\n".join(names10).encode() + b"\n\n")
        for file, (labels, pixels) in zip(["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"], ten):
            write(os.path.join(folder, file), b"".join(bytes([k]) + p.tobytes() for k, p in zip(labels, pixels)))
        check(folder, "binary, 10 classes", ten)
        folder = os.path.join(root, "binary100")
        write(os.path.join(folder, "fine_label_names.txt"), "\n".join(names100).encode())
        write(os.path.join(folder, "coarse_label_names.txt"), "\n".join(names100[:20]).encode())
        for file, (labels, pixels) in zip(["train.bin", "test.bin"], hundred):
            write(os.path.join(folder, file), b"".join(bytes([k % 20, k]) + p.tobytes() for k, p in zip(labels, pixels)))
        check(folder, "binary, 100 classes", hundred)
        os.rename(folder + "_out", folder + "_fine")
        coarse = [([k % 20 for k in labels], pixels) for labels, pixels in hundred]
        check(folder, "binary, 20 coarse classes", coarse, "--coarse")
        for protocol in (2, 3, 4, 5):
            for text_keys in (False, True):
                keys = "text" if text_keys else "bytes"
                folder = os.path.join(root, f"p{protocol}{keys}")
                pickled(folder, protocol, text_keys, False, ten, names10)
                check(folder, f"pickles, protocol {protocol}, keys of {keys}, 10 classes", ten)
            folder = os.path.join(root, f"h{protocol}")
            pickled(folder, protocol, False, True, hundred, names100)
            check(folder, f"pickles, protocol {protocol}, 100 classes", hundred)
        folder = os.path.join(root, "python2")
        write(os.path.join(folder, "batches.meta"), pickle.dumps({b"label_names": [n.encode() for n in names10]}, 2))
        for file, batch in zip(["data_batch_1", "data_batch_2", "test_batch"], ten):
            write(os.path.join(folder, file), python2(*batch))
        assert pickle.loads(python2(*ten[0]), encoding="bytes")[b"data"].shape == (7, 3072)
        check(folder, "pickles of Python 2", ten)
        hostile(root)
        sizes(root, random)
        os.chdir("/")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
