"""PyTorch files through the reader, against torch's own numbers and against numpy's.

    torch_pth.py BUILD

tests/fixtures/torch holds files of PyTorch 2.13 and 1.13 with what torch says is in them (pytorch/make_pth.py wrote
both).  Others are written here by CPython's pickle, with stand-ins for torch's functions: random types, shapes and
strides in both containers, compared with numpy's view of the same storage.  Prints TAP.
"""
import io
import os
import pickle
import subprocess
import sys
import tempfile
import types
import zipfile
from collections import OrderedDict

import numpy as np

DUMP = os.path.join(sys.argv[1], "oracle", "dump_source")
FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures", "torch")
RANDOM = np.random.default_rng(7)
MAGIC = 0x1950A86A20F9469CFC6C
failures = 0

# What each file of another kind must be told to its user.
REFUSED = {
    "complex": ["'torch.ComplexFloatStorage': a tensor of complex numbers"],
    "list": ["holds a list, expected a dict of named tensors"],
    "module": ["'torch.nn.modules.container.Sequential'", "maybe a whole pickled module", "torch.save(model.state_dict(), 'FILE')"],
    "newer": ["'torch._utils._rebuild_tensor_v3'", "newer types"],
    "nine": ["tensor 'w'", "at most 8"],
    "numbered": ["a tensor's key is a whole number, expected its name"],
    "numpy": ["'numpy._core.multiarray.scalar'", "NumPy"],
    "object": ["'__main__.Namespace'", "torch.save(model.state_dict(), 'FILE')"],
    "optimizer": ["holds the state of an optimizer alone"],
    "protocol": ["pickle protocol 4, expected 2"],
    "protocol-seq": ["pickle", "torch.save"],
    "quantised": ["a quantised tensor", "dequantize()"],
    "script": ["is a TorchScript archive", "state_dict()"],
    "sparse": ["a sparse tensor", "to_dense()"],
    "tensor": ["holds a tensor, expected a dict of named tensors"],
    "words": ["holds a dict without tensors (its first key is 'epoch')", "'state_dict'"],
}


def report(good, text, detail=""):
    global failures
    failures += not good
    print(("ok - " if good else "not ok - ") + text)
    if not good and detail:
        print("# " + str(detail)[:400])


def dump(path, *more):
    done = subprocess.run([DUMP, path, *more], capture_output=True, text=True)
    return done.returncode, [line.split("\t") for line in done.stdout.splitlines()], done.stderr


def fixtures():
    seen = 0
    for tag in ("v1.13", "v2.13"):
        expected = {}
        for line in open(os.path.join(FIXTURES, f"expected-{tag}.tsv")):
            path, *fields = line.rstrip("\n").split("\t")
            expected.setdefault(path, []).append(fields)
        for path, want in expected.items():
            for block in ("65536", "3"):
                code, lines, error = dump(os.path.join(FIXTURES, path), "/dev/null", block)
                got = [[name, kind, shape, rest[0] if len(rest) == 2 else "-"] for name, kind, shape, _, _, _, *rest in lines]
                seen += 1
                if got != want or code:
                    report(False, f"{path} in blocks of {block}", error or [pair for pair in zip(got, want) if pair[0] != pair[1]])
    report(seen == 36 and not failures, f"{seen} readings of torch's files: names, types, shapes and values are torch's")


def refused():
    for name, phrases in REFUSED.items():
        code, lines, error = dump(os.path.join(FIXTURES, f"bad-{name}.pth"))
        good = code == 2 and not lines and error.count("\n") == 1 and all(phrase in error for phrase in [f"bad-{name}.pth", *phrases])
        report(good, f"refused: bad-{name}.pth", error)


# Stand-ins for torch: what pickle writes of them are their names.

def stand_in(module, name):
    """A function that pickle takes for module.name."""
    def function(*_):
        pass
    function.__module__, function.__name__, function.__qualname__ = module, name, name
    for part in range(1, module.count(".") + 2):
        whole = ".".join(module.split(".")[:part])
        sys.modules.setdefault(whole, types.ModuleType(whole))
    setattr(sys.modules[module], name, function)
    return function


REBUILD = stand_in("torch._utils", "_rebuild_tensor_v2")
PARAMETER = stand_in("torch._utils", "_rebuild_parameter")
STORAGES = {"<f4": "Float", "<f8": "Double", "<f2": "Half", "<i2": "Short", "|i1": "Char", "|u1": "Byte", "|b1": "Bool"}
KINDS = {dtype: stand_in("torch", name + "Storage") for dtype, name in STORAGES.items()}
NAMES = {"<f4": "F32", "<f8": "F64", "<f2": "F16", "<i2": "I16", "|i1": "I8", "|u1": "U8", "|b1": "BOOL"}


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Tensor:
    def __init__(self, storage, offset, shape, stride, parameter):
        self.storage, self.offset, self.shape, self.stride, self.parameter = storage, offset, shape, stride, parameter

    def __reduce__(self):
        if self.parameter:
            return PARAMETER, (Tensor(self.storage, self.offset, self.shape, self.stride, False), True, OrderedDict())
        return REBUILD, (self.storage, self.offset, self.shape, self.stride, False, OrderedDict())

    def values(self):
        array = self.storage.array
        if 0 in self.shape:
            return np.zeros(self.shape, array.dtype)
        return np.lib.stride_tricks.as_strided(array[self.offset:], self.shape, [step * array.itemsize for step in self.stride])


