"""A register of a device object: its value, for the device's own code.

The value and everything an access needs are in a `Cell`. The names are in a `BoundRegister` in front of it, because a
class that catches attribute names (`timer.ctrl.EN = 1`) pays for it on every attribute, and an access must not.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from operator import index
from typing import TYPE_CHECKING, Any, Never, NoReturn

from mmio.device.declared import Declared, Kind
from mmio.device.field import shown
from mmio.errors import DeviceError

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class Cell:
    """One register of one device, as the bus sees it."""

    __slots__ = (
        "changed",
        "compute",
        "effects",
        "fields",
        "locked",
        "mask",
        "name",
        "plain_read",
        "plain_write",
        "reset_value",
        "value",
        "width",
    )

    def __init__(
        self,
        declared: Declared[Any],
        name: str,
        compute: Callable[[], int] | None,
        changed: Callable[[int, int], object] | None,
    ) -> None:
        self.name = name
        self.width = declared.width
        self.mask = (1 << 8 * self.width) - 1
        self.fields = declared.fields_by_name
        self.effects = declared.effects
        self.reset_value = declared.reset_value
        self.handle(compute, changed)
        self.reset()

    def handle(self, compute: Callable[[], int] | None, changed: Callable[[int, int], object] | None) -> None:
        """Call these functions on reads and after writes."""
        self.compute = compute
        self.changed = changed
        # Read or written as it is: the device takes or sets `value` without asking here.
        self.plain_read = compute is None and self.effects.reads_plainly(self.mask)
        self.plain_write = changed is None and self.effects.writes_plainly(self.mask)

    def handle_too(self, kind: Kind, handler: Callable[..., Any]) -> None:
        """Call a function of the device around, too: on reads, or after writes and after the function that is there."""
        if kind == "reads":
            self.handle(handler, self.changed)
            return
        own = self.changed

        def both(old: int, new: int) -> None:
            if own is not None:
                own(old, new)
            handler(old, new)

        self.handle(self.compute, handler if own is None else both)

    def reset(self) -> None:
        """Take the reset value, quietly, and unlock what was written once."""
        self.value: int = self.reset_value
        self.locked = 0  # those bits that may be written once and have been

    def put(self, value: int) -> None:
        """Set the value, quietly. Raises ValueError when it does not fit."""
        number = _int(value, self.name)
        if number & ~self.mask:
            raise ValueError(f"{self.name} holds 0..{self.mask:#x}, not {number:#x}")
        self.value = number

    def lock(self, bits: int) -> None:
        """Say which of the bits that may be written once have been."""
        self.locked = bits & self.effects.once

    def load(self) -> int:
        """Answer a read from the bus, with its effects."""
        if self.compute is not None:
            answer = self.compute()
            if answer.__class__ is not int or answer >> 8 * self.width:
                answer = self._checked(answer)
            self.value = answer
        answer = self.value & self.effects.readable
        if self.effects.reads:
            self.value = self.effects.after_read(self.value)
        return answer

    def store(self, data: int, lanes: int) -> None:
        """Take a write from the bus, with its effects. `lanes` masks the bits that are written."""
        old = self.value
        effects = self.effects
        self.value = new = effects.after_write(old, data, lanes & ~self.locked)
        self.locked |= effects.once & lanes
        try:
            if self.changed is not None:
                self.changed(old, new)
        finally:
            if effects.pulse:
                self.value &= ~effects.pulse

    def _checked(self, answer: Any) -> int:
        try:
            number = index(answer)
        except TypeError:
            number = -1
        if number >> 8 * self.width:
            problem = f"the reads handler of {self.name} returned {answer!r}, expected an int in 0..{self.mask:#x}"
            raise DeviceError(problem)
        return number


class BoundRegister:
    """A register of a device, for the device's own code and for tests.

    `value` is all of it, each field an attribute; using them is no access, and has no effects and calls no handlers.
    `read` and `write` do what the bus does. Equal to the int it holds, and usable as one.
    """

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        object.__setattr__(self, "_cell", cell)

    @property
    def name(self) -> str:
        """The register's name."""
        return self._cell.name

    @property
    def width(self) -> int:
        """Bytes."""
        return self._cell.width

    @property
    def value(self) -> int:
        """The value of the register."""
        return self._cell.value

    @value.setter
    def value(self, value: int) -> None:
        self._cell.put(value)

    def read(self) -> int:
        """Read it as the bus does, with effects and handlers, whether or not an access would reach it now."""
        return self._cell.load()

    def write(self, value: int) -> None:
        """Write it as the bus does. Raises ValueError when the value does not fit."""
        cell = self._cell
        number = _int(value, cell.name)
        if number & ~cell.mask:
            raise ValueError(f"{cell.name} holds 0..{cell.mask:#x}, not {number:#x}")
        cell.store(number, cell.mask)

    if TYPE_CHECKING:
        _cell: Cell

    def __getattr__(self, name: str) -> int:
        cell = self._cell
        field = cell.fields.get(name)
        if field is None:
            raise AttributeError(_no_field(cell, name))
        return field.of(cell.value)

    def __setattr__(self, name: str, value: int) -> None:
        cell = self._cell
        field = cell.fields.get(name)
        if field is None:
            if name != "value":
                raise AttributeError(_no_field(cell, name))
            object.__setattr__(self, name, value)
            return
        number = _int(value, f"{cell.name}.{name}", field.enum)
        if number >> field.width:
            raise ValueError(f"{cell.name}.{name} holds 0..{(1 << field.width) - 1:#x}, not {number:#x}")
        cell.value = cell.value & ~field.mask | number << field.lsb

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._cell.fields]

    def __index__(self) -> int:
        return self._cell.value

    __int__ = __index__

    def __bool__(self) -> bool:
        return bool(self._cell.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, BoundRegister):
            return self._cell.value == other._cell.value
        return self._cell.value == other

    __hash__ = None  # type: ignore[assignment]  # equal to a value that changes

    def __format__(self, spec: str) -> str:
        return format(self._cell.value, spec) if spec else str(self)

    def __repr__(self) -> str:
        cell = self._cell
        text = f"{cell.name} 0x{cell.value:0{2 * cell.width}x}"
        fields = shown(cell.fields.values(), cell.value)
        return f"{text} {fields}" if fields else text


