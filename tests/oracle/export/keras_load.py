"""`kohl export --to keras` against Keras's own networks; docs/export-keras.md is what runs.

    pip install tensorflow-cpu==2.21.0 safetensors      (oracles only: nothing of the project needs them)
    keras_load.py BUILD [ARCHITECTURE|tuned ...]

Networks of keras.applications, their softmax left out so that logits are compared, and SqueezeNet with its real weights and
a head of its own, built here.  Prints TAP; needs 3 GB in the temporary folder.
"""
import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
from keras import layers

from common import blocks, compare, done, export, fine_tuned, kohl_logits, pictures, pixels, prepare, random_model, report, wanted

NETWORKS = [("vgg16", "keras-caffe", "VGG16"), ("vgg19", "keras-caffe", "VGG19"), ("resnet50", "keras-caffe", "ResNet50"),
            ("resnet101", "keras-caffe", "ResNet101"), ("inception_v3", "keras", "InceptionV3"), ("vgg16", "torchvision", "VGG16")]


def squeezenet():
    """SqueezeNet 1.1 at 227 pixels with the fine-tuned head; / is _ in names."""
    x = inputs = keras.Input((227, 227, 3))

    def conv(x, name, filters, size, stride=1):
        return layers.Conv2D(filters, size, strides=stride, padding="same" if stride == 1 else "valid", activation="relu", name=name)(x)

    x = layers.MaxPooling2D(3, 2)(conv(x, "conv1", 64, 3, 2))
    for fire, squeeze, expand in ((2, 16, 64), (3, 16, 64), (4, 32, 128), (5, 32, 128), (6, 48, 192), (7, 48, 192), (8, 64, 256), (9, 64, 256)):
        small = conv(x, f"fire{fire}_squeeze1x1", squeeze, 1)
        x = layers.Concatenate()([conv(small, f"fire{fire}_expand1x1", expand, 1), conv(small, f"fire{fire}_expand3x3", expand, 3)])
        if fire in (3, 5):
            x = layers.MaxPooling2D(3, 2)(x)
    x = layers.BatchNormalization(epsilon=1e-3, name="head_norm")(layers.Flatten()(x))
    x = layers.Dense(16, activation="relu", name="head_dense1")(x)
    return keras.Model(inputs, layers.Dense(5, name="head_logits")(x))


def load(model, path, arch):
    """The page's first block; of Inception-v3 its loop is the second block's, of SqueezeNet names get their / back."""
    page = [block.replace('"keras.safetensors"', repr(path)) for block in blocks("export-keras.md")]
    space = {"model": model}
    if arch == "inception_v3":
        exec(page[0].split("for layer")[0] + page[1], space)
    elif arch == "squeezenet1_1":
        begin, loop = page[0].split("for layer")
        back = 'weights = {re.sub("^(fire.)/", r"\\1_", name): value for name, value in weights.items()}\n'
        exec(begin + "import re\n" + back + "for layer" + loop, space)
    else:
        exec(page[0], space)
    exec(page[2], space)
    return space["metadata"], space["labels"], space["preprocessing"]


def check(name, source, folder, model, arch, differs=""):
    path = export(source, "keras", os.path.join(folder, "keras.safetensors"))
    report(differs in export.said if differs else not export.said, f"{name}: says what differs", export.said)
    metadata, labels, pre = load(model, path, arch)
    files = pictures()
    theirs = model.predict(prepare(pixels(files, pre), pre), verbose=0)
    compare(name, kohl_logits(source, files), theirs)
    report(len(labels) == theirs.shape[1] and metadata["arch"] == arch and metadata["names"] == "keras", f"{name}: metadata")
    os.remove(path)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for arch, preset, builder in filter(lambda n: wanted(n[0]), NETWORKS):
            source = random_model(arch, preset, 1000, os.path.join(folder, "model.safetensors"))
            keras.backend.clear_session()
            check(f"{arch} {preset}", source, folder, getattr(keras.applications, builder)(weights=None, classifier_activation=None), arch)
        if wanted("tuned"):
            check("squeezenet1_1, fine-tuned", fine_tuned(folder)[1], folder, squeezenet(), "squeezenet1_1")


main()
done()
