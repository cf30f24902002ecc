"""Fold the fields of a value: one rule for registers that are printed, for tables and for live lines.

A field that is zero is left out, whether its zero has a name or not: of thirty fields of a control register three are
set, and the value itself stands beside them. A single bit that is set is its name alone. Records and files keep all
fields, because the names of zeros are nowhere else.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

FieldPlace: TypeAlias = tuple[str, int, int]
"""A field of a value: its name, its highest and its lowest bit."""


def field_text(name: str, number: int, bits: int, text: str) -> str:
    """Return a field as it is shown: "UE", "PSC=0x03", "MODE=FAST"; "" when it is zero.

    Args:
        name: of the field.
        number: its value.
        bits: how many it has.
        text: its value in digits or words.
    """
    if not number:
        return ""
    return name if bits == 1 and text == "1" else f"{name}={text}"


@lru_cache(maxsize=4096)  # a driver makes few different accesses many times over
def folded(described: str, layout: tuple[FieldPlace, ...], value: int) -> str:
    """Return what a device says of a value without the fields that are zero: "EN PSC=0x03" of "EN=1 PSC=0x03 ERR=0".

    Args:
        described: what the device says, of one register or of several: "CTRL: EN=1; STAT: BUSY=1". Other words than
            those of a `Device` are returned as they are.
        layout: the fields of the value, in the same order.
        value: the value.
    """
    shown: dict[str, list[str]] = {}
    texts = field_texts(described, layout) if described and layout else None
    if texts is None:
        return described
    for (register, name, text), (_, msb, lsb) in zip(texts, layout, strict=True):
        bits = msb - lsb + 1
        field = field_text(name, value >> lsb & (1 << bits) - 1, bits, text)
        if field:
            shown.setdefault(register, []).append(field)
    return "; ".join(f"{register and register + ': '}{' '.join(fields)}" for register, fields in shown.items())


def field_texts(described: str, layout: tuple[FieldPlace, ...]) -> list[tuple[str, str, str]] | None:
    """Return register, name and text of each field of what a device says; None where the words are others."""
    found: list[tuple[str, str]] = []
    begins: list[tuple[int, int]] = []  # of a field with what stands before it, and of its text
    at = 0
    before = ""
    for number, (register, name) in enumerate(_named(described, layout)):
        head = f"{register}: {name}=" if register != before else f"{name}="
        separator = "" if not number else " " if register == before else "; "
        start = described.find(separator + head, at)
        if start < 0 or (not number and start):
            return None
        at = start + len(separator + head)
        begins.append((start, at))
        found.append((register, name))
        before = register
    ends = [*(start for start, _ in begins[1:]), len(described)]
    return [(*one, described[at:end]) for one, (_, at), end in zip(found, begins, ends, strict=True)]


def _named(described: str, layout: tuple[FieldPlace, ...]) -> Iterator[tuple[str, str]]:
    """Iterate over the registers and names of fields: an access to several registers names the register, too."""
    several = all("." in name for name, _, _ in layout) and described.startswith(f"{_register(layout[0][0])}: ")
    for name, _, _ in layout:
        register = _register(name) if several else ""
        yield register, name[len(register) + 1 :] if several else name


def _register(name: str) -> str:
    return name.rpartition(".")[0]
