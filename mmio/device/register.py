"""Registers as in a datasheet: an offset, a width, fields, and the effects of reading and writing.

    ctrl = register(0x00, width=4, fields=[bit("EN", 0), field("PSC", 15, 8)])
    stat = register(0x04, on_write="woclr")

    @ctrl.written
    def _start(self, old: int, new: int) -> None: ...

A handler is tied to the register object, not to a name that could be misspelt. The decorator only notes the function;
the class puts the notes in order when it is made, so that a subclass can hang a handler on a register it inherits
without touching the base class, and can override one by its method name like any method.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from mmio.device.bound import BoundArray, BoundRegister
from mmio.device.declared import Declared, Kind
from mmio.device.effects import Access, OnRead, OnWrite
from mmio.device.field import Field
from mmio.device.sharing import Selection
from mmio.errors import DefinitionError

T = TypeVar("T", covariant=True)
Written = TypeVar("Written", bound=Callable[[Any, int, int], object])
Reads = TypeVar("Reads", bound=Callable[[Any], int])
ElementWritten = TypeVar("ElementWritten", bound=Callable[[Any, int, int, int], object])
ElementReads = TypeVar("ElementReads", bound=Callable[[Any, int], int])


class Register(Declared[BoundRegister]):
    """The declaration of one register; made by `register`."""

    arguments: ClassVar[dict[Kind, tuple[str, ...]]] = {"written": ("old", "new"), "reads": ()}

    def written(self, handler: Written) -> Written:
        """Call `handler(self, old, new)`, with whole register values, after every write, of an unchanged value too."""
        self.noted.append(("written", handler))
        return handler

    def has(self, value: int | None = None, /, **fields: int) -> Selection:
        """Say when other registers are there: while this one has a value, or values in some fields.

            dll = register(0, width=1, when=lcr.has(DLAB=1))

        Raises:
            DefinitionError: there is no such field, or it cannot have the value; or nothing is asked for.
        """
        if (value is None) == (not fields):
            raise DefinitionError("has() takes the register's value or values of its fields: has(0xBF), has(DLAB=1)")
        full = (1 << 8 * self.width) - 1
        if value is not None:
            if not 0 <= value <= full:
                raise DefinitionError(f"has({value:#x}): the register holds 0..{full:#x}")
            return Selection(self, full, value)
        mask = wanted = 0
        for name, number in fields.items():
            field = self.fields_by_name.get(name)
            if field is None:
                known = ", ".join(self.fields_by_name) or "no fields at all"
                raise DefinitionError(f"has({name}={number}): the register has {known}")
            if not 0 <= number < 1 << field.width:
                raise DefinitionError(f"has({name}={number}): the field holds 0..{(1 << field.width) - 1:#x}")
            mask |= field.mask
            wanted |= number << field.lsb
        return Selection(self, mask, wanted)

    def reads(self, handler: Reads) -> Reads:
        """Call `handler(self) -> int` on every read; what it returns becomes the value and is answered."""
        self.noted.append(("reads", handler))
        return handler


class RegisterArray(Declared[BoundArray]):
    """The declaration of equal registers at equal distances; made by `array`."""

    arguments: ClassVar[dict[Kind, tuple[str, ...]]] = {"written": ("index", "old", "new"), "reads": ("index",)}
    count = 0
    stride = 0

    @property
    def elements(self) -> list[tuple[str, int]]:
        """Name and offset of each register."""
        return [(f"{self.name}[{i}]", self.offset + i * self.stride) for i in range(self.count)]

    def check(self, where: str) -> None:
        """As for a register, and count and stride."""
        super().check(where)
        for name in ("count", "stride"):
            if not isinstance(getattr(self, name), int):
                raise DefinitionError(f"{where}: {name} is {getattr(self, name)!r}, expected an int")
        if self.count < 1:
            raise DefinitionError(f"{where}: count {self.count}, expected 1 or more")
        if self.stride < self.width:
            raise DefinitionError(f"{where}: stride {self.stride} is less than the width {self.width}")

    def written(self, handler: ElementWritten) -> ElementWritten:
        """Call `handler(self, index, old, new)` after every write to an element."""
        self.noted.append(("written", handler))
        return handler

    def reads(self, handler: ElementReads) -> ElementReads:
        """Call `handler(self, index) -> int` on every read of an element; what it returns becomes its value."""
        self.noted.append(("reads", handler))
        return handler


def register(
    offset: int,
    width: int = 4,
    reset: int = 0,
    fields: Iterable[Field] | Field = (),
    on_read: OnRead | None = None,
    on_write: OnWrite | None = None,
    access: Access = "rw",
    name: str | None = None,
    doc: str = "",
    when: Selection | None = None,
) -> Register:
    """Declare a register. Mistakes are reported when the class is made, as `DefinitionError`.

    Args:
        offset: of its first byte in the device.
        width: in bytes.
        reset: its value at reset.
        fields: made by `field` and `bit`; they may have an access and effects of their own.
        on_read: what a read leaves behind: rclr (zeros), rset (ones).
        on_write: woclr, woset, wot (a written one clears, sets, toggles its bit), wzc, wzs, wzt (a written zero does),
            wclr, wset (any write does).
        access: rw, r, w, rw1 and w1 (written once, then locked until reset), na (neither). What may not be read reads
            as 0, what may not be written stays.
        name: in records and messages; the attribute's, in capitals, when left out.
        doc: a description.
        when: the register is only there while another has this value, as in `when=lcr.has(DLAB=1)`. Two registers may
            share bytes if they are there at different times, or if one is only read and the other only written.
    """
    return Register(offset, width, reset, fields, access, on_read, on_write, name, doc, when)


def array(
    offset: int,
    count: int,
    stride: int | None = None,
    width: int = 4,
    reset: int = 0,
    fields: Iterable[Field] | Field = (),
    on_read: OnRead | None = None,
    on_write: OnWrite | None = None,
    access: Access = "rw",
    name: str | None = None,
    doc: str = "",
    when: Selection | None = None,
) -> RegisterArray:
    """Declare `count` equal registers, `stride` bytes apart (side by side when left out); otherwise like `register`."""
    declared = RegisterArray(offset, width, reset, fields, access, on_read, on_write, name, doc, when)
    declared.count = count
    declared.stride = width if stride is None else stride
    return declared
