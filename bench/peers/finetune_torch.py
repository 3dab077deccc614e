"""Fine-tuning by a recipe as a PyTorch user writes it: the other side of finetune.py, which calls train().

Not a port of kohl: it has PyTorch's own random numbers, initial weights, warp and optimizer, and takes from kohl only
what must be the same for both: the resolved recipe, the lists of pictures, the base as a model file.  What makes
PyTorch fast is done: pictures are decoded once and kept as bytes, the frozen part of the network runs without gradients
and with its batch-norm folded in, channels last where a trial finds that faster, and with features.variants its outputs
are kept, as kohl keeps them.  A setting that it does not know ends it.
"""
import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

from finetune_inputs import Normaliser, Recipe, draws_of, load, number, read_list, warp

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "oracle", "pytorch"))
from network import SUFFIXES, before_activation, pads  # noqa: E402

CACHE_BATCH = 64  # pictures at a time where nothing is learned


class Base:
    """The base's graph up to the cut; split into what is frozen for good in a phase and what learns or lies behind."""

    def __init__(self, model, at):
        with safe_open(model, "pt") as file:
            meta = json.loads(file.metadata()["kohl"])
            weights = {k: file.get_tensor(k) for k in file.keys()}
        self.preprocessing = meta["preprocessing"]
        nodes, wanted = meta["graph"]["nodes"], {at}
        for node in reversed(nodes):
            if node["name"] in wanted:
                wanted.update(node["inputs"])
        self.nodes = [node for node in nodes if node["name"] in wanted]
        self.names = [node["name"] for node in self.nodes[1:]]
        self.input, self.at = self.nodes[0]["name"], at
        self.weights = {k: v for k, v in weights.items() if k.rsplit(".", 1)[0] in wanted}
        self.users = {n["name"]: [m["name"] for m in self.nodes if n["name"] in m["inputs"]] for n in self.nodes}

    def split(self, trained):
        """(frozen nodes, the other nodes, names of the values that go from the first to the second)."""
        moving = {n["name"] for n in self.nodes if n["name"] in trained and n["layer"] == "conv2d"}
        for node in self.nodes:
            if moving & set(node["inputs"]):
                moving.add(node["name"])
        front = [n for n in self.nodes[1:] if n["name"] not in moving]
        rest = [n for n in self.nodes[1:] if n["name"] in moving]
        passed = {i for n in rest for i in n["inputs"] if i not in moving} or {self.at}
        return front, rest, [n["name"] for n in self.nodes if n["name"] in passed]

    def tensors(self, name):
        return {s: self.weights.get(f"{name}.{s}") for s in SUFFIXES}


def conv(node, weight, bias, x):
    left, right, top, bottom = pads(node, x)
    if left != right or top != bottom:
        x, left, top = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, node["stride"], (top, left), node["dilation"], node["groups"])


def pool(node, x):
    left, right, top, bottom = pads(node, x)
    if left == right and top == bottom:
        how = (node["kernel"], node["stride"], (top, left))
        if node["layer"] == "max_pool":
            return F.max_pool2d(x, *how, ceil_mode=node["ceil"])
        if not node["ceil"]:
            return F.avg_pool2d(x, *how, count_include_pad=node["count_padding"])
    return before_activation(node, [x], {}, {})


