#!/usr/bin/env python3
"""The command's answers to wrong input: cases.py BINARY, prints TAP.

Each case asserts the exit code, exactly one line on standard error that begins with "kohl" and holds the given words,
nothing on standard output, and a folder that holds afterwards what it held before.  A few cases of the other kind show
that the files which the rest spoils are good."""
import glob
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixtures

USAGE, INPUT, NUMBER, RESOURCE = 1, 2, 3, 4
GOOD = "good.safetensors"
TRAIN = ["train", "good.yaml", "--init-from", GOOD]


def case(code, words, *argv, **more):
    """words: what standard error must hold, separated by |; code None: any of usage, input, resource."""
    return {"code": code, "words": words.split("|") if words else [], "argv": list(argv), **more}


COMMAND_LINES = [
    case(USAGE, "no subcommand"),
    case(USAGE, "'clasify'|did you mean classify", "clasify"),
    case(USAGE, "'xyzzyxyzzy'|--help", "xyzzyxyzzy"),
    case(USAGE, "unknown option '--frobnicate'", "--frobnicate"),
    case(USAGE, "kohl classify|'--topkk'|--topk?", "classify", "--topkk", "3", GOOD, "a.png"),
    case(USAGE, "'-x'", "classify", "-x", GOOD, "a.png"),
    case(USAGE, "unknown option '--'|--help", "classify", "--=3", GOOD, "a.png"),
    case(USAGE, "--topk|no value", "classify", GOOD, "a.png", "--topk"),
    case(USAGE, "--topk|no value", "classify", GOOD, "a.png", "--topk", "--raw"),
    case(USAGE, "--topk|'five'|1 to 1000000", "classify", "--topk", "five", GOOD, "a.png"),
    case(USAGE, "--topk|'0'", "classify", "--topk=0", GOOD, "a.png"),
    case(USAGE, "--topk|'-1'", "classify", "--topk", "-1", GOOD, "a.png"),
    case(USAGE, "--topk|'3x'", "classify", "--topk", "3x", GOOD, "a.png"),
    case(USAGE, "--topk|'99999999999999999999'", "classify", "--topk", "99999999999999999999", GOOD, "a.png"),
    case(USAGE, "--topk|''", "classify", "--topk=", GOOD, "a.png"),
    case(USAGE, "--raw|'yes'", "classify", "--raw=yes", GOOD, "a.png"),
    case(USAGE, "--format|'xml'|table|json|csv|tsv", "classify", "--format", "xml", GOOD, "a.png"),
    case(USAGE, "--cpu|'sse'", "classify", "--cpu", "sse", GOOD, "a.png"),
    case(USAGE, "KOHL_CPU|'sse'", "classify", GOOD, "a.png", env={"KOHL_CPU": "sse"}),
    case(USAGE, "KOHL_THREADS|'lots'", "classify", GOOD, "a.png", env={"KOHL_THREADS": "lots"}),
    case(USAGE, "--threads|'2000'", "classify", "--threads", "2000", GOOD, "a.png"),
    case(USAGE, "--impl|conv2d_fwd=reff|conv2d_fwd=ref", "classify", "--impl", "conv2d_fwd=reff", GOOD, "a.png"),
    case(USAGE, "--impl|nothing", "classify", "--impl", "conv2d_fwd=ref,nothing", GOOD, "a.png"),
    case(USAGE, "--impl|bytes", "classify", "--impl", "conv2d_fwd=ref," * 40, GOOD, "a.png"),
    case(USAGE, "too few|classify", "classify", GOOD),
    case(USAGE, "too few|MODEL", "inspect"),
    case(USAGE, "'b'|too much", "inspect", GOOD, "b"),
    case(USAGE, "too few|RUN", "report"),
    case(USAGE, "nowhere|folder of a run", "report", "nowhere"),
    case(USAGE, "recipe.yaml|metrics.csv|folder of a run", "report", "."),
    case(USAGE, "--features|--format json", "classify", "--features", "gap", GOOD, "a.png"),
    case(USAGE, "--features|'gab'|gap", "classify", "--format", "json", "--features", "gab", GOOD, "a.png"),
    case(USAGE, "no head|--features", "classify", "base.safetensors", "a.png"),
    case(USAGE, "-o FILE", "convert", "foreign.safetensors", "--arch", "vgg19"),
    case(USAGE, "--to|missing|keras, torchvision or onnx", "export", GOOD, "-o", "x.out"),
    case(USAGE, "--to|'caffe'|keras, torchvision or onnx", "export", GOOD, "--to", "caffe", "-o", "x.out"),
    case(USAGE, "-o FILE", "export", GOOD, "--to", "onnx"),
    case(USAGE, "--preprocessing|--to onnx", "export", GOOD, "--to", "keras", "-o", "x.out", "--preprocessing"),
    case(USAGE, "good.safetensors|the model itself", "export", GOOD, "--to", "keras", "-o", GOOD),
    case(USAGE, "too few|MODEL", "export", "--to", "onnx", "-o", "x.out"),
    case(USAGE, "--until|--no-top", "convert", "foreign.safetensors", "--until", "a", "--no-top", "-o", "x.out"),
    case(USAGE, "--size|'8x'", "plan", "--size", "8x", GOOD),
    case(USAGE, "--size|'0'", "plan", "--size", "0", GOOD),
    case(USAGE, "--mode|'trainer'|train:LAYER", "bench", "net", GOOD, "--mode", "trainer"),
    case(USAGE, "--mode|'nowhere'", "bench", "net", GOOD, "--mode", "train:nowhere"),
    case(USAGE, "--mode|'fly'|infer", "plan", GOOD, "--mode", "fly"),
    case(RESOURCE, "memory|limit is 1048576", "plan", "vgg19", "--memory", "1"),
    case(USAGE, "--mode|'fly'", "bench", "net", GOOD, "--mode", "fly"),
    case(USAGE, "--packed|no value", "classify", GOOD, "a.png", "--packed"),
    case(USAGE, "--packed|train", *TRAIN, "--data", "data", "--out", "run", "--packed", "auto"),
    case(USAGE, "--dtype|'f64'", "bench", "net", GOOD, "--dtype", "f64"),
    case(USAGE, "--beta|'0'|above 0", "eval", GOOD, "data", "--beta", "0"),
    case(USAGE, "--beta|'two'|above 0", "eval", GOOD, "data", "--beta", "two"),
    case(USAGE, "--bootstrap|'-1'|0 to 1000000", "eval", GOOD, "data", "--bootstrap", "-1"),
    case(USAGE, "too few|calibrate", "calibrate", GOOD, "-o", "x.out"),
    case(USAGE, "'x'|too much", "devices", "x"),
    case(USAGE, "--format|'xml'|table|json|csv|tsv", "devices", "--format", "xml"),
    case(USAGE, "--exact|devices", "devices", "--exact"),
    case(USAGE, "no --output|-o FILE", "calibrate", GOOD, "data"),
    case(USAGE, "--beta|needs --thresholds", "calibrate", GOOD, "data", "-o", "x.out", "--beta", "2"),
    case(USAGE, "--split|'tset'", "calibrate", GOOD, "list.csv", "-o", "x.out", "--split", "tset"),
    case(USAGE, "'net19'|vgg19", "bench", "net", "net19"),
    case(USAGE, "'gross'|net", "bench", "gross", GOOD),
    case(USAGE, "'tcsh'|bash", "completion", "tcsh"),
    case(USAGE, "too few|DIR", "data"),
    case(USAGE, "2 operands|expected 1", "data", "data", "a.png"),
    case(USAGE, "1 operands behind cifar|expected 2|OUT", "data", "cifar", "data"),
    case(USAGE, "2 operands behind report|expected 1", "data", "report", "data", "data"),
    case(USAGE, "--near|'9'|0 to 8", "data", "data", "--near", "9"),
    case(USAGE, "size 8 x 9|square", "data", "cifar", "data", "x.out", "--size", "9x8"),
    case(USAGE, "'nothing'", "help", "nothing"),
    case(USAGE, "1 operands behind split|expected 2|OUT.csv", "data", "split", "data"),
    case(USAGE, "--validation|'2'|less than 1", "data", "split", "data", "x.out", "--validation", "2"),
    case(USAGE, "--test|'some'|1/6", "data", "split", "data", "x.out", "--test", "some"),
    case(USAGE, "validation 0.6|test 0.5", "data", "split", "data", "x.out", "--validation", "0.6", "--test", "0.5"),
    case(USAGE, "--folds|'1'|2 to 1000", "data", "split", "data", "x.out", "--folds", "1"),
    case(USAGE, "--test|--folds", "data", "split", "data", "x.out", "--folds", "3", "--test", "0.2"),
    case(USAGE, "'('", "data", "split", "data", "x.out", "--group-by", "("),
    case(USAGE, "'x'|0 pairs|expected 1", "data", "split", "data", "x.out", "--group-by", "x"),
    case(USAGE, "2 operands behind label|expected 3|RULES", "data", "label", "none.yaml", "list.csv"),
    case(USAGE, "--to|missing", "data", "balance", "data", "x.out"),
    case(USAGE, "--to|'0'|1 to 16777216", "data", "balance", "data", "x.out", "--to", "0"),
    case(USAGE, "--to|'onnx'|whole number", "data", "balance", "data", "x.out", "--to", "onnx"),
    case(USAGE, "--size|'8x'", "data", "balance", "data", "x.out", "--to", "9", "--size", "8x"),
    *[case(USAGE, "--augment|" + words, "data", "balance", "data", "x.out", "--to", "9", "--augment", text)
      for words, text in (
          ("'spin'|rotation, width_shift", "spin=3"), ("'rotation'|'999'|0 to 180", "rotation=999"),
          ("'zoom'|'0.9'|LOW:HIGH", "zoom=0.9"), ("'zoom'|'2:1'|LOW:HIGH", "zoom=2:1"),
          ("'horizontal_flip'|'yes'|0 or 1", "rotation=1,horizontal_flip=yes"), ("'shear'|without a value", "shear"),
          ("'fill'|'mirror'|reflect", "fill=mirror"), ("'colour'|'red'|#rrggbb", "colour=red"),
          ("'rotation'|again", "rotation=1,rotation=2"), ("comma", "rotation=1,"), ("'crop'|'8'|224", "crop=8"))],
    case(USAGE, "no --size", "data", "pack", "data", "x.out"),
    case(USAGE, "--background|'pink'|#rrggbb", "data", "pack", "data", "x.out", "--size", "8", "--background", "pink"),
    case(USAGE, "--bad-pictures|'2'|0 to 1", "data", "pack", "data", "x.out", "--size", "8", "--bad-pictures", "2"),
    case(USAGE, "--decode|'quick'|exact", "data", "pack", "data", "x.out", "--size", "8", "--decode", "quick"),
]

