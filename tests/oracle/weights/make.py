"""Has every framework write its networks: the list of jobs, each a process of that framework's interpreter.

    make.py FOLDER [WORD]     files, FILE.logits.npz and manifest.json of the rows that contain WORD, a folder for each job

As a module for run.py and flips.py: jobs(), run_job().  README.md says how the three interpreters are set up; they are
looked for where KOHL_PYTHON_DEBIAN, KOHL_PYTHON_TORCH and KOHL_PYTHON_KERAS say.
"""
import collections
import json
import os
import subprocess
import sys

import photographs

HERE = os.path.dirname(os.path.abspath(__file__))
WRITERS = {  # writer: (variable, default, script)
    "debian": ("KOHL_PYTHON_DEBIAN", "/usr/bin/python3", "from_torch.py"),
    "torch": ("KOHL_PYTHON_TORCH", "/tmp/venv-torch/bin/python", "from_torch.py"),
    "keras": ("KOHL_PYTHON_KERAS", "/tmp/venv-tf/bin/python", "from_keras.py"),
}
Job = collections.namedtuple("Job", "writer network formats")
# A process writes one network, which may be 575 MB, in all these formats.
JOBS = [Job(writer, network, formats.split()) for writer, network, formats in (
    ("debian", "alexnet", "zip sequential onnx"),
    ("debian", "inception_v3_aux", "zip sequential onnx onnx-unfolded onnx-9"),
    ("debian", "inception_v3", "zip sequential onnx onnx-unfolded"),
    ("debian", "inception_v3_plain", "onnx"),
    ("debian", "resnet101", "zip sequential onnx onnx-unfolded"),
    ("debian", "vgg19", "zip sequential onnx"),
    ("debian", "vgg19_bn", "zip sequential onnx onnx-unfolded"),
    ("torch", "alexnet", "zip safetensors onnx onnx-new"),
    ("torch", "inception_v3_aux", "zip safetensors onnx onnx-unfolded onnx-new"),
    ("torch", "inception_v3", "zip safetensors onnx onnx-new"),
    ("torch", "resnet101", "zip safetensors onnx onnx-unfolded onnx-new"),
    ("torch", "resnet101_v2", "zip safetensors"),
    ("torch", "resnet18", "safetensors onnx"),
    ("torch", "resnet50", "safetensors onnx"),
    ("torch", "squeezenet1_1", "zip safetensors onnx"),
    ("torch", "vgg16_bn", "safetensors"),
    ("torch", "vgg19", "zip safetensors onnx onnx-new"),
    ("torch", "vgg19_bn", "zip safetensors onnx onnx-unfolded onnx-new"),
    ("torch", "timm_vgg19", "timm"),
    ("torch", "timm_vgg19_bn", "timm"),
    ("torch", "timm_inception_v3", "timm"),
    ("torch", "timm_resnet101", "timm"),
    ("keras", "sequential", "h5-whole keras"),
    ("keras", "branches", "h5-whole keras"),
    ("keras", "inception_v3", "h5 weights-h5 safetensors h5-whole keras"),
    ("keras", "resnet101", "h5 weights-h5 safetensors h5-whole keras"),
    ("keras", "vgg19", "h5 weights-h5 safetensors h5-whole keras"),
    ("keras", "keras2_inception_v3", "h5 h5-whole tfjs tfjs-uint16 tfjs-float16 tfjs-uint8"),
    ("keras", "keras2_resnet101", "h5 h5-whole tfjs tfjs-uint16 tfjs-float16 tfjs-uint8"),
    ("keras", "keras2_vgg19", "h5 h5-whole tfjs tfjs-uint8"),
    ("keras", "slim_inception_v3", "slim-v1 slim-v2"),
    ("keras", "slim_resnet101", "slim-v1 slim-v2"),
    ("keras", "slim_vgg19", "slim-v1 slim-v2"),
)]


def name_of(job, form):
    return f"{job.writer}/{job.network}/{form}"


def jobs(words):
    """Those with a row whose name ("keras/vgg19/h5") contains all words, with these rows' formats alone."""
    for job in JOBS:
        formats = [form for form in job.formats if all(word in name_of(job, form) for word in words.split())]
        if formats:
            yield job._replace(formats=formats)


def interpreter(writer):
    variable, default, _ = WRITERS[writer]
    return os.environ.get(variable, default)


def pictures_of(job, scratch):
    """A folder of photographs, made at its first use; slim's need no resizing."""
    side = (341 if "inception" in job.network else 256) if job.network.startswith("slim") else 0
    folder = os.path.join(scratch, f"photographs{side or ''}")
    if not os.path.isdir(folder):
        os.makedirs(folder)
        if side:
            photographs.unresized(folder, side)
        else:
            photographs.photographs(folder)
    return folder


def run_job(job, folder, scratch):
    """(rows of the manifest, the folder of photographs, None or what went wrong)"""
    pictures, python = pictures_of(job, scratch), interpreter(job.writer)
    script = os.path.join(HERE, WRITERS[job.writer][2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run([python, script, folder, pictures, job.network, *job.formats], capture_output=True, text=True, env=environment)
    except OSError as error:
        return [], pictures, f"{python}: {error.strerror}; README.md says how it is set up, {WRITERS[job.writer][0]} where it is"
    path = os.path.join(folder, "manifest.json")
    rows = []
    if os.path.exists(path):
        with open(path) as file:
            rows = json.load(file)
    return rows, pictures, done.stderr[-600:].strip() if done.returncode else None


if __name__ == "__main__":
    for number, each in enumerate(jobs(" ".join(sys.argv[2:]))):
        where = os.path.join(sys.argv[1], f"{each.writer}_{each.network}")
        os.makedirs(where)
        written, _, wrong = run_job(each, where, sys.argv[1])
        print(where, len(written), "files", wrong or "")
