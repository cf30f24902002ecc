"""Names for the bits of a register.

A field names bits; it does not fence the others in: what no field covers behaves as the register does. Whether
fields and register agree is checked when the device class is made, by the register they belong to.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TypeAlias

from attrs import field as attribute
from attrs import frozen

from mmio.device.effects import Access, OnRead, OnWrite
from mmio.errors import DefinitionError
from mmio.records.fields import field_text

Names: TypeAlias = Mapping[int, str] | type[IntEnum]


def _names(enum: Names | None) -> dict[int, str]:
    if enum is None:
        return {}
    if isinstance(enum, Mapping):
        return dict(enum)
    return {member.value: member.name for member in enum}


@frozen
class Field:
    """Bits msb..lsb of a register, both included. What is None is as the register has it."""

    name: str
    msb: int
    lsb: int
    enum: dict[int, str] = attribute(factory=dict)
    reset: int | None = None
    access: Access | None = None
    on_read: OnRead | None = None
    on_write: OnWrite | None = None
    singlepulse: bool = False

    @property
    def width(self) -> int:
        """Bits, not bytes."""
        return self.msb - self.lsb + 1

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return (1 << self.width) - 1 << self.lsb

    @property
    def place(self) -> str:
        """The bits as a datasheet has them: "15:8", or "0" for one."""
        return str(self.lsb) if self.width == 1 else f"{self.msb}:{self.lsb}"

    def of(self, value: int) -> int:
        """Take this field out of a register's value."""
        return (value & self.mask) >> self.lsb

    def format(self, value: int) -> str:
        """Print the field of a register's value: 'EN=1', 'PSC=0x03', 'MODE=FAST'."""
        return f"{self.name}={self._text(value)}"

    def shown(self, value: int) -> str:
        """Print the field if it is not zero: 'EN', 'PSC=0x03', 'MODE=FAST'."""
        return field_text(self.name, self.of(value), self.width, self._text(value))

    def _text(self, value: int) -> str:
        number = self.of(value)
        if number in self.enum:
            return self.enum[number]
        return f"{number}" if self.width <= 3 else f"0x{number:0{(self.width + 3) // 4}x}"


def field(
    name: str,
    msb: int,
    lsb: int,
    *,
    enum: Names | None = None,
    reset: int | None = None,
    access: Access | None = None,
    on_read: OnRead | None = None,
    on_write: OnWrite | None = None,
    singlepulse: bool = False,
) -> Field:
    """Declare a field of a register.

    Args:
        name: of the field, in code and records.
        msb: its highest bit.
        lsb: its lowest bit.
        enum: names of its values, as a dict or an IntEnum.
        reset: its value at reset.
        access: as in `register`, whose own this word and the next two replace for these bits.
        on_read: as in `register`.
        on_write: as in `register`.
        singlepulse: a one that is written is seen by the register's `written` handler and is gone afterwards.
    """
    if not (isinstance(name, str) and isinstance(msb, int) and isinstance(lsb, int)):
        raise DefinitionError(f"field({name!r}, {msb!r}, {lsb!r}): expected name, msb, lsb, as in field('PSC', 15, 8)")
    return Field(name, msb, lsb, _names(enum), reset, access, on_read, on_write, singlepulse)


def bit(
    name: str,
    index: int,
    *,
    enum: Names | None = None,
    reset: int | None = None,
    access: Access | None = None,
    on_read: OnRead | None = None,
    on_write: OnWrite | None = None,
    singlepulse: bool = False,
) -> Field:
    """Declare a field of one bit, `name` at `index`; otherwise like `field`."""
    if not (isinstance(name, str) and isinstance(index, int)):
        raise DefinitionError(f"bit({name!r}, {index!r}): expected name and number, as in bit('EN', 0)")
    return Field(name, index, index, _names(enum), reset, access, on_read, on_write, singlepulse)


def shown(fields: Iterable[Field], value: int) -> str:
    """Print those fields of a value that are not zero: 'EN PSC=0x03'."""
    return " ".join(filter(None, (field.shown(value) for field in fields)))


def describe(fields: Iterable[Field], value: int, lanes: int = -1) -> str:
    """Print those fields of a value that lie in `lanes` entirely: 'EN=1 PSC=0x03'."""
    return " ".join(field.format(value) for field in fields if not field.mask & ~lanes)