MODELS = [
    case(INPUT, "none.safetensors|No such file", "inspect", "none.safetensors"),
    case(INPUT, "folder.out", "inspect", "folder.out"),
    case(INPUT, "data|folder", "verify", "data"),
    case(INPUT, "flip_data.safetensors|conv.weight|CRC32C", "verify", "flip_data.safetensors"),
    case(INPUT, "flip_data.safetensors|conv.weight", "classify", "flip_data.safetensors", "a.png"),
    case(INPUT, "flip_data.safetensors|conv.weight|CRC32C", "export", "flip_data.safetensors", "--to", "onnx", "-o", "x.out"),
    case(INPUT, "none.safetensors|No such file", "export", "none.safetensors", "--to", "keras", "-o", "x.out"),
    case(INPUT, "foreign.safetensors|convert", "export", "foreign.safetensors", "--to", "keras", "-o", "x.out"),
    case(INPUT, "good.safetensors|torchvision has no network", "export", GOOD, "--to", "torchvision", "-o", "x.out"),
    case(INPUT, "nowhere/x.out|No such file", "export", GOOD, "--to", "onnx", "-o", "nowhere/x.out"),
    case(INPUT, "/dev/full|regular file", "export", GOOD, "--to", "keras", "-o", "/dev/full"),
    case(INPUT, "flip_header.safetensors", "inspect", "flip_header.safetensors"),
    case(INPUT, "short_data.safetensors", "inspect", "short_data.safetensors"),
    case(INPUT, "short_header.safetensors", "inspect", "short_header.safetensors"),
    case(INPUT, "long_data.safetensors", "inspect", "long_data.safetensors"),
    case(INPUT, "empty.safetensors", "inspect", "empty.safetensors"),
    case(INPUT, "seven.safetensors", "inspect", "seven.safetensors"),
    case(INPUT, "huge_header.safetensors", "inspect", "huge_header.safetensors"),
    case(INPUT, "text.safetensors", "inspect", "text.safetensors"),
    case(INPUT, "foreign.safetensors|convert", "inspect", "foreign.safetensors"),
    case(INPUT, "no_json.safetensors", "inspect", "no_json.safetensors"),
    case(INPUT, "f16.safetensors", "inspect", "f16.safetensors"),
    case(INPUT, "model_layer.safetensors|conv3d", "inspect", "model_layer.safetensors"),
    case(INPUT, "model_filters.safetensors|filters|0", "inspect", "model_filters.safetensors"),
    case(INPUT, "model_stride.safetensors|stride|0", "inspect", "model_stride.safetensors"),
    case(INPUT, "model_input.safetensors|nowhere", "inspect", "model_input.safetensors"),
    case(INPUT, "model_double.safetensors|conv", "inspect", "model_double.safetensors"),
    case(INPUT, "model_labels.safetensors|2 labels|3", "inspect", "model_labels.safetensors"),
    case(INPUT, "model_task.safetensors|dance", "inspect", "model_task.safetensors"),
    case(INPUT, "model_format.safetensors|99", "inspect", "model_format.safetensors"),
    case(INPUT, "model_std.safetensors|std", "inspect", "model_std.safetensors"),
    case(INPUT, "model_width.safetensors|9", "inspect", "model_width.safetensors"),
    case(INPUT, "model_unknown.safetensors|colour", "inspect", "model_unknown.safetensors"),
    case(INPUT, "model_thresholds.safetensors|3 thresholds|'one_label'|'many_labels'", "inspect",
         "model_thresholds.safetensors"),
    case(INPUT, "model_head_nowhere.safetensors|head 'kind'|no such layer", "inspect", "model_head_nowhere.safetensors"),
    case(INPUT, "model_head_layer.safetensors|head 'gap'|global_avg_pool", "inspect", "model_head_layer.safetensors"),
    case(INPUT, "model_head_last.safetensors|head 'prob'|the last layer", "inspect", "model_head_last.safetensors"),
    case(INPUT, "model_head_field.safetensors|'colour' of a head", "inspect", "model_head_field.safetensors"),
    case(INPUT, "model_head_none.safetensors|without 'layer'", "inspect", "model_head_none.safetensors"),
    case(INPUT, "model_head_list.safetensors|expected a head", "inspect", "model_head_list.safetensors"),
    case(INPUT, "many_two.safetensors|2 thresholds|3 labels", "inspect", "many_two.safetensors"),
    case(INPUT, "many_above.safetensors|threshold 2|value 2|0 to 1", "inspect", "many_above.safetensors"),
    case(INPUT, "many_text.safetensors|expected a threshold", "inspect", "many_text.safetensors"),
    case(INPUT, "missing_tensor.safetensors|fc.bias", "inspect", "missing_tensor.safetensors"),
    case(INPUT, "wrong_shape.safetensors|fc.weight", "inspect", "wrong_shape.safetensors"),
    case(INPUT, "extra_tensor.safetensors", "inspect", "extra_tensor.safetensors"),
    case(INPUT, "nan.safetensors|fc.weight|nan", "verify", "nan.safetensors"),
    case(NUMBER, "a.png|NaN", "classify", "nan.safetensors", "a.png"),
    case(USAGE, "--size|70000", "plan", "--size", "1x70000", GOOD),
    case(INPUT, "two?lines.safetensors", "inspect", "two\nlines.safetensors"),
]

