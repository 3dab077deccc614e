#!/usr/bin/env python3
"""Compares kohl with TF-Slim itself: networks with random weights, saved as TensorFlow saves them, on real photographs.

    slim.py BUILD [NETWORK...]        networks: resnet_v1_50 resnet_v1_101 inception_v3 vgg_16 vgg_19

Run by hand, with tensorflow-cpu (2.21), tf-keras (2.21) and tf-slim (1.1) of PyPI and ../shared/data.  Each network is written as
version 1 and 2 of the checkpoints, version 2 in three shards; every tensor that BUILD/oracle/list_source reads must be
TensorFlow's own bit for bit, and the logits of `kohl classify` agree within 1e-4 of the largest.  Pictures are cut
beforehand to where no program resizes: what is compared is weights and arithmetic.  (TensorFlow's old resize takes
no half pixels and no means, ours is Pillow's.)  A network with torchvision's stride instead must differ.
"""
import glob
import importlib
import json
import os
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf

# TensorFlow looks for the old layers, which TF-Slim is made of, where Keras 2 does not have them any more.
for part in ("", ".base", ".convolutional", ".core", ".normalization", ".pooling"):
    sys.modules["tf_keras.legacy_tf_layers" + part] = importlib.import_module("tf_keras.src.legacy_tf_layers" + part)

import tf_slim as slim
from PIL import Image
from tf_slim.nets import inception_v3, resnet_v1, vgg

v1 = tf.compat.v1
BUILD = sys.argv[1]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "egyptian_artifacts")
LIMIT = 1e-4
TRAINED = "resnet_v1_50"
PICTURES = 4
failures = 0

# Builder, its scope of arguments, classes, side of the prepared picture and of the network's, kohl's architecture.
NETWORKS = {
    "resnet_v1_50": (resnet_v1.resnet_v1_50, resnet_v1.resnet_arg_scope, 1000, 256, 224, "resnet50"),
    "resnet_v1_101": (resnet_v1.resnet_v1_101, resnet_v1.resnet_arg_scope, 1000, 256, 224, "resnet101"),
    "inception_v3": (inception_v3.inception_v3, inception_v3.inception_v3_arg_scope, 1001, 341, 299, "inception_v3"),
    "vgg_16": (vgg.vgg_16, vgg.vgg_arg_scope, 1000, 256, 224, "vgg16"),
    "vgg_19": (vgg.vgg_19, vgg.vgg_arg_scope, 1000, 256, 224, "vgg19"),
}


def report(good, text):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)


