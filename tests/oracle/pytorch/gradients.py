"""Gradients of whole networks against PyTorch in double precision.

    pip install torch==2.13.0 numpy safetensors      (an oracle only: nothing of the project needs it)
    gradients.py BUILD [ARCH ...] [--batch-norm frozen|train] [--seed N]

oracle/train_step writes a model with random weights, one batch, and kohl's logits and gradients.  This script computes
the same step with PyTorch's operators in f64 and in f32 (network.py), after the network was settled so that no unit is
within rounding of its kink, and demands for the logits, the losses, every gradient and (where batch-norm is trained)
every running statistic

    ||kohl - f64|| <= 4 * ||PyTorch f32 - f64||

so that kohl is as accurate as a good f32 engine, give or take the order of its sums.  PyTorch may be lucky in a tensor
of a few numbers, therefore two floors under its error: 2^-24 ||f64||, the last rounding of any f32 result; and for the
losses the error of PyTorch's logits, since a loss may move as far as its logits (by sqrt(2) of their distance at most).
A bias in front of a trained batch-norm changes nothing: its gradient is 0, and 1e-14 in f64.  Both f32 engines hold the
rounding noise of a sum over all pixels there, so that the rule bounds kohl's noise by 4 times PyTorch's.

Without --batch-norm both modes of networks that have one.  Prints TAP.
"""
import os
import sys
import tempfile

import torch

from network import Network, fixtures

# architecture: size, classes, batch
CASES = {"squeezenet1_1": (67, 10, 4), "vgg16": (64, 10, 4), "vgg19": (64, 10, 4), "inception_v3": (139, 10, 4),
         "resnet18": (64, 10, 4), "resnet50": (64, 10, 4), "alexnet": (128, 10, 4), "alexnet2012": (131, 10, 4),
         "cleo_small": (64, 10, 4), "vgg19_cam": (64, 10, 4), "vgg19_bn": (64, 10, 4), "resnet101": (64, 10, 4)}
NORMS = ("inception_v3", "resnet18", "resnet50", "resnet101", "vgg19_bn")


def compute(build, case):
    """(kohl, f64, f32, redraws): {tensor: value} three times, after settling; None when train_step failed."""
    with tempfile.TemporaryDirectory() as folder:
        model, run = os.path.join(folder, "m.safetensors"), os.path.join(folder, "s.safetensors")
        if fixtures.program(build, "train_step", case, model, run) is None:
            return None
        network = Network(model, int(case["seed"]))
        step = fixtures.safetensors(run)
        x, labels = (torch.from_numpy(step[name].copy()) for name in fixtures.INPUTS)
        x, labels = x.permute(0, 3, 1, 2).contiguous(), labels.long()
        network.settle(x)
        redraws = network.redraws()
        if redraws:
            if fixtures.program(build, "train_step", case, model, run, *redraws) is None:
                return None
            settled = Network(model, 0).weights
            if not all(torch.equal(settled[k], v) for k, v in network.weights.items()):
                fixtures.report(False, f"{case['arch']}: both sides draw the same filters again")
                return None
            step = fixtures.safetensors(run)
        mine = {k: torch.from_numpy(v.copy()) for k, v in step.items() if k not in fixtures.INPUTS}
    statistics = (".mean", ".variance")
    trained = [k for k in mine if k in network.weights and not k.endswith(statistics)]
    return mine, network.step(x, labels, trained, torch.float64), network.step(x, labels, trained, torch.float32), redraws


def peer_error(name, truth, peer):
    """PyTorch f32's error of a tensor, with the floors above."""
    def off(tensor):
        return (peer[tensor].double() - truth[tensor]).norm().item()
    return max(off(name), 2.0**-24 * truth[name].norm().item(), off("logits") if name == "losses" else 0.0)


def check(build, case):
    """Reports; (f64, f32, redraws) when all is well, else None."""
    title = f"{case['arch']} {case['size']} px, batch {case['batch']}, batch-norm {case['batch_norm']}"
    results = compute(build, case)
    if results is None:
        return None
    mine, truth, peer, redraws = results
    if set(mine) != set(truth):
        fixtures.report(False, f"{title}: tensors {sorted(set(mine) ^ set(truth))[:5]} are on one side only")
        return None
    ratios = []
    for name, value in mine.items():
        error = (value.double() - truth[name]).norm().item()
        theirs = peer_error(name, truth, peer)
        ratios.append((error / theirs if theirs else (0.0 if error == 0 else float("inf")), name))
    bad = [f"{name} {ratio:.2f}" for ratio, name in ratios if not ratio <= 4]
    worst, where = max(ratios)
    fixtures.report(not bad, f"{title}: {len(mine)} tensors, worst error {worst:.2f} of PyTorch f32's ({where}), "
                    f"{len(redraws)} filters drawn again" + (f"; beyond 4: {', '.join(bad[:8])}" if bad else ""))
    return None if bad else (truth, peer, redraws)


def main():
    words = sys.argv[1:]
    options = {"--seed": "1", "--batch-norm": None}
    for option in options:
        if option in words:
            at = words.index(option)
            options[option] = words[at + 1]
            del words[at:at + 2]
    torch.set_num_threads(2)
    for arch in words[1:] or CASES:
        size, classes, batch = CASES[arch]
        for norm in ("frozen", "train"):
            if options["--batch-norm"] in (None, norm) and (norm == "frozen" or arch in NORMS):
                check(words[0], {"arch": arch, "size": size, "classes": classes, "batch": batch,
                                 "seed": options["--seed"], "batch_norm": norm})
    sys.exit(fixtures.failures > 0)


if __name__ == "__main__":
    main()
