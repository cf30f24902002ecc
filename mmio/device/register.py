"""Registers as a datasheet has them: an offset, a width, fields, and what reading and writing does.

    ctrl = register(0x00, width=4, fields=[bit("EN", 0), field("PSC", 15, 8)])
    stat = register(0x04, on_write="woclr")

    @ctrl.written
    def _start(self, old: int, new: int) -> None: ...

A handler is tied to the register object, not to a name that could be misspelt. The decorator only notes the function;
the class puts the notes in order when it is made, so that a subclass can hang a handler on a register it inherits
without touching the base class, and can override one by its method name like any method.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from mmio.device.bound import BoundArray, BoundRegister
from mmio.device.effects import Access, Bits, Effects, OnRead, OnWrite
from mmio.device.field import Field
from mmio.device.member import Member
from mmio.device.sharing import Selection
from mmio.errors import DefinitionError
from mmio.space.policy import WIDTHS

Kind: TypeAlias = Literal["written", "reads"]
T = TypeVar("T", covariant=True)
Written = TypeVar("Written", bound=Callable[[Any, int, int], object])
Reads = TypeVar("Reads", bound=Callable[[Any], int])
ElementWritten = TypeVar("ElementWritten", bound=Callable[[Any, int, int, int], object])
ElementReads = TypeVar("ElementReads", bound=Callable[[Any, int], int])

TAKEN: Final = frozenset(("name", "read", "value", "width", "write"))  # attributes of a bound register


class Declared(Member[T]):
    """What a register and an array of registers have in common."""

    instead = "set {0}.value, or a field {0}.NAME"
    arguments: ClassVar[dict[Kind, tuple[str, ...]]]  # what a handler gets after self

    def __init__(
        self,
        offset: int,
        width: int,
        reset: int,
        fields: Iterable[Field] | Field,
        access: Access,
        on_read: OnRead | None,
        on_write: OnWrite | None,
        name: str | None,
        doc: str,
        when: Selection | None,
    ) -> None:
        super().__init__(name)
        self.offset = offset
        self.width = width
        self.fields: Sequence[Field] = (fields,) if isinstance(fields, Field) else tuple(fields)
        for field in self.fields:
            if not isinstance(field, Field):
                raise DefinitionError(f"fields are made with field() and bit(), got {field!r}")
        self.access = access
        self.on_read = on_read
        self.on_write = on_write
        self.doc = doc
        self.when = when
        self.reset_value = reset
        self.fields_by_name = {field.name: field for field in self.fields}
        self.effects = Effects.of(())
        self.noted: list[tuple[Kind, Callable[..., object]]] = []

    @property
    def name(self) -> str:
        """What the datasheet calls it: the attribute in upper case when no name was given."""
        return self._name or self.attribute.upper()

    @property
    def elements(self) -> list[tuple[str, int]]:
        """Name and offset of each register."""
        return [(self.name, self.offset)]

    def check(self, where: str) -> None:
        """Raise DefinitionError when the declaration contradicts itself; work out effects and reset value.

        `where` is what the message calls the register: "Timer.ctrl".
        """
        for what, number in (("offset", self.offset), ("width", self.width), ("reset", self.reset_value)):
            if not isinstance(number, int):
                raise DefinitionError(f"{where}: {what} is {number!r}, expected an int")
        if self.width not in WIDTHS:
            raise DefinitionError(f"{where}: width {self.width}, expected one of {sorted(WIDTHS)}")
        if self.offset < 0:
            raise DefinitionError(f"{where}: offset {self.offset}, expected 0 or more")
        covered = 0
        reset = self.reset_value
        groups: list[tuple[str, Bits]] = []
        for index, field in enumerate(self.fields):
            self._check_place(where, field, self.fields[:index])
            groups.append((f"{where}: field {field.name!r}: ", self._bits(field)))
            covered |= field.mask
            if field.reset is not None:
                if not 0 <= field.reset < 1 << field.width:
                    raise DefinitionError(
                        f"{where}: field {field.name!r}: reset {field.reset:#x} does not fit in {field.width} bits"
                    )
                if field.of(reset) not in (0, field.reset):
                    raise DefinitionError(
                        f"{where}: field {field.name!r}: reset {field.reset:#x}, but the register's reset "
                        f"{reset:#x} has {field.of(reset):#x} there"
                    )
                reset = reset & ~field.mask | field.reset << field.lsb
        mask = (1 << 8 * self.width) - 1
        if not 0 <= reset <= mask:
            raise DefinitionError(f"{where}: reset {reset:#x} does not fit in {self.width} bytes")
        own = Bits(mask & ~covered, self.access, self.on_read, self.on_write, False)
        for label, bits in [(f"{where}: ", own), *groups]:
            if problem := bits.problem():
                raise DefinitionError(label + problem)
        self.reset_value = reset
        self.effects = Effects.of([bits for _, bits in groups] + [own] * bool(own.mask))

    def _bits(self, field: Field) -> Bits:
        """What happens to a field: its own words, else the register's as far as the field can be accessed that way."""
        access = field.access or self.access
        on_read = field.on_read or (self.on_read if "r" in access else None)
        on_write = field.on_write or (self.on_write if "w" in access else None)
        return Bits(field.mask, access, on_read, on_write, field.singlepulse)

    def _check_place(self, where: str, field: Field, before: Sequence[Field]) -> None:
        what = f"{where}: field {field.name!r} (bits {field.place})"
        if not 0 <= field.lsb <= field.msb:
            raise DefinitionError(f"{what}: expected the most significant bit first, from 0 up")
        for value in field.enum:
            if not (isinstance(value, int) and 0 <= value < 1 << field.width):
                raise DefinitionError(
                    f"{what}: its enum names {value!r}, expected numbers in 0..{(1 << field.width) - 1:#x}, such as "
                    "{1: 'FAST'}"
                )
        if field.msb >= 8 * self.width:
            raise DefinitionError(f"{what} is outside the register, which has bits {8 * self.width - 1}:0")
        if field.name in TAKEN or field.name.startswith("_") or not field.name:
            raise DefinitionError(f"{what}: a field cannot have this name; registers have an attribute like it")
        for other in before:
            if other.name == field.name:
                raise DefinitionError(f"{what}: the name is taken by bits {other.place}")
            if other.mask & field.mask:
                raise DefinitionError(f"{what} overlaps field {other.name!r} (bits {other.place})")


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
    """Declare a register of `width` bytes at an offset.

    `access`: rw, r, w, rw1 and w1 (written once, then locked until reset), na (neither). What may not be read reads as
    0, what may not be written stays.
    `on_read`: what a read leaves behind: rclr (zeros), rset (ones).
    `on_write`: woclr, woset, wot (a written one clears, sets, toggles its bit), wzc, wzs, wzt (a written zero does),
    wclr, wset (any write does).
    `when`: the register is only there while another has this value, as in `when=lcr.has(DLAB=1)`. Two registers may
    share bytes if they are there at different times, or if one is only read and the other only written.
    Fields may have words of their own. Mistakes are reported when the class is made, as `DefinitionError`.
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
