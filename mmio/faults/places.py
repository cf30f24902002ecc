"""Places of faults in a device: bytes of registers, a line, or the whole device.

Names come from the device's layout. A device without one is named by offsets: `+0x10` is four bytes there, `+0x10/1` is
one.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final

from attrs import frozen

from mmio.device.device import Device
from mmio.device.field import Field
from mmio.device.line import Line
from mmio.device.spaced import Spaced
from mmio.faults.errors import FaultError
from mmio.faults.fault import Condition, Setting

_OFFSET: Final = re.compile(r"\+(0[xX][0-9a-fA-F]+|\d+)(?:/(\d+))?", re.ASCII)
_BIT: Final = re.compile(r"bit(\d+)", re.ASCII)


@frozen
class Spot:
    """The bytes of a register in a device.

    Attributes:
        start: the first offset.
        width: in bytes, without what lies between registers that are spaced.
        name: of the register; empty for mere bytes.
        fields: of the register.
        shared: whether other registers may be at the same bytes.
    """

    start: int
    width: int
    name: str = ""
    fields: Sequence[Field] = ()
    shared: bool = False

    @property
    def end(self) -> int:
        """The first offset past it."""
        return self.start + self.width


class Places:
    """The registers and lines of one device, by name.

    Args:
        device: the device, or what stands before it and has its attributes.
        name: of it, which a place may begin with.

    Attributes:
        core: the device that has the registers: what is within a `Spaced`.
        name: as given, or the class of the device.
    """

    def __init__(self, device: Any, name: str | None) -> None:
        self.name = name or type(device).__name__
        stride = width = 1
        if isinstance(device, Spaced):
            stride, width, device = device.stride, device.width, device.device
        self.core = device
        self._names = {self.name, type(device).__name__}
        layout = getattr(device, "layout", None)
        shared = getattr(layout, "shared", ())
        self.spots = [
            Spot(place.offset // width * stride, place.width, place.name, place.fields, number in shared)
            for number, place in enumerate(getattr(layout, "places", ()))
        ]
        self.lines = dict(_lines(device))

    def register(self, fault: object, text: str) -> list[Spot]:
        """Return the bytes that a place means: of one register, or of each of an array.

        Raises:
            FaultError: there is no such register.
        """
        rest = self.within(text)
        match = _OFFSET.fullmatch(rest)
        if match is not None:
            width = int(match[2] or 4)
            if not 1 <= width <= 64:
                raise FaultError(f"fault {str(fault)!r}: a place is 1 to 64 bytes wide, not {width}")
            return [Spot(int(match[1], 0), width)]
        spots = [spot for spot in self.spots if spot.name == rest]
        spots = spots or [spot for spot in self.spots if re.sub(r"\[\d+\]$", "", spot.name) == rest]
        if not spots:
            raise FaultError(f"fault {str(fault)!r}: {self._absence(rest)}")
        return spots

    def within(self, text: str) -> str:
        """Return a place without the name of the device in front; empty for the device itself."""
        if text in self.lines or any(spot.name == text for spot in self.spots):
            return text
        for name in self._names:
            if text == name:
                return ""
            if text.startswith((f"{name}.", f"{name}+")):
                return text[len(name) :].removeprefix(".")
        return text

    def bits(self, fault: object, spot: Spot, settings: Iterable[Setting]) -> tuple[int, int]:
        """Return the mask of the bits that settings are about, and their value.

        Raises:
            FaultError: there are no such bits, or they cannot have the value.
        """
        mask = value = 0
        for setting in settings:
            own, bits = self._bits(fault, spot, setting)
            if mask & own:
                raise FaultError(f"fault {str(fault)!r}: {setting} is about bits that are set already")
            mask, value = mask | own, value | bits
        return mask, value

    def condition(self, fault: object, condition: Condition) -> tuple[Any, int, int]:
        """Return the register that a condition is about, as the device has it, and mask and value.

        Raises:
            FaultError: there are no such bits, or the device cannot be asked for what it holds.
        """
        spot = self.register(fault, condition.register)[0]
        if not spot.name or not isinstance(self.core, Device):
            raise FaultError(
                f"fault {str(fault)!r}: a {type(self.core).__name__} cannot be asked what {condition.register} holds "
                "without an access; only a Device can"
            )
        mask, value = self._bits(fault, spot, condition.setting)
        return self.core[spot.name], mask, value

    def _bits(self, fault: object, spot: Spot, setting: Setting) -> tuple[int, int]:
        where = spot.name or f"+{spot.start:#x}"
        full = (1 << 8 * spot.width) - 1
        number = setting.value
        if not setting.name:
            mask = full if setting.mask is None else setting.mask
            assert isinstance(number, int)
            if mask & ~full or number & ~mask:
                raise FaultError(f"fault {str(fault)!r}: {setting} does not fit in {where}, {spot.width} bytes")
            return mask, number
        field = next((field for field in spot.fields if field.name == setting.name), None)
        bit = _BIT.fullmatch(setting.name)
        if field is None and bit is not None and int(bit[1]) < 8 * spot.width:
            field = Field(setting.name, int(bit[1]), int(bit[1]))
        if field is None:
            names = [field.name for field in spot.fields]
            raise FaultError(f"fault {str(fault)!r}: {where} has no field {setting.name!r}{_hint(setting.name, names)}")
        if isinstance(number, str):
            known = {name: value for value, name in field.enum.items()}
            if number not in known:
                raise FaultError(
                    f"fault {str(fault)!r}: {where}.{field.name} has no value {number!r}{_hint(number, known)}"
                )
            number = known[number]
        if number >> field.width:
            raise FaultError(
                f"fault {str(fault)!r}: {where}.{field.name} holds 0..{(1 << field.width) - 1:#x}, not {number:#x}"
            )
        return field.mask, number << field.lsb

    def _absence(self, rest: str) -> str:
        if not self.spots:
            return (
                f"{rest!r} is nothing of {self.name}, which declares no registers; name bytes of it: +0x10 (four), "
                "+0x10/1"
            )
        names = [spot.name for spot in self.spots]
        return f"{self.name} has no register or line {rest!r}{_hint(rest, [*names, *self.lines])}"


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    by_upper = {known.upper(): known for known in reversed(names)}
    close = get_close_matches(name.upper(), by_upper, 1)
    if close:
        return f"; did you mean {by_upper[close[0]]!r}?"
    return f"; it has {', '.join(names[:12])}{', …' * (len(names) > 12)}" if names else "; it has none"


def _lines(device: Any) -> Iterable[tuple[str, Line]]:
    """Return the lines of a device by their attributes, dotted in blocks."""
    bound = getattr(device, "_device_bound", None)
    attributes = bound if isinstance(bound, dict) else getattr(device, "__dict__", {})
    for name, value in attributes.items():
        if isinstance(value, Line):
            yield name, value
        elif isinstance(value, Device) and isinstance(bound, dict):
            yield from ((f"{name}.{inner}", line) for inner, line in _lines(value))