PICTURES = [case(INPUT, f"bad/{name}", "classify", GOOD, f"bad/{name}") for name in (
    "empty.png", "half.png", "signature.png", "crc.png", "bomb.png", "zero.png", "text.jpg", "start.jpg", "gif.png",
    "folder.png", "fifo.png", "loop.png", "link.png", "none.png")] + [
    case(INPUT, "bad/half.png", "classify", GOOD, "a.png", "bad/half.png", "b.png", "--format", "json", lines=2),
    case(INPUT, "none.png", "classify", GOOD, "-", "--format", "json", stdin="a.png\nnone.png\n\nb.png", lines=2),
    case(INPUT, "none.png", "classify", "--", GOOD, "none.png"),
]

OUTPUTS = [
    case(RESOURCE, "standard output|No space left", "classify", GOOD, "a.png", stdout="/dev/full"),
    case(RESOURCE, "standard output|No space left", "inspect", GOOD, stdout="/dev/full"),
    case(RESOURCE, "standard output|No space left", "verify", GOOD, stdout="/dev/full"),
    case(RESOURCE, "standard output|No space left", "--help", stdout="/dev/full"),
    case(0, "", "classify", GOOD, *["a.png"] * 2000, stdout="closed pipe"),
    case(INPUT, "none.safetensors", "convert", "none.safetensors", "--arch", "vgg19", "-o", "x.out"),
    case(USAGE, "--arch", "convert", "foreign.safetensors", "-o", "x.out"),
    case(USAGE, "alexnot", "convert", "foreign.safetensors", "--arch", "alexnot", "-o", "x.out"),
    case(USAGE, "kerras", "convert", "foreign.safetensors", "--arch", "vgg19", "--preset", "kerras", "-o", "x.out"),
    case(INPUT, "foreign.safetensors", "convert", "foreign.safetensors", "--arch", "vgg19", "-o", "x.out"),
    case(INPUT, "text.safetensors", "convert", "text.safetensors", "--arch", "vgg19", "-o", "x.out"),
    case(INPUT, "nowhere", "convert", "vgg.safetensors", "--arch", "vgg19", "--until", "block1_conv1", "-o",
         "nowhere/x.out"),
    case(INPUT, "folder.out", "convert", "vgg.safetensors", "--arch", "vgg19", "--until", "block1_conv1", "-o",
         "folder.out"),
    case(USAGE, "blokc1_conv1|block1_conv1", "convert", "vgg.safetensors", "--arch", "vgg19", "--until", "blokc1_conv1",
         "-o", "x.out"),
    case(None, "labels", "convert", "vgg.safetensors", "--arch", "vgg19", "--until", "block1_conv1", "--labels",
         "none.txt", "-o", "x.out"),
]

