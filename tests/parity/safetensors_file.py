"""The safetensors format by hand: 8 bytes of header length, little-endian; a JSON header {name: {dtype, shape,
data_offsets}}; the tensors' bytes, C order. So the test needs no package beside numpy, and checks the format itself."""

import json
import struct

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def write(path, tensors):
    """tensors: {name: numpy array}"""
    header, chunks, offset = {}, [], 0
    for name, array in tensors.items():
        array = np.asarray(array, order="C")
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        chunks.append(array)
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in chunks:
            file.write(array.data)


def read(path):
    """{name: numpy array}; fails on holes, overlaps and bytes left over, as the format demands."""
    with open(path, "rb") as file:
        content = memoryview(bytearray(file.read()))  # arrays of its parts may be written to
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(bytes(content[8 : 8 + length]))
    header.pop("__metadata__", None)
    body, tensors, expected = content[8 + length :], {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if begin != expected or end - begin != count * dtype.itemsize:
            raise ValueError(f"{path}: {name}: bytes {begin}..{end} do not fit shape {entry['shape']} or leave a hole")
        tensors[name] = np.frombuffer(body[begin:end], dtype).reshape(entry["shape"])
        expected = end
    if expected != len(body):
        raise ValueError(f"{path}: {len(body) - expected} bytes after the last tensor")
    return tensors
