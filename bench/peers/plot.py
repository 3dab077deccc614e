#!/usr/bin/env python3
"""Draws what infer.py wrote: a panel for each network and batch, a bar for each engine, with the limits of the machine.

    plot.py infer_peers.csv infer_peers.png      (matplotlib, of requirements.txt)

The limits are the run's own peak of fused multiply-adds over the network's multiplications, done directly and with
F(4,3) for its 3x3 convolutions; only larger tiles could pass the second one in f32.  bf16 is hatched: its limits are others.
"""
import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = {"kohl": "#b5362c", "pytorch": "#6d7f99", "onnxruntime": "#8a9a5b", "openvino": "#a58fb5", "ncnn": "#c9a45c",
           "tensorflow": "#7fa8a3"}
LABELS = {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "tensorflow": "TensorFlow"}
TITLES = {"vgg19": "VGG-19", "vgg19_notop": "VGG-19, no top", "inception_v3": "Inception-v3", "resnet101": "ResNet-101",
          "alexnet": "AlexNet", "tiny": "SqueezeNet"}
COLUMNS = 5


def short(value):
    """Three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def panels(rows):
    """Batch 1 of all networks, then their larger batches."""
    found = {}
    for row in rows:
        found.setdefault((row["net"], int(row["batch"])), []).append(row)
    return sorted(found.items(), key=lambda item: item[0][1] > 1)


def draw(axes, net, batch, rows):
    rows = sorted(rows, key=lambda row: row["precision"] != "f32")
    limits = float(rows[0]["limit_direct"]), float(rows[0]["limit_f43"])
    for at, row in enumerate(rows):
        speed, scale = float(row["images_per_s"]), 1e3 * batch
        low, high = scale / float(row["ms_max"]), scale / float(row["ms_min"])
        hatch = "" if row["precision"] == "f32" else "////"
        axes.bar(at, speed, 0.8, color=COLOURS[row["engine"]], hatch=hatch, edgecolor="white" if hatch else "none",
                 yerr=[[max(0, speed - low)], [max(0, high - speed)]], error_kw={"elinewidth": 0.8, "ecolor": "#333333"})
        axes.text(at, high, " " + short(speed), rotation=90, ha="center", va="bottom", fontsize=7)
    for limit, style, text in zip(limits, ("--", ":"), ("direct", "F(4,3)")):
        axes.axhline(limit, color="#333333", linestyle=style, linewidth=0.9)
        axes.text(-0.45, limit, f"{text} {short(limit)}", fontsize=7, ha="left", va="bottom")
    axes.set_xticks(range(len(rows)), [LABELS.get(r["engine"], r["engine"]) + (" bf16" if r["precision"] != "f32" else "") for r in rows],
                    rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title(f"{TITLES.get(net, net)} @{rows[0]['size']}, batch {batch}", fontsize=9)
    axes.set_ylim(0, 1.22 * max(limits[1], *(1e3 * batch / float(r["ms_min"]) for r in rows)))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main():
    with open(sys.argv[1], newline="") as file:
        rows = list(csv.DictReader(file))
    found = panels(rows)
    lines = -(-len(found) // COLUMNS)
    figure, axes = plt.subplots(lines, min(COLUMNS, len(found)), figsize=(3 * min(COLUMNS, len(found)), 3.6 * lines + 0.5), squeeze=False)
    for one in axes.flat[len(found):]:
        one.set_visible(False)
    for one, ((net, batch), its) in zip(axes.flat, found):
        draw(one, net, batch, its)
    for line in axes:
        line[0].set_ylabel("pictures/s", fontsize=8)
    first = rows[0]
    figure.suptitle(f"{first['cpu']}, {first['threads']} threads, {first['level']}; medians of {first['rounds']} turns, "
                    f"lines from the slowest to the fastest; bf16 hatched; commit {first['commit']}", fontsize=9, wrap=True)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(sys.argv[2], dpi=130)


if __name__ == "__main__":
    main()
