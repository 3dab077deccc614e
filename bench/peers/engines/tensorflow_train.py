"""Steps of training in TensorFlow on kohl's model file (tensorflow_nets.py builds the network); serve.py says how it is asked.

One tf.function for the whole step; what is frozen is constant, its batch-norms folded; RMSprop is Keras's.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

import serve
import tensorflow_nets
from tensorflow_nets import model_file


class TensorFlow(serve.Engine):
    version = tf.__version__

    def open(self):
        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        nodes, weights = model_file.read(self.path("model.safetensors"))
        self.order = model_file.gradient_order(nodes, weights)
        self.nodes, weights = model_file.fold(nodes, weights, self.layer)
        first = [node["name"] for node in self.nodes].index(self.layer)
        self.tensors, self.learns, self.transposed = {}, {}, {}
        for i, node in enumerate(self.nodes):
            order = {"conv2d": (1, 2, 3, 0), "dense": (1, 0)}.get(node["layer"])
            trained = i >= first and not (self.frozen_norms and node["layer"] == "batch_norm")
            for suffix in ("weight", "bias", "gamma", "beta", "mean", "variance"):
                name = f"{node['name']}.{suffix}"
                if name in weights:
                    value = weights[name].transpose(order) if suffix == "weight" else weights[name]
                    self.tensors[name] = tf.Variable(value) if trained else tf.constant(value)
                    if trained and suffix not in ("mean", "variance"):
                        self.learns[name] = self.tensors[name]
            node["learns"] = trained and node["layer"] == "batch_norm"
        self.optimizer = tf.keras.optimizers.RMSprop(1e-4, rho=0.9, epsilon=1e-7)
        self.optimizer.build(list(self.learns.values()))
        self.x, self.labels = tf.constant(self.pictures()), tf.range(self.batch) % self.about()["classes"]
        self.call = tf.function(self.step, autograph=False)

    def forward(self):
        def weight(name, order):
            return self.tensors.get(name)
        until = model_file.logits_name(self.nodes)
        return tensorflow_nets.forward(self.nodes, weight, self.x, until, lambda rate, x: tf.nn.dropout(x, rate) if rate else x)

    def step(self):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(self.labels, self.forward())
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, list(self.learns.values()))
        self.optimizer.apply_gradients(zip(gradients, self.learns.values()))
        return loss, gradients

    def run(self):
        loss, self.gradients = self.call()
        self.loss = float(loss)

    def output(self):
        found = dict(zip(self.learns, self.gradients))
        back = {4: (3, 0, 1, 2), 2: (1, 0), 1: (0,)}
        return np.concatenate([found[name].numpy().transpose(back[len(found[name].shape)]).ravel() for name in self.order if name in found])


if __name__ == "__main__":
    serve.main(TensorFlow)
