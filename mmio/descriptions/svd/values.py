"""The texts of an SVD file: numbers, words, lists of labels.

Every function here takes a text and raises ValueError with what was expected instead, as the end of a message that
begins with the element. No text makes a number or a list larger than a register file can need.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final, TypeVar

from mmio.descriptions.report import REGISTERS

LONGEST_NAME: Final = 200  # characters; the longest in 5,000 peripherals of vendors has 42
MAX_BITS: Final = 512  # of a number: the widest register has as many
_MAX_TEXT: Final = 8 + MAX_BITS  # characters, in binary
_NUMBER: Final = re.compile(r"\+?(?:0x([0-9a-f]+)|(?:#|0b)([01]+)|([0-9]+))([kmgt]?)", re.IGNORECASE)
_PATTERN: Final = re.compile(r"(?:#|0b)([01x]*x[01x]*)", re.IGNORECASE)
_LABELS: Final = re.compile(r"(\d{1,6})-(\d{1,6})|([A-Za-z])-([A-Za-z])|(\w+(?:,\w+)*)")
_BITS: Final = re.compile(r"\[([0-9]{1,5}):([0-9]{1,5})\]")
_FREE_BITS: Final = 16  # don't-care bits in a value: so many names are made of it at most, to the power of two

Word = TypeVar("Word")


def shown(text: str) -> str:
    """Return a text as it stands in a message: quoted, and not longer than a line."""
    return repr(text) if len(text) <= 60 else f"{text[:50]!r}… ({len(text)} characters)"


def number(text: str) -> int:
    """Return the number a text says: decimal, 0x10, #10000, 0b10000, 16k."""
    match = _NUMBER.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise ValueError(f"is {shown(text)}, expected a number such as 16, 0x10 or #10000")
    hexadecimal, binary, decimal, suffix = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(binary, 2) if binary else int(decimal)
    value <<= 10 * "_kmgt".index(suffix.lower() or "_")
    if value >> MAX_BITS:
        raise ValueError(f"is {shown(text)}, expected a number of at most {MAX_BITS} bits")
    return value


def small(text: str, end: int = 1 << 64) -> int:
    """Return a number below an end: an offset, a count."""
    value = number(text)
    if value >= end:
        raise ValueError(f"is {shown(text)}, expected a number below {end:#x}")
    return value


def word(text: str, known: Mapping[str, Word]) -> Word:
    """Return what a word stands for; its case does not matter, since some files write writeonce."""
    found = next((each for each in known if each.lower() == text.lower()), None)
    if found is None:
        raise ValueError(f"is {shown(text)}, expected one of {', '.join(known)}")
    return known[found]


def bit_range(text: str) -> tuple[int, int]:
    """Return the most and the least significant bit of "[7:4]"."""
    match = _BITS.fullmatch(text)
    if match is None:
        raise ValueError(f"is {shown(text)}, expected [msb:lsb], such as [7:4]")
    return int(match[1]), int(match[2])


def count(text: str) -> int:
    """Return the number of elements of an array."""
    value = number(text)
    if not 1 <= value <= REGISTERS:
        raise ValueError(f"is {shown(text)}, expected 1..{REGISTERS}")
    return value


def labels(index: str, dim: int) -> Sequence[str]:
    """Return the labels of an array's `dim` elements: of a list, a range of numbers or letters, or from 0."""
    text = re.sub(r"\s", "", index) if index else f"0-{dim - 1}"
    match = _LABELS.fullmatch(text)
    if match is None:
        raise ValueError(f"is {shown(text)}, expected a list like A,B,C or a range like 0-3")
    first, last, letter, end, listed = match.groups()
    found: Sequence[int | str]
    if first:
        found = range(int(first), int(last) + 1)
    else:
        found = listed.split(",") if listed else [chr(i) for i in range(ord(letter), ord(end) + 1)]
    if len(found) != dim:
        raise ValueError(f"{shown(text)} has {len(found)} labels, and <dim> is {dim}")
    return [str(each) for each in found]


def is_label(label: str, index: str) -> bool:
    """Return whether a list of labels has this one; the list is not made for it."""
    text = re.sub(r"\s", "", index)
    match = _LABELS.fullmatch(text)
    if match is None:
        return not text and label.isdecimal()
    first, last, letter, end, listed = match.groups()
    if first:
        return label.isdecimal() and int(first) <= int(label[:7]) <= int(last)
    return f",{label}," in f",{listed}," if listed else len(label) == 1 and letter <= label <= end


def matching(text: str) -> Iterator[int]:
    """Iterate over the numbers a value says: one, or for "#1x" each that it matches."""
    match = _PATTERN.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        yield number(text)
        return
    bits = match[1].lower()
    if bits.count("x") > _FREE_BITS:
        raise ValueError(f"is {shown(text)}, which has more than {_FREE_BITS} free bits")
    yield from (int("".join(each), 2) for each in product(*("01" if bit == "x" else bit for bit in bits)))