# The files that the other cases spoil are good: these must succeed.
WORKING = [
    case(0, "", "devices", "--format", "json", lines=1),
    case(0, "", "verify", GOOD, lines=1),
    case(0, "", "classify", GOOD, "a.png", "--format", "json", lines=1),
    case(0, "", "classify", GOOD, "a.png", "b.png", "--format=csv", "--topk", "2", lines=5),
    case(0, "", "classify", "base.safetensors", "a.png", "--format", "json", "--features", "gap", lines=1),
    case(0, "", "classify", GOOD, "--format", "json", "-", stdin="a.png\r\nb.png", lines=2),
    case(0, "", "classify", "--packed", "x.out", GOOD, "a.png", "--format", "json", lines=1, makes=["./x.out"]),
    case(0, "", "classify", "--packed=auto", GOOD, "a.png", "--format", "json", lines=1, makes=["./" + GOOD + ".packed"]),
    case(0, "", "classify", "--packed", "nowhere/x", "-q", GOOD, "a.png", "--format", "json", lines=1),
    case(0, "", "eval", "--packed", "x.out", GOOD, "data", "--format", "json", lines=1, makes=["./x.out"]),
    case(0, "", "bench", "--packed", "x.out", "net", GOOD, "--format", "json", lines=1, makes=["./x.out"]),
    case(0, "", "eval", GOOD, "data", "--format", "json", lines=1),
    case(0, "", "eval", GOOD, "list.csv", "--split", "test", "--format", "json", lines=1),
    case(0, "", "eval", GOOD, "data", "--format", "csv", "--predictions", "x.out", lines=4, makes=["./x.out"]),
    case(0, "", "eval", "many.safetensors", "several.csv", "--format", "json", lines=1),
    case(0, "", "eval", "many.safetensors", "several.csv", "--predictions", "x.out", lines=18, makes=["./x.out"]),
    case(0, "", "classify", "many.safetensors", "a.png", "--format", "csv", lines=4),
    case(0, "", "inspect", "many.safetensors", "--format", "json", lines=1),
    case(0, "", "calibrate", GOOD, "data", "-o", "x.out", "--format", "json", lines=1, makes=["./x.out"]),
    case(0, "", "calibrate", GOOD, "data", "-o", "x.out", lines=6, makes=["./x.out"]),
    case(0, "", "calibrate", "many.safetensors", "several.csv", "--thresholds", "-o", "x.out", "--format", "csv",
         lines=7, makes=["./x.out"]),
    case(0, "", "export", GOOD, "--to", "keras", "-o", "x.out", lines=1, makes=["./x.out"]),
    case(0, "", "export", GOOD, "--to", "onnx", "--preprocessing", "-q", "-o", "x.out", makes=["./x.out"]),
    case(0, "", "plan", GOOD, "--format", "json", lines=1),
    case(0, "", "--version", lines=1),
    case(0, "", "convert", "vgg.safetensors", "--arch", "vgg19", "--until", "block1_conv1", "-o", "x.out", "-q",
         makes=["./x.out"]),
    case(0, "", *TRAIN, "--data", "data", "--out", "run", "-q", makes=["./run"]),
]

