"""One access to a device, as a value.

A record keeps what happened (which bytes, which value, by which instruction) and what it was called (region,
register). What can be worked out from these (the instruction's text, the meaning of a value) is worked out when
asked for: most records are never looked at.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import field, frozen

from decode import READ, READ_WRITE, WRITE, Direction, Instruction
from mmio.records.fields import FieldPlace, folded
from mmio.records.flags import flag_names
from mmio.records.printable import printable

Space: TypeAlias = Literal["memory", "port"]

Describe = Callable[[int, int, int], str]
"""`describe(offset, width, value)`: what a device says a value means, such as "EN=1 PSC=0x03"."""

LETTERS = {READ: "R", WRITE: "W", READ_WRITE: "RW"}


@frozen(slots=True)
class Access:
    """One recorded access.

    Attributes:
        sequence: its number in the trace, from 0. Gaps mean that records between were dropped or filtered out.
        time: nanoseconds since the trace began, on a clock that never goes back.
        thread: the number of the thread of execution that made it.
        direction: READ, WRITE, or READ_WRITE for an atomic.
        space: "memory" or "port".
        address: of its lowest byte; for a port its number.
        width: in bytes.
        value: what was read or written, unsigned and little-endian; for an atomic what was written.
        old: for an atomic what was read, else None.
        ip: address of the instruction, 0 when it is not known.
        instruction: the decoded instruction, None when it is not known.
        region: name of the region, None where nothing is mapped.
        offset: bytes from the start of the region, None where nothing is mapped.
        register: the device's name for these bytes, None when it has none.
        flags: bits of `mmio.records.flags`.
        describe: function that decodes the value; not compared.
        layout: the fields of the value, if the device says; not compared either.
    """

    sequence: int
    time: int
    thread: int
    direction: Direction
    space: Space
    address: int
    width: int
    value: int
    old: int | None = None
    ip: int = 0
    instruction: Instruction | None = None
    region: str | None = None
    offset: int | None = None
    register: str | None = None
    flags: int = 0
    describe: Describe | None = field(default=None, eq=False, repr=False)
    layout: tuple[FieldPlace, ...] = field(default=(), eq=False, repr=False)

    @property
    def decoded(self) -> str:
        """The value's fields as the device names them ("EN=1 PSC=0x03"), "" when it does not."""
        if self.describe is None or self.offset is None:
            return ""
        return self.describe(self.offset, self.width, self.value)

    @property
    def fields(self) -> str:
        """The fields that are not zero, as tables show them: "EN PSC=0x03"; what `decoded` is without fields."""
        return folded(self.decoded, self.layout, self.value)

    @property
    def code(self) -> bytes:
        """The instruction's bytes, empty when it is not known."""
        return b"" if self.instruction is None else self.instruction.code

    @property
    def text(self) -> str:
        """The instruction as it reads at `ip`, "" when it is not known."""
        return "" if self.instruction is None else self.instruction.format(ip=self.ip)

    @property
    def reads(self) -> bool:
        """Return whether the device was read."""
        return self.direction != WRITE

    @property
    def writes(self) -> bool:
        """Return whether the device was written."""
        return self.direction != READ

    @property
    def letter(self) -> str:
        """The direction as "R", "W" or "RW"."""
        return LETTERS[self.direction]

    @property
    def place(self) -> str:
        """The place of the access in words: "timer.STATUS", "timer+0x10", "port 0x71" or "0xfe000000"."""
        return place(self.space, self.address, self.region, self.offset, self.register)

    @property
    def notes(self) -> str:
        """The flags in words, such as "split, unaligned"."""
        return ", ".join(flag_names(self.flags))

    @property
    def shown(self) -> str:
        """The value with all the digits of its width; for an atomic "0x00000001 -> 0x00000003"."""
        return shown(self.value, self.old, self.width)

    def __str__(self) -> str:
        """Return the access on one line: "R 4 timer.STATUS 0x00000003 (EN) at 0x401000: mov eax,[rdi+10h]"."""
        parts = [self.letter, str(self.width), self.place, self.shown]
        if self.fields:
            parts.append(f"({self.fields})")
        if self.ip:
            parts.append(f"at {self.ip:#x}")
        line = printable(" ".join(parts))
        return f"{line}: {self.text}" if self.instruction else line


def place(space: Space, address: int, region: str | None, offset: int | None, register: str | None) -> str:
    """Return what `Access.place` is."""
    if region is not None and offset is not None:
        return f"{region}.{register}" if register else f"{region}+{offset:#x}"
    return f"port {address:#x}" if space == "port" else f"{address:#x}"


def shown(value: int, old: int | None, width: int) -> str:
    """Return what `Access.shown` is."""
    digits = 2 * width + 2
    return f"{value:#0{digits}x}" if old is None else f"{old:#0{digits}x} -> {value:#0{digits}x}"