class Program:
    """Some nodes of a base in their order.  fold: batch-norm behind a convolution becomes a part of it."""

    def __init__(self, base, nodes, kept, fold, layout):
        inside, self.steps, gone = {n["name"]: n["layer"] for n in nodes}, [], {}
        for node in nodes:
            name, w = node["name"], base.tensors(node["name"])
            if name in gone:
                continue
            if node["layer"] == "conv2d":
                w["weight"] = w["weight"].permute(0, 3, 1, 2)
                users = base.users[name]
                after = next((n for n in nodes if users == [n["name"]] and n["layer"] == "batch_norm"), None)
                if fold and after and name not in kept and node.get("activation") != "relu":
                    w = self.folded(w, base.tensors(after["name"]), after["epsilon"])
                    gone[after["name"]] = name
                w["weight"] = w["weight"].contiguous(memory_format=layout)
            # what is overwritten must be nobody else's, and no value that is kept or came from outside
            source = node["inputs"][0]
            own = inside.get(source) in ("conv2d", "batch_norm") and len(base.users[source]) == 1 and source not in kept
            self.steps.append((node, [gone.get(i, i) for i in node["inputs"]], name, w, own))
        self.kept = [gone.get(name, name) for name in kept]

    @staticmethod
    def folded(w, norm, epsilon):
        scale = (norm["variance"] + epsilon).rsqrt() * (1 if norm["gamma"] is None else norm["gamma"])
        bias = (0 if w["bias"] is None else w["bias"]) - norm["mean"]
        return {**w, "weight": w["weight"] * scale.view(-1, 1, 1, 1),
                "bias": bias * scale + (0 if norm["beta"] is None else norm["beta"])}

    def __call__(self, value, learned):
        """The kept values.  value: {name: tensor} to begin with; learned: tensors that stand for the file's."""
        for node, inputs, name, w, own in self.steps:
            x, kind = [value[i] for i in inputs], node["layer"]
            w = {s: learned.get(f"{name}.{s}", t) for s, t in w.items()} if learned else w
            if kind == "conv2d":
                y = conv(node, w["weight"], w["bias"], x[0])
            elif kind in ("max_pool", "avg_pool"):
                y = pool(node, x[0])
            elif kind == "batch_norm":
                y = F.batch_norm(x[0], w["mean"], w["variance"], w["gamma"], w["beta"], False, 0.0, node["epsilon"])
            elif kind == "relu":
                y = F.relu(x[0], inplace=own)
            elif kind == "dropout":
                y = x[0]
            else:
                y = before_activation(node, x, {f"{name}.{s}": t for s, t in w.items()}, {})
            value[name] = F.relu(y, inplace=True) if node.get("activation") == "relu" else y
        return [value[name] for name in self.kept]


class Head(torch.nn.Module):
    def __init__(self, recipe, channels, side, classes):
        super().__init__()
        h = recipe.all["head"]
        self.average = h["pool"] == "global_avg"
        widths = [channels * (1 if self.average else side[0] * side[1]), *h["dense"], classes]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.dropout = torch.nn.Dropout(number(h["dropout"]))
        # epsilon and momentum of Keras, as kohl's layer has them
        self.norm = torch.nn.BatchNorm1d(widths[0], 1e-3, 0.01) if h.get("norm", "none") == "batch" else None
        for layer in self.layers:  # Keras's, as the recipe was published
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def pool(self, x):
        return x.mean((2, 3)) if self.average else x.flatten(1)

    def forward(self, x):
        x = self.norm(x) if self.norm else x
        for layer in self.layers[:-1]:
            x = F.relu(layer(x), inplace=True)
        return self.layers[-1](self.dropout(x))


