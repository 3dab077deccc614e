"""Networks in every format of Keras 3, through `kohl convert` and `kohl classify`, against Keras's logits.

    pip install tensorflow-cpu==2.21.0      (brings Keras and h5py; an oracle only: nothing of the project needs it)
    formats.py BUILD [NAME ...]

VGG-19, Inception-v3 and ResNet-101 of keras.applications with random weights and batch-norm statistics: .weights.h5, the
same without the names that Keras before 3.6 did not write, .keras, .h5; and each as the base of a new Sequential with a
head of its own, an augmentation and, of Inception, a Rescaling in front.  Three real photographs of ../shared/data, read
and resized by keras.utils.load_img on one side and by kohl itself, as its presets say, on the other.  Demanded of every
picture: max |kohl - keras| / max |keras| <= 1e-4, whose derivation is in logits.py.  Needs 4 GB of memory and 1.2 GB in
the temporary folder.  Prints TAP.
"""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
from logits import APPS, DATA, compare, convert, errors, h5py, keras, layers, np, outputs, pictures, report, TOLERANCE


def load(paths, side, preprocess):
    batch = [keras.utils.img_to_array(keras.utils.load_img(path, target_size=(side, side), interpolation="bilinear")) for path in paths]
    return preprocess(np.stack(batch)) if preprocess else np.stack(batch)


def all_layers(model):
    for layer in model.layers:
        yield from all_layers(layer) if hasattr(layer, "layers") else [layer]


def randomise(model, seed):
    """As logits.py does, into bases too."""
    random = np.random.default_rng(seed)
    for layer in all_layers(model):
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


def forget_names(path):
    with h5py.File(path, "a") as file:
        named = []
        file.visititems(lambda name, group: named.append(name) if "name" in group.attrs else None)
        for name in named:
            del file[name].attrs["name"]
    return len(named)


def new_head(base, scaling=None):
    """A base as one layer, as the tutorials have it; the head's own convolution has the name of one inside."""
    base.trainable = False
    first = [layers.Rescaling(1 / 127.5, offset=-1)] if scaling else []
    side = base.input_shape[1]
    return keras.Sequential([keras.Input((side, side, 3)), layers.RandomFlip("horizontal"), *first, base,
                             layers.Conv2D(32, 1, activation="relu", name=[l.name for l in base.layers if isinstance(l, layers.Conv2D)][3]),
                             layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(7, activation="softmax")])


NETWORKS = {
    "vgg19": (APPS.VGG19, 224, APPS.vgg19.preprocess_input, ["--arch", "vgg19", "--preset", "keras-caffe"], ["--preset", "keras-caffe"]),
    "inception_v3": (APPS.InceptionV3, 299, APPS.inception_v3.preprocess_input, ["--arch", "inception_v3", "--preset", "keras"], ["--preset", "keras"]),
    "resnet101": (APPS.ResNet101, 224, APPS.resnet.preprocess_input, ["--arch", "resnet101", "--preset", "keras-caffe"], ["--preset", "keras-caffe"]),
}


def published(name, scratch, paths):
    build, side, preprocess, arch, preset = NETWORKS[name]
    keras.utils.clear_session()
    model, batch = build(weights=None), load(paths, side, preprocess)
    randomise(model, 1 + sorted(NETWORKS).index(name))
    want = outputs(model, batch, 8)
    path = os.path.join(scratch, name + ".weights.h5")
    model.save_weights(path)
    compare(f"{name}, .weights.h5", path, scratch, arch, paths, want)
    compare(f"{name}, .weights.h5, its architecture found", path, scratch, preset, paths, want)
    removed = forget_names(path)
    compare(f"{name}, .weights.h5 without its {removed} names", path, scratch, arch, paths, want)
    os.remove(path)
    for ending in (".keras", ".h5"):
        path = os.path.join(scratch, name + ending)
        model.save(path)
        compare(f"{name}, {ending}", path, scratch, preset, paths, want)
        os.remove(path)
    keras.utils.clear_session()
    keras.layers.Conv2D(1, 1), keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization()  # the counters go on
    model = build(weights=None)
    randomise(model, 1 + sorted(NETWORKS).index(name))
    model.layers[-1].set_weights([value * np.float32(1) for value in model.layers[-1].get_weights()])
    want = outputs(model, batch, 8)
    path = os.path.join(scratch, name + ".weights.h5")
    model.save_weights(path)
    compare(f"{name}, .weights.h5 of a second network", path, scratch, arch, paths, want)
    os.remove(path)


def based(name, scratch, paths):
    build, side, preprocess, _, preset = NETWORKS[name]
    scaled = name == "inception_v3"
    keras.utils.clear_session()
    model = new_head(build(weights=None, include_top=False, input_shape=(side, side, 3)), scaled)
    randomise(model, 10 + sorted(NETWORKS).index(name))
    want = outputs(model, load(paths, side, None if scaled else preprocess), 8)
    for ending in (".keras", ".h5"):
        path = os.path.join(scratch, name + "_base" + ending)
        model.save(path)
        compare(f"{name} as a base, {ending}", path, scratch, ["--preset", "pixels"] if scaled else preset, paths, want)
        if scaled and ending == ".keras":
            found = errors(path, scratch, ["--preset", "keras"], paths, want)
            report(not isinstance(found, str) and found[0] > 10 * TOLERANCE, f"a wrong preset shows: {found}")
        os.remove(path)


def main():
    print(f"# Keras {keras.__version__}, h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    if not os.path.isdir(DATA):
        print("# skipped: ../shared/data is absent")
        return 0
    import logits
    for name in sys.argv[2:] or NETWORKS:
        with tempfile.TemporaryDirectory(prefix="kohl_keras_") as scratch:
            published(name, scratch, pictures()[:3])
            based(name, scratch, pictures()[:3])
    return logits.failures


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
