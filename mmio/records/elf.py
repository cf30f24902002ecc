"""Read the parts of an ELF file that name instruction pointers: segments, symbols, sections of line numbers.

Written for files that cannot be trusted: a traced program may be damaged, half written or made to mislead. So every
table is read with one bounded read, every name is cut at a bound, and nothing is followed more than once. Source of the
format: System V ABI, chapters 4 and 5, and Linux's elf(5).
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from decode import PagetrapError
from mmio.linux import own_table

MAX_SECTIONS: Final = 1 << 16
MAX_SYMBOLS: Final = 1 << 20
MAX_NAMES: Final = 1 << 26  # bytes of a string table
MAX_NAME: Final = 1 << 12  # bytes of a name; C++ has some of more than a thousand

_LOAD, _SYMTAB, _NOBITS, _DYNSYM = 1, 2, 8, 11
_COMPRESSED: Final = 0x800
_ZLIB: Final = 1
_FUNCTIONS: Final = frozenset((2, 10))  # STT_FUNC, STT_GNU_IFUNC
_EXTENDED: Final = 0xFFFF  # SHN_XINDEX: the number is in section 0


class Malformed(PagetrapError):
    """An ELF file, or a section in it, is inconsistent with its headers."""


@frozen(slots=True)
class _Form:
    """Formats of the tables of 32- or 64-bit files, each as the order of its fields differs."""

    header: struct.Struct
    segment: struct.Struct
    section: struct.Struct
    symbol: struct.Struct
    compression: struct.Struct


_FORMS: Final = {
    1: _Form(*map(struct.Struct, ("<16xHHIIIIIHHHHHH", "<8I", "<10I", "<IIIBBH", "<III"))),
    2: _Form(*map(struct.Struct, ("<16xHHIQQQIHHHHHH", "<II6Q", "<IIQQQQIIQQ", "<IBBHQQ", "<I4xQQ"))),
}


@frozen(slots=True)
class Segment:
    """A part of a file that is loaded."""

    offset: int
    length: int
    address: int


@frozen(slots=True)
class Section:
    """A section header; `name` is a place in the table of the sections' names."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@frozen(slots=True)
class Functions:
    """Functions in order of address, as (address, size, place of the name in `names`)."""

    places: tuple[tuple[int, int, int], ...] = ()
    names: bytes = b""

    def name(self, place: int) -> str:
        """Return a name."""
        return text_at(self.names, place)


def text_at(strings: bytes, place: int) -> str:
    """Return the text at a place in a string table, "" when the table has no such place."""
    end = strings.find(b"\0", place, place + MAX_NAME)
    return strings[place : end if end >= 0 else place + MAX_NAME].decode(errors="replace")


