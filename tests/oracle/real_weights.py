"""Real weights against their recorded outputs, through the command line.

Converts Inception-v3, SqueezeNet 1.1 and the first layers of VGG-19 from ../shared/data and compares what
`kohl classify` says of real pictures with the recorded probabilities, features and layer statistics, at every CPU
level; with --exact all levels and thread counts must print the same bytes.

    real_weights.py BUILD [--full]

--full also runs the slow reference kernels on all pictures with 1, 2 and 3 threads (some minutes); without it they run
on two pictures (one for 1 and 3 threads).  Prints TAP; without the data it says so and passes nothing.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
KOHL = os.path.join(sys.argv[1], "kohl")
FULL = "--full" in sys.argv
LEVELS = [level for level in ("avx512", "avx2") if level == "avx2" or "avx512f" in open("/proc/cpuinfo").read()]
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text)
    if not good and detail:
        print("# " + str(detail)[:400])


def kohl(*args):
    done = subprocess.run([KOHL, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"kohl {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr[:300]}")
    return done.stdout


def classify(model, files, *options):
    return [json.loads(line) for line in kohl("classify", model, *files, "--format", "json", *options).splitlines()]


def by_label(answer):
    return {p["label"]: p["probability"] for p in answer["predictions"]}


def worst(got, want, relative):
    """The largest excess over 1e-4 + relative*|x|; NaN counts as infinite."""
    excess = max(abs(g - w) - relative * abs(w) for g, w in zip(got, want))
    return excess if len(got) == len(want) and not math.isnan(excess) else math.inf


def levels_agree(model, few, many, features):
    """Byte-equal answers of all levels and thread counts with --exact."""
    options = ["--exact", "--raw", "--features", features]
    for files, plans in ((many, [(c, t) for c in LEVELS for t in (1, 2, 3)] + ([("ref", 1), ("ref", 2), ("ref", 3)] if FULL else [])),
                         (few, [(LEVELS[0], 2), ("ref", 2)]), (few[:1], [(LEVELS[0], 2), ("ref", 1), ("ref", 3)])):
        first = None
        for cpu, threads in plans:
            text = kohl("classify", model, *files, "--format", "json", *options, "--cpu", cpu, "--threads", threads)
            first = first or text
            report(text == first and text, f"{os.path.basename(model)} {len(files)} pictures: {cpu} with {threads} threads gives the same bits")


def inception(scratch):
    folder = os.path.join(DATA, "inception_v3")
    oracle = json.load(open(os.path.join(folder, "oracle.json")))
    model = os.path.join(scratch, "inception.safetensors")
    labels = os.path.join(scratch, "labels.txt")
    open(labels, "w").write("\n".join(oracle["classes"]) + "\n")
    kohl("convert", os.path.join(folder, "inception_v3.uint8.safetensors"), "--arch", "inception_v3", "--preset", "nsfwjs",
         "--labels", labels, "-o", model)
    names = sorted(oracle["images"])
    files = [os.path.join(folder, "png", name + ".png") for name in names]
    for cpu, some in [(level, len(names)) for level in LEVELS] + [("ref", len(names) if FULL else 2)]:
        answers = classify(model, files[:some], "--cpu", cpu, "--features", "avg_pool")
        probabilities = features = 0.0
        for name, answer in zip(names, answers):
            want = oracle["images"][name]
            got = by_label(answer)
            probabilities = max(probabilities, worst([got[c] for c in oracle["classes"]], want["probabilities"], 0))
            features = max(features, worst(answer["features"], want["pooled2048"], 1e-4))
        report(probabilities <= 1e-4, f"inception_v3 {cpu}: probabilities of {some} pictures within 1e-4 ({probabilities:.1e})")
        report(features <= 1e-4, f"inception_v3 {cpu}: 2048 features of {some} pictures within 1e-4 + 1e-4|x| ({features:.1e})")
    for layer in ("mixed0", "mixed5", "mixed10"):
        compare_statistics(model, files[:1], layer, oracle["images"][names[0]]["layers"].get(layer), "inception_v3")
    # The test must see a wrong meaning of average-pool padding (it moves probabilities by a percent).
    wrong = os.path.join(scratch, "wrong.safetensors")
    flip_padding(model, wrong)
    got = by_label(classify(wrong, files[:1])[0])
    change = max(abs(got[c] - p) for c, p in zip(oracle["classes"], oracle["images"][names[0]]["probabilities"]))
    report(change > 1e-4, f"inception_v3: counting padding in average pools is seen ({change:.1e})")
    levels_agree(model, files[:2], files, "avg_pool")


def flip_padding(source, target):
    """The same model with the other meaning of average-pool padding, made without kohl's writer: its checksums go."""
    raw = open(source, "rb").read()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    meta = header["__metadata__"]
    meta["kohl"] = meta["kohl"].replace('"count_padding":false', '"count_padding":true')
    for key in ("kohl_crc32c", "kohl_header_crc32c"):
        meta.pop(key, None)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    open(target, "wb").write(len(text).to_bytes(8, "little") + text + raw[8 + size:])


