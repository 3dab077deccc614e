"""Small TF.js layers-models with random weights, written by the tensorflowjs converter; by hand.

    models.py OUT

Needs tensorflow, tf_keras, keras 3 and tensorflowjs (its converters of Keras alone are imported, so that none of its own
dependencies is needed).  Makes a folder for each of Keras's versions and each kind of quantisation, and pixels.json and
picture.png, the input.  models.js then adds what TF.js itself answers; the folders are tests/fixtures/tfjs."""
import json
import os
import subprocess
import sys
import types

KINDS = {"float32": None, "uint8": {"uint8": "*"}, "uint16": {"uint16": "*"}, "float16": {"float16": "*"}}
HEIGHT, WIDTH = 12, 10


def converter():
    import tensorflow  # noqa: F401  (before the packages below, which want it)
    base = next(os.path.join(p, "tensorflowjs") for p in sys.path if os.path.isdir(os.path.join(p, "tensorflowjs")))
    for name, path in (("tensorflowjs", base), ("tensorflowjs.converters", os.path.join(base, "converters"))):
        package = types.ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    from tensorflowjs.converters import keras_h5_conversion
    return keras_h5_conversion


def network(keras, numpy):
    layers = keras.layers
    x = given = keras.Input((HEIGHT, WIDTH, 3), name="picture")
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv2d")(x)
    x = layers.BatchNormalization(name="batch_normalization")(x)
    x = layers.Activation("relu", name="activation")(x)
    a = layers.Conv2D(3, 1, activation="relu", name="fire_squeeze")(x)
    b = layers.MaxPooling2D(3, strides=1, padding="same", name="pool")(x)
    b = layers.Conv2D(4, (1, 3), padding="same", name="wide")(b)
    b = layers.BatchNormalization(scale=False, epsilon=0.01, name="thin_norm")(b)
    b = layers.Add(name="sum")([b, x])
    x = layers.Concatenate(name="both")([a, b])
    x = layers.AveragePooling2D(2, padding="same", name="average")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(5, activation="relu", name="dense")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Dense(4, activation="softmax", name="classes")(x)
    model = keras.Model(given, x, name="small")
    random = numpy.random.default_rng(5)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            drawn = random.standard_normal(weight.shape) * (2 / max(1, numpy.prod(weight.shape[:-1]))) ** 0.5
            positive = "variance" in weight.name or "gamma" in weight.name or layer.name == "dense" and len(weight.shape) == 1
            values.append(numpy.abs(drawn) + 0.5 if positive else 2 * drawn)
        layer.set_weights(values)
    return model


def make(out, version):
    import numpy
    write = converter()
    if version == "2":
        import tf_keras as keras
    else:
        import keras
    model = network(keras, numpy)
    for kind, packed in KINDS.items() if version == "2" else [("uint8", KINDS["uint8"])]:
        folder = os.path.join(out, f"keras{version}_{kind}")
        # Shards of 500 bytes: tensors cross them.
        write.save_keras_model(model, folder, quantization_dtype_map=packed, weight_shard_size_bytes=500)
        print(folder)
    if version == "2":
        from PIL import Image
        pixels = numpy.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=numpy.uint8)
        Image.fromarray(pixels).save(os.path.join(out, "picture.png"))
        json.dump(pixels.tolist(), open(os.path.join(out, "pixels.json"), "w"))


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    if len(sys.argv) > 2:
        make(out, sys.argv[2])
        return
    for version in ("2", "3"):  # one Keras a process
        env = dict(os.environ, TF_USE_LEGACY_KERAS="1" if version == "2" else "0", TF_CPP_MIN_LOG_LEVEL="3")
        subprocess.run([sys.executable, __file__, out, version], env=env, check=True)


main()