DATA = [
    case(INPUT, "nowhere", "eval", GOOD, "nowhere"),
    case(INPUT, "empty_folder", "eval", GOOD, "empty_folder"),
    case(INPUT, "wolf", "eval", GOOD, "other_class"),
    case(INPUT, "wrong_label.csv|wolf", "eval", GOOD, "wrong_label.csv"),
    case(INPUT, "no_label.csv|label", "eval", GOOD, "no_label.csv"),
    case(USAGE, "split|'tset'", "eval", GOOD, "list.csv", "--split", "tset"),
    case(INPUT, "list.csv|validation", "eval", GOOD, "list.csv", "--split", "validation"),
    case(INPUT, "base.safetensors", "eval", "base.safetensors", "data"),
    case(INPUT, "cat;owl", "eval", GOOD, "several.csv"),
    case(INPUT, "nowhere/x.csv|No such file", "eval", GOOD, "data", "--predictions", "nowhere/x.csv"),
    case(RESOURCE, "/dev/full|No space left", "eval", GOOD, "data", "--predictions", "/dev/full"),
    case(INPUT, "no labels", "calibrate", "base.safetensors", "data", "-o", "x.out"),
    case(INPUT, "'one_label'|'many_labels'", "calibrate", GOOD, "data", "-o", "x.out", "--thresholds"),
    case(INPUT, "nowhere", "calibrate", GOOD, "nowhere", "-o", "x.out"),
    case(INPUT, "nowhere/x.out", "calibrate", GOOD, "data", "-o", "nowhere/x.out"),
    case(INPUT, "list.csv|1 pictures hold no temperature|every one is right", "calibrate", GOOD, "list.csv", "-o",
         "x.out", "--split", "test"),
    case(USAGE, "--out", *TRAIN, "--data", "data"),
    case(USAGE, "--data", *TRAIN, "--out", "run"),
    case(USAGE, "RECIPE", "train", "--data", "data", "--out", "run"),
    case(INPUT, "none.yaml", "train", "none.yaml", "--data", "data", "--out", "run", "--init-from", GOOD),
    case(INPUT, "unknown_key.yaml|learning_speed", "train", "unknown_key.yaml", "--data", "data", "--out", "run"),
    case(INPUT, "wrong_type.yaml|epochs|many", "train", "wrong_type.yaml", "--data", "data", "--out", "run"),
    case(INPUT, "range.yaml|epochs|0", "train", "range.yaml", "--data", "data", "--out", "run"),
    case(INPUT, "no_yaml.yaml", "train", "no_yaml.yaml", "--data", "data", "--out", "run"),
    case(USAGE, "--set|sped", *TRAIN, "--data", "data", "--out", "run", "--set", "sped=3"),
    case(USAGE, "--set|epochs", *TRAIN, "--data", "data", "--out", "run", "--set", "epochs=none"),
    case(USAGE, "--set|epochs", *TRAIN, "--data", "data", "--out", "run", "--set", "epochs"),
    case(INPUT, "nowhere", *TRAIN, "--data", "nowhere", "--out", "run"),
    case(USAGE, "2 folds|expected 3", *TRAIN, "--data", "data", "--out", "run", "--folds", "2"),
    case(USAGE, "standard input|3 folds", *TRAIN, "--data", "-", "--out", "run", "--folds", "3"),
    case(INPUT, "data.folds|fold 7 of 3", *TRAIN, "--data", "data", "--out", "run", "--set", "data.folds=3", "--set",
         "data.fold=7"),
    case(INPUT, "heads_name.yaml|heads.2.name|'animal'|head 1", "train", "heads_name.yaml", "--data", "data", "--out",
         "run"),
    case(INPUT, "heads_key.yaml:2|heads.1.depth", "train", "heads_key.yaml", "--data", "data", "--out", "run"),
    case(INPUT, "list.csv|no column named 'kind'", "train", "heads.yaml", "--init-from", GOOD, "--data", "list.csv",
         "--out", "run"),
    case(INPUT, "data|no column 'kind'|CSV", "train", "heads.yaml", "--init-from", GOOD, "--data", "data", "--out", "run"),
    case(INPUT, "head 'conv'|one of the base", "train", "heads.yaml", "--init-from", GOOD, "--data", "two_columns.csv",
         "--out", "run", "--set", "heads.1.name=conv"),
    case(USAGE, "heads.3.dense|no such head|1 to 2", "train", "heads.yaml", "--init-from", GOOD, "--data",
         "two_columns.csv", "--out", "run", "--set", "heads.3.dense=[]"),
    case(INPUT, "field 'best'|no head 'colour'", "train", "heads.yaml", "--init-from", GOOD, "--data",
         "two_columns.csv", "--out", "run", "--set", "best=colour.val_loss"),
    case(0, "", "train", "heads.yaml", "--init-from", GOOD, "--data", "two_columns.csv", "--out", "run", "--quiet",
         makes=["./run"]),
    case(0, "", "classify", "two.safetensors", "a.png", lines=8),
    case(0, "", "classify", "two.safetensors", "a.png", "--format", "csv", lines=6),
    case(0, "", "classify", "two.safetensors", "a.png", "--format", "json", lines=1),
    case(0, "", "eval", "two.safetensors", "two_columns.csv", "--format", "json", lines=1),
    case(0, "", "eval", "two.safetensors", "data", "--head", "prob", "--format", "json", lines=1),
    case(USAGE, "two.safetensors|no head 'colour'", "eval", "two.safetensors", "two_columns.csv", "--head", "colour"),
    case(INPUT, "data|no column 'kind'", "eval", "two.safetensors", "data"),
    case(INPUT, "none.safetensors", "train", "good.yaml", "--init-from", "none.safetensors", "--data", "data", "--out",
         "run"),
    case(USAGE, "run_exists", *TRAIN, "--data", "data", "--out", "run_exists"),
    case(None, "nowhere", *TRAIN, "--data", "data", "--out", "nowhere/run"),
    case(USAGE, "fcc", *TRAIN, "--data", "data", "--out", "run", "--set", "base.at=fcc"),
    case(None, "norun", *TRAIN, "--data", "data", "--out", "norun", "--resume"),
    case(0, "", "data", "data", lines=14),
    case(0, "", "data", "other_class", lines=13),  # two identical files in two classes
    case(0, "", "data", "report", "data", "--format", "json", lines=1),
    case(0, "", "data", "list.csv", "--format", "csv", lines=3),
    case(0, "", "data", "-", "--format", "csv", lines=3, stdin="path,label\na.png,x\nb.png,y\n"),
    case(0, "", "data", "-", "--format", "csv", lines=3, stdin="data/cat/0.png\ndata/dog/1.png\n"),
    case(0, "", "data", "batches", "--format", "csv", lines=3),
    case(0, "", "data", "cifar", "data", "x.out", makes=["./x.out"]),
    case(INPUT, "nowhere|No such file", "data", "nowhere"),
    case(INPUT, "empty_folder|one per class", "data", "empty_folder"),
    case(INPUT, "classes_empty/cat|no .jpg", "data", "classes_empty"),
    case(INPUT, "no_label.csv|line 1|label, class or category", "data", "no_label.csv"),
    case(INPUT, "weight.csv|line 2|weight 'heavy'|0 or more", "data", "weight.csv"),
    case(INPUT, "one_bad|1 of 2 pictures are bad", "data", "one_bad", "--format", "csv", lines=3),
    case(INPUT, "standard input|line 1|'a.png'|CLASS/FILE", "data", "-", stdin="a.png\n"),
    case(INPUT, "standard input|no pictures", "data", "-"),
    case(INPUT, "data_batch_1.bin|6145 bytes|records of 3073", "data", "batches_long"),
    case(INPUT, "data_batch_1.bin|record 1|label 7|less than 2", "data", "batches_label"),
    case(INPUT, "batches.shape.txt|SIDE LABELS", "data", "batches_shape"),
    case(INPUT, "data_batch_1|opcode 0x69", "data", "batches_call"),
    case(INPUT, "data_batch_1|global 'os.system'", "data", "batches_system"),
    case(0, "", "data", "split", "data", "x.out", "--format", "json", lines=1, makes=["./x.out"]),
    case(0, "", "data", "balance", "data", "x.out", "--to", "30", "--size", "8", "--format", "json", lines=1,
         makes=["./x.out"]),
    case(0, "", "data", "pack", "data", "x.out", "--size", "8", lines=1, makes=["./x.out"]),
    case(INPUT, "one_bad|1 of 2 pictures are bad and left out", "data", "split", "one_bad", "x.out", "-q", "--format",
         "json", lines=1, makes=["./x.out"]),
    case(INPUT, "nowhere|No such file", "data", "split", "nowhere", "x.out"),
    case(INPUT, "nowhere/x.csv|No such file", "data", "split", "data", "nowhere/x.csv"),
    case(INPUT, "has no group by the pattern '(zzz)'", "data", "split", "data", "x.out", "--group-by", "(zzz)"),
    case(INPUT, "none.yaml|No such file", "data", "label", "none.yaml", "list.csv", "x.out"),
    case(INPUT, "run_exists|not empty", "data", "balance", "data", "run_exists", "--to", "9"),
    case(INPUT, "batches|no file of its own", "data", "balance", "batches", "x.out", "--to", "9"),
    case(INPUT, "nowhere/x.out|No such file", "data", "pack", "data", "nowhere/x.out", "--size", "8"),
    case(INPUT, "one_bad|1 of 2 pictures are bad", "data", "pack", "one_bad", "x.out", "--size", "8", "-q"),
    case(USAGE, "data.cap|'-1'", *TRAIN, "--data", "data", "--out", "run", "--set", "data.cap=-1"),
    case(INPUT, "data.oversample|20|data.cap, 10", *TRAIN, "--data", "data", "--out", "run", "--set", "data.cap=10",
         "--set", "data.oversample=20"),
    case(INPUT, "run_exists/test_batch.bin|File exists", "data", "cifar", "data", "run_exists"),
]


