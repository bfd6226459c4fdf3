"""The handwritten digits: 1797 images of 8 x 8 pixels from 0 to 16, with their labels.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI Machine Learning
Repository, doi 10.24432/C50P49, CC BY 4.0, as distributed with scikit-learn (sklearn.datasets.load_digits).
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from bitsage.obelysk.errors import JobInputInvalid

COUNT, PIXELS, PIXEL_MAX = 1797, 64, 16
TEST_COUNT = 360
SPLIT_SEED = 20_240_501
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")
Bytes = NDArray[np.uint8]


@lru_cache(maxsize=1)
def digits() -> tuple[Bytes, Bytes]:
    """Images (1797, 64) and labels (1797,)."""
    source = files("bitsage.obelysk.inference").joinpath("data/digits.npz")
    with as_file(source) as path, np.load(path, allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels


def split() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images for training and of the 360 for testing, by a fixed shuffle."""
    order = np.random.default_rng(SPLIT_SEED).permutation(COUNT)
    return order[TEST_COUNT:], order[:TEST_COUNT]


def parse_range(text: str) -> tuple[int, int]:
    """First and last index of `7` or `0-15`.  Raises JobInputInvalid("images")."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise JobInputInvalid("images", f"digits are named as 7 or 0-15, not {text[:40]!r}")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if not first <= last < COUNT:
        raise JobInputInvalid("images", f"digits are numbered 0 to {COUNT - 1}, the smaller number first")
    return first, last
