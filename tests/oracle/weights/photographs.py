"""Eight photographs of several sizes and kinds, and what publishers do to a photograph before their network.

    photographs(folder)            four PNG and four JPEG made of ../shared/data; Pillow alone
    keras, crop, slim, batch       preparation in Pillow and numpy as each publisher documents it, nothing of kohl's

The pictures are small or wide or tall, so that every crop and stretch has something to do; the JPEG are of 4:2:0, of
4:4:4 and progressive, of one channel, and as the museum's collection has them.
"""
import os

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = os.path.join(os.path.dirname(ROOT), "shared", "data")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(folder):
    """The files' paths, the same pixels on every machine that has the same Pillow."""
    png = os.path.join(DATA, "inception_v3", "png")
    pictures = [Image.open(os.path.join(png, name)).convert("RGB") for name in sorted(os.listdir(png))]
    pottery = os.path.join(DATA, "egyptian_artifacts", "Pottery")
    museum = Image.open(os.path.join(pottery, sorted(os.listdir(pottery))[0]))
    pair = Image.new("RGB", (598, 299))
    pair.paste(pictures[0], (0, 0))
    pair.paste(pictures[1], (299, 0))
    made = [
        ("altar.png", pictures[0].crop((10, 40, 281, 240)), {}),
        ("church.png", pictures[1].resize((640, 427), Image.BICUBIC), {}),
        ("mask.png", pictures[3], {}),
        ("teapot.png", pictures[4].resize((333, 500), Image.LANCZOS), {}),
        ("two.jpg", pair, {"quality": 90, "subsampling": 2}),
        ("vase.jpg", pictures[7].crop((40, 0, 240, 299)), {"quality": 85, "subsampling": 0, "progressive": True}),
        ("throne.jpg", pictures[5].convert("L").resize((411, 300), Image.BICUBIC), {"quality": 95}),
    ]
    for name, picture, options in made:
        picture.save(os.path.join(folder, name), **options)
    with open(museum.filename, "rb") as source, open(os.path.join(folder, "pottery.jpg"), "wb") as target:
        target.write(source.read())
    return [os.path.join(folder, name) for name in [name for name, _, _ in made] + ["pottery.jpg"]]


def unresized(folder, side):
    """Photographs of side x side, whose preparation cuts and does not resize: for publishers whose resize kohl lacks."""
    png, paths = os.path.join(DATA, "inception_v3", "png"), []
    for i, name in enumerate(sorted(os.listdir(png))):
        picture = Image.open(os.path.join(png, name)).convert("RGB").resize((side, side), Image.BICUBIC)
        paths.append(os.path.join(folder, f"{side}_{i}." + ("png" if i % 2 else "jpg")))
        picture.save(paths[-1], **({} if i % 2 else {"quality": 92}))
    return paths


def pixels(picture):
    return np.asarray(picture, np.uint8).astype(np.float32)


def keras(path, size):
    """keras.utils.load_img(path, target_size=(size, size), interpolation="bilinear"), still 0..255."""
    return pixels(Image.open(path).convert("RGB").resize((size, size), Image.BILINEAR))


def centre(picture, size):
    """torchvision's CenterCrop: Python's rounding, half to even."""
    left, top = int(round((picture.width - size) / 2)), int(round((picture.height - size) / 2))
    return picture.crop((left, top, left + size, top + size))


def crop(path, resize, size, bicubic, mean, std):
    """torchvision's Resize (the shorter side; the longer rounded down), CenterCrop, ToTensor, Normalize; h, w, c."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    sides = (resize, int(resize * height / width)) if width <= height else (int(resize * width / height), resize)
    if picture.size != sides:
        picture = picture.resize(sides, Image.BICUBIC if bicubic else Image.BILINEAR)
    values = pixels(centre(picture, size)) / np.float32(255)
    return (values - np.float32(mean)) / np.float32(std)


def slim(path, size):
    """What TF-Slim cuts out of a photograph of unresized(): the middle 0.875 of 341 for 299, 224 of 256."""
    picture = Image.open(path).convert("RGB")
    start = int((picture.width - picture.width * 0.875) / 2) if size == 299 else (picture.width - size) // 2
    return pixels(picture.crop((start, start, start + size, start + size)))


def batch(paths, prepare):
    return np.stack([prepare(path) for path in paths])
