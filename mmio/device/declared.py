"""Common part of the declarations of a register and of an array of registers, with its checks."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final, Literal, TypeAlias, TypeVar

from mmio.device.effects import Access, Bits, Effects, OnRead, OnWrite
from mmio.device.field import Field
from mmio.device.member import Member
from mmio.device.sharing import Selection
from mmio.errors import DefinitionError
from mmio.space.policy import WIDTHS

Kind: TypeAlias = Literal["written", "reads", "pushed", "popped", "overrun", "underrun"]
T = TypeVar("T", covariant=True)

TAKEN: Final = frozenset(("name", "read", "value", "width", "write"))  # attributes of a bound register


class Declared(Member[T]):
    """Declaration of a register or an array of registers."""

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
        if not isinstance(fields, Field | Iterable):
            raise DefinitionError(f"fields are made with field() and bit(), got {fields!r}")
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
        self.source_line = 0  # in the description that it was made from

    @property
    def name(self) -> str:
        """The register's name: the attribute in upper case when none was given."""
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
            self._check_place(where, field)
            own = self._bits(field)
            if own.mask & covered or len(self.fields_by_name) < len(self.fields):
                self._check_alone(where, field, self.fields[:index])
            groups.append((f"{where}: field {field.name!r}: ", own))
            covered |= own.mask
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
        rest = Bits(mask & ~covered, self.access, self.on_read, self.on_write, False)
        for label, bits in [(f"{where}: ", rest), *groups]:
            if problem := bits.problem():
                raise DefinitionError(label + problem)
        self.reset_value = reset
        self.effects = Effects.of([bits for _, bits in groups] + [rest] * bool(rest.mask))

    def _bits(self, field: Field) -> Bits:
        """Return the effects of accesses on a field: its own, else the register's as far as its access type allows."""
        access = field.access or self.access
        on_read = field.on_read or (self.on_read if "r" in access else None)
        on_write = field.on_write or (self.on_write if "w" in access else None)
        return Bits(field.mask, access, on_read, on_write, field.singlepulse)

    def _check_place(self, where: str, field: Field) -> None:
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

    def _check_alone(self, where: str, field: Field, before: Sequence[Field]) -> None:
        what = f"{where}: field {field.name!r} (bits {field.place})"
        for other in before:
            if other.name == field.name:
                raise DefinitionError(f"{what}: the name is taken by bits {other.place}")
            if other.mask & field.mask:
                raise DefinitionError(f"{what} overlaps field {other.name!r} (bits {other.place})")