def pictures(scratch, side):
    """Real photographs, scaled and cut to squares by Pillow and kept as PNG."""
    found = sorted(glob.glob(os.path.join(DATA, "*", "*.jpg")))
    files, arrays = [], []
    for k in range(PICTURES):
        image = Image.open(found[k * len(found) // PICTURES]).convert("RGB")
        scale = side / min(image.size)
        image = image.resize([max(side, round(n * scale)) for n in image.size], Image.BICUBIC)
        x, y = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((x, y, x + side, y + side))
        files.append(os.path.join(scratch, f"{side}_{k}.png"))
        image.save(files[-1])
        arrays.append(np.asarray(image, np.float32))
    return files, np.stack(arrays)


def prepared(arrays, name, side):
    """The evaluation's preprocessing of TF-Slim, the resize left out: it changes nothing here."""
    begin = (arrays.shape[1] - side) // 2
    cut = arrays[:, begin : begin + side, begin : begin + side]
    if name == "inception_v3":
        return (cut / np.float32(255) - np.float32(0.5)) * np.float32(2)
    return cut - np.array([123.68, 116.78, 103.94], np.float32)


def numbers(random, variable):
    """Batch-norm statistics far from the identity, weights that keep the size of what they are given."""
    name, shape = variable.op.name, variable.shape.as_list()
    if name.endswith("moving_variance"):
        value = random.uniform(0.5, 1.5, shape)
    elif name.endswith("gamma"):
        value = random.uniform(0.3, 0.9, shape)
    elif name.endswith("weights"):
        value = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
    else:  # biases, beta, moving_mean
        value = random.normal(0, 0.1, shape)
    return value.astype(np.float32)


def make(name, folder, inputs):
    """Writes both versions and gives the logits."""
    builder, scope, classes, _, side, _ = NETWORKS[name]
    random = np.random.default_rng(len(name))
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": 3})) as session:
        place = v1.placeholder(tf.float32, (None, side, side, 3))
        with slim.arg_scope(scope()):
            logits, _ = builder(place, num_classes=classes, is_training=False)
        v1.train.get_or_create_global_step()
        model = slim.get_model_variables()
        session.run(v1.global_variables_initializer())
        for variable in model:
            variable.load(numbers(random, variable), session)
        saver = v1.train.SaverDef
        v1.train.Saver(write_version=saver.V1).save(session, os.path.join(folder, "v1.ckpt"), write_meta_graph=False)
        v1.train.Saver(write_version=saver.V2, sharded=True).save(session, os.path.join(folder, "v2"), write_meta_graph=False)
        answers = [session.run(logits, {place: inputs[k : k + 1]}).reshape(-1) for k in range(len(inputs))]
        if name == TRAINED:
            save_trained(session, logits, model, random, folder)
    return np.stack(answers)


def save_trained(session, logits, model, random, folder):
    """What a training of TF-Slim saves: the optimizer's slots, and averages, which get the weights that were there."""
    averages = v1.train.ExponentialMovingAverage(0.9999)
    loss, step = tf.reduce_sum(logits), v1.train.get_global_step()
    v1.train.RMSPropOptimizer(0.01, 0.9, momentum=0.9).minimize(loss, step)
    averages.apply(model)
    values = session.run(model)
    session.run(v1.global_variables_initializer())
    for variable, value in zip(model, values):
        averages.average(variable).load(value, session)
        variable.load(numbers(random, variable), session)
    v1.train.Saver().save(session, os.path.join(folder, "trained"), write_meta_graph=False)


def compare_tensors(name, path, prefix, folder):
    values = os.path.join(folder, "values")
    done = subprocess.run([os.path.join(BUILD, "oracle", "list_source"), path, values], capture_output=True, text=True)
    if done.returncode:
        return report(False, f"{name} {os.path.basename(path)}: {done.stderr.strip()}")
    reader = tf.train.load_checkpoint(prefix)
    expected, lines = reader.get_variable_to_shape_map(), done.stdout.splitlines()
    bad, total = [], 0
    with open(values, "rb") as file:
        for line in lines:
            tensor, _, shape, *wide = line.split("\t")
            want = reader.get_tensor(tensor)
            if list(want.shape) != [int(n) for n in shape.split("x") if n]:
                bad.append(tensor)
            if not wide:
                got = file.read(4 * want.size)
                total += want.size
                if got != want.astype("<f4").tobytes():
                    bad.append(tensor)
        bad += ["(more values)"] if file.read(1) else []
    bad += sorted(set(expected) ^ {line.split("\t")[0] for line in lines})
    os.unlink(values)
    wrong = ", but " + ", ".join(bad[:3]) if bad else ""
    return report(not bad, f"{name} {os.path.basename(path)}: {len(lines)} tensors, {total} numbers, bit for bit{wrong}")


def kohl_logits(path, arch, preset, files, folder, *options):
    model = os.path.join(folder, "model.safetensors")
    kohl = os.path.join(BUILD, "kohl")
    convert = [kohl, "convert", path, "-o", model, "--quiet"] + (["--arch", arch] if arch else [])
    subprocess.run(convert + (["--preset", preset] if preset else []) + list(options), check=True)
    layer = "predictions"
    done = subprocess.run([kohl, "classify", model, *files, "--raw", "--features", layer, "--format", "json"], check=True,
                          capture_output=True, text=True)
    os.unlink(model)
    return np.array([json.loads(line)["features"] for line in done.stdout.splitlines()], np.float64)


def apart(got, want):
    """The largest difference in parts of the largest logit of the picture; shapes that differ are infinitely far."""
    if got.shape != want.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.max(np.abs(got - want).max(1) / np.abs(want).max(1)))


def compare_logits(name, path, files, want, folder):
    arch = NETWORKS[name][5]
    want = want[:, 1:] if name == "inception_v3" else want  # the first class is none
    far = apart(kohl_logits(path, None, None, files, folder), want.astype(np.float64))
    report(far <= LIMIT, f"{name} {os.path.basename(path)}: logits within {far:.1e} of the largest, which are "
           f"{np.abs(want).max():.3g}, pictures differ by {apart(want[:1].astype(np.float64), want[1:2].astype(np.float64)):.2g}")
    if name.startswith("resnet") and path.endswith(".index"):
        far = apart(kohl_logits(path, arch, "torchvision", files, folder), want.astype(np.float64))
        report(far > 10 * LIMIT, f"{name}: torchvision's arithmetic on the same weights is off by {far:.1e}")


def compare_averages(name, path, files, want, folder):
    far = apart(kohl_logits(path, None, None, files, folder, "--averages"), want)
    report(far <= LIMIT, f"{name} as training saves it: the averages' logits within {far:.1e} of the largest")
    far = apart(kohl_logits(path, None, None, files, folder), want)
    report(far > 10 * LIMIT, f"{name} as training saves it: the weights' logits are others, off by {far:.1e}")


def main():
    if not os.path.isdir(DATA):
        print("# skipped TF-Slim: no", DATA)
        return 0
    for name in sys.argv[2:] or NETWORKS:
        with tempfile.TemporaryDirectory(prefix="kohl_slim_") as folder:
            side, cut = NETWORKS[name][3:5]
            files, arrays = pictures(folder, side)
            want = make(name, folder, prepared(arrays, name, cut))
            for path, prefix in (("v1.ckpt", "v1.ckpt"), ("v2.index", "v2")):
                path = os.path.join(folder, path)
                compare_tensors(name, path, os.path.join(folder, prefix), folder)
                compare_logits(name, path, files, want, folder)
            if name == TRAINED:
                compare_averages(name, os.path.join(folder, "trained.index"), files, want.astype(np.float64), folder)
    return failures != 0


sys.exit(main())
