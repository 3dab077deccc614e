"""A tree of pictures with bad things of every kind in it: each must be named once, with the right reason.

    bad_files.py BUILD [--full]

Makes 3,000 small pictures of which 1 % are bad (--full: 100,000), in kinds that a folder really holds: files that are
no pictures or half of one, and entries that are no files at all (pictures/bad_tree.py).  Pictures that only look odd (a
PNG named .jpg, CMYK, 16 bits, palettes) must not be named.

    the report    `kohl data DIR --format json` is compared with what was made
    batches       two epochs, shuffled, repeated and augmented, are compared draw by draw with those of the same tree
                  without bad files, and one epoch in order with the list of the good files
    training      `kohl train` names each bad picture once, though it reads the pictures twice
    CSV           and standard input: the bad ones are refused with the line
    the list      memory for each picture, and time beside find and Python's os.scandir

Prints TAP.  Root may read everything: run by root, commands are started as nobody, where that is possible."""
import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from pictures import bad_tree
from pictures.bad_tree import encoded, good_png, noise, write

BUILD = os.path.abspath(sys.argv[1])
KOHL = os.path.join(BUILD, "kohl")
FULL = "--full" in sys.argv
FILES = 100000 if FULL else 3000
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
READS_ALL = False  # whether the commands may read any file
SKIPPED = "bad picture, skipped: "
failures = 0


