"""Names in a trace: its regions, their registers, and the fields of these.

A name that nothing has is a mistake in a test, and must not look like an access that is missing. What has been accessed
is known by its records; the rest by the devices, as far as these say. So a name is only refused where all is known.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

from attrs import Factory, define

from mmio.records.access import Access
from mmio.records.fields import FieldPlace
from mmio.records.region import RecordedRegion

MAX_LENGTH: Final = 1 << 16  # bytes of a region that is asked for its names, byte by byte
WIDTHS: Final = (1, 2, 4, 8)
SHOWN: Final = 12  # names in an error
_INDEX: Final = re.compile(r"\[\d+\]")


@define(slots=False)
class Known:
    """The names of a trace.

    Attributes:
        registers: by region and name, the fields.
        whole: whether these are all that there are.
        values: by the name of a field, with its register and with and without its region, the names of its values.
    """

    registers: dict[str, dict[str, tuple[FieldPlace, ...]]] = Factory(dict)
    whole: bool = False
    values: dict[str, set[str]] = Factory(dict)

    @cached_property
    def _names(self) -> dict[str, None]:
        return dict.fromkeys(self._all())

    @classmethod
    def of(cls, accesses: Iterable[Access]) -> "Known":
        """Return the names of a trace, a view, or only of accesses."""
        regions: Sequence[RecordedRegion] = getattr(accesses, "regions", ())
        known = cls(whole=bool(regions))
        for access in accesses:
            known._see(access)
        for region in regions:
            found = known.registers.setdefault(region.name, {})
            names = _names(region)
            known.whole &= names is not None
            for name, fields in names or ():
                found[name] = _merged(found.get(name, ()), fields)
            for place in getattr(layout_of(region), "places", ()):
                for field in place.fields:
                    for name in (f"{place.name}.{field.name}", f"{region.name}.{place.name}.{field.name}"):
                        known.values.setdefault(name, set()).update(field.enum.values())
        return known

    def has(self, name: str) -> bool:
        """Return whether something is called so: a register, with or without its region, or a field of one."""
        return name in self._names

    def missing(self, name: str) -> str:
        """Return why nothing can be called so, "" if something may be."""
        if not self.whole or self.has(name):
            return ""
        region, _, offset = name.partition("+")
        if (region in self.registers or not region) and offset[:1].isdigit():
            return ""
        first, dot, _ = name.partition(".")
        first = first.partition("+")[0]
        registers = [register for found in self.registers.values() for register in found]
        blocks = [register.partition(".")[0] for register in registers if "." in register]
        firsts = [*self.registers, *registers, *blocks]
        arrays = [_INDEX.sub("", block) for block in blocks]
        if first != name and first not in (*firsts, *arrays):
            # If no name is like it, it may be a region that is untouched so far.
            near = get_close_matches(first, firsts, n=1, cutoff=0.7)
            what = "region or register" if dot else "region"
            return f"no {what} is called {first!r}; did you mean {near[0]!r}?" if near else ""
        return f"no register or field is called {name!r}{self.nearest(name)}"

    def missing_part(self, kind: str, name: str) -> str:
        """Return why no region or no register, as `kind` says, is called so; "" if one may be."""
        every = [*self.registers] if kind == "region" else [n for found in self.registers.values() for n in found]
        if not self.whole or name in every:
            return ""
        parts = _entire(every)
        near = get_close_matches(name, parts, n=1)
        there = f"there are {_listed(parts)}" if parts else "there is none"
        return f"no {kind} is called {name!r}; " + (f"did you mean {near[0]!r}?" if near else there)

    def unlike(self, pattern: str, fits: Callable[[str, str], bool]) -> str:
        """Return why no place can fit a pattern, "" if one may.

        Args:
            pattern: with * and ? in it.
            fits: returns whether a name fits a pattern.
        """
        indexed = (_INDEX.sub("", name) for name in self._names)  # an array goes by its name without an index
        if not self.whole or any(fits(name, pattern) for name in (*self._names, *indexed)):
            return ""
        registers = _entire(register for found in self.registers.values() for register in found)
        return f"no region or register fits {pattern!r}" + (f"; there are {_listed(registers)}" if registers else "")

    def nearest(self, name: str) -> str:
        """Return a hint: the name that is spelt most alike, or what there is."""
        names = _entire(self._names)
        near = get_close_matches(name.replace(" ", "."), names, n=1) or get_close_matches(name, names, n=1)
        if near:
            return f"; did you mean {near[0]!r}?"
        registers = _entire(register for found in self.registers.values() for register in found)
        return f"; there are {_listed(registers)}" if registers else ""

    def wrong_value(self, name: str, value: int | str | None) -> str:
        """Return why a register or a field of this name never has a value, "" if it may have it."""
        if value is None or self.is_register(name):
            return "" if not isinstance(value, str) else f"{name} is a register, and only a field has named values"
        if isinstance(value, str):
            known = sorted(self.values.get(name, ()))
            if not self.whole or value in known or name not in self.values:
                return ""
            near = get_close_matches(value, known, n=1)
            there = f"; it has {_listed(known)}" if known else ", nor any other name of a value"
            return f"{name} has no value {value!r}" + (f"; did you mean {near[0]!r}?" if near else there)
        bits = self.bits(name)
        if bits is None or not value >> bits:
            return ""
        return f"{name} has {bits} bit{'s' * (bits != 1)}, so it is never {value:#x}"

    def is_register(self, name: str) -> bool:
        """Return whether a register is called so, with or without its region."""
        return any(
            name == register or name == f"{region}.{register}"
            for region, registers in self.registers.items()
            for register in registers
        )

    def bits(self, name: str) -> int | None:
        """Return how many bits the field of this name has at most, None if it is no field."""
        widths = [
            msb - lsb + 1
            for region, registers in self.registers.items()
            for register, fields in registers.items()
            for field, msb, lsb in fields
            if name in (f"{register}.{field}", f"{region}.{register}.{field}")
        ]
        return max(widths, default=None)

    def _all(self) -> Iterator[str]:
        for region, registers in self.registers.items():
            yield region
            for register, fields in registers.items():
                for name in (register, f"{region}.{register}"):
                    yield name
                    yield from (f"{name}.{field}" for field, _, _ in fields)

    def _see(self, access: Access) -> None:
        if access.region is None:
            return
        found = self.registers.setdefault(access.region, {})
        if access.register is not None:
            fields = found.get(access.register)
            if fields is None or len(fields) < len(access.layout):
                found[access.register] = access.layout


def _names(region: RecordedRegion) -> Iterable[tuple[str, tuple[FieldPlace, ...]]] | None:
    """Return the registers of a region with their fields; None if it does not tell all of them."""
    names = (region.whole or region).names
    name_at, fields_at = getattr(names, "name_at", None), getattr(names, "fields_at", None)
    if name_at is None or region.length > MAX_LENGTH:
        return None
    laid_out = layout_of(region)
    if getattr(names, "naming", None) is not None and laid_out is None:
        return None  # names that depend on the device's state
    found: dict[str, tuple[FieldPlace, ...]] = {}
    for place in getattr(laid_out, "places", ()):
        found[place.name] = _merged(found.get(place.name, ()), _fields_of(place))
    for width in WIDTHS:
        for offset in range(region.length - width + 1):
            name = name_at(offset, width)
            if name is not None:
                fields = () if fields_at is None else fields_at(offset, width)
                found[name] = _merged(found.get(name, ()), fields)
    return found.items()


def layout_of(region: RecordedRegion) -> Any:
    """Return the registers of the device that answers in a region, None if it does not declare any."""
    names = (region.whole or region).names
    return getattr(names, "layout", None) or getattr(getattr(names, "device", None), "layout", None)


def _fields_of(place: Any) -> tuple[FieldPlace, ...]:
    return tuple((field.name, field.msb, field.lsb) for field in place.fields)


def _merged(some: tuple[FieldPlace, ...], others: Iterable[FieldPlace]) -> tuple[FieldPlace, ...]:
    return tuple(dict.fromkeys((*some, *others)))


def _entire(names: Iterable[str]) -> list[str]:
    """Return the names without those of parts of registers, and of several together, such as CTRL+1 and CTRL..STAT."""
    return [name for name in names if "+" not in name and ".." not in name]


def _listed(names: Iterable[str]) -> str:
    """Return some names."""
    short = [*dict.fromkeys(names)]
    more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
    return ", ".join(short[:SHOWN]) + more