def pickled(value, sequential=False):
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=2)
    extra = (None,) if sequential else ()

    def persistent_id(thing):
        return ("storage", KINDS[thing.array.dtype.str], thing.key, "cpu", thing.array.size, *extra) if isinstance(thing, Storage) else None

    pickler.persistent_id = persistent_id
    pickler.dump(value)
    return out.getvalue()


def random_storage(key):
    dtype = RANDOM.choice(list(STORAGES))
    count = int(RANDOM.integers(1, 3000))
    array = RANDOM.standard_normal(count) * 30
    return Storage(key, (array > 0).astype(dtype) if dtype == "|b1" else array.astype(dtype))


def random_tensor(storage):
    """Any shape and strides that stay inside."""
    while True:
        shape = tuple(int(n) for n in RANDOM.integers(0 if RANDOM.random() < 0.05 else 1, 7, RANDOM.integers(0, 7)))
        stride = tuple(int(n) for n in RANDOM.integers(0, 40, len(shape)))
        if RANDOM.random() < 0.5:
            stride = tuple(int(np.prod(shape[i + 1:], dtype=int)) for i in range(len(shape)))
        offset = int(RANDOM.integers(0, storage.array.size))
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
        if 0 in shape or last < storage.array.size:
            return Tensor(storage, offset, shape, stride, RANDOM.random() < 0.2)


def write_zip(path, value, storages):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled(value))
        for storage in storages:
            archive.writestr(f"net/data/{storage.key}", storage.array.tobytes())


def write_sequential(path, value, storages):
    order = RANDOM.permutation(len(storages))
    with open(path, "wb") as file:
        for part in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}):
            pickle.dump(part, file, protocol=2)
        file.write(pickled(value, sequential=True))
        pickle.dump([storages[i].key for i in order], file, protocol=2)
        for i in order:
            file.write(storages[i].array.size.to_bytes(8, "little") + storages[i].array.tobytes())


def same(path, raw, state):
    code, lines, error = dump(path, raw, str(RANDOM.choice([1, 7, 100, 65536])))
    if code:
        return error
    if [line[:3] for line in lines] != [[name, NAMES[t.storage.array.dtype.str], ",".join(map(str, t.shape)) or "scalar"] for name, t in state.items()]:
        return "names, types or shapes differ"
    want = b"".join(np.ascontiguousarray(t.values()).astype("<f4").tobytes() for t in state.values())
    return "" if open(raw, "rb").read() == want else "values differ"


def written_here(scratch):
    path, raw = os.path.join(scratch, "net.pth"), os.path.join(scratch, "raw")
    for title, write in (("zip", write_zip), ("sequential", write_sequential)):
        wrong, tensors = [], 0
        for _ in range(60):
            storages = [random_storage(str(i)) for i in range(int(RANDOM.integers(1, 8)))]
            state = OrderedDict((f"layer{i}.weight", random_tensor(storages[RANDOM.integers(len(storages))])) for i in range(int(RANDOM.integers(1, 40))))
            used = [s for s in storages if any(t.storage is s for t in state.values())]
            write(path, state, used)
            trouble = same(path, raw, state)
            tensors += len(state)
            wrong += [trouble] if trouble else []
        report(not wrong, f"{title}: {tensors} tensors of any stride have numpy's values", wrong[:2])


def many(scratch):
    """More than the memo's short form and SETITEMS' thousand a batch can hold."""
    path, raw = os.path.join(scratch, "many.pth"), os.path.join(scratch, "raw")
    storages = [Storage(str(i), np.full(2, i, "<f4")) for i in range(5000)]
    state = OrderedDict((f"x{i}", Tensor(s, i % 2, (1,), (1,), False)) for i, s in enumerate(storages))
    write_zip(path, state, storages)
    trouble = same(path, raw, state)
    report(not trouble, f"{len(state)} tensors", trouble)


def packed(scratch):
    path = os.path.join(scratch, "packed.pth")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}." * 100)
    code, _, error = dump(path)
    report(code == 2 and "member 'net/data.pkl': is packed (method 8), expected stored bytes" in error, "refused: a packed archive", error)


with tempfile.TemporaryDirectory() as folder:
    fixtures()
    refused()
    written_here(folder)
    many(folder)
    packed(folder)
sys.exit(failures != 0)