def compare_statistics(model, files, layer, want, name):
    if want is None:
        report(False, f"{name} {layer}: the oracle has no statistics")
        return
    answer = classify(model, files, "--features", layer)[0]
    values, shape = answer["features"], answer["features_shape"]
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
    pairs = [("mean", mean), ("std", std), ("max", max(values))] + ([("min", min(values))] if "min" in want else [])
    bad = [(k, v, want[k]) for k, v in pairs if not abs(v - want[k]) <= 1e-4 + 1e-4 * abs(want[k])]
    if "center_first8" in want:
        h, w, c = shape
        at = ((h // 2) * w + w // 2) * c
        bad += [("center", g, x) for g, x in zip(values[at:at + 8], want["center_first8"]) if not abs(g - x) <= 1e-4 + 1e-4 * abs(x)]
    report(shape == want["shape"] and not bad, f"{name} {layer}: statistics", bad or shape)


def squeezenet(scratch):
    folder = os.path.join(DATA, "squeezenet_v1.1")
    oracle = json.load(open(os.path.join(folder, "oracle.json")))
    model = os.path.join(scratch, "squeezenet.safetensors")
    kohl("convert", os.path.join(folder, "squeezenet_v1.1.uint8.safetensors"), "--arch", "squeezenet1_1", "--labels",
         os.path.join(folder, "labels.txt"), "-o", model)
    labels = open(os.path.join(folder, "labels.txt")).read().split()
    names = sorted(oracle["images"])
    files = [os.path.join(folder, "png", name) for name in names]
    for cpu in LEVELS + ["ref"]:
        answers = classify(model, files, "--cpu", cpu, "--topk", 1000)
        error = 0.0
        for name, answer in zip(names, answers):
            got = by_label(answer)
            error = max(error, worst([got[label] for label in labels], oracle["images"][name]["probabilities"], 0))
        report(error <= 1e-4, f"squeezenet1_1 {cpu}: 1000 probabilities of 8 pictures within 1e-4 ({error:.1e})")
    layers = oracle["images"][names[0]]["layers"]
    for layer in ("relu_conv1", "pool1", "fire2/concat", "pool3", "fire5/concat", "pool5", "fire9/concat"):
        compare_statistics(model, files[:1], layer, layers.get(layer), "squeezenet1_1")
    levels_agree(model, files[:2], files, "fire9/concat")


def vgg(scratch):
    folder = os.path.join(DATA, "vgg19_partial")
    oracle = json.load(open(os.path.join(folder, "oracle_numpy_f64.json")))
    model = os.path.join(scratch, "vgg.safetensors")
    kohl("convert", os.path.join(folder, "vgg19_to_block3_conv1.keras.safetensors"), "--arch", "vgg19", "--until",
         "block3_conv1", "-o", model)
    for name in sorted(oracle["images"]):
        path = os.path.join(folder, "png", name)
        layers = oracle["images"][name]["layers"]
        for layer in layers if name == min(oracle["images"]) else ("block2_pool", "block3_conv1"):
            compare_statistics(model, [path], layer, layers[layer], f"vgg19 {name}")


def main():
    if not os.path.isdir(DATA):
        print("# skipped: ../shared/data is absent, real weights were not compared")
        return
    with tempfile.TemporaryDirectory() as scratch:
        inception(scratch)
        squeezenet(scratch)
        vgg(scratch)
    sys.exit(failures != 0)


main()