class ElfFile:
    """An ELF file for little-endian machines.

    Args:
        path: of the file. It is opened for each part that is read.

    Raises:
        Malformed: a table is not inside of the file.
        OSError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        start = self._read(0, 64)
        form = _FORMS.get(start[4]) if len(start) >= 6 else None
        if form is None or start[5] != 1:
            raise Malformed("its class or byte order is no x86's")
        self._form = form
        header = _unpacked(form.header, start, "header")
        self._segments = header[4], header[8], header[9]
        sections, size, count, names = header[5], header[10], header[11], header[12]
        self.sections: tuple[Section, ...] = ()
        self._names = b""
        if not sections:
            return
        first = _unpacked(form.section, self._read(sections, form.section.size), "section header 0")
        count = count or first[5]
        rows = self._rows(form.section, sections, size, min(count, MAX_SECTIONS), "section headers")
        place = first[6] if names == _EXTENDED else names
        if place < len(rows):
            self._names = self._read(rows[place][4], min(rows[place][5], MAX_NAMES))
        self.sections = tuple(Section(*row[:7]) for row in rows)

    def segments(self) -> Iterator[Segment]:
        """Iterate over what of the file is loaded."""
        offset, size, count = self._segments
        wide = self._form is _FORMS[2]
        for row in self._rows(self._form.segment, offset, size, count, "program headers"):
            if row[0] == _LOAD:
                yield Segment(row[2], row[5], row[3]) if wide else Segment(row[1], row[4], row[2])

    def functions(self) -> Functions:
        """Return the functions; of the full table if the file was not stripped, else of the exported ones."""
        tables = {section.type: section for section in reversed(self.sections)}
        table = tables.get(_SYMTAB) or tables.get(_DYNSYM)
        if table is None:
            return Functions()
        if table.link >= len(self.sections):
            raise Malformed(f"symbols have their names in section {table.link} of {len(self.sections)}")
        names = self.sections[table.link]
        form = self._form.symbol
        data = self._read(table.offset, min(table.size, MAX_SYMBOLS * form.size))
        rows = form.iter_unpack(data[: len(data) - len(data) % form.size])
        if form is _FORMS[2].symbol:
            places = [(row[4], row[5], row[0]) for row in rows if row[1] & 0xF in _FUNCTIONS and row[3]]
        else:
            places = [(row[1], row[2], row[0]) for row in rows if row[3] & 0xF in _FUNCTIONS and row[5]]
        return Functions(tuple(sorted(places)), self._read(names.offset, min(names.size, MAX_NAMES)))

    def functions_of_sections(self) -> dict[str, tuple[int, Functions]]:
        """Return the functions of a file that is not linked yet, by section: its size, and those in it.

        Addresses are offsets in the section. Sections of a name that comes again are left out.
        """
        form = self._form.symbol
        table = next((section for section in self.sections if section.type == _SYMTAB), None)
        if table is None or table.link >= len(self.sections) or form is not _FORMS[2].symbol:
            return {}
        names = self.sections[table.link]
        strings = self._read(names.offset, min(names.size, MAX_NAMES))
        data = self._read(table.offset, min(table.size, MAX_SYMBOLS * form.size))
        places: dict[int, list[tuple[int, int, int]]] = {}
        for row in form.iter_unpack(data[: len(data) - len(data) % form.size]):
            if row[1] & 0xF in _FUNCTIONS and row[3] < len(self.sections):
                places.setdefault(row[3], []).append((row[4], row[5], row[0]))
        found: dict[str, tuple[int, Functions]] = {}
        for number, section in enumerate(self.sections):
            functions = Functions(tuple(sorted(places.get(number, ()))), strings)
            found.setdefault(text_at(self._names, section.name), (section.size, functions))
        return found

    def data(self, name: str, most: int) -> bytes | None:
        """Return the content of a section, decompressed; None when there is none, or it is larger than `most` bytes."""
        section = self._section(name)
        if section is not None:
            return self._content(section, name, most)
        older = self._section(f".z{name[1:]}")  # as compilers compressed them before 2015
        if older is None:
            return None
        data = self._read(older.offset, min(older.size, most + 12))
        if data[:4] != b"ZLIB":
            raise Malformed(f".z{name[1:]} is not compressed as its name says")
        return _inflated(data[12:], int.from_bytes(data[4:12], "big"), most, name)

    def address(self, name: str) -> int:
        """Return the address of a section in memory, 0 when there is none or it is not loaded."""
        section = self._section(name)
        return 0 if section is None else section.address

    def _section(self, name: str) -> Section | None:
        wanted = name.encode() + b"\0"
        found = (section for section in self.sections if self._names.startswith(wanted, section.name))
        return next((section for section in found if section.type != _NOBITS), None)

    def _content(self, section: Section, name: str, most: int) -> bytes | None:
        if not section.flags & _COMPRESSED:
            return None if section.size > most else self._read(section.offset, section.size)
        form = self._form.compression
        data = self._read(section.offset, min(section.size, most + form.size))
        kind, size, _ = _unpacked(form, data, name)
        return _inflated(data[form.size :], size, most, name) if kind == _ZLIB else None

    def _rows(self, form: struct.Struct, offset: int, size: int, count: int, what: str) -> list[tuple[int, ...]]:
        if count and size != form.size:
            raise Malformed(f"its {what} have {size} bytes each, expected {form.size}")
        data = self._read(offset, count * size)
        if len(data) != count * size:
            raise Malformed(f"it ends in its {what}")
        return list(form.iter_unpack(data))

    def _read(self, offset: int, size: int) -> bytes:
        if offset >> 62:
            raise Malformed(f"offset {offset:#x} is in no file")
        size = max(min(size, os.stat(self._path).st_size - offset), 0)
        return own_table.read(self._path, offset, size)


def _unpacked(form: struct.Struct, data: bytes, what: str) -> tuple[int, ...]:
    if len(data) < form.size:
        raise Malformed(f"it ends in its {what}")
    return form.unpack_from(data)


def _inflated(data: bytes, size: int, most: int, what: str) -> bytes | None:
    if size > most:
        return None
    try:
        return zlib.decompressobj().decompress(data, size + 1)[:size]
    except zlib.error as error:
        raise Malformed(f"{what} cannot be decompressed: {error}") from error
