"""Twenty steps of SGD with momentum against PyTorch in double precision.

    pip install torch==2.13.0 numpy safetensors      (an oracle only: nothing of the project needs it)
    steps.py BUILD [ARCH ...] [--batch-norm frozen|train]

oracle/train_steps trains a network with random weights on one batch of 16; torch.optim.SGD does the same in f64 and in
f32.  Each loss of kohl's must be within 1e-4 of f64's.  Training amplifies rounding, at some learning rates without
bound; therefore PyTorch's own f32 must agree with its f64 to 1e-5, and the loss must fall to less than 0.9 of the
first, or the case says nothing and fails.  That leaves out resnet50 with trained batch-norm and these weights: its
loss is so steep that PyTorch's f32 is 1e-4 off after four steps at every rate down to 2e-8.  Prints TAP.
"""
import os
import sys
import tempfile

import torch
import torch.nn.functional as F

from network import Network, fixtures

STEPS, MOMENTUM, CLASSES, BATCH = 20, 0.9, 10, 16
# (architecture, batch-norm): size, learning rate, seed
CASES = {("cleo_small", "frozen"): (64, 3e-5, 1), ("squeezenet1_1", "frozen"): (67, 1e-4, 6), ("vgg19", "frozen"): (64, 1e-6, 1),
         ("resnet18", "train"): (64, 3e-6, 1)}


def theirs(network, x, labels, lr, dtype):
    weights = {k: v.to(dtype, copy=True) for k, v in network.weights.items()}
    fixed = {f"{node['name']}.{s}" for node in network.nodes for s in ("mean", "variance")}
    fixed |= {f"{node['name']}.{s}" for node in network.nodes if not node["trainable"] for s in ("gamma", "beta")}
    trained = [v.requires_grad_() for k, v in weights.items() if k not in fixed]
    optimizer, losses = torch.optim.SGD(trained, lr=lr, momentum=MOMENTUM), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits, running = network.forward(weights, x.to(dtype))
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        weights.update(running)
        losses.append(loss.item())
    return losses


def case_of(arch, norm):
    size, lr, seed = CASES[arch, norm]
    return {"arch": arch, "size": size, "classes": CLASSES, "batch": BATCH, "seed": seed, "batch_norm": norm, "lr": lr, "momentum": MOMENTUM}


def compute(build, case):
    """(kohl's losses, f64's, f32's), or None when train_steps failed."""
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "m.safetensors")
        out = fixtures.program(build, "train_steps", case, case["lr"], case["momentum"], STEPS, model)
        if out is None:
            return None
        network = Network(model, case["seed"])
    height, width, channels = network.nodes[0]["size"]
    bits = fixtures.words(case["seed"], fixtures.INPUT_TENSOR, 1, 0, BATCH * height * width * channels)
    x = torch.from_numpy(fixtures.uniform(bits).reshape(BATCH, height, width, channels)).permute(0, 3, 1, 2).contiguous()
    labels = torch.arange(BATCH) % CLASSES
    return [float(x) for x in out.split()], *(theirs(network, x, labels, case["lr"], t) for t in (torch.float64, torch.float32))


def worst(mine, truth):
    return max(abs(a - b) / b for a, b in zip(mine, truth)) if len(mine) == len(truth) else float("nan")


def check(build, case):
    results = compute(build, case)
    if results is None:
        return None
    mine, truth, peer = results
    error, noise, fall = worst(mine, truth), worst(peer, truth), truth[-1] / truth[0]
    title = f"{case['arch']} {case['size']} px, batch-norm {case['batch_norm']}, rate {case['lr']:g}"
    good = error <= 1e-4 and noise <= 1e-5 and fall <= 0.9
    fixtures.report(good, f"{title}: loss {truth[0]:.4f} to {truth[-1]:.4f}, worst relative error {error:.1e}, PyTorch f32's {noise:.1e}")
    return truth if good else None


def main():
    words, only = sys.argv[1:], None
    if "--batch-norm" in words:
        at = words.index("--batch-norm")
        only = words[at + 1]
        del words[at:at + 2]
    torch.set_num_threads(2)
    for arch, norm in CASES:
        if arch in (words[1:] or [arch]) and only in (None, norm):
            check(words[0], case_of(arch, norm))
    sys.exit(fixtures.failures > 0)


if __name__ == "__main__":
    main()
