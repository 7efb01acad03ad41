"""Writes the seeds of corpus/checkpoint: small checkpoints in every form that torch.save has, without PyTorch.

usage: seed_checkpoints.py FOLDER
"""

import io
import json
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path


class Storage:
    def __init__(self, key, numbers):
        self.key, self.numbers = key, numbers


def module(name, **names):
    found = sys.modules.setdefault(name, types.ModuleType(name))
    for key, value in names.items():
        value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(found, key, value)


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


class FloatStorage:
    pass


module("torch")
module("torch._utils", _rebuild_tensor_v2=_rebuild_tensor_v2)
module("torch", FloatStorage=FloatStorage)


class Tensor:
    def __init__(self, key, shape, numbers):
        self.storage, self.shape = Storage(key, numbers), shape

    def __reduce__(self):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        return _rebuild_tensor_v2, (self.storage, 0, tuple(self.shape), tuple(strides), False, {})


class Pickler(pickle._Pickler):
    """`legacy` names storages as PyTorch before 1.6 did, with a view as the last part."""

    legacy = False

    def persistent_id(self, value):
        if isinstance(value, Storage):
            view = (None,) if self.legacy else ()
            return ("storage", FloatStorage, value.key, "cpu", len(value.numbers), *view)
        return None


def dump(value, legacy=False):
    out = io.BytesIO()
    pickler = Pickler(out, 2)
    pickler.legacy = legacy
    pickler.dump(value)
    return out.getvalue()


def main():
    folder = Path(sys.argv[1])
    numbers = {"0": [0.5, -1.0, 2.0, 0.25, 3.0, -0.125], "1": [1.0, 2.0]}
    state = {"module.a.weight": Tensor("0", [2, 3], numbers["0"]), "module.a.bias": Tensor("1", [2], numbers["1"])}
    checkpoint = {"state_dict": state, "epoch": 3}
    floats = {key: struct.pack(f"<{len(value)}f", *value) for key, value in numbers.items()}
    with zipfile.ZipFile(folder / "zip.pth", "w", zipfile.ZIP_STORED) as archive:
        entries = {"data.pkl": dump(checkpoint), "byteorder": b"little", "version": b"3\n"}
        entries |= {f"data/{key}": content for key, content in floats.items()}
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0)), content)
    legacy = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)]
    legacy.append(pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2))
    legacy += [dump(checkpoint, legacy=True), pickle.dumps(list(floats), 2)]
    legacy += [struct.pack("<q", len(numbers[key])) + content for key, content in floats.items()]
    (folder / "legacy.pkl").write_bytes(b"".join(legacy))
    header, offset = {}, 0
    for name, shape, key in [("a.weight", [2, 3], "0"), ("a.bias", [2], "1")]:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(floats[key])]}
        offset += len(floats[key])
    text = json.dumps(header).encode()
    (folder / "plain.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + floats["0"] + floats["1"])


main()
