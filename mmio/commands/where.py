"""Parse the place a device answers at: FILE.py:CLASS@WHERE.

An error names the part that is wrong and points at it, because the whole is too long to search.
"""

import argparse
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypeVar

from mmio.commands.arguments import number
from mmio.program.targets import PROGRAM_END

if TYPE_CHECKING:
    from mmio.device.time_policy import TimePolicy
    from mmio.faults import Schedule

FORMS: Final = (
    ("ports:FIRST+COUNT", "IO ports, as ports:0x378+3"),
    ("ports:FIRST-LAST", "the same as /proc/ioports has them, as ports:0x378-0x37a; the last one counts"),
    ("ports:PORT", "one IO port"),
    ("range:START+LENGTH", "addresses of the program, as range:0x40000000+0x400, whatever is mapped there, or nothing"),
    ("pci:ADDRESS", "a PCI function, as pci:00:03.0, in sysfs, at its ports and in memory; the class is a PciFunction"),
    ("PATH", "mappings, reads and writes of a file, from its start; the file need not exist"),
    ("PATH:OFFSET", "the same from an offset on (in hexadecimal), as /dev/mem:0xfe000000; the device says how far"),
    ("PATH:OFFSET+LENGTH", "the same, so many bytes"),
)
"""Every form of WHERE, and what it means. A PATH may be a pattern: `*` and `?` also stand for slashes."""

Kind: TypeAlias = Literal["ports", "range", "pci", "file"]

_KINDS: Final = ("ports", "range", "pci")  # those with a name in WHERE
_ANSWERS: Final = ("error", "ones", "zeros")  # of a device's own ,unmapped=

Parsed = TypeVar("Parsed")

_PORTS: Final = 1 << 16
_LONGEST: Final = 400  # characters of an argument that is shown whole, to point at a part of it
_ADDRESSES: Final = 1 << 64


class DevicePlace(NamedTuple):
    """DevicePlace a device answers at: ports, addresses, or a file from an offset on.

    `length` is None where the device says it; `path` is the address of a PCI function.
    """

    kind: Kind
    path: str
    start: int
    length: int | None


class DeviceArgument(NamedTuple):
    """A class of a Python file, where a device of it answers, and what it answers where it has no register."""

    file: str
    name: str
    place: DevicePlace
    unmapped: str | None = None


def forms() -> str:
    """Return the forms of WHERE with their meanings, a line each."""
    width = max(len(form) for form, _ in FORMS)
    return "\n".join(f"  {form:<{width}}  {meaning}" for form, meaning in FORMS)


class CardArgument(NamedTuple):
    """A class of a Python file, and the numbers of the PCI card that it is, None where the class says them.

    `numbers`: of the vendor and of the device.
    """

    file: str
    name: str
    numbers: tuple[int, int] | None


class _Wrong(Exception):
    """A part of an argument is wrong: `problem`, and the column of the part in the text."""

    def __init__(self, problem: str, column: int) -> None:
        self.problem, self.column = problem, column


def device(text: str) -> DeviceArgument:
    """Parse FILE.py:CLASS@WHERE.

    Raises:
        argparse.ArgumentTypeError: it is not of this form; the message points at the part that is wrong.
    """
    return _pointing(text, _device, "WHERE is one of " + ", ".join(form for form, _ in FORMS))


def card(text: str) -> CardArgument:
    """Parse FILE.py:CLASS or FILE.py:CLASS@VENDOR:DEVICE. Raises as `device` does."""
    return _pointing(text, _card, "expected FILE.py:CLASS or FILE.py:CLASS@VENDOR:DEVICE such as nic.py:Nic@8086:100e")


def pci_numbers(text: str) -> tuple[int, int]:
    """Parse VENDOR:DEVICE. Raises as `device` does."""
    return _pointing(text, lambda text: _numbers(text, 0), "expected VENDOR:DEVICE in hexadecimal such as 8086:100e")


def part_of_file(text: str) -> DevicePlace:
    """Parse PATH, PATH:OFFSET or PATH:OFFSET+LENGTH. Raises as `device` does."""
    return _pointing(text, lambda text: _file(text, 0), "expected GLOB, GLOB:OFFSET or GLOB:OFFSET+LENGTH")


