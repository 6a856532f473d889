#!/usr/bin/env python3
"""Cross-checks host/tensor against NumPy: reads what we write, writes what we read.

usage: check_safetensors.py PATH/TO/tool_safetensors

The format is parsed here with json alone, so that no safetensors package is needed; where that package or PyTorch is
there, they are asked as well. Exit status 77 (skipped) without NumPy.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no NumPy")
    sys.exit(77)

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
         "BOOL": "?", "BF16": "<u2"}  # bfloat16 as its bits
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit("FAILED: " + what)


def same(array, expected, what):
    check(array.dtype == expected.dtype and array.shape == expected.shape, f"{what}: {array.dtype} {array.shape}")
    check(array.tobytes() == np.ascontiguousarray(expected).tobytes(), f"{what}: values differ")


def load(path):
    """{name: array}, metadata; refuses what the format forbids."""
    with open(path, "rb") as stream:
        raw = stream.read()
    (length,) = struct.unpack("<Q", raw[:8])
    check(raw[8:9] == b"{" and length % 8 == 0, f"{path}: header start and padding")
    header = json.loads(raw[8:8 + length].decode("utf-8"))
    metadata = header.pop("__metadata__", {})
    data, reached, arrays = raw[8 + length:], 0, {}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = info["data_offsets"]
        check(begin == reached, f"{path}: {name} does not follow the tensor before it")
        arrays[name] = np.frombuffer(data[begin:end], TYPES[info["dtype"]]).reshape(info["shape"])
        reached = end
    check(reached == len(data), f"{path}: bytes behind the last tensor")
    return arrays, metadata


def save(path, tensors, metadata=None):
    """tensors: {name: (dtype name, array)}; the header is not padded, so the data lie unaligned."""
    header, blobs, offset = ({"__metadata__": metadata} if metadata else {}), [], 0
    for name, (kind, array) in tensors.items():
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * ((3 - len(text)) % 8)
    with open(path, "wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def check_written(tool, folder):
    path = os.path.join(folder, "written.safetensors")
    subprocess.run([tool, "write", path], check=True)
    arrays, metadata = load(path)
    ramp = np.arange(24, dtype=np.float32) * np.float32(0.1) - np.float32(1)
    same(arrays["layer1.0.conv1.weight"], ramp.reshape(2, 3, 2, 2), "float32")
    same(arrays["scalar"], ramp[7].reshape(()), "scalar")
    same(arrays["labels"], np.array([-2**31, 0, 2**31 - 1], np.int32), "int32")
    same(arrays["steps"], np.array([-9 * 10**18, 9 * 10**18], np.int64), "int64")
    same(arrays["nothing"], np.zeros((0, 5), np.float32), "empty")
    check(len(arrays) == 5, "five tensors")
    check(metadata == {"format": "pt", "note": "\"quoted\" \u00e9"}, "metadata")
    try:
        from safetensors.numpy import load_file
    except ImportError:
        return path
    for name, array in load_file(path).items():
        same(array, arrays[name], "safetensors package: " + name)
    return path


def check_read(tool, folder):
    rng = np.random.default_rng(1)
    f32 = rng.standard_normal((3, 5, 2)).astype(np.float32)
    f64 = np.concatenate([rng.standard_normal(50) * 10.0 ** rng.integers(-60, 60, 50), [np.inf, -np.inf, 0.0, -0.0]])
    every_half = np.arange(65536, dtype=np.uint16)
    halves = every_half[~np.isnan(every_half.view(np.float16))]
    i16, i8, u8 = (rng.integers(lo, hi, 9) for lo, hi in ((-2**15, 2**15), (-128, 128), (0, 256)))
    source, target = os.path.join(folder, "from"), os.path.join(folder, "to")
    save(source, {"z.f32": ("F32", f32), "odd": ("U8", u8.astype(np.uint8)), "f16": ("F16", halves),
                  "bf16": ("BF16", every_half), "f64": ("F64", f64), "i64": ("I64", np.array([-2**63, 2**63 - 1])),
                  "i32": ("I32", np.array([[-2**31], [2**31 - 1]], np.int32)), "i16": ("I16", i16.astype(np.int16)),
                  "i8": ("I8", i8.astype(np.int8)), "bool": ("BOOL", np.array([True, False])),
                  "\u00e4/\u2192": ("F32", np.float32(3).reshape(()))}, {"k": "v\u00e9"})
    subprocess.run([tool, "copy", source, target], check=True)
    arrays, metadata = load(target)
    check(metadata == {"k": "v\u00e9"}, "metadata survives")
    check(list(arrays) == sorted(arrays, key=lambda name: name.encode()), "entries are sorted by name")
    same(arrays["z.f32"], f32, "F32")
    same(arrays["f16"], halves.view(np.float16).astype(np.float32), "all finite and infinite halves")
    same(arrays["bf16"], (every_half.astype(np.uint32) << 16).view(np.float32), "all bfloat16")
    with np.errstate(over="ignore"):
        same(arrays["f64"], f64.astype(np.float32), "F64")
    same(arrays["i64"], np.array([-2**63, 2**63 - 1]), "I64")
    same(arrays["i32"], np.array([[-2**31], [2**31 - 1]], np.int32), "I32")
    for name, values in (("i16", i16), ("i8", i8), ("odd", u8), ("bool", np.array([1, 0]))):
        same(arrays[name], values.astype(np.int32), name)
    same(arrays["\u00e4/\u2192"], np.float32(3).reshape(()), "name in UTF-8")


def check_layout(tool, folder):
    rng = np.random.default_rng(2)
    conv, fc = rng.standard_normal((7, 3, 2, 5)).astype(np.float32), rng.standard_normal((4, 6)).astype(np.float32)
    source, target = os.path.join(folder, "from"), os.path.join(folder, "to")
    save(source, {"conv": ("F32", conv), "fc": ("F32", fc)})
    subprocess.run([tool, "layout", source, target], check=True)
    arrays, _ = load(target)
    same(arrays["conv.device"], conv.transpose(2, 3, 1, 0), "OIHW to HWIO")
    same(arrays["fc.device"], fc.T, "OI to IO")
    same(arrays["conv"], conv, "HWIO to OIHW")
    same(arrays["fc"], fc, "IO to OI")


def check_torch(tool, folder):
    """A PyTorch state_dict goes through us and back into load_state_dict; False without PyTorch."""
    try:
        import torch
    except ImportError:
        return False
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(5, 2))
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    tensors = {name: (kinds[value.dtype], value.numpy()) for name, value in net.state_dict().items()}
    source, target = os.path.join(folder, "from"), os.path.join(folder, "to")
    save(source, tensors, {"format": "pt"})
    subprocess.run([tool, "copy", source, target], check=True)
    arrays, _ = load(target)
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(5, 2))
    other.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, strict=True)
    for (name, a), b in zip(net.state_dict().items(), other.state_dict().values()):
        check(torch.equal(a, b), "load_state_dict: " + name)
    return True


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        check_written(tool, folder)
        check_read(tool, folder)
        check_layout(tool, folder)
        with_torch = check_torch(tool, folder)
    print(f"{checks} checks passed, {'with' if with_torch else 'without'} PyTorch")


main()
