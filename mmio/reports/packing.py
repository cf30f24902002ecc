"""Data of a page: JSON and columns of integers in one compressed text, which `data.js` reads.

    4 bytes, little-endian   length of the JSON
    JSON                     {"columns": [[name, bytes of a number, how many], …], …}
    the columns, in order    byte 0 of every number, then byte 1 of every number, and so on

All of it is compressed by zlib and written in base64. Numbers are cut into planes of bytes because most of them are
small: the planes of their high bytes are zeros, which compress to nothing.
"""

import json
import sys
import zlib
from array import array
from base64 import b64encode
from collections.abc import Mapping
from itertools import pairwise
from operator import sub
from typing import Any, Final

LEVEL: Final = 6  # of zlib; 9 takes three times as long and saves a hundredth
_MASK: Final = (1 << 64) - 1


def packed(data: Mapping[str, Any], columns: "Mapping[str, array[int]]") -> str:
    """Return the text of some data and of columns of unsigned or signed numbers.

    Args:
        data: what JSON has a word for, strings with lone surrogates included.
        columns: by name.
    """
    listed = [[name, column.itemsize, len(column)] for name, column in columns.items()]
    # In ASCII a lone surrogate is an escape. As UTF-8 it could not be written at all.
    head = json.dumps({"columns": listed, **data}, ensure_ascii=True, separators=(",", ":")).encode()
    parts = [len(head).to_bytes(4, "little"), head, *map(_planes, columns.values())]
    return b64encode(zlib.compress(b"".join(parts), LEVEL)).decode()


def unpacked(text: bytes) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Return the data and the unsigned columns of what `packed` returns once it is no longer base64 and compressed."""
    length = int.from_bytes(text[:4], "little")
    data, at, columns = json.loads(text[4 : 4 + length]), 4 + length, {}
    for name, width, count in data.pop("columns"):
        planes = [text[at + byte * count : at + (byte + 1) * count] for byte in range(width)]
        columns[name] = [int.from_bytes(bytes(number), "little") for number in zip(*planes, strict=True)]
        at += width * count
    return data, columns


def differences(numbers: "array[int]") -> "array[int]":
    """Return the first number and what each is more than the one before, all of 64 bits: times grow by little."""
    if not numbers:
        return numbers
    try:
        steps = array("q", map(sub, numbers[1:], numbers))
    except OverflowError:  # a step of more than half of all numbers
        return array("Q", [numbers[0], *((b - a) & _MASK for a, b in pairwise(numbers))])
    return array("Q", [numbers[0]]) + array("Q", steps.tobytes())


def _planes(column: "array[int]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    raw = column.tobytes()
    return b"".join(raw[byte :: column.itemsize] for byte in range(column.itemsize))
