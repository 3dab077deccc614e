"""Random networks of keras.applications, and of TF-Slim, written by Keras 3, Keras 2, TensorFlow and its converter to
TF.js, and their logits.

    from_keras.py FOLDER PHOTOGRAPHS NETWORK FORMAT ...

Keras 2 (tf_keras) is there because the converter to TF.js, and most files published as .h5, are of it.  Slim's networks
are built of Keras's layers here: Inception-v3 and VGG-19 are keras.applications' with 1001 and 1000 classes, the ResNet
is written out, with its stride in a stage's last unit.  Adds its rows to FOLDER/manifest.json.

Weights: as from_torch.py says; a kernel in front of a batch-norm has bias where the network has one.
"""
import csv
import functools
import importlib
import importlib.machinery
import importlib.util
import json
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras
from keras.src.legacy.saving import legacy_h5_format

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import photographs  # noqa: E402


def written_out(name):
    """A network of keras/logits.py."""
    spec = importlib.util.spec_from_file_location("logits", os.path.join(os.path.dirname(HERE), "keras", "logits.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)()


def slim_resnet101():
    """resnet_v1_101 of TF-Slim; layers have its scopes as names, "|" for "/"."""
    layers = keras.layers

    def unit(x, scope, kernel, stride, filters, rectify=True):
        if kernel > 1 and stride > 1:
            x, padding = layers.ZeroPadding2D(kernel // 2)(x), "valid"
        else:
            padding = "same"
        x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False, name=scope)(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=scope + "|BatchNorm")(x)
        return layers.ReLU()(x) if rectify else x

    x = start = keras.Input((224, 224, 3))
    x = unit(x, "resnet_v1_101|conv1", 7, 2, 64)
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for block, (width, count) in enumerate(((64, 3), (128, 4), (256, 23), (512, 3))):
        for i in range(count):
            scope = f"resnet_v1_101|block{block + 1}|unit_{i + 1}|bottleneck_v1|"
            stride = 2 if i == count - 1 and block < 3 else 1
            if x.shape[-1] != 4 * width:
                around = unit(x, scope + "shortcut", 1, stride, 4 * width, False)
            else:
                around = layers.MaxPooling2D(1, stride)(x) if stride > 1 else x
            y = unit(x, scope + "conv1", 1, 1, width)
            y = unit(y, scope + "conv2", 3, stride, width)
            y = unit(y, scope + "conv3", 1, 1, 4 * width, False)
            x = layers.ReLU()(layers.Add()([around, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(start, layers.Dense(1000, name="resnet_v1_101|logits")(x))


def vgg(x):
    """RGB 0..255 as keras.applications prepares it for VGG and ResNet: BGR less the means."""
    return x[..., ::-1] - np.float32([103.939, 116.779, 123.68])


def inception(x):
    return x / np.float32(127.5) - np.float32(1)


def slim_vgg(x):
    return x - np.float32([123.68, 116.78, 103.94])


A, A2 = keras.applications, tf_keras.applications
# network: (builder, architecture, preset, side, preparation)
NETWORKS = {
    "sequential": (lambda: written_out("sequential"), None, "keras", 97, inception),
    "branches": (lambda: written_out("branches"), None, "keras", 75, inception),
    "vgg19": (lambda: A.VGG19(weights=None), "vgg19", "keras-caffe", 224, vgg),
    "inception_v3": (lambda: A.InceptionV3(weights=None), "inception_v3", "keras", 299, inception),
    "resnet101": (lambda: A.ResNet101(weights=None), "resnet101", "keras-caffe", 224, vgg),
    "keras2_vgg19": (lambda: A2.VGG19(weights=None), "vgg19", "keras-caffe", 224, vgg),
    "keras2_inception_v3": (lambda: A2.InceptionV3(weights=None), "inception_v3", "keras", 299, inception),
    "keras2_resnet101": (lambda: A2.ResNet101(weights=None), "resnet101", "keras-caffe", 224, vgg),
    "slim_vgg19": (lambda: A.VGG19(weights=None), "vgg19", "slim", 224, slim_vgg),
    "slim_inception_v3": (lambda: A.InceptionV3(weights=None, classes=1001), "inception_v3", "slim", 299, inception),
    "slim_resnet101": (slim_resnet101, "resnet101", "slim", 224, slim_vgg),
}


def producer(tensor):
    return tensor._keras_history[0].name


class Setter:
    """Walks through a network with the photographs' values and gives every layer its weights."""

    def __init__(self, model, seed):
        self.model, self.random, self.values = model, np.random.default_rng(seed), {}
        self.last = [layer for layer in model.layers if layer.weights][-1]

    def walk(self, x):
        for layer in self.model.layers:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            if "InputLayer" in type(layer).__name__:
                self.values[layer.name] = x
                continue
            given = [self.values[producer(tensor)] if producer(tensor) in self.values else x for tensor in inputs]
            if type(layer).__name__ in ("Conv2D", "Dense"):
                self.kernel(layer, given[0])
            if type(layer).__name__ == "BatchNormalization":
                given = [self.statistics(layer, given[0])]
            self.values[layer.name] = layer(given if len(given) > 1 else given[0])

    def kernel(self, layer, x):
        shape = tuple(layer.kernel.shape)
        kernel = self.random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        if not layer.use_bias:
            return layer.set_weights([kernel])
        layer.set_weights([kernel, np.zeros(shape[-1], np.float32)])
        activation, layer.activation = layer.activation, keras.activations.linear
        y = np.asarray(layer(x)).reshape(-1, shape[-1])
        layer.activation = activation
        bias = -0.7 * y.mean(0) + y.std() * self.random.normal(0.3, 0.3, shape[-1]).astype(np.float32)
        scale = np.float32(8 / np.abs(y + bias).max() if layer is self.last else 1)
        layer.set_weights([kernel * scale, bias * scale])

    def statistics(self, layer, x):
        x, before = np.asarray(x), self.model.get_layer(producer(layer.input))
        count = x.shape[-1]
        scale, axes = np.ones(count, np.float32), (0, 1, 2)
        if type(before).__name__ == "Conv2D":  # an eighth of the channels gets a variance like epsilon
            faint = self.random.permutation(count)[:count // 8]
            scale[faint] = np.sqrt(layer.epsilon * self.random.uniform(0.5, 2, len(faint)) / x.var(axes)[faint])
            before.set_weights([value * scale for value in before.get_weights()])
        x = x * scale
        small = 0.4 if layer.name.endswith(("_3_bn", "conv3|BatchNorm")) else 1
        values = {"gamma": self.random.uniform(0.5, 1.5, count) * small, "beta": self.random.normal(0.3, 0.3, count),
                  "moving_mean": x.mean(axes) + x.std(axes) * self.random.normal(0, 0.3, count),
                  "moving_variance": x.var(axes) * self.random.uniform(0.5, 2, count)}
        layer.set_weights([values[kind(weight)].astype(np.float32) for weight in layer.weights])
        return x


def kind(weight):
    return weight.name.split("/")[-1].split(":")[0]


def logits_of(model, x):
    """Without the softmax of the last layer; 4 photographs at a time."""
    last = model.layers[-1]
    if not hasattr(last, "activation"):
        return model(x, training=False).numpy()
    if type(last).__name__ == "Activation":
        module = tf_keras if isinstance(model, tf_keras.Model) else keras
        return module.Model(model.inputs, model.layers[-2].output)(x, training=False).numpy()
    activation, last.activation = last.activation, keras.activations.linear
    logits = np.concatenate([model(x[i:i + 4], training=False).numpy() for i in range(0, len(x), 4)])
    last.activation = activation
    return logits


@functools.cache
def tfjs_modules():
    """The converter's own modules without its package's start, which wants a dozen other packages."""
    found = importlib.util.find_spec("tensorflowjs").submodule_search_locations[0]
    for name, path in (("tensorflowjs", found), ("tensorflowjs.converters", os.path.join(found, "converters"))):
        module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None, is_package=True))
        module.__path__ = [path]
        sys.modules[name] = module
    for name in ("version", "quantization", "read_weights", "write_weights"):
        setattr(sys.modules["tensorflowjs"], name, importlib.import_module("tensorflowjs." + name))
    return importlib.import_module("tensorflowjs.converters.keras_h5_conversion"), sys.modules["tensorflowjs"].read_weights


def write_tfjs(model, form, path):
    """Writes model.json and shards; the model gets the weights that a reader sees, rounded."""
    conversion, read_weights = tfjs_modules()
    whole, quantised = path + ".h5", form.partition("-")[2]
    model.save(whole, save_format="h5")
    with h5py.File(whole, "r") as file:
        topology, groups = conversion.h5_merged_saved_model_to_tfjs_format(file)
    os.remove(whole)
    os.makedirs(path)
    conversion.write_artifacts(topology, groups, path, {quantised: True} if quantised else None)
    del groups
    with open(os.path.join(path, "model.json")) as file:
        manifest = json.load(file)["weightsManifest"]
    read = {entry["name"]: entry["data"] for entry in read_weights.read_weights(manifest, path, flatten=True)}
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([read[weight.name.split(":")[0]].astype(np.float32) for weight in layer.weights])
    return os.path.join(path, "model.json")


def slim_tensors(model, network):
    """{name of Slim: array}; the dense layers of VGG and all classifiers are convolutions there."""
    words = {"kernel": "weights", "bias": "biases"}
    with open(os.path.join(photographs.DATA, "names", "inception_v3_names.csv")) as file:
        scopes = [row["slim_scope"] for row in csv.DictReader(file)]
    convolutions = sorted((layer for layer in model.layers if layer.name.startswith("conv2d")), key=lambda layer: int((layer.name + "_0").split("_")[1]))
    norms = sorted((layer for layer in model.layers if layer.name.startswith("batch_n")), key=lambda layer: int((layer.name + "_0").split("_")[2]))
    scope = {"predictions": {"slim_vgg19": "vgg_19/fc8", "slim_inception_v3": "InceptionV3/Logits/Conv2d_1c_1x1"}.get(network), "fc1": "vgg_19/fc6", "fc2": "vgg_19/fc7"}
    if network == "slim_inception_v3":
        scope.update({layer.name: scopes[i] for i, layer in enumerate(convolutions)})
        scope.update({layer.name: scopes[i] + "/BatchNorm" for i, layer in enumerate(norms)})
    out = {"global_step": np.array(7, np.int64)}
    for layer in model.layers:
        place = scope.get(layer.name) or layer.name.replace("|", "/")
        if layer.name.startswith("block"):
            place = f"vgg_19/conv{layer.name[5]}/conv{layer.name[5]}_{layer.name[-1]}"
        for weight, value in zip(layer.weights, layer.get_weights()):
            if type(layer).__name__ == "Dense" and value.ndim == 2:
                value = value.reshape((7, 7, 512, 4096) if layer.name == "fc1" else (1, 1) + value.shape)
            out[f"{place}/{words.get(kind(weight), kind(weight))}"] = value
    return out


def write(model, form, path, network):
    if form == "h5":
        with h5py.File(path, "w") as file:
            save = legacy_h5_format if isinstance(model, keras.Model) else importlib.import_module("tf_keras.src.saving.legacy.hdf5_format")
            save.save_weights_to_hdf5_group(file, model)
    elif form == "h5-whole":
        model.save(path)
    elif form == "keras":
        model.save(path)
    elif form == "weights-h5":
        model.save_weights(path)
    elif form == "safetensors":
        from safetensors.numpy import save_file
        save_file({f"{layer.name}/{kind(w)}": value for layer in model.layers for w, value in zip(layer.weights, layer.get_weights())}, path)
    elif form.startswith("tfjs"):
        return write_tfjs(model, form, path)
    else:
        tensors = slim_tensors(model, network)
        names, values = sorted(tensors), [tensors[name] for name in sorted(tensors)]
        if form == "slim-v1":
            tf.raw_ops.Save(filename=path, tensor_names=names, data=values)
        else:
            tf.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)
            return path + ".index"
    return path


ENDING = {"h5": ".h5", "h5-whole": ".h5", "weights-h5": ".weights.h5", "keras": ".keras", "safetensors": ".safetensors", "slim-v1": ".ckpt", "slim-v2": ".ckpt"}


def main():
    folder, pictures, network = sys.argv[1:4]
    build, arch, preset, side, prepare = NETWORKS[network]
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = build()
    paths = [os.path.join(pictures, name) for name in sorted(os.listdir(pictures))]
    x = prepare(photographs.batch(paths, lambda path: photographs.slim(path, side) if preset == "slim" else photographs.keras(path, side)))
    setter = Setter(model, sorted(NETWORKS).index(network))
    setter.walk(x[::2])
    del setter
    rows = []
    for form in sys.argv[4:]:
        path = write(model, form, os.path.join(folder, f"{network}.{form}" + ENDING.get(form, "")), network)
        logits = logits_of(model, x)
        if network == "slim_inception_v3":
            logits = logits[:, 1:]
        np.savez(path + ".logits.npz", logits=logits, files=np.array([os.path.basename(path) for path in paths]))
        whole = form in ("h5-whole", "keras") or form.startswith("tfjs")
        options = ["--preset", preset] if whole else ["--arch", arch, "--preset", preset]
        major = f"Keras {keras.__version__}" if isinstance(model, keras.Model) else f"tf_keras {tf_keras.__version__}"
        rows.append({"file": os.path.relpath(path, folder), "framework": f"TensorFlow {tf.__version__}" if preset == "slim" else major, "network": network,
                     "arch": arch or network, "preset": preset, "format": form, "options": options, "labels": logits.shape[1], "tolerance": 1e-4,
                     "spread": float(np.abs(logits - logits.mean(0)).max() / np.abs(logits).max()), "size": side})
    with open(os.path.join(folder, "manifest.json"), "w") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