def listing():
    return sorted(os.path.join(folder, name) for folder, folders, files in os.walk(".") for name in folders + files)


def run(binary, this):
    env = {k: v for k, v in os.environ.items() if not k.startswith("KOHL_")}
    env.update(this.get("env", {}))
    out = this.get("stdout")
    closed = None
    if out == "closed pipe":
        reader, closed = os.pipe()
        os.close(reader)
    target = open(out, "wb") if out and not closed else closed or subprocess.PIPE
    try:
        done = subprocess.run([binary] + this["argv"], env=env, input=this.get("stdin", "").encode(), stdout=target,
                              stderr=subprocess.PIPE, timeout=120, check=False)
    finally:
        if closed is not None:
            os.close(closed)
        elif out:
            target.close()
    return done.returncode, (done.stdout or b"").decode(errors="replace"), done.stderr.decode(errors="replace")


def problems(binary, this):
    before = listing()
    try:
        code, out, err = run(binary, this)
    except subprocess.TimeoutExpired:
        return ["did not end within 120 s"]
    found = []
    expected = (USAGE, INPUT, RESOURCE) if this["code"] is None else (this["code"],)
    if code not in expected:
        found.append(f"exit code {code}, expected {this['code']}")
    lines = 0 if this["code"] == 0 else 1
    if err.count("\n") != lines or (lines and not (err.endswith("\n") and err.startswith("kohl"))):
        found.append(f"standard error has {err.count(chr(10))} lines, expected {lines}")
    found += [f"no '{word}'" for word in this["words"] if word not in err]
    if out.count("\n") != this.get("lines", 0):
        found.append(f"standard output has {out.count(chr(10))} lines: {out[:200]!r}")
    left = [path for path in listing() if path not in before]
    made = this.get("makes", [])
    stray = [path for path in left if not any(path == m or path.startswith(m + "/") for m in made)]
    if stray or not set(made) <= set(left) or not set(before) <= set(listing()):
        found.append(f"files left: {left}, expected {made}")
    for path in reversed(left):
        os.rmdir(path) if os.path.isdir(path) else os.remove(path)
    return found + ([f"standard error: {err[:1500]}"] if found else [])


