"""Images from .npy bytes."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from bitsage.obelysk.errors import JobInputInvalid
from bitsage.obelysk.matrices import split_npy

_HEADER = re.compile(
    rb"\{'descr': '([<>|][iu][1248])', 'fortran_order': (True|False), 'shape': \((\d{1,6}(?:, \d{1,6}){1,2})\), \} *\n"
)


def read_images(data: bytes, pixels: int, pixel_max: int, most: int) -> NDArray[np.uint8]:
    """Images (images, pixels) of a .npy file of integers, shaped (images, pixels) or (images, height, width).

    Raises JobInputInvalid.  Nothing is unpickled.
    """
    header, body = split_npy(data)
    match = _HEADER.fullmatch(header)
    if match is None:
        raise JobInputInvalid("images", "the images must be an array of integers in the .npy format")
    dtype = np.dtype(match[1].decode())
    shape = tuple(int(n) for n in match[3].split(b", "))
    count = shape[0]
    if not 0 < count <= most or int(np.prod(shape[1:])) != pixels:
        raise JobInputInvalid("images", f"1 to {most} images of {pixels} pixels are expected")
    if len(body) != count * pixels * dtype.itemsize:
        raise JobInputInvalid("images", "the data does not fill the shape")
    values = np.frombuffer(body, dtype=dtype).reshape(shape, order="F" if match[2] == b"True" else "C")
    if int(values.min()) < 0 or int(values.max()) > pixel_max:
        raise JobInputInvalid("images", f"pixels must be 0 to {pixel_max}")
    return np.ascontiguousarray(values).reshape(count, pixels).astype(np.uint8)