def addresses(text: str) -> DevicePlace:
    """Parse START+LENGTH. Raises as `device` does."""
    return _pointing(text, lambda text: _span("range", text, 0), "expected START+LENGTH such as 0x1000+0x100")


def ports(text: str) -> DevicePlace:
    """Parse FIRST-LAST, FIRST+COUNT or PORT. Raises as `device` does."""
    expected = "expected FIRST-LAST, FIRST+COUNT or PORT such as 0x70-0x71"
    return _pointing(text, lambda text: _span("ports", text, 0), expected)


def _pointing(text: str, parse: Callable[[str], Parsed], expected: str) -> Parsed:
    """Return what a parser makes of a text, and point at the part that it cannot make anything of."""
    try:
        return parse(text)
    except _Wrong as wrong:
        shown = [f"  {text}", "  " + " " * wrong.column + "^"] if len(text) <= _LONGEST else []
        lines = (wrong.problem, *shown, f"  {expected}")
        raise argparse.ArgumentTypeError("\n".join(lines)) from None


def function(text: str) -> tuple[str, str]:
    """Parse FILE.py:FUNCTION; return the file and the name. Raises as `device` does."""
    return _pointing(text, lambda text: _named(text, "function"), "expected FILE.py:FUNCTION such as board.py:connect")


def fault(text: str) -> "Schedule":
    """Parse the line of a fault.

    Raises:
        argparse.ArgumentTypeError: it is none; the message names the word, and its column.
    """
    from mmio.faults.errors import FaultError  # here, for few commands need it
    from mmio.faults.grammar import parse

    try:
        faults = parse(text)
    except FaultError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not len(faults):
        raise argparse.ArgumentTypeError("expected a fault such as 'USART2.SR stuck TXE=0 after 3 reads', got nothing")
    return faults