def report(good, text, more=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good:
        print("# " + str(more)[:1500].replace("\n", "\n# "))


def command(*args, text=None):
    done = subprocess.run(args, capture_output=True, input=text, timeout=3000, check=False, **NOBODY)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def data(*args, text=None):
    return command(KOHL, "data", *args, text=text)


def printed(path):
    """A path as it is read in what a command printed."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def check_named(where, named, bad):
    """named: [(path, reason)], expected to be those of bad, each once and with its words."""
    reasons = collections.defaultdict(list)
    for path, reason in named:
        reasons[path].append(reason)
    expected = {printed(path): what for path, what in bad.items()}
    other = sorted(set(reasons) ^ set(expected))
    report(bad and not other, f"{where}: {len(bad)} bad ones are named and no other",
           [(p, expected.get(p), reasons.get(p)) for p in other[:8]])
    wrong = {}
    for path, (kind, words) in expected.items():
        if len(reasons[path]) != 1 or words not in reasons[path][0]:
            wrong.setdefault(kind, f"{kind}: {path}: {reasons[path]}, expected one with '{words}'")
    return wrong


def warned(err, before=""):
    lines = [line[len(before + SKIPPED):] for line in err.split("\n") if line.startswith(before + SKIPPED)]
    return [line.partition(": ")[::2] for line in lines]


def check_report(tree):
    code, out, err = data(tree.root, "--format", "json")
    found = json.loads(out) if code in (0, 2) and out else {"bad": [], "pictures": -1}
    report(code == 2 and err.count("\n") == 1, "bad pictures end with exit code 2 and one line", f"{code}: {err}")
    report(found["pictures"] == len(tree.good), f"{len(tree.good)} good pictures are counted", found["pictures"])
    wrong = check_named("report", [(entry["path"], entry["reason"]) for entry in found["bad"]], tree.bad)
    for kind in bad_tree.KINDS:
        why = bad_tree.impossible(kind, READS_ALL)
        if why:
            print(f"# skipped: {kind}: {why}")
        else:
            report(kind not in wrong and any(kind == k for k, _ in tree.bad.values()),
                   f"{kind}: named once, with its reason", wrong.get(kind))


# A line of load_draws.
Draw = collections.namedtuple("Draw", "epoch draw batch label ok crc path")


def load(source, *args):
    """What load_draws says: draws, errors, and the text itself."""
    code, out, err = command(os.path.join(BUILD, "oracle", "load_draws"), source, *map(str, args))
    report(code == 0, f"loaded with {args[0]} workers, {'once' if len(args) == 1 else f'{args[1]} epochs'}", err[-500:])
    return [Draw(*line.split(" ", 6)) for line in out.splitlines()], err, out


def crc_of_zeros(count):
    crc = 0xffffffff
    for _ in range(8 * count):
        crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1))
    return f"{crc ^ 0xffffffff:08x}"


def check_batches(tree, clean):
    """A bad picture keeps its draw: the list is that of the clean tree, and so must be everything else in it."""
    runs = [load(tree.root, workers, 2) for workers in ((0, 2) if FULL else (0, 1, 2, 4))]
    draws, err, _ = runs[0]
    report(all(run[2] == runs[0][2] for run in runs), "the same batches with every number of workers")
    for run in runs:
        wrong = check_named("loader, two epochs", warned(run[1]), tree.bad)
        report(not wrong, "each once, with its reason", wrong)
    bad = {printed(path)[len(tree.root) + 1:] for path in bad_tree.listed_bad(tree)}
    report({d.path for d in draws if d.ok == "0"} == bad and not any(d.ok == "1" and d.path in bad for d in draws),
           "the draws without a picture are those of the bad ones")
    zeros = crc_of_zeros(16 * 16 * 3 * 4)
    report(all(d.crc == zeros for d in draws if d.ok == "0"), "their rows are zeros")
    other, clean_err, _ = load(clean, 2, 2)
    report(not warned(clean_err) and all(d.ok == "1" for d in other), "the clean tree has no bad picture", clean_err)
    moved = [(a, b) for a, b in zip(draws, other) if a._replace(ok="", crc="") != b._replace(ok="", crc="")]
    changed = [(a, b) for a, b in zip(draws, other) if a.ok == "1" and a.crc != b.crc]
    report(len(draws) == len(other) and not moved, "places, batches and labels are those of the clean tree", moved[:2])
    good = [d.crc for d in draws if d.ok == "1"]
    report(not changed, f"{len(good)} good draws of {len(draws)} are those of the clean tree bit for bit", changed[:2])
    report(len(set(good)) > 0.99 * len(good), "draws of one picture differ by their augmentation")


def check_clean_list(tree, folder):
    """In order and without augmentation, batches are those of a list that only has the good files."""
    files = sorted(tree.good, key=os.fsencode)
    path = os.path.join(folder, "good.csv")
    write(path, b"path,label\n" + b"".join(b"%s,%s\n" % (p.encode(), p[len(tree.root) + 1:].split("/")[0].encode())
                                          for p in files))
    draws, _, _ = load(tree.root, 2)
    other, _, _ = load(path, 2)
    mine = [(d.path, d.label, d.crc) for d in draws if d.ok == "1"]
    clean = [(d.path[len(tree.root) + 1:], d.label, d.crc) for d in other if d.ok == "1"]
    report(mine == clean and len(mine) == len(files), f"{len(mine)} pictures in order are those of the clean list",
           [(a, b) for a, b in zip(mine, clean) if a != b][:2])


def first_of_copies(tree):
    """The bad pictures that training meets: it drops all but the first of identical files before it opens pictures."""
    seen, first = set(), {}
    listed = bad_tree.listed_bad(tree)
    for path in sorted(tree.bad, key=os.fsencode):
        kind = tree.bad[path][0]
        content = None
        if kind in bad_tree.FILE_KINDS:
            with open(path, "rb") as file:
                content = file.read() or None  # empty files are no copies
        if path not in listed or content is None or content not in seen:
            first[path] = tree.bad[path]
        seen.add(content)
    return first


def check_training(tree, folder):
    """A head on one convolution.  Its featurewise statistics read the pictures before its features do."""
    base = os.path.join(folder, "base.safetensors")
    subprocess.run([os.path.join(BUILD, "oracle", "train_step"), "cleo_small", "32", "2", "1", "3", "frozen", base,
                    os.path.join(folder, "step.safetensors")], check=True)
    recipe = os.path.join(folder, "recipe.yaml")
    write(recipe, b"epochs: 1\nbatch: 256\nbase: {at: block1_conv1}\npictures: {size: 32, normalise: featurewise}\n"
                  b"head: {pool: global_avg, dense: []}\n")
    run = os.path.join(folder, "writable")
    os.mkdir(run)
    os.chmod(run, 0o777)
    begin = time.perf_counter()
    code, out, err = command(KOHL, "train", recipe, "--data", tree.root, "--init-from", base, "--out",
                             os.path.join(run, "run"))
    print(f"# trained in {time.perf_counter() - begin:.1f} s")
    report(code == 0, "training is not stopped by bad pictures", err[-500:])
    wrong = check_named("training", warned(err, "kohl train: warning: "), first_of_copies(tree))
    report(not wrong, "each once, with its reason", wrong)
    count = sum(path in bad_tree.listed_bad(tree) for path in first_of_copies(tree))
    report(f"\n{count} of " in out and " pictures could not be read\n" in out, "training ends with their number", out)


def check_lists(root):
    def csv(text, *args):
        path = os.path.join(root, "list.csv")
        write(path, text)
        return data(path, *args)
    write(os.path.join(root, "one.png"), good_png())
    code, out, err = csv("\ufeffpath,label\r\none.png,\"a, \u00e9\"\r\n".encode(), "--format", "json")
    report(code == 0 and json.loads(out)["classes"][0]["name"] == "a, \u00e9", "a CSV with BOM, CRLF and quotes", err)
    write(os.path.join(root, "list.csv"), b"path,label\none.png,a\n" + b"x" * (100 << 20) + b"\n")
    sanitized = os.path.basename(os.path.normpath(sys.argv[1])) in ("asan", "tsan")  # their shadows are memory too
    bound = resource.RLIM_INFINITY if sanitized else 64 << 20
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
    write(os.path.join(root, "list.csv"), b"path,label\none.png,a\none.png,d\n")
    code, out, err = command(os.path.join(BUILD, "oracle", "list_samples"), os.path.join(root, "list.csv"), "a", "b")
    report(code == 1 and "line 3: class 'd', expected one of: a, b" in err and err.count("\n") == 1,
           "a CSV: an unknown label", f"{code}: {err}")
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


def walked(root):
    """os.scandir and stat of everything."""
    folders, bytes_of_all = [root], 0
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                bytes_of_all += entry.stat(follow_symlinks=False).st_size
    return bytes_of_all


def timed(call, *args, **options):
    begin = time.perf_counter()
    call(*args, **options)
    return time.perf_counter() - begin


def measure(root):
    """Everything was read before, so that times are those of the file system's cache."""
    program = os.path.join(BUILD, "oracle", "list_samples")
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    best = collections.defaultdict(lambda: 1e9)
    for _ in range(9):
        found = json.loads(subprocess.run([program, root], capture_output=True, text=True, check=True).stdout)
        times = {"kohl": found["seconds"], "find": timed(subprocess.run, ["find", root, "-type", "f"], **quiet),
                 "find with stat": timed(subprocess.run, ["find", root, "-type", "f", "-size", "+0"], **quiet),
                 "os.scandir with stat": timed(walked, root)}
        for name, seconds in times.items():
            best[name] = min(best[name], seconds)
    n, mine = found["pictures"], best["kohl"]
    print(f"# {n} pictures listed in {mine * 1e3:.1f} ms, best of 9; others' time / kohl's: "
          + ", ".join(f"{name} {best[name] / mine:.2f}" for name in best if name != "kohl"))
    print(f"# memory of the list, bytes a picture: {found['kept'] / n:.1f} kept and {found['peak'] / n:.1f} at the "
          f"most by the allocator, {found['resident'] / n:.1f} more resident")
    # Texts lie in blocks of 64 KiB, of which the last is not full.
    report(found["peak"] <= 64 * n + (64 << 10), "a list asks for 64 bytes a picture and 64 KiB at the most", found)
    if FULL:  # fewer pictures have too little memory and time to tell
        # what else becomes resident: the code of listing, sorting and reading folders, and a folder's entries
        report(found["resident"] <= 64 * n + (1 << 20), "64 bytes a picture and 1 MiB become resident", found)
        report(mine <= best["find with stat"], "listed as fast as find looks at the files", dict(best))


def try_nobody():
    global READS_ALL
    try:
        subprocess.run([KOHL, "--version"], stdout=subprocess.DEVNULL, check=True, **NOBODY)
    except (OSError, subprocess.SubprocessError):
        NOBODY.clear()
    READS_ALL = os.geteuid() == 0 and not NOBODY


def main():
    try_nobody()
    begin = last = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)

        def lap(what):
            nonlocal last
            before, last = last, time.perf_counter()
            print(f"# {what}: {last - before:.1f} s", flush=True)

        tree = bad_tree.made(os.path.join(folder, "tree"), FILES, READS_ALL)
        clean = bad_tree.cleaned(tree, os.path.join(folder, "clean"))
        kinds = {kind for kind, _ in tree.bad.values()}
        print(f"# {FILES} files, {len(tree.bad)} of them bad, of {len(kinds)} kinds; "
              f"{len(bad_tree.ODD_KINDS)} kinds only look odd")
        report(FILES == len(tree.good) + len(tree.bad) and len(kinds) >= 25, "25 kinds and more")
        lap("made")
        check_report(tree)
        lap("report")
        check_batches(tree, clean)
        check_clean_list(tree, folder)
        lap("batches")
        check_training(tree, folder)
        lap("training")
        measure(tree.root)
        check_lists(tree.root)
        os.mkdir(os.path.join(folder, "copies"))
        check_copies(os.path.join(folder, "copies"))
        lap("the rest")
    lap("removed")
    print(f"# all: {last - begin:.1f} s")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
