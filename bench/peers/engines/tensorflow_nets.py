"""kohl's model files in TensorFlow's operations, NHWC: the same network whatever Keras's own of that name looks like."""
import os
import sys

import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import model_file  # noqa: E402


def padding(node):
    if node["padding"] == "explicit":
        top, left, bottom, right = node["pad"]
        return [[0, 0], [top, bottom], [left, right], [0, 0]]
    return {"valid": "VALID", "same_upper": "SAME"}[node["padding"]]


def conv2d(node, weight, x):
    # krsc to rsck; groups and dilation are not needed here
    assert node["groups"] == 1 and node["dilation"] == [1, 1], node["name"]
    return tf.nn.conv2d(x, weight("weight", (1, 2, 3, 0)), node["stride"], padding(node))


def dense(node, weight, x):
    return tf.matmul(tf.reshape(x, [x.shape[0], -1]), weight("weight", (1, 0)))


def batch_norm(node, weight, x):
    """node["learns"]: by the batch's statistics, and the running ones follow."""
    mean, variance = weight("mean"), weight("variance")
    beta = weight("beta") if node["beta"] else tf.zeros_like(mean)
    gamma = weight("gamma") if node["gamma"] else tf.ones_like(mean)
    learns = node.get("learns", False)
    none = tf.zeros([0])
    found = tf.raw_ops.FusedBatchNormV3(x=x, scale=gamma, offset=beta, mean=none if learns else mean, variance=none if learns else variance,
                                        epsilon=node["epsilon"], is_training=learns)
    if learns:
        for running, new in ((mean, found.batch_mean), (variance, found.batch_variance)):
            running.assign_sub((1 - node["momentum"]) * (running - new))
    return found.y


def max_pool(node, _, x):
    assert not node["ceil"], node["name"]
    return tf.nn.max_pool2d(x, node["kernel"], node["stride"], padding(node))


def avg_pool(node, _, x):
    """SAME divides by the valid cells; where padding counts it is put there as zeros."""
    assert not node["ceil"] and node["padding"] == "same_upper" and node["stride"] == [1, 1], node["name"]
    if not node["count_padding"]:
        return tf.nn.avg_pool2d(x, node["kernel"], node["stride"], "SAME")
    (r, s), zero = node["kernel"], [0, 0]
    x = tf.pad(x, [zero, [(r - 1) // 2, r // 2], [(s - 1) // 2, s // 2], zero])
    return tf.nn.avg_pool2d(x, node["kernel"], node["stride"], "VALID")


def adaptive_avg_pool(node, _, x):
    assert list(x.shape[1:3]) == node["output"], node["name"]
    return x


OPS = {"conv2d": conv2d, "dense": dense, "batch_norm": batch_norm, "max_pool": max_pool, "avg_pool": avg_pool,
       "adaptive_avg_pool": adaptive_avg_pool, "relu": lambda n, w, x: tf.nn.relu(x), "dropout": lambda n, w, x: x,
       "flatten": lambda n, w, x: tf.reshape(x, [x.shape[0], -1]),
       "global_avg_pool": lambda n, w, x: tf.reduce_mean(x, [1, 2])}


def forward(nodes, weight, x, until, dropout=None):
    """The value of node `until`.  weight(name, order) gives a tensor with its axes in that order, or as they are;
    dropout(rate, x) is what training does."""
    values = {}
    for node in nodes:
        inputs = [values[name] for name in node["inputs"]]
        if node["layer"] == "input":
            y = x
        elif node["layer"] == "concat":
            y = tf.concat(inputs, -1)
        elif node["layer"] == "add":
            y = tf.add_n(inputs)
        elif node["layer"] == "dropout" and dropout:
            y = dropout(node["rate"], inputs[0])
        else:
            y = OPS[node["layer"]](node, lambda suffix, order=None, node=node: weight(f"{node['name']}.{suffix}", order), inputs[0])
        if node.get("bias"):
            y = tf.nn.bias_add(y, weight(node["name"] + ".bias", None))
        values[node["name"]] = tf.nn.relu(y) if node.get("activation") == "relu" else y
        if node["name"] == until:
            return values[until]
    raise KeyError(until)
