"""Networks that Keras itself writes as legacy .h5, through `kohl convert` and `kohl classify`, against Keras's logits.

    pip install tensorflow-cpu==2.21.0      (brings Keras and h5py; an oracle only: nothing of the project needs it)
    logits.py BUILD [NAME ...]

VGG-19, Inception-v3 and ResNet-101 of keras.applications, a Sequential network and one with branches get random weights
and batch-norm statistics, are saved as weights alone and as whole models, converted, and run on four real photographs of
../shared/data.  Keras is fed with the pixels that oracle/dump_picture prepares, through Keras's own preprocess_input, so
that a wrong preset, padding, epsilon, layer order or transposition shows.  Demanded of every picture:

    max |kohl - keras| / max |keras| <= 1e-4

Both are f32 engines that sum in different orders; of sums of N products the difference is about sqrt(N) * 2^-24 relative
to their size, some 1e-6 after a hundred layers, and mistakes of arithmetic are above 1e-3: the test changes an epsilon and
the preset of the sequential network to show it.  Needs 3 GB of memory and 1.2 GB in the temporary folder.  Prints TAP.
"""
import json
import os
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import h5py
import keras
import numpy as np
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
KOHL, DUMP = os.path.join(sys.argv[1], "kohl"), os.path.join(sys.argv[1], "oracle", "dump_picture")
TOLERANCE = 1e-4
failures = 0


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text, flush=True)
    if not good and detail:
        print("# " + str(detail)[:400])


def pictures():
    artifacts = os.path.join(DATA, "egyptian_artifacts")
    png = [os.path.join(DATA, "inception_v3", "png", name) for name in ("n03724870_mask.png", "n04398044_teapot.png")]
    return png + [os.path.join(artifacts, kind, sorted(os.listdir(os.path.join(artifacts, kind)))[0]) for kind in ("Pottery", "Statuary")]


def prepare(paths, size, preprocess):
    """[n, size, size, 3] as Keras's own function makes it of stretched pictures."""
    lines = "".join(f"stretch bilinear {size} {size} 256 0.875 255 255 255 0 0 {path}\n" for path in paths)
    out = subprocess.run([DUMP], input=lines.encode(), capture_output=True, check=True).stdout
    batch = []
    for _ in paths:
        head, _, out = out.partition(b"\n")
        assert head.split()[:3] == [b"ok", b"%d" % size, b"%d" % size], head
        pixels, out = out[:size * size * 3], out[size * size * 3:]
        batch.append(np.frombuffer(pixels, np.uint8).reshape(size, size, 3).astype(np.float32))
    return preprocess(np.stack(batch))