def policy(text: str) -> "TimePolicy":
    """Parse what advances a clock. Raises argparse.ArgumentTypeError."""
    from mmio.device.time_policy import time_policy  # here, for few commands need it

    try:
        return time_policy(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _named(text: str, kind: str) -> tuple[str, str]:
    """Return the file and the name in it."""
    file, colon, name = text.rpartition(":")
    if not colon:
        raise _Wrong(f"expected FILE.py:{kind.upper()}, there is no colon", len(text))
    if not file.endswith(".py"):
        raise _Wrong(f"expected a Python file such as card.py, got {file!r}", 0)
    if not name.isidentifier():
        raise _Wrong(f"expected the name of a {kind} after the colon, got {name!r}", len(file) + 1)
    return file, name


def _device(text: str) -> DeviceArgument:
    model, at, where = text.partition("@")
    if not at:
        raise _Wrong("expected FILE.py:CLASS@WHERE such as card.py:Card@/dev/uio0, there is no @", len(text))
    if ":" not in model:
        raise _Wrong("expected FILE.py:CLASS before the @ such as card.py:Card, there is no colon", len(model))
    file, name = _named(model, "class")
    where, unmapped = _policy(where, len(model) + 1)
    return DeviceArgument(file, name, _place(where, len(model) + 1), unmapped)


def _card(text: str) -> CardArgument:
    model, at, numbers = text.partition("@")
    if ":" not in model:
        raise _Wrong("expected FILE.py:CLASS such as nic.py:Nic, there is no colon", len(model))
    file, name = _named(model, "class")
    return CardArgument(file, name, _numbers(numbers, len(model) + 1) if at else None)


def _numbers(text: str, column: int) -> tuple[int, int]:
    vendor, colon, device = text.partition(":")
    if not colon:
        raise _Wrong("expected VENDOR:DEVICE, there is no colon", column + len(text))
    for part, at in ((vendor, column), (device, column + len(vendor) + 1)):
        if not re.fullmatch("(0x)?[0-9a-fA-F]{1,4}", part):
            raise _Wrong(f"expected up to four hexadecimal digits, got {part!r}", at)
    return int(vendor, 16), int(device, 16)


def _policy(where: str, column: int) -> tuple[str, str | None]:
    """Return WHERE without ,unmapped=ANSWER, and the answer."""
    place, comma, policy = where.rpartition(",")
    name, _, answer = policy.partition("=")
    # A path may have commas of its own, but hardly one before such a word.
    if not comma or not get_close_matches(name, ["unmapped"]):
        return where, None
    if name != "unmapped" or answer not in _ANSWERS:
        expected = " or ".join(f",unmapped={answer}" for answer in _ANSWERS)
        raise _Wrong(f"expected {expected}, got ',{policy}'", column + len(place))
    return place, answer


def _place(where: str, column: int) -> DevicePlace:
    kind, colon, rest = where.partition(":")
    meant = get_close_matches(kind, _KINDS)
    if colon and meant and kind not in _KINDS:
        raise _Wrong(f"there is no {kind}:; did you mean {meant[0]}:? A file of this name is ./{kind}", column)
    if kind == "ports" and colon:
        return _span("ports", rest, column + len("ports:"))
    if kind == "range" and colon:
        span = _span("range", rest, column + len("range:"))
        assert span.length is not None
        if span.start + span.length > PROGRAM_END:
            last = span.start + span.length - 1
            problem = f"addresses of programs end at {PROGRAM_END - 1:#x}, this is up to {last:#x}"
            raise _Wrong(problem, column + len("range:"))
        return span
    if kind == "pci" and colon:
        from mmio.pci.address import pci_address  # here, for few commands need it

        try:
            pci_address(rest)
        except ValueError as error:
            raise _Wrong(str(error), column + len("pci:")) from None
        return DevicePlace("pci", rest, 0, None)
    return _file(where, column)


def _file(text: str, column: int) -> DevicePlace:
    if not text:
        raise _Wrong("there is nothing where a path was expected", column)
    # A path may have colons of its own, as those of PCI devices do: 0000:00:1f.0.
    path, colon, span = text.rpartition(":")
    if colon and "+" in span and "/" not in span:
        if not path:
            raise _Wrong("there is no path before the colon", column)
        start, _, length = span.partition("+")
        at = column + len(path) + 1
        first = _number("offset", start, at)
        return DevicePlace("file", path, first, _positive("length", length, at + len(start) + 1))
    if path and re.fullmatch("0[xX][0-9a-fA-F]*", span):
        return DevicePlace("file", path, _number("offset", span, column + len(path) + 1), None)
    return DevicePlace("file", text, 0, None)


def _span(kind: Literal["ports", "range"], text: str, column: int) -> DevicePlace:
    """Parse FIRST+COUNT, and of ports also FIRST-LAST and PORT."""
    first, length = ("first port", "count of ports") if kind == "ports" else ("start", "length")
    match = re.match(r"[^+-]*", text)
    assert match is not None
    start = _number(first, match[0], column)
    sign, rest, at = text[match.end() : match.end() + 1], text[match.end() + 1 :], column + match.end() + 1
    if sign == "+":
        size = _positive(length, rest, at)
    elif kind == "range":
        raise _Wrong("there is no +LENGTH", column + match.end())
    elif sign == "-":
        size = _number("last port", rest, at) - start + 1
        if size < 1:
            raise _Wrong(f"the last port is below the first, {start:#x}", at)
    else:
        size = 1
    limit = _PORTS if kind == "ports" else _ADDRESSES
    if start + size > limit:
        raise _Wrong(f"{kind} end at {limit - 1:#x}, this is up to {start + size - 1:#x}", column)
    return DevicePlace(kind, "", start, size)


def _positive(what: str, text: str, column: int) -> int:
    value = _number(what, text, column)
    if value < 1:
        raise _Wrong(f"the {what} is {value}, expected 1 or more", column)
    return value


def _number(what: str, text: str, column: int) -> int:
    try:
        value = number(text)
    except ValueError as error:
        raise _Wrong(f"the {what}: {error}", column) from None
    if not 0 <= value < _ADDRESSES:
        raise _Wrong(f"the {what} is {value:#x}, expected 0 to {_ADDRESSES - 1:#x}", column)
    return value