class BoundArray:
    """The registers of an array, by index."""

    __slots__ = ("_registers",)

    def __init__(self, registers: list[BoundRegister]) -> None:
        self._registers = registers

    def __getitem__(self, position: int) -> BoundRegister:
        try:
            return self._registers[position]
        except IndexError:
            raise IndexError(f"there are elements 0..{len(self) - 1}, not {position}") from None

    def __setitem__(self, position: int, value: Never) -> NoReturn:
        raise TypeError(f"an element cannot be assigned: set [{position}].value, or a field [{position}].NAME")

    def __len__(self) -> int:
        return len(self._registers)

    def __iter__(self) -> Iterator[BoundRegister]:
        return iter(self._registers)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._registers))


def _int(value: Any, what: str, names: Mapping[int, str] | None = None) -> int:
    try:
        return index(value)
    except TypeError:
        known = ", ".join(f"{name}={number}" for number, name in (names or {}).items())
        raise TypeError(f"{what} takes an int, not {value!r}" + f" ({known})" * bool(known)) from None


def _no_field(cell: Cell, name: str) -> str:
    names = list(cell.fields)
    # Upper case is compared, because EN for en is the likeliest slip.
    close = [known for known in names if known.upper() == name.upper()] or get_close_matches(name, names, n=1)
    text = f"{cell.name} has no field {name!r}"
    if close:
        return f"{text}; did you mean {close[0]!r}?"
    return f"{text}; it has {', '.join(names)}" if names else f"{text}; it has no fields at all"