def randomise(model, seed):
    """He's scale for kernels, batch-norms near the identity; a residual branch is small, as sums of 33 would grow."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            shape, kind = tuple(weight.shape), weight.name.split("/")[-1]
            if kind == "kernel":
                values.append(random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2.0 / np.prod(shape[:-1]))))
            elif kind == "moving_variance":
                values.append(random.uniform(0.5, 2.0, shape).astype(np.float32))
            elif kind == "gamma":
                values.append((random.uniform(0.5, 1.5, shape) * (0.3 if layer.name.endswith("_3_bn") else 1)).astype(np.float32))
            else:
                values.append(random.standard_normal(shape, np.float32) * np.float32(0.1))
        layer.set_weights(values)


def outputs(model, batch, largest=None):
    """Logits and probabilities; largest: the last layer with weights is scaled to give logits up to that."""
    last, head = model.layers[-1], [layer for layer in model.layers if layer.weights][-1]
    activation, last.activation = last.activation, keras.activations.linear
    logits = model(batch, training=False).numpy()
    if largest:
        head.set_weights([value * np.float32(largest / np.abs(logits).max()) for value in head.get_weights()])
        logits = model(batch, training=False).numpy()
    last.activation = activation
    return logits, model(batch, training=False).numpy()


def sequential():
    """Separate and fused activations, both paddings, strides, pools that hang over the edge."""
    return keras.Sequential([
        keras.Input((97, 97, 3)),
        layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.Conv2D(24, (1, 5), use_bias=False),
        layers.BatchNormalization(scale=False, epsilon=1.001e-5),
        layers.Activation("relu"),
        layers.AveragePooling2D(2, padding="same"),
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.Conv2D(20, 3, strides=(1, 2)),
        layers.BatchNormalization(center=False),
        layers.ReLU(),
        layers.Conv2D(12, 3, padding="same", dilation_rate=2),
        layers.Dropout(0.4),
        layers.Flatten(),
        layers.Dense(30, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(11),
        layers.Activation("softmax")])


def branches():
    """Concatenations and sums, grouped convolution, two ways of writing the classifier."""
    x = start = keras.Input((75, 75, 3))
    x = layers.Conv2D(12, 3, padding="same", name="stem")(x)
    x = stem = layers.ReLU(name="stem_relu")(x)
    left = layers.Conv2D(8, 1, activation="relu", name="left")(x)
    right = layers.Conv2D(4, 3, padding="same", groups=2, name="right")(x)
    pooled = layers.AveragePooling2D(3, strides=1, padding="same", name="pooled")(x)
    x = layers.Concatenate(name="joined")([left, right])
    x = layers.Add(name="sum")([x, stem, pooled])
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Concatenate(name="again")([layers.MaxPooling2D(2, name="one")(x), layers.Conv2D(6, 2, strides=2, name="two")(x)])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(start, layers.Dense(7, activation="softmax", name="classes")(x))


APPS = keras.applications
# name: builder, side, Keras's preparation, options for weights alone (None: only whole), for the whole model
CASES = {
    "sequential": (sequential, 97, APPS.inception_v3.preprocess_input, None, ["--preset", "keras"]),
    "branches": (branches, 75, APPS.inception_v3.preprocess_input, None, ["--preset", "keras"]),
    "inception_v3": (lambda: APPS.InceptionV3(weights=None), 299, APPS.inception_v3.preprocess_input, ["--arch", "inception_v3", "--preset", "keras"], ["--preset", "keras"]),
    "resnet101": (lambda: APPS.ResNet101(weights=None), 224, APPS.resnet.preprocess_input, ["--arch", "resnet101", "--preset", "keras-caffe"], ["--preset", "keras-caffe"]),
    "vgg19": (lambda: APPS.VGG19(weights=None), 224, APPS.vgg19.preprocess_input, ["--arch", "vgg19", "--preset", "keras-caffe"], ["--preset", "keras-caffe"]),
}


def convert(source, target, *options):
    done = subprocess.run([KOHL, "convert", source, "-o", target, *options], capture_output=True, text=True)
    return done.returncode == 0, done.stderr.strip()


def classify(model, paths):
    """Logits [n, classes] and probabilities in the order of the classes."""
    done = subprocess.run([KOHL, "classify", model, *paths, "--raw", "--topk", "1000000", "--format", "json"], capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    logits = np.array([answer["logits"] for answer in answers])
    tables = [{p["label"]: p["probability"] for p in answer["predictions"]} for answer in answers]
    return logits, np.array([[table[f"class {i}"] for i in range(logits.shape[1])] for table in tables])


def worst(got, want):
    """The largest relative error of a picture; NaN and another shape are infinite."""
    if got.shape != want.shape:
        return np.inf
    error = (np.abs(got - want).max(1) / np.abs(want).max(1)).max()
    return error if np.isfinite(error) else np.inf


def errors(source, scratch, options, paths, want):
    """Relative errors of logits and probabilities, or the text of a failed conversion."""
    target, labels = os.path.join(scratch, "model.safetensors"), os.path.join(scratch, "labels.txt")
    with open(labels, "w") as file:
        file.writelines(f"class {i}\n" for i in range(want[0].shape[1]))
    good, text = convert(source, target, "--labels", labels, *options)
    if not good:
        return text
    got = classify(target, paths)
    os.remove(target)
    return [worst(got[i], want[i]) for i in (0, 1)]


def compare(text, source, scratch, options, paths, want):
    found = errors(source, scratch, options, paths, want)
    if isinstance(found, str):
        return report(False, text, found)
    report(max(found) <= TOLERANCE, f"{text}: {len(paths)} pictures, logits differ by {found[0]:.1e}, probabilities by {found[1]:.1e}")


def mistakes_show(path, scratch, paths, want):
    """The same comparison must fail when the input's range or one batch-norm's epsilon is wrong."""
    for text, edit, preset in (("a wrong preset", lambda config: config, "nsfwjs"), ("a wrong epsilon", lambda config: config.replace("1.001e-05", "0.05"), "keras")):
        with h5py.File(path, "a") as file:
            config = file.attrs["model_config"]
            file.attrs["model_config"] = edit(config)
        found = errors(path, scratch, ["--preset", preset], paths, want)
        changed = preset != "keras" or edit(config) != config
        report(changed and not isinstance(found, str) and found[0] > 10 * TOLERANCE, f"{text} shows: logits differ by {found[0]:.1e}")


def whole_and_weights(name, scratch, paths):
    build, side, preprocess, weights_options, whole_options = CASES[name]
    model, path = build(), os.path.join(scratch, name + ".h5")
    randomise(model, sorted(CASES).index(name))
    want = outputs(model, prepare(paths, side, preprocess), 8)
    spread = np.abs(want[0][0] - want[0][1]).max() / 8
    report(spread > 0.01, f"{name}: the pictures' logits are apart by {spread:.2f} of the largest")
    model.save(path)
    compare(f"{name}, whole model", path, scratch, whole_options, paths, want)
    if name == "sequential":
        mistakes_show(path, scratch, paths, want)
    if weights_options:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
        compare(f"{name}, weights alone", path, scratch, weights_options, paths, want)
    os.remove(path)


def main():
    print(f"# Keras {keras.__version__}, h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    if not os.path.isdir(DATA):
        print("# skipped: ../shared/data is absent")
        return 0
    for name in sys.argv[2:] or CASES:
        with tempfile.TemporaryDirectory(prefix="kohl_keras_") as scratch:
            whole_and_weights(name, scratch, pictures())
    return failures


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
