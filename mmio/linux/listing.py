"""Machine code as a listing: each line has the bytes and the assembly text.

A line that does not begin with a space is a label and a remark. A test decodes the bytes and compares.
"""

from typing import NamedTuple


class Line(NamedTuple):
    """One instruction: its offset from the start, its bytes, its text without remarks."""

    offset: int
    code: bytes
    text: str


def code(text: str) -> bytes:
    """Return the machine code of a listing."""
    return b"".join(line.code for line in read(text)[1])


def read(text: str) -> tuple[dict[str, int], list[Line]]:
    """Return the labels of a listing with their offsets, and its instructions."""
    labels: dict[str, int] = {}
    lines: list[Line] = []
    offset = 0
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            labels[line.partition(":")[0]] = offset
            continue
        digits, _, said = line.strip().partition(" ")
        code = bytes.fromhex(digits)
        lines.append(Line(offset, code, said.strip().partition("  ")[0]))
        offset += len(code)
    return labels, lines