def page_problems(binary, path):
    """A man page must be what the command prints: help --man [SUBCOMMAND] > docs/man/kohl[-SUBCOMMAND].1."""
    words = os.path.basename(path)[:-len(".1")].split("-")[1:]
    done = subprocess.run([binary, "help", "--man"] + words, capture_output=True, timeout=120, check=False)
    with open(path, "rb") as file:
        same = done.returncode == 0 and done.stdout == file.read()
    return [] if same else [f"differs from what 'kohl help --man {' '.join(words)}' prints"]


def report(name, found):
    print(f"{'not ok' if found else 'ok'} - {name}", flush=True)
    for line in found:
        print("# " + line.replace("\n", "\n# "))
    return bool(found)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: cases.py BINARY")
    binary = os.path.abspath(sys.argv[1])
    pages = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man/*.1")))
    cases = WORKING + COMMAND_LINES + MODELS + PICTURES + OUTPUTS + DATA
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fixtures.make()
        for this in cases:
            name = " ".join(["kohl"] + this["argv"])[:100].replace("\n", "?")
            failed += report(name, problems(binary, this))
        os.chdir("/")
    for page in pages:
        failed += report("man page " + os.path.basename(page), page_problems(binary, page))
    print(f"1..{len(cases) + len(pages)}")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
