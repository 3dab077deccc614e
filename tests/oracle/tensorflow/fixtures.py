#!/usr/bin/env python3
"""Writes tests/fixtures/tensorflow with TensorFlow itself: fixtures.py FOLDER [CORPUS]

CORPUS is tests/fuzz/corpus: a checkpoint of each version for each variable alone becomes a seed of the fuzz targets.
Needs TensorFlow (made with 2.21); run by hand.  Number i of variable k is ((i * 37 + k) % 101 - 50) / 8, which every
type of 8 bits of mantissa holds exactly; whole numbers are (i * 37 + k) % 101, negative ones less 50."""
import os
import shutil
import struct
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

# name, type, shape: k is the position.  tests/unit/test_tensorflow.c has the same list.
VARIABLES = [
    ("net/conv1/weights", "float32", (3, 3, 2, 4)),
    ("net/conv1/biases", "float32", (4,)),
    ("net/conv1/BatchNorm/moving_mean", "float32", (4,)),
    ("net/conv1/BatchNorm/moving_variance", "float32", (4,)),
    ("net/conv10/weights", "float64", (1, 1, 4, 3)),
    ("net/half", "float16", (5, 7)),
    ("net/empty", "float32", (0, 3)),
    ("net/scalar", "float32", ()),
    ("net/int32", "int32", (6,)),
    ("net/int8", "int8", (9,)),
    ("net/uint8", "uint8", (9,)),
    ("net/int16", "int16", (9,)),
    ("net/uint16", "uint16", (9,)),
    ("net/bool", "bool", (3, 3)),
    ("global_step", "int64", ()),
]
# Those that version 1 cannot hold.
NEWER = [("net/bfloat16", "bfloat16", (5, 3)), ("net/uint32", "uint32", (2,)), ("net/uint64", "uint64", (2,))]


def numbers(k, dtype, shape):
    i = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    n = (i * 37 + k) % 101
    if dtype == "bool":
        return n % 2 == 1
    if dtype.startswith("uint"):
        return n.astype(dtype)
    if dtype.startswith("int"):
        return (n - 50).astype(dtype)
    return ((n - 50) / 8).astype(tf.as_dtype(dtype).as_numpy_dtype)


def variables(extra):
    for k, (name, dtype, shape) in enumerate(VARIABLES + extra):
        v1.get_variable(name, initializer=numbers(k, dtype, shape), use_resource=False)
    v1.get_variable("net/text", initializer=np.array([b"one", b"two"], object), use_resource=False)


def save(folder, name, version, extra=(), sharded=False, build=None):
    with tf.Graph().as_default():
        (build or (lambda: variables(list(extra))))()
        saver = v1.train.Saver(write_version=version, sharded=sharded)
        config = v1.ConfigProto(device_count={"CPU": 3})
        with v1.Session(config=config) as session:
            session.run(v1.global_variables_initializer())
            saver.save(session, os.path.join(folder, name), write_meta_graph=False, write_state=False)


def on_devices():
    for k, (name, dtype, shape) in enumerate(VARIABLES[:6]):
        with tf.device(f"/cpu:{k % 3}"):
            v1.get_variable(name, initializer=numbers(k, dtype, shape), use_resource=False)


def partitioned():
    v1.get_variable("whole", initializer=numbers(0, "float32", (4,)), use_resource=False)
    v1.get_variable("pieces", shape=(6, 2), initializer=v1.zeros_initializer(), use_resource=False,
                    partitioner=v1.fixed_size_partitioner(2))


def seeds(corpus):
    """One variable in a file, as the fuzz targets take it."""
    saver = v1.train.SaverDef
    for k, (name, dtype, shape) in enumerate(VARIABLES + NEWER):
        seed = name.replace("/", "_")
        build = lambda: v1.get_variable(name, initializer=numbers(k, dtype, shape), use_resource=False)
        with tempfile.TemporaryDirectory() as folder:
            if k < len(VARIABLES):
                save(folder, "v1", saver.V1, build=build)
                shutil.copy(os.path.join(folder, "v1"), os.path.join(corpus, "tensorflow_v1", seed))
            save(folder, "v2", saver.V2, build=build)
            index = open(os.path.join(folder, "v2.index"), "rb").read()
            data = open(os.path.join(folder, "v2.data-00000-of-00001"), "rb").read()
            with open(os.path.join(corpus, "tensorflow_v2", seed), "wb") as file:
                file.write(struct.pack("<I", len(index)) + index + data)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    saver = v1.train.SaverDef
    save(folder, "v1.ckpt", saver.V1)
    save(folder, "v2", saver.V2, extra=NEWER)
    save(folder, "shards", saver.V2, sharded=True, build=on_devices)
    save(folder, "pieces_v1.ckpt", saver.V1, build=partitioned)
    save(folder, "pieces_v2", saver.V2, build=partitioned)
    dense = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(3, kernel_initializer="ones"),
                                 tf.keras.layers.Dense(2, kernel_initializer="ones")])
    tf.train.Checkpoint(model=dense).write(os.path.join(folder, "objects"))
    if len(sys.argv) > 2:
        seeds(sys.argv[2])


main()
