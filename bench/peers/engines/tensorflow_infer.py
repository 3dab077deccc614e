"""TensorFlow on kohl's model file (tensorflow_nets.py builds the network); serve.py says how it is asked.

Variants: a frozen graph in a session, whose weights Grappler may fold and oneDNN lay out once; or a tf.function.
"""
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf

import serve
import tensorflow_nets
from tensorflow_nets import model_file


class TensorFlow(serve.Engine):
    version = tf.__version__

    @staticmethod
    def variants(batch):
        return {"f32": ["frozen", "function"]}

    def prepare(self):
        """A graph for each batch, since shapes that are known help Grappler."""
        nodes, weights = model_file.read(self.path("model.safetensors"))
        h, w, c = self.about()["input"]

        def weight(name, order):
            return tf.constant(weights[name].transpose(order) if order else weights[name])

        for batch in self.about()["batches"]:
            with tf.Graph().as_default() as graph:
                x = tf.compat.v1.placeholder(tf.float32, [batch, h, w, c], name="pictures")
                tf.identity(tensorflow_nets.forward(nodes, weight, x, model_file.logits_name(nodes)), name="logits")
            with open(self.path(f"tensorflow_{batch}.pb"), "wb") as file:
                file.write(graph.as_graph_def().SerializeToString())

    def open(self):
        if self.variant == "frozen":
            self.open_frozen()
        else:
            self.open_function()

    def open_frozen(self):
        definition = tf.compat.v1.GraphDef()
        with open(self.path(f"tensorflow_{self.batch}.pb"), "rb") as file:
            definition.ParseFromString(file.read())
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(definition, name="")
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=self.threads, inter_op_parallelism_threads=1)
        session = tf.compat.v1.Session(graph=graph, config=config)
        self.call, self.x = session.make_callable("logits:0", ["pictures:0"]), self.pictures()

    def open_function(self):
        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        nodes, weights = model_file.read(self.path("model.safetensors"))
        constants = {}

        def weight(name, order):
            if name not in constants:
                with tf.init_scope():
                    constants[name] = tf.constant(weights[name].transpose(order) if order else weights[name])
            return constants[name]

        self.call = tf.function(lambda x: tensorflow_nets.forward(nodes, weight, x, model_file.logits_name(nodes)), autograph=False)
        self.x = tf.constant(self.pictures())

    def run(self):
        self.result = self.call(self.x)

    def output(self):
        values = self.result if self.variant == "frozen" else self.result.numpy()
        return values.transpose(0, 3, 1, 2) if values.ndim == 4 else values


if __name__ == "__main__":
    serve.main(TensorFlow)
