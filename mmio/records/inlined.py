"""Inlined calls: the function that an instruction comes from, and its callers.

Accessors such as `writel` are inlined everywhere, so the line of an instruction is one of a header, and what a reader
wants is the caller in the driver. DWARF 5, section 3.3.8, says both. pyelftools reads it, if it is there; without it,
names are as they were.

A unit is read once, when an address in it first turns up, entry after entry: links between entries, which a damaged
file could make a circle of, are followed a few times only.
"""

from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from os.path import basename
from types import ModuleType
from typing import Any, Final

from attrs import frozen

from mmio.records.elf import ElfFile

MAX_INFO: Final = 1 << 23  # bytes of .debug_info, and of what it refers to
MAX_UNIT: Final = 1 << 20  # bytes of a unit; some 20 µs an entry of ten bytes
MAX_RANGES: Final = 1 << 16  # of all functions of a unit
_MAX_LINKS: Final = 4  # from an inlined call to the entry that has the name
_SECTIONS: Final = (
    *("info", "abbrev", "aranges", "frame", "str", "loc", "ranges", "line", "pubtypes", "pubnames"),
    *("addr", "str_offsets", "line_str", "loclists", "rnglists", "types"),
)
_NEEDED: Final = frozenset(
    ("info", "abbrev", "str", "ranges", "line", "addr", "str_offsets", "line_str", "loclists", "rnglists")
)
_SCOPES: Final = ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine")


@frozen(slots=True)
class Frame:
    """A function, and the line of it that was being executed: "" for the innermost, which the line table knows."""

    function: str
    line: str


@frozen(slots=True)
class _Scope:
    """Code of a function, or of an inlined call, which has the `line` that calls it."""

    ranges: tuple[tuple[int, int], ...]
    depth: int
    name: str
    line: str | None


def reader() -> ModuleType | None:
    """Load what reads DWARF; None where pyelftools is not installed."""
    try:
        return import_module("elftools.dwarf.dwarfinfo")
    except ImportError:
        return None


class Inlined:
    """The inlined calls of a module.

    Args:
        elf: the file of the module.
    """

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._units: list[tuple[tuple[tuple[int, int], ...], Any]] | None = None
        self._scopes: dict[int, list[_Scope]] = {}  # by the unit's offset
        self._dwarf: Any = None

    def at(self, address: int) -> tuple[Frame, ...]:
        """Return the functions at an address, the innermost first; nothing where none is inlined, or not known."""
        try:
            return self._frames(address)
        except Exception:  # a damaged file makes pyelftools raise anything; it costs these names, and nothing else
            self._units = []
            return ()

    def _frames(self, address: int) -> tuple[Frame, ...]:
        if self._units is None:
            self._units = list(self._read())
        unit = next((unit for ranges, unit in self._units if _within(address, ranges)), None)
        if unit is None:
            return ()
        if unit.cu_offset not in self._scopes:
            self._scopes[unit.cu_offset] = [*self._scan(unit)]
        around = [scope for scope in self._scopes[unit.cu_offset] if _within(address, scope.ranges)]
        around.sort(key=lambda scope: -scope.depth)
        if len(around) < 2:
            return ()
        lines = ["", *(scope.line or "" for scope in around)]
        return tuple(Frame(scope.name, line) for scope, line in zip(around, lines, strict=False))

    def _read(self) -> Iterator[tuple[tuple[tuple[int, int], ...], Any]]:
        """Iterate over the units, each with the addresses of its code."""
        info = self._elf.data(".debug_info", MAX_INFO)
        if not info:
            return
        dwarf = reader()
        if dwarf is None:
            return
        section = dwarf.DebugSectionDescriptor
        sections: dict[str, Any] = {f"debug_{name}_sec": None for name in (*_SECTIONS, "sup")}
        for name in _NEEDED:
            data = info if name == "info" else self._elf.data(f".debug_{name}", MAX_INFO)
            if data is not None:
                sections[f"debug_{name}_sec"] = section(BytesIO(data), f".debug_{name}", 0, len(data), 0)
        config = dwarf.DwarfConfig(little_endian=True, machine_arch="x64", default_address_size=8)
        self._dwarf = dwarf.DWARFInfo(config, eh_frame_sec=None, gnu_debugaltlink_sec=None, **sections)
        for unit in self._dwarf.iter_CUs():
            if unit["unit_length"] <= MAX_UNIT:
                yield self._ranges(unit, unit.get_top_DIE()), unit

    def _scan(self, unit: Any) -> Iterator[_Scope]:
        """Iterate over the functions of a unit and the calls inlined in them."""
        from elftools.dwarf.die import DIE

        files = _files(self._dwarf, unit)
        left = MAX_RANGES
        offset, end, depth = unit.cu_die_offset, unit.cu_offset + unit.size, 0
        while offset < end and left > 0:
            entry = DIE(unit, self._dwarf.debug_info_sec.stream, offset)
            offset += entry.size
            if entry.is_null():
                depth -= 1
                continue
            if entry.tag in _SCOPES:
                ranges = self._ranges(unit, entry)
                left -= len(ranges)
                if ranges:
                    line = None
                    if entry.tag == "DW_TAG_inlined_subroutine":
                        file, number = (_number(entry, f"DW_AT_call_{what}") for what in ("file", "line"))
                        line = f"{files.get(file, '?')}:{number}"
                    yield _Scope(ranges, depth, _name(entry), line)
            depth += bool(entry.has_children)

    def _ranges(self, unit: Any, entry: Any) -> tuple[tuple[int, int], ...]:
        """Return the addresses of an entry's code."""
        if "DW_AT_ranges" in entry.attributes:
            lists = self._dwarf.range_lists()
            base = _number(unit.get_top_DIE(), "DW_AT_low_pc")
            found: list[tuple[int, int]] = []
            for one in lists.get_range_list_at_offset(_number(entry, "DW_AT_ranges"), cu=unit):
                if hasattr(one, "base_address"):
                    base = one.base_address
                else:
                    start = 0 if one.is_absolute else base
                    found.append((start + one.begin_offset, start + one.end_offset))
            return tuple(found[:MAX_RANGES])
        if "DW_AT_low_pc" not in entry.attributes or "DW_AT_high_pc" not in entry.attributes:
            return ()
        low, high = _number(entry, "DW_AT_low_pc"), entry.attributes["DW_AT_high_pc"]
        return ((low, high.value if high.form.startswith("DW_FORM_addr") else low + high.value),)


def _within(address: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= address < end for start, end in ranges)


def _number(entry: Any, name: str) -> int:
    attribute = entry.attributes.get(name)
    return attribute.value if attribute is not None and isinstance(attribute.value, int) else 0


def _name(entry: Any) -> str:
    """Return the name of a function, which an inlined or specialised copy has elsewhere."""
    for _ in range(_MAX_LINKS):
        if "DW_AT_name" in entry.attributes:
            return str(entry.attributes["DW_AT_name"].value.decode(errors="replace"))
        link = next(
            (name for name in ("DW_AT_abstract_origin", "DW_AT_specification") if name in entry.attributes), None
        )
        if link is None:
            break
        entry = entry.get_DIE_from_attribute(link)
    return "?"


def _files(dwarf: Any, unit: Any) -> dict[int, str]:
    """Return the names of the files of a unit, by number."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return {}
    first = 0 if program["version"] >= 5 else 1
    names = (basename(entry.name.decode(errors="replace")) for entry in program["file_entry"])
    return dict(enumerate(names, first))
