"""What both sides of finetune.py read alike: the resolved recipe and the lists of a run; and pictures as a PyTorch user
prepares, warps and repeats them (Pillow, affine_grid and grid_sample), without a line of kohl's.
"""
import concurrent.futures
import csv
import fnmatch
import os

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image, ImageOps


def number(value):
    """YAML 1.1 has no 1e-4, and kohl's recipes may say 1/6."""
    if isinstance(value, str):
        above, _, below = value.partition("/")
        return float(above) / float(below or 1)
    return value


def flag(value):
    return value in (True, "true")


def merged(over, under):
    out = dict(under)
    for key, value in over.items():
        out[key] = merged(value, under[key]) if isinstance(value, dict) and isinstance(under.get(key), dict) else value
    return out


def insist(what, value, *allowed):
    if value not in allowed:
        raise NotImplementedError(f"the PyTorch side has no {what} '{value}', only {', '.join(map(str, allowed))}")


class Recipe:
    """recipe.yaml of a run: every key settled, phases complete."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = yaml.safe_load(file)
        whole = {k: v for k, v in self.all.items() if k != "phases"}
        self.phases = [merged(phase, whole) for phase in self.all.get("phases") or [{}]]
        insist("loss", self.all["loss"]["name"], "softmax")
        insist("class_weights", self.all["loss"]["class_weights"], "balanced", "none")
        insist("weights_divide_by", self.all["loss"]["weights_divide_by"], "batch")
        insist("normalise", self.all["pictures"]["normalise"], "base")
        insist("fit", self.all["pictures"]["fit"], "letterbox")
        insist("head pool", self.all["head"]["pool"], "flatten", "global_avg")
        insist("accumulate", self.all.get("accumulate", 1), 1)
        for phase in self.phases:
            insist("optimizer", phase["optimizer"]["name"], "rmsprop")
            insist("epsilon_place", phase["optimizer"]["epsilon_place"], "outside")
            for key in ("momentum", "clip_norm"):
                insist(key, number(phase["optimizer"][key]), 0)
            insist("batch_norm", phase.get("batch_norm", "frozen"), "frozen")
            insist("schedule", phase.get("schedule", {}).get("name", "constant"), "constant", "cosine")
            insist("schedule.warmup", number(phase.get("schedule", {}).get("warmup", 0)), 0)
            insist("stop.patience", phase.get("stop", {}).get("patience", 0), 0)
        augment = self.all.get("augment", {})
        for key in ("zoom", "brightness", "contrast", "saturation"):
            insist("augment." + key, tuple(map(number, augment.get(key, (1, 1)))), (1, 1))
        for key in ("shear", "crop"):
            insist("augment." + key, number(augment.get(key, 0)), 0)
        insist("augment.fill", augment.get("fill", "nearest"), "nearest")
        self.rotation = number(augment.get("rotation", 0))
        self.across, self.down = (number(augment.get(k, 0)) for k in ("width_shift", "height_shift"))
        self.mirror, self.topple = (flag(augment.get(k, False)) for k in ("horizontal_flip", "vertical_flip"))
        self.augments = bool(self.rotation or self.across or self.down or self.mirror or self.topple)
        features = self.all.get("features", {})
        self.variants = features.get("variants", 0) if self.augments else 1  # 0: the frozen part runs in every step
        if not flag(features.get("cache", True)):
            self.variants = 0

    def trained(self, phase, names):
        """The base's layers that a phase trains; names: all of them in the graph's order, its input left out."""
        text = phase.get("train", "head").strip()
        chosen = [n for n in names if any(fnmatch.fnmatchcase(n, p.strip()) for p in text.split(","))]
        if text in ("head", "all"):
            chosen = names if text == "all" else []
        elif text.startswith("last "):
            chosen = names[-int(text[5:]):]
        elif text.startswith("from "):
            chosen = names[names.index(text[5:].strip()):]
        elif not chosen:
            raise ValueError(f"train: '{text}' names no layer of the base")
        frozen = [p.strip() for p in (phase.get("freeze") or "").split(",") if p.strip()]
        return [n for n in chosen if not any(fnmatch.fnmatchcase(n, p) for p in frozen)]


def prepared(path, size, resample, background):
    """A picture as a user prepares it with Pillow: transparent ones laid on the background, fitted; [h, w, 3] bytes."""
    with Image.open(path) as im:
        im.load()
        if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
            im = im.convert("RGBA")
            ground = Image.new("RGB", im.size, background)
            ground.paste(im, mask=im.getchannel("A"))
            im = ground
        how = getattr(Image.Resampling, resample.upper())
        return np.asarray(ImageOps.pad(im.convert("RGB"), (size, size), how, background))


def read_list(run, name, classes):
    with open(os.path.join(run, name), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return [], torch.zeros(0, dtype=torch.long)
    label = next(k for k in rows[0] if k.lower() in ("label", "class", "category"))
    path = next(k for k in rows[0] if k.lower() in ("path", "file", "filename", "image"))
    return ([os.path.join(run, row[path]) for row in rows], torch.tensor([classes.index(row[label]) for row in rows]))


def load(paths, recipe, threads):
    """All pictures [n, 3, h, w], bytes."""
    p = recipe.all["pictures"]
    background = tuple(bytes.fromhex(p["background"][1:])) if p["background"].startswith("#") else p["background"]
    background = {"white": (255,) * 3, "black": (0,) * 3, "grey": (128,) * 3}.get(background, background)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(lambda path: prepared(path, p["size"], p["filter"], background), paths))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


class Normaliser:
    """What the base's model file says: (x * scale - mean) / std, channels in its order."""

    def __init__(self, preprocessing, layout):
        self.scale, self.bgr, self.layout = preprocessing["scale"], preprocessing["order"].lower() == "bgr", layout
        self.mean, self.std = (torch.tensor(preprocessing[k]).view(1, 3, 1, 1) for k in ("mean", "std"))

    def __call__(self, x):
        x = x.flip(1) if self.bgr else x
        return x.float().mul(self.scale).sub_(self.mean).div_(self.std).contiguous(memory_format=self.layout)


def warp(x, recipe):
    """Every picture turned, moved and mirrored by its own numbers, bilinearly, its edge pixels repeated."""
    n = len(x)
    angle, right, down = (torch.empty(n).uniform_(-a, a) for a in (recipe.rotation, recipe.across, recipe.down))
    angle = torch.deg2rad(angle)
    mirror, topple = (1 - 2.0 * (torch.rand(n) < 0.5) * on for on in (recipe.mirror, recipe.topple))
    row = (torch.cos(angle) * mirror, -torch.sin(angle) * topple, 2 * right)  # the picture is 2 wide
    row += (torch.sin(angle) * mirror, torch.cos(angle) * topple, 2 * down)
    theta = torch.stack(row, 1).view(n, 2, 3)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    return F.grid_sample(x.float(), grid, "bilinear", "border", align_corners=False)


def draws_of(labels, classes, data):
    """Indices of an epoch: large classes cut, small ones repeated."""
    out = []
    for c in range(classes):
        own = (labels == c).nonzero().flatten()
        own = own[torch.randperm(len(own))]
        if data["cap"]:
            own = own[:data["cap"]]
        short = min(data["oversample"], data["cap"] or data["oversample"]) if len(own) else 0
        rounds = -(-short // len(own)) if short > len(own) else 1
        out.append(own.repeat(rounds)[:max(short, len(own))])
    return torch.cat(out)