class Tuner:
    """One run: pictures, base and head, phase after phase."""

    def __init__(self, run, model, seed, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.begun = time.perf_counter()
        self.recipe, self.run, self.threads = Recipe(os.path.join(run, "recipe.yaml")), run, threads
        with open(os.path.join(run, "labels.txt"), encoding="utf-8") as file:
            self.classes = file.read().split("\n")[:-1]
        self.base = Base(model, self.recipe.all["base"]["at"])
        paths, self.labels = read_list(run, "train.csv", self.classes)
        self.pictures = load(paths, self.recipe, threads)
        paths, self.val_labels = read_list(run, "validation.csv", self.classes)
        self.val_pictures = load(paths, self.recipe, threads)
        self.draws = draws_of(self.labels, len(self.classes), self.recipe.all["data"])
        self.learned, self.head, self.rows, self.best, self.step = {}, None, [], None, 0
        self.weights = None
        if self.recipe.all["loss"]["class_weights"] == "balanced":
            counts = torch.bincount(self.labels[self.draws], minlength=len(self.classes))
            self.weights = len(self.draws) / (len(self.classes) * counts.clamp(min=1).float())
        self.layout = self.faster_layout()

    def faster_layout(self):
        """Of the whole base without gradients, on 2 x 32 pictures."""
        took = {}
        for layout in (torch.channels_last, torch.contiguous_format):
            program = Program(self.base, self.base.nodes[1:], [self.base.at], True, layout)
            normalise = Normaliser(self.base.preprocessing, layout)
            with torch.inference_mode():
                for repeat in range(2):
                    begun = time.perf_counter()
                    y = program({self.base.input: normalise(self.pictures[:32])}, {})[0]
                    took[layout] = time.perf_counter() - begun
        if self.head is None:
            self.head = Head(self.recipe, y.shape[1], y.shape[2:], len(self.classes))
        return min(took, key=took.get)

    # -- one phase --

    def keys_of(self, phase):
        """The tensors of the base that a phase trains; batch-norm is frozen."""
        convs = {n["name"] for n in self.base.nodes if n["layer"] == "conv2d"}
        trained = [name for name in self.recipe.trained(phase, self.base.names) if name in convs]
        return [f"{name}.{s}" for name in trained for s in ("weight", "bias") if f"{name}.{s}" in self.base.weights]

    def file_tensor(self, key):
        value = self.base.weights[key]
        return (value.permute(0, 3, 1, 2).contiguous(memory_format=self.layout) if value.dim() == 4 else value).clone()

    def set_up(self, phase):
        front, rest, passed = self.base.split(self.recipe.trained(phase, self.base.names))
        self.front = Program(self.base, front, passed, True, self.layout)
        self.rest = Program(self.base, rest, [self.base.at], False, self.layout) if rest else None
        self.passed, self.normalise = passed, Normaliser(self.base.preprocessing, self.layout)
        for key in self.keys_of(phase):
            if key not in self.learned:
                self.learned[key] = self.file_tensor(key).requires_grad_()
        if set(self.learned) - set(self.keys_of(phase)):
            raise NotImplementedError("a phase that freezes what an earlier one trained")
        parameters = [*self.head.parameters(), *self.learned.values()]
        o = phase["optimizer"]
        # PyTorch's epsilon is outside of the root as well; Keras's decay is set step by step
        self.rate, self.decay, self.step = number(o["lr"]), number(o["decay"]), 0
        self.optimizer = torch.optim.RMSprop(parameters, lr=self.rate, alpha=number(o["rho"]), eps=number(o["epsilon"]),
                                             weight_decay=number(o["weight_decay"]), foreach=True)
        self.schedule, self.steps = phase["schedule"], phase["epochs"] * -(-len(self.draws) // self.recipe.all["batch"])
        # a moving average of the weights, as kohl's optimizer.ema: it is judged, kept, and begins the next phase
        self.parameters, self.share = parameters, number(o["ema"])
        self.average = [p.detach().clone() for p in parameters] if self.share else None

    @torch.no_grad()
    def frozen(self, x):
        """What goes from the frozen part to the rest, in the layout in which it is kept; x: bytes or warped floats."""
        out = self.front({self.base.input: self.normalise(x)}, {})
        return [self.head.pool(out[0])] if self.rest is None else out

    def behind(self, values):
        if self.rest is None:
            return self.head(values[0])
        return self.head(self.head.pool(self.rest(dict(zip(self.passed, values)), self.learned)[0]))

    def kept(self, pictures, wanted=None):
        """The frozen part's outputs of all pictures, or warped of those wanted; a row is one piece of memory."""
        out, last = None, self.layout == torch.channels_last
        for at in range(0, len(pictures if wanted is None else wanted), CACHE_BATCH):
            part = slice(at, at + CACHE_BATCH)
            values = self.frozen(pictures[part] if wanted is None else warp(pictures[wanted[part]], self.recipe))
            values = [v.permute(0, 2, 3, 1) if v.dim() == 4 and last else v for v in values]
            out = out or [v.new_empty(len(pictures if wanted is None else wanted), *v.shape[1:]) for v in values]
            for rows, v in zip(out, values):
                rows[part] = v
        return out

    def rows_of(self, kept, index):
        rows = [rows.index_select(0, index) for rows in kept]
        return [r.permute(0, 3, 1, 2) if r.dim() == 4 and self.layout == torch.channels_last else r for r in rows]

    def batch(self, kept, places):
        """places: of draws.  Kept rows are those of the pictures or, where they were warped, of this epoch's variant."""
        if kept and self.recipe.augments:
            return self.rows_of(kept, places + len(self.rows) % self.recipe.variants * len(self.draws))
        if kept:
            return self.rows_of(kept, self.draws[places])
        x = self.pictures[self.draws[places]]
        return self.frozen(warp(x, self.recipe) if self.recipe.augments else x)

    def rate_of_step(self):
        share = 1.0
        if self.schedule["name"] == "cosine":
            floor = number(self.schedule["floor"])
            share = floor + (1 - floor) * (1 + math.cos(math.pi * self.step / self.steps)) / 2
        return self.rate * share / (1 + self.decay * self.step)

    def epoch(self, kept):
        self.head.train()
        smoothing = number(self.recipe.all["loss"]["label_smoothing"])
        for places in torch.randperm(len(self.draws)).split(self.recipe.all["batch"]):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate_of_step()
            self.optimizer.zero_grad(set_to_none=True)
            said = self.behind(self.batch(kept, places))
            truth = self.labels[self.draws[places]]
            # a picture weighs what its class does; PyTorch's own weights would weigh each class of a smoothed truth
            loss = F.cross_entropy(said, truth, reduction="none", label_smoothing=smoothing)
            (loss * (1 if self.weights is None else self.weights[truth])).mean().backward()
            self.optimizer.step()
            if self.average:
                torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - self.share)
            self.step += 1

    @torch.no_grad()
    def swap(self):
        """Exchanges the weights with their average; a second call undoes it."""
        for weight, mean in zip(self.parameters, self.average or ()):
            other = weight.clone()
            weight.copy_(mean)
            mean.copy_(other)

    @torch.no_grad()
    def judge(self, kept, labels):
        """(accuracy, balanced accuracy, loss, what was said) on rows that are kept."""
        self.head.eval()
        said = torch.cat([self.behind(self.rows_of(kept, index)) for index in torch.arange(len(labels)).split(256)])
        right = (said.argmax(1) == labels).float()
        recalls = [right[labels == c].mean().item() for c in labels.unique()]
        return right.mean().item(), sum(recalls) / len(recalls), F.cross_entropy(said, labels).item(), said.argmax(1)

    def state(self):
        return [{k: v.detach().clone() for k, v in own.items()} for own in (self.head.state_dict(), self.learned)]

    def restore(self, state):
        self.head.load_state_dict(state[0])
        with torch.no_grad():
            for key, tensor in self.learned.items():
                if key in state[1]:
                    tensor.copy_(state[1][key])
                else:  # the best epoch came before this tensor was trained
                    tensor.copy_(self.file_tensor(key))

    def phase(self, index, phase, progress):
        begun = time.perf_counter() if index else self.begun
        if index and phase.get("begin", "last") == "best":
            self.restore(self.best[1])
        self.set_up(phase)
        warped = self.draws.repeat(self.recipe.variants) if self.recipe.augments else None
        kept = self.kept(self.pictures, warped) if self.recipe.variants else None
        kept_validation, key = self.kept(self.val_pictures), self.recipe.all["best"]
        for epoch in range(1, phase["epochs"] + 1):
            self.epoch(kept)
            self.swap()
            accuracy, balanced, loss, _ = self.judge(kept_validation, self.val_labels)
            figure = {"val_accuracy": accuracy, "val_balanced_accuracy": balanced, "val_loss": -loss}[key]
            self.rows.append({"phase": index, "accuracy": accuracy, "balanced": balanced, "figure": figure,
                              "end": time.perf_counter() - self.begun})
            if self.best is None or figure > self.best[0]:
                self.best = figure, self.state()
            if epoch < phase["epochs"]:
                self.swap()
            if progress:
                print(f"# pytorch phase {index + 1} epoch {epoch}: accuracy {accuracy:.4f}, balanced {balanced:.4f}, "
                      f"loss {loss:.4f}", flush=True)
        return time.perf_counter() - begun

    def test(self):
        """(truth, said) of the test list by the best epoch's weights."""
        paths, labels = read_list(self.run, "test.csv", self.classes)
        self.restore(self.best[1])
        return labels.tolist(), self.judge(self.kept(load(paths, self.recipe, self.threads)), labels)[3].tolist()


def train(run, model, seed, threads, progress=False):
    """Trains by RUN's recipe on RUN's lists: {"seconds": per phase, "rows": per epoch, "truth", "said", "layout"}."""
    tuner = Tuner(run, model, seed, threads)
    seconds = [tuner.phase(i, phase, progress) for i, phase in enumerate(tuner.recipe.phases)]
    truth, said = tuner.test()
    return {"seconds": seconds, "rows": tuner.rows, "truth": truth, "said": said,
            "layout": "nhwc" if tuner.layout == torch.channels_last else "nchw"}


def pooled(run, model, threads):
    """{list: (features [n, channels], class indices)} of the base's averages, for the linear probe."""
    tuner = Tuner(run, model, 0, threads)
    tuner.set_up({**tuner.recipe.phases[0], "train": "head"})
    tuner.head.average, out = True, {}
    for part, name in (("train", "train.csv"), ("validation", "validation.csv"), ("test", "test.csv")):
        paths, labels = read_list(run, name, tuner.classes)
        out[part] = tuner.kept(load(paths, tuner.recipe, threads))[0].double().numpy(), labels.numpy()
    return out
