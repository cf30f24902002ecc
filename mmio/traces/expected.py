"""One expected access, as text: `W4 CTRL=0x1`.

Direction and width are exact, because a driver that gets them wrong is wrong; a value is compared where one is given,
because what a device answered is often not the driver's doing. A place goes by any name it has, so that a test need not
know where a region lies. The table of the whole grammar is in docs/expectations.md.
"""

import re
from collections.abc import Collection, Mapping, Reversible
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from mmio.arguments import instance, shortened
from mmio.records.access import Access, Space, place
from mmio.records.fields import FieldPlace, field_texts

EXAMPLES: Final = "'W4 CTRL=0x1', 'R2 timer+0x10' or 'R1 port 0x71'"
_OTHERS: Final = (str, bytes, bytearray, Mapping)
MAX_WIDTH: Final = 1 << 16  # bytes; more than any instruction moves

_HEAD: Final = re.compile(r"(?P<letter>RW|R|W)(?P<width>[1-9]\d{0,4})?(?P<space> +)(?P<rest>\S.*)")
_NUMBER: Final = r"\w{1,10000}"
_VALUE: Final = re.compile(rf"(?P<value>{_NUMBER})(?:/(?P<mask>{_NUMBER}))?")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_HEX: Final = r"0[xX][0-9a-fA-F]+"
_NUMBER_ONLY: Final = re.compile(rf"port (?:{_HEX}|\d+)|\+?{_HEX}")
_NO_NAME: Final = re.compile(rf"port (?:{_HEX}|\d+)|{_HEX}|.*\+{_HEX}")  # a port, an address, an offset


class NotAnAccess(ValueError):
    """A text is no expected access; `column` says where in it, from 0."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem)
        self.column = column


@frozen(slots=True)
class Expected:
    """One access: direction, width in bytes, place, and the value if it matters.

    `width` is 0 where any will do. `mask`: the bits of the value that are compared, None for all. The place may end
    with a field of the register, whose value is then compared; only such a value may be a name, of an enumeration.
    `partly`: an atomic, which both reads and writes, is a
    read and is a write; without it, it is neither.
    """

    letter: str
    width: int
    place: str
    value: int | str | None
    mask: int | None = None
    partly: bool = False

    @classmethod
    def parse(cls, line: str, *, partly: bool = False) -> "Expected":
        """Read a text such as "W4 CTRL=0x1".

        Args:
            line: the text.
            partly: whether the width may be left out, as in "W CTRL=0x1", and atomics are meant, too.

        Raises:
            ValueError: it is none, of the kind `NotAnAccess`.
        """
        __tracebackhide__ = True
        head = _HEAD.fullmatch(line)
        if head is None:
            after = re.match(r"(RW|R|W)([1-9]\d*)? *", line)
            raise _refused(line, "", after.end() if after else 0)
        if head["width"] is None and not partly:
            raise _refused(line, "the width in bytes is missing", head.start("space"))
        width = int(head["width"] or 0)
        if width > MAX_WIDTH:
            raise _refused(line, f"no access is wider than {MAX_WIDTH} bytes", head.start("width"))
        named, equals, value_text = head["rest"].partition("=")
        start = head.start("rest")
        if not named or named != named.strip() or "=" in value_text:
            raise _refused(line, "", start + len(named) + len(equals))
        value: int | str | None = None
        mask = None
        if equals and "." in named and _NAME.fullmatch(value_text):
            value = value_text
        elif equals:
            value, mask = _value(line, value_text, start + len(named) + 1, width)
        return cls(head["letter"], width, named, value, mask, partly)

    @property
    def is_named(self) -> bool:
        """Return whether the place is a name, not a number or a number of bytes into something."""
        return _NO_NAME.fullmatch(self.place) is None

    @property
    def is_number(self) -> bool:
        """Return whether the place is an address, a port, or an offset in any region."""
        return _NUMBER_ONLY.fullmatch(self.place) is not None

    def matches(self, access: Access) -> bool:
        """Return whether an access is the expected one; of an atomic the value written is compared."""
        if self.letter != access.letter and not (self.partly and self.letter in access.letter):
            return False
        if self.width and self.width != access.width:
            return False
        if self.place in places(access):
            return self._takes(access.value)
        register, dot, name = self.place.rpartition(".")
        if not dot or not access.layout or register not in places(access):
            return False
        if isinstance(self.value, str):
            texts = field_texts(access.decoded, access.layout) or ()
            shown = ((field[0], text) for field, (_, _, text) in zip(access.layout, texts, strict=False))
            return (name, self.value) in shown
        return any(self._takes(_bits(access.value, field)) for field in access.layout if field[0] == name)

    has = matches

    def _takes(self, value: int) -> bool:
        if self.mask is not None:
            value &= self.mask
        return self.value in (None, value)


def check_accesses(what: str, given: Any) -> None:
    """Check an argument that is a trace, or a list of accesses.

    Args:
        what: the name of the argument.
        given: what came.

    Raises:
        TypeError: it is neither.
    """
    expected = "a trace or a list of accesses, such as mapping.trace"
    # A trace is no Sequence, see `TraceView`; what is iterated in both directions and has a length is as good as one.
    if not isinstance(given, Collection) or not isinstance(given, Reversible) or isinstance(given, _OTHERS):
        raise TypeError(f"{what} is {expected}, not {shortened(given)}")
    if isinstance(given, list | tuple):  # what is a trace has nothing else in it
        for each in given:
            instance(f"each of {what}", each, Access, "an Access")


def places(access: Access) -> frozenset[str]:
    """Return every name of the place an access went to."""
    return _places(access.space, access.address, access.region, access.offset, access.register)


@lru_cache(maxsize=1 << 14)  # a driver goes to the same few places again and again
def _places(space: Space, address: int, region: str | None, offset: int | None, register: str | None) -> frozenset[str]:
    number = f"port {address:#x}" if space == "port" else f"{address:#x}"
    if offset is None:
        return frozenset((number,))
    within = f"+{offset:#x}"
    return frozenset(
        (number, within, f"{region}{within}", place(space, address, region, offset, register), register or within)
    )


def notation(access: Access, *, region: bool = False) -> str:
    """Return the line of an access: "R4 STATUS=0x3", with its `region` "R4 timer.STATUS=0x3"."""
    named = access.place if region else access.register or access.place
    return f"{access.letter}{access.width} {named}={access.value:#x}"


def _value(line: str, text: str, start: int, width: int) -> tuple[int, int | None]:
    """Return the value and the mask of "0x1/0xff"."""
    match = _VALUE.fullmatch(text)
    try:
        value = int(match["value"], 0) if match else None
        mask = int(match["mask"], 0) if match and match["mask"] else None
    except ValueError:
        value = None
    if value is None:
        hint = "; only the value of a field has a name, as W4 CTRL.MODE=FAST" if _NAME.fullmatch(text) else ""
        raise _refused(line, f"{text!r} is no value such as 1, 0x1 or 0x1/0xff{hint}", start)
    if width and (value | (mask or 0)) >> 8 * width:
        raise _refused(line, f"the value has more than {width} byte{'s'[: width != 1]}", start)
    if mask is not None and value & ~mask:
        raise _refused(line, f"{value:#x} has bits that the mask {mask:#x} leaves out", start)
    return value, mask


def _bits(value: int, field: FieldPlace) -> int:
    _, msb, lsb = field
    return value >> lsb & (1 << msb - lsb + 1) - 1


def _refused(line: str, why: str, column: int) -> NotAnAccess:
    reason = f": {why}" if why else ""
    return NotAnAccess(f"expected an access such as {EXAMPLES}, got {line!r}{reason}", column)
