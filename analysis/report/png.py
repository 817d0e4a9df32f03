"""An 8-bit grey image as a PNG, without an imaging library."""

import base64
import struct
import zlib

import numpy as np


def png(image: np.ndarray) -> bytes:
    """(H, W) uint8 -> a greyscale PNG (ISO/IEC 15948). ValueError for anything else."""
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"a grey PNG needs a (H, W) uint8 array, got {image.shape} {image.dtype}")
    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image)  # filter 0 before each row
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def data_uri(image: np.ndarray) -> str:
    """(H, W) uint8 -> what an <img> tag can hold."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
