"""The page of `kohl report`, read by a parser that is not kohl's.

    report.py BUILD [--keep FOLDER]

Made run folders (a usual one, one of 59 classes with long names, one of a single epoch with hostile names and missing
files, one with several labels a picture) are reported and parsed with html.parser: elements nest and close, identifiers
are there once, nothing is loaded from elsewhere, no script, every image has a text; and the counts in its tables equal
those of the CSV files, counted here.  Figures are compared with what the page holds, where libcairo2 is there.
--keep leaves the folders for looking at.
"""
import csv
import ctypes.util
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from html.parser import HTMLParser

import numpy as np
from PIL import Image

KOHL = os.path.join(os.path.abspath(sys.argv[1]), "kohl")
CAIRO = ctypes.util.find_library("cairo")
VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = ["<script>alert(1)</script>", "\"'><b onmouseover=x>", "amp;&lt;,;x"]
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:1500].replace("\n", "\n# "))


class Page(HTMLParser):
    """What a page holds: nesting errors, identifiers, references, tables as lists of rows of texts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.ids, self.references, self.urls = [], [], [], [], []
        self.tags, self.tables, self.images, self.svgs, self.items = Counter(), [], [], [], 0
        self.heading, self.texts, self.cell = "", [], None
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.look(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.look(tag, attrs)

    def look(self, tag, attrs):
        self.tags[tag] += 1
        values = dict(attrs)
        if len(values) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            if name.startswith("on"):
                self.wrong.append(f"<{tag}> has {name}")
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "data", "srcset", "poster"):
                (self.references if value.startswith("#") else self.urls).append(value)
            self.references += ["#" + u for u in re.findall(r"url\(['\"]?#([^)'\"]+)", value or "")]
            if re.search(r"url\((?!['\"]?#)", value or ""):
                self.wrong.append(f"<{tag} {name}> refers to a file")
        if tag == "img":
            self.images.append(values.get("alt"))
        if tag == "svg":
            self.svgs.append(values.get("aria-label"))
        if tag == "li":
            self.items += 1
        if tag == "table":
            self.tables.append([])
        if tag == "tr" and self.tables:
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.cell = ""

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> inside <{self.open[-1] if self.open else ''}>")
        elif tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)
        if self.cell is not None:
            self.cell += data

    def table(self, first, column=0):
        """The table whose first row begins with these heads."""
        return next((t for t in self.tables if t and t[0][column:column + len(first)] == first), None)


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def make_run(folder, labels, seed, pictures, epochs=12, phases=False, gone=()):
    """A run folder with lists, curves and predictions of its test part; returns what a page of it must say."""
    rng = np.random.default_rng(seed)
    os.makedirs(os.path.join(folder, "pictures"))
    counts = {part: Counter() for part in ("train", "validation", "test")}
    lists = {part: [["path", "label"]] for part in counts}
    for c, label in enumerate(labels):
        for part, share in (("train", 6), ("validation", 1), ("test", 2)):
            for k in range(max(1, share * pictures // (c + 1) if part != "test" else share * pictures // (c // 4 + 1))):
                path = os.path.join(folder, "pictures", f"{c}_{part}_{k} \"'&<.png")
                lists[part].append([path, label])
                counts[part][label] += 1
    for part, rows in lists.items():
        write_csv(os.path.join(folder, part + ".csv"), rows)
    with open(os.path.join(folder, "labels.txt"), "w") as file:
        file.write("\n".join(labels) + "\n")
    truth = [labels.index(label) for _, label in lists["test"][1:]]
    logits = rng.normal(size=(len(truth), len(labels))) * 1.3
    logits[np.arange(len(truth)), truth] += rng.choice([0.5, 3.5], len(truth))
    p = np.exp(logits - logits.max(1, keepdims=True))
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    said = p.argmax(1)
    rows = [["file", "true", "predicted"] + ["p_" + label for label in labels]]
    for i, (path, label) in enumerate(lists["test"][1:]):
        rows.append([path, label, labels[said[i]]] + [f"{x:.9g}" for x in p[i]])
        if i not in gone:
            Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(path)
    write_csv(os.path.join(folder, "predictions.csv"), rows)
    rows = [["epoch", "step", "lr", "loss", "accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy", "seconds"]
            + (["phase"] if phases else [])]
    for e in range(1, epochs + 1):
        t = e / epochs
        rows.append([e, 10 * e, 1e-3 if t < .6 else 2e-5, 2 * math.exp(-2 * t), 1 - .6 * math.exp(-2 * t),
                     "nan" if e == 3 else 2 * math.exp(-t), 1 - .7 * math.exp(-t), "" if e == 4 else 1 - .8 * math.exp(-t), 61.5]
                    + ([("head" if t < .6 else "last four layers")] if phases else []))
    write_csv(os.path.join(folder, "metrics.csv"), rows)
    with open(os.path.join(folder, "recipe.yaml"), "w") as file:
        file.write(f"epochs: {epochs}\nbest: \"val_balanced_accuracy\"\nname: </code><script>\n")
    return {"counts": counts, "truth": truth, "said": said.tolist(), "p": p, "labels": labels, "epochs": epochs}


def make_page(folder, *more):
    done = subprocess.run([KOHL, "report", folder, *more], capture_output=True, text=True)
    if done.returncode:
        return None, f"exit {done.returncode}: {done.stderr}"
    with open(os.path.join(folder, "report.html"), encoding="utf-8") as file:
        return file.read(), done.stderr


def check_form(name, text, page):
    report(not page.wrong, f"{name}: elements nest and close", page.wrong[:8])
    report(len(page.ids) == len(set(page.ids)), f"{name}: identifiers are there once",
           [i for i, n in Counter(page.ids).items() if n > 1][:5])
    report(not {r[1:] for r in page.references} - set(page.ids), f"{name}: every # leads to something",
           sorted({r[1:] for r in page.references} - set(page.ids))[:5])
    report(all(u.startswith("data:image/jpeg;base64,") for u in page.urls), f"{name}: nothing is loaded from elsewhere",
           [u[:80] for u in page.urls if not u.startswith("data:image/jpeg;base64,")][:5])
    report(not any(page.tags[t] for t in ("script", "link", "iframe", "object", "embed", "base", "b onmouseover")) and
           "@import" not in text, f"{name}: no scripts, no style sheets")
    report(all(page.images) and all(page.svgs), f"{name}: images and figures have a text")


def check_numbers(name, page, run):
    labels, truth, said = run["labels"], run["truth"], run["said"]
    rows = {row[0]: row[1:] for row in page.table(["class", "training"]) or []}
    expected = {label: [str(run["counts"][part][label]) for part in ("train", "validation", "test")] for label in labels}
    report(all(rows.get(label, [])[:3] == e for label, e in expected.items()), f"{name}: data table counts the lists",
           [(label, rows.get(label), e) for label, e in expected.items() if rows.get(label, [])[:3] != e][:3])
    report(rows.get("pictures", [])[:3] == [str(sum(run["counts"][p].values())) for p in ("train", "validation", "test")],
           f"{name}: and their sums", rows.get("pictures"))
    matrix = Counter(zip(truth, said))
    table = page.table(["true class"] + labels[:1]) if len(labels) <= 40 else page.table(["true class"])
    shown = [labels.index(x) for x in table[0][1:]] if table else []
    right = table and all(int(row[1 + j]) == matrix[labels.index(row[0]), c]
                          for row in table[1:] for j, c in enumerate(shown))
    report(bool(right) and len(shown) == min(40, len(labels)), f"{name}: confusion matrix counts the predictions")
    table = page.table(["class", "precision"])
    support, predicted = Counter(truth), Counter(said)
    wrong = []
    for row in (table or [])[1:]:
        c = labels.index(row[0])
        hit = matrix[c, c]
        figures = [hit / predicted[c] if predicted[c] else 0, hit / support[c] if support[c] else 0,
                   2 * hit / (support[c] + predicted[c]) if support[c] + predicted[c] else 0]
        # four decimals are printed: half a unit of the last, and a double's own rounding
        if any(not abs(float(x) - y) <= 0.5e-4 + 1e-12 for x, y in zip(row[1:4], figures)) or \
                [int(row[4]), int(row[5])] != [support[c], predicted[c]]:
            wrong.append((row, figures))
    report(table and len(table) == len(labels) + 1 and not wrong, f"{name}: precision, recall, F1 and support of every class",
           wrong[:3])
    sizes = [int(row[4]) for row in (table or [])[1:]]
    report(sizes == sorted(sizes, reverse=True), f"{name}: largest class first")
    table = page.table(["probability", "pictures"])
    report(table and sum(int(row[1]) for row in table[1:]) == len(truth) and
           sum(int(row[3]) for row in table[1:] if row[3] != "-") == sum(t == s for t, s in zip(truth, said)),
           f"{name}: bins hold every prediction once")
    text = "".join(page.texts)
    accuracy = sum(t == s for t, s in zip(truth, said)) / len(truth)
    report(f"{100 * accuracy:.1f} %" in text, f"{name}: the accuracy")
    table = page.table(["epoch"])
    report(table and len(table) == run["epochs"] + 1, f"{name}: every epoch is in the table")
    wrong = sum(t != s for t, s in zip(truth, said))
    report(page.items == min(24, wrong) + min(24, len(truth)), f"{name}: thumbnails of mistakes and doubts",
           (page.items, wrong, len(truth)))


def check_figures(name, folder, text, page, least):
    if not CAIRO:
        print(f"# skipped: libcairo2 is absent: {name}: figures")
        report(not page.svgs and "figures need libcairo2" in text, f"{name}: the page says that figures need libcairo2")
        return
    names = sorted(os.listdir(os.path.join(folder, "figures")))
    pairs = sorted({n[:-4] for n in names})
    report(len(pairs) >= least and names == sorted(n + e for n in pairs for e in (".svg", ".png")),
           f"{name}: every figure is there as SVG and PNG", names)
    report(len(page.svgs) == len(pairs), f"{name}: and in the page", (len(page.svgs), pairs))
    sizes = [Image.open(os.path.join(folder, "figures", n)).convert("L").getextrema() for n in names if n.endswith(".png")]
    report(all(low < 80 and high == 255 for low, high in sizes), f"{name}: PNGs are drawn upon", sizes)


def usual(folder):
    run = make_run(folder, ["amulets", "bowls", "coffins", "reliefs", "statues"], 1, 12, phases=True, gone=range(0, 60, 2))
    with open(os.path.join(folder, "run.json"), "w") as file:
        json.dump({"kohl": "0.1.0", "seconds": 4321.5, "peak_bytes": 512 << 20, "machine": "test <machine>", "threads": 2,
                   "base": "vgg19", "data": {"path": "my pictures/it's", "bad": 3, "copies_dropped": 7, "list": [1, 2]}}, file)
    text, error = make_page(folder)
    report(text is not None, "usual: the page is written", error)
    page = Page(text)
    check_form("usual", text, page)
    check_numbers("usual", page, run)
    check_figures("usual", folder, text, page, 6)
    report("cannot be read" in text and page.images, "usual: pictures that are gone are boxes, the others thumbnails")
    facts = dict(row[:2] for row in page.table(["what", "value"])[1:])
    report(facts.get("time of the whole run") == "1 h 12 min" and facts.get("most memory") == "512.0 MiB" and
           facts.get("machine") == "test <machine>" and facts.get("data.list") == "1, 2", "usual: run.json is shown", facts)
    report("--data 'my pictures/it'\\''s'" in "".join(page.texts), "usual: the command is quoted for a shell")
    again, _ = make_page(folder)
    report(hashlib.sha256(text.encode()).digest() == hashlib.sha256(again.encode()).digest(), "usual: the same files, the same bytes")


def large(folder):
    labels = [f"Nº {c}: {'a very long name of a class of objects ' * (c % 3)}{'xyzzy'[:c % 5]}{c}" for c in range(59)]
    run = make_run(folder, labels, 2, 10, epochs=90, phases=True)
    text, error = make_page(folder, "--title", "Fifty-nine & <more>")
    report(text is not None, "59 classes: the page is written", error)
    page = Page(text)
    check_form("59 classes", text, page)
    check_numbers("59 classes", page, run)
    check_figures("59 classes", folder, text, page, 7)
    report("<h1>Fifty-nine &amp; &lt;more&gt;</h1>" in text, "59 classes: the title is escaped")


def hostile(folder):
    run = make_run(folder, HOSTILE, 3, 4, epochs=1)
    os.remove(os.path.join(folder, "train.csv"))
    os.remove(os.path.join(folder, "labels.txt"))
    text, error = make_page(folder)
    report(text is not None, "hostile names: the page is written", error)
    page = Page(text)
    check_form("hostile names", text, page)
    report([row[0] for row in page.table(["class", "precision"])[1:]] != [] and
           {row[0] for row in page.table(["class", "precision"])[1:]} == set(HOSTILE), "hostile names: read back as they were")
    report(page.table(["class", "validation"]) is not None and "train.csv is missing" in text, "hostile names: a missing list is named")
    check_figures("hostile names", folder, text, page, 5)
    for name in ("predictions.csv", "metrics.csv", "validation.csv", "test.csv"):
        os.remove(os.path.join(folder, name))
    text, error = make_page(folder)
    report(text is not None, "recipe alone: the page is written", error)
    page = Page(text)
    check_form("recipe alone", text, page)
    missing = len(re.findall('class="missing"', text))
    report(missing >= 7 and not page.images and not page.svgs, "recipe alone: what is missing is said", missing)


def several(folder):
    os.makedirs(folder)
    write_csv(os.path.join(folder, "predictions.csv"),
              [["file", "true", "predicted", "labels", "p_gold", "p_stone", "p_wood"],
               ["a.jpg", "gold;wood", "gold", 2, .9, .1, .2], ["b.jpg", "", "stone", 0, .1, .8, .2],
               ["c.jpg", "stone", "stone", 1, .1, .7, .1]])
    write_csv(os.path.join(folder, "metrics.csv"), [["epoch", "loss"], [1, 0.5], [2, 0.25]])
    text, error = make_page(folder)
    report(text is not None, "several labels: the page is written", error)
    page = Page(text)
    check_form("several labels", text, page)
    rows = {row[0]: row[1:] for row in page.table(["class", "precision"])[1:]}
    report(rows == {"gold": ["1.0000", "1.0000", "1.0000", "1", "1"], "stone": ["0.5000", "1.0000", "0.6667", "1", "2"],
                    "wood": ["0.0000", "0.0000", "0.0000", "1", "0"]}, "several labels: figures of every label", rows)
    report("there is no confusion matrix" in text, "several labels: what makes no sense is not there")


def main():
    keep = sys.argv[sys.argv.index("--keep") + 1] if "--keep" in sys.argv else None
    folder = keep or tempfile.mkdtemp()
    try:
        for make in (usual, large, hostile, several):
            make(os.path.join(folder, make.__name__))
    finally:
        if not keep:
            shutil.rmtree(folder)
    sys.exit(failures != 0)


main()
