"""A small folder in the format of CIFAR-10's binary version: each class is a smooth colour pattern, moved, scaled and
buried in noise, so that networks learn something and losses change from step to step."""

import os
import shutil

import numpy as np

MEAN = np.array([0.49139968, 0.48215841, 0.44653091], np.float32)  # of CIFAR-10's training images
DEVIATION = np.array([0.24703223, 0.24348513, 0.26158784], np.float32)


def make(folder, train, test, seed=7):
    """Writes data_batch_1..5.bin and test_batch.bin; train and test are counts of images, train a multiple of 5."""
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(32), np.arange(32), indexing="ij")) / 32.0
    waves = rng.normal(size=(10, 3, 3, 2)) * 8  # class, channel, wave, direction

    def images(count):
        labels = rng.integers(0, 10, count)
        records = np.empty((count, 3073), np.uint8)
        for i, label in enumerate(labels):
            phase = rng.normal(size=(3, 3)) * 0.7
            angle = np.einsum("cwd,dyx->cwyx", waves[label], grid) + phase[:, :, None, None]
            picture = 128 + rng.uniform(20, 45) * np.sin(angle).sum(1) / 1.7 + rng.normal(size=(3, 32, 32)) * 25
            records[i, 0] = label
            records[i, 1:] = np.clip(picture, 0, 255).astype(np.uint8).ravel()
        return records

    parts = np.split(images(train), 5)
    for i, part in enumerate(parts):
        part.tofile(os.path.join(folder, f"data_batch_{i + 1}.bin"))
    images(test).tofile(os.path.join(folder, "test_batch.bin"))


def cut(source, folder, first, count):
    """A folder whose training part begins with the `count` images from number `first` on, one a file; count: at most 5,
    repeated up to 5. The test part is the same."""
    os.makedirs(folder, exist_ok=True)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    records = np.concatenate([np.fromfile(os.path.join(source, name), np.uint8).reshape(-1, 3073) for name in names])
    chosen = np.resize(records[first : first + count], (5, 3073))
    for name, record in zip(names, chosen):
        record.tofile(os.path.join(folder, name))
    shutil.copy(os.path.join(source, "test_batch.bin"), folder)


def load(folder, part):
    """(images [N,3,32,32] float32, normalised, labels [N] int64), in file order; part: train or test."""
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if part == "train" else ["test_batch.bin"]
    records = np.concatenate([np.fromfile(os.path.join(folder, name), np.uint8).reshape(-1, 3073) for name in names])
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(255)
    return (pixels - MEAN[:, None, None]) / DEVIATION[:, None, None], records[:, 0].astype(np.int64)
