"""Steps of training in PyTorch on kohl's model file; serve.py says how it is asked.

Functional operators on the file's graph.  What is frozen has its batch-norms folded and records nothing for the
backward pass; RMSprop is PyTorch's, with fused loops.  Variants, f32: channels last or first, torch.compile; bf16:
autocast.
"""
import os
import sys
import warnings

import torch
import torch.nn.functional as F

import serve

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import model_file  # noqa: E402


def pads(node):
    if node["padding"] == "explicit":
        top, left, bottom, right = node["pad"]
        assert (top, left) == (bottom, right), node["name"]
        return top, left
    assert node["padding"] == "valid" or node["stride"] == [1, 1], node["name"]
    return (0, 0) if node["padding"] == "valid" else tuple((k - 1) // 2 for k in node["kernel"])


class PyTorch(serve.Engine):
    version = torch.__version__

    @staticmethod
    def variants(batch):
        return {"f32": ["channels_last", "contiguous", "compile"], **({"bf16": ["autocast"]} if serve.has_bf16() else {})}

    def open(self):
        torch.set_num_threads(self.threads)
        warnings.simplefilter("ignore")
        nodes, weights = model_file.read(self.path("model.safetensors"))
        self.order = model_file.gradient_order(nodes, weights)
        self.nodes, weights = model_file.fold(nodes, weights, self.layer)
        self.first = [node["name"] for node in self.nodes].index(self.layer)
        layout = torch.contiguous_format if self.variant == "contiguous" else torch.channels_last
        self.weights = {name: self.tensor(value).to(memory_format=layout) if value.ndim == 4 else self.tensor(value)
                        for name, value in weights.items()}
        learns = [self.weights[f"{node['name']}.{suffix}"] for node in self.nodes[self.first:] for suffix in ("weight", "bias", "gamma", "beta")
                  if f"{node['name']}.{suffix}" in weights and not (self.frozen_norms and node["layer"] == "batch_norm")]
        for tensor in learns:
            tensor.requires_grad_(True)
        self.optimizer = torch.optim.RMSprop(learns, lr=1e-4, alpha=0.9, eps=1e-7, foreach=True)
        self.x = torch.from_numpy(self.pictures_nchw()).to(memory_format=layout)
        self.labels = torch.arange(self.batch) % self.about()["classes"]
        self.call = torch.compile(self.forward) if self.variant == "compile" else self.forward
        if self.variant == "compile":
            import torch._inductor.config as config
            config.compile_threads = 1

    @staticmethod
    def tensor(value):
        return torch.tensor(value.transpose(0, 3, 1, 2).copy() if value.ndim == 4 else value.copy())

    def node(self, i, x):
        node = self.nodes[i]
        w = {s: self.weights.get(f"{node['name']}.{s}") for s in ("weight", "bias", "gamma", "beta", "mean", "variance")}
        kind = node["layer"]
        if kind == "conv2d":
            return F.conv2d(x[0], w["weight"], w["bias"], node["stride"], pads(node), node["dilation"], node["groups"])
        if kind == "dense":
            return F.linear(x[0].flatten(1), w["weight"], w["bias"])
        if kind == "batch_norm":
            trained = i >= self.first and not self.frozen_norms
            return F.batch_norm(x[0], w["mean"], w["variance"], w["gamma"], w["beta"], trained, 1 - node["momentum"], node["epsilon"])
        if kind == "max_pool":
            return F.max_pool2d(x[0], node["kernel"], node["stride"], pads(node), ceil_mode=node["ceil"])
        if kind == "avg_pool":
            return F.avg_pool2d(x[0], node["kernel"], node["stride"], pads(node), node["ceil"], node["count_padding"])
        if kind == "global_avg_pool":
            return x[0].mean((2, 3))
        if kind == "flatten":  # h, w, c, which channels last has in memory
            return x[0].permute(0, 2, 3, 1).flatten(1)
        if kind == "concat":
            return torch.cat(x, 1)
        return {"relu": lambda: F.relu(x[0]), "dropout": lambda: F.dropout(x[0], node["rate"]), "add": lambda: x[0] + x[1]}[kind]()

    def forward(self, x):
        values = {self.nodes[0]["name"]: x}
        until = model_file.logits_name(self.nodes)
        for i, node in enumerate(self.nodes):
            if i:
                y = self.node(i, [values[name] for name in node["inputs"]])
                values[node["name"]] = F.relu(y) if node.get("activation") == "relu" else y
            if node["name"] == until:
                return values[until]
        raise KeyError(until)

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            loss = F.cross_entropy(self.call(self.x).float(), self.labels)
        loss.backward()
        self.optimizer.step()
        self.loss = loss.item()

    def output(self):
        grads = [self.weights[name].grad for name in self.order if self.weights[name].requires_grad]
        return torch.cat([(g.permute(0, 2, 3, 1) if g.ndim == 4 else g).flatten() for g in grads]).numpy()


if __name__ == "__main__":
    serve.main(PyTorch)
