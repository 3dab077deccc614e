"""Makes tests/fixtures/keras3 with Keras itself; run once with each Keras whose files differ.

    fixtures.py FOLDER      with Keras 3.15 (tensorflow-cpu==2.21.0), 3.3 (keras==3.3.3) and TensorFlow 2.13's

Small networks with random weights and one picture of their size, as .keras, of TensorFlow 2.13 as .weights.h5; logits.json has what Keras
makes of the picture.  3.3 writes no names of layers, TensorFlow 2.13 has other words and numbers for their groups.
tests/oracle/keras3.py reads them back.
"""
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf
from PIL import Image

keras = tf.keras
layers = keras.layers
FOLDER, SIDE = sys.argv[1], 16
VERSION = ".".join(getattr(keras, "__version__", tf.__version__).split(".")[:2])


def net():
    """Branches of equal shapes, whose order of creation is not that of Keras's list; each kind of batch-norm."""
    x = start = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    left = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    right = layers.Conv2D(4, 1)(x)
    right = layers.BatchNormalization(scale=False)(layers.Conv2D(4, 3, padding="same", use_bias=False)(right))
    left = layers.BatchNormalization(center=False)(left)
    x = layers.ReLU()(layers.Add()([right, left]))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(start, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def based():
    """A base with its own scaling behind an augmentation; two layers have one name."""
    x = start = keras.Input((SIDE, SIDE, 3), name="picture")
    x = layers.Rescaling([1 / 50, 1 / 60, 1 / 70], offset=[-1.5, -1, -0.5])(x)
    x = layers.Conv2D(5, 3, name="same")(x)
    base = keras.Model(start, layers.MaxPooling2D(2, name="pool")(layers.BatchNormalization(name="norm")(x)), name="base")
    more = keras.Sequential([layers.Conv2D(4, 3, activation="relu", name="second"), layers.SpatialDropout2D(0.2)], name="more")
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.RandomFlip("horizontal"), base, more, layers.Conv2D(3, 1, name="same"),
                             layers.MaxPooling2D(2, name="pool"), layers.Flatten(), layers.Dense(3, activation="softmax")])


def arithmetic():
    """What preprocess_input leaves in a network."""
    x = start = keras.Input((SIDE, SIDE, 3))
    x = keras.applications.inception_v3.preprocess_input(x)
    x = layers.Normalization(mean=[0.1, -0.1, 0.2], variance=[0.5, 0.25, 0.75])(x)
    return keras.Model(start, layers.Dense(3, activation="softmax")(layers.Flatten()(layers.Conv2D(2, 5, strides=3)(x))))


def randomise(weights):
    random = np.random.default_rng(30)
    for weight in weights:
        value = random.standard_normal(tuple(weight.shape)) / 3
        if "variance" in weight.name:
            value = np.abs(value) + 0.5
        weight.assign(value.astype(np.float32))


def logits(model, picture):
    last = model.layers[-1]
    activation, last.activation = last.activation, keras.activations.linear
    out = model(picture[None].astype(np.float32), training=False).numpy()[0]
    last.activation = activation
    return [float(value) for value in out]


def main():
    table, path = os.path.join(FOLDER, "logits.json"), os.path.join(FOLDER, "picture.png")
    os.makedirs(FOLDER, exist_ok=True)
    pixels = np.random.default_rng(31).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    if not os.path.exists(path):
        Image.fromarray(pixels).save(path)
    known = json.load(open(table)) if os.path.exists(table) else {}
    kinds = {"2.13": [(net, "weights.h5")], "3.3": [(net, "keras")]}
    for build, ending in kinds.get(VERSION, [(net, "keras"), (based, "keras"), (arithmetic, "keras")]):
        keras.backend.clear_session()
        model = build()
        randomise(model.weights)
        name = f"{build.__name__}-{VERSION}.{ending}"
        model.save(os.path.join(FOLDER, name)) if ending == "keras" else model.save_weights(os.path.join(FOLDER, name))
        if ending == "keras":
            known[name] = {"pixels": logits(model, pixels)}
            if build is net:
                known[name]["keras"] = logits(model, pixels / 127.5 - 1)
    json.dump(known, open(table, "w"), indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
