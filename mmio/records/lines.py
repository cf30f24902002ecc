"""Line numbers of a DWARF .debug_line section, versions 2 to 5, as compilers for x86 write them.

The section is read by itself: a unit in it says which files it means, so nothing else of DWARF is needed. Every opcode
takes at least a byte and makes at most a row, and every entry of a table takes at least a byte; so the work and the
rows are bounded by the length of the section, whatever it says. Source: DWARF 5, section 6.2.
"""

from array import array
from bisect import bisect_right
from os.path import basename
from typing import Final

from attrs import frozen

from mmio.records.elf import MAX_NAME, Malformed, text_at

_ADDRESS: Final = (1 << 64) - 1
_LINE: Final = (1 << 32) - 1
_NONE: Final = 0  # the file of a row where code ends
_LONGEST_NUMBER: Final = 16  # bytes of a LEB128; 10 hold 64 bits, and some writers pad
_PATH: Final = 1  # DW_LNCT_path
# DW_FORM with a fixed length, and the bytes.
_FIXED: Final = {0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x1E: 16, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
_STRING, _UDATA, _STRX, _BLOCK, _BLOCK1, _BLOCK2, _BLOCK4 = 0x08, 0x0F, 0x1A, 0x09, 0x0A, 0x03, 0x04
_STRP, _LINE_STRP = 0x0E, 0x1F


@frozen(slots=True)
class Lines:
    """Rows in order of address: from which on, the number of a file, a line. File 0 is where code ends."""

    addresses: "array[int]"
    files: "array[int]"
    lines: "array[int]"
    names: tuple[str, ...]

    def at(self, address: int) -> str:
        """Return "file:line" of an address, "" when it is not known."""
        index = bisect_right(self.addresses, address) - 1
        if index < 0 or self.files[index] == _NONE:
            return ""
        return f"{self.names[self.files[index]]}:{self.lines[index]}"


def no_lines() -> Lines:
    """Return the lines of a module without any."""
    return Lines(array("Q"), array("I"), array("I"), ("",))


def read_lines(section: bytes, line_strings: bytes, strings: bytes) -> Lines:
    """Return the lines of a .debug_line section; the others are .debug_line_str and .debug_str, b"" without them.

    Raises:
        Malformed: it is not as DWARF has it.
    """
    rows = _Rows()
    reader = _Reader(section)
    while reader.left:
        wide = False
        length = reader.number(4)
        if length == 0xFFFFFFFF:
            wide = True
            length = reader.number(8)
        elif length >= 0xFFFFFFF0:
            raise Malformed(f".debug_line: a unit of reserved length {length:#x}")
        end = reader.place + length
        if end > len(section):
            raise Malformed(f".debug_line: a unit of {length} bytes, and {reader.left} are left")
        _unit(_Reader(section, reader.place, end), wide, line_strings, strings, rows)
        reader.place = end
    return rows.sorted()


class _Reader:
    """A place in a part of a section that ends at `end`, and what is read there."""

    def __init__(self, data: bytes, place: int = 0, end: int | None = None) -> None:
        self.data = data
        self.place = place
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return self.end - self.place

    def skip(self, size: int) -> int:
        """Step over bytes and return where they began. Raises Malformed at the end."""
        start = self.place
        if size > self.end - start:
            raise Malformed(f".debug_line: a unit ends in the middle of something of {size} bytes")
        self.place = start + size
        return start

    def number(self, size: int) -> int:
        """Read a number of some bytes."""
        start = self.skip(size)
        return int.from_bytes(self.data[start : start + size], "little")

    def leb(self, *, signed: bool = False) -> int:
        """Read a LEB128."""
        value = shift = 0
        for _ in range(_LONGEST_NUMBER):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value
        raise Malformed(f".debug_line: a number of more than {_LONGEST_NUMBER} bytes")

    def string(self) -> str:
        """Read a text that ends with a zero byte."""
        end = self.data.find(b"\0", self.place, self.end)
        if end < 0:
            raise Malformed(".debug_line: a unit ends in the middle of a name")
        text = self.data[self.place : min(end, self.place + MAX_NAME)].decode(errors="replace")
        self.place = end + 1
        return text


class _Rows:
    """Rows as they come, and the names of files, each once."""

    def __init__(self) -> None:
        self.addresses, self.files, self.lines = array("Q"), array("I"), array("I")
        self.numbers: dict[str, int] = {"": _NONE}

    def file(self, path: str) -> int:
        """Return the number of a file, by the last part of its path."""
        return self.numbers.setdefault(basename(path), len(self.numbers))

    def sorted(self) -> Lines:
        """Return the rows in order of address, those of one address in the order in which they came."""
        order = sorted(range(len(self.addresses)), key=self.addresses.__getitem__)

        def ordered(column: "array[int]") -> "array[int]":
            return array(column.typecode, [column[i] for i in order])

        return Lines(ordered(self.addresses), ordered(self.files), ordered(self.lines), tuple(self.numbers))


def _unit(reader: _Reader, wide: bool, line_strings: bytes, strings: bytes, rows: _Rows) -> None:
    version = reader.number(2)
    if not 2 <= version <= 5:
        raise Malformed(f".debug_line: version {version}, expected 2..5")
    if version >= 5:
        reader.number(2)  # the sizes of an address and of a segment selector
    header = reader.number(8 if wide else 4)
    program = reader.place + header
    step = reader.number(1)
    if version >= 4:
        reader.number(1)  # operations in a VLIW instruction
    reader.number(1)  # default_is_stmt
    base = int.from_bytes(reader.number(1).to_bytes(1, "little"), "little", signed=True)
    span, first = reader.number(1), reader.number(1)
    if not span or not first:
        raise Malformed(f".debug_line: line_range {span} and opcode_base {first}, expected 1 or more")
    operands = [reader.number(1) for _ in range(first - 1)]
    if version >= 5:
        _entries(reader, wide, line_strings, strings)
        files = [rows.file(name) for name in _entries(reader, wide, line_strings, strings)]
    else:
        while reader.string():
            pass  # directories
        files = [_NONE]  # they are counted from 1
        while name := reader.string():
            files.append(rows.file(name))
            _numbers(reader, 3)
    if program < reader.place:
        raise Malformed(".debug_line: a program begins inside of its header")
    reader.place = min(program, reader.end)
    _run(reader, step, base, span, operands, files, rows)


def _numbers(reader: _Reader, count: int) -> None:
    for _ in range(count):
        reader.leb()


def _entries(reader: _Reader, wide: bool, line_strings: bytes, strings: bytes) -> list[str]:
    """Read a table of directories or files of DWARF 5; return the paths."""
    form = [(reader.leb(), reader.leb()) for _ in range(reader.number(1))]
    count = reader.leb()
    if count > len(reader.data) - reader.place or (count and not form):
        raise Malformed(
            f".debug_line: a table of {count} entries, and {len(reader.data) - reader.place} bytes are left"
        )
    paths = []
    for _ in range(count):
        path = ""
        for content, kind in form:
            text = _value(reader, kind, wide, line_strings, strings)
            path = text if content == _PATH else path
        paths.append(path)
    return paths


def _value(reader: _Reader, form: int, wide: bool, line_strings: bytes, strings: bytes) -> str:
    """Step over a value; return it when it is a text in one of the current sections."""
    if form == _STRING:
        return reader.string()
    if form in (_STRP, _LINE_STRP):
        place = reader.number(8 if wide else 4)
        return text_at(line_strings if form == _LINE_STRP else strings, place)
    if form in (_UDATA, _STRX):
        reader.leb()
    elif form == _BLOCK:
        reader.skip(reader.leb())
    elif form in (_BLOCK1, _BLOCK2, _BLOCK4):
        reader.skip(reader.number({_BLOCK1: 1, _BLOCK2: 2, _BLOCK4: 4}[form]))
    elif form in _FIXED:
        reader.skip(_FIXED[form])
    else:
        raise Malformed(f".debug_line: an entry of form {form:#x}, which no table of files has")
    return ""


def _run(reader: _Reader, step: int, base: int, span: int, operands: list[int], files: list[int], rows: _Rows) -> None:
    """Run a line number program."""
    address, file, line = 0, 1, 1
    first = len(operands) + 1

    def row(number: int) -> None:
        rows.addresses.append(address & _ADDRESS)
        rows.files.append(number)
        rows.lines.append(max(line, 0) & _LINE)

    while reader.place < reader.end:
        opcode = reader.number(1)
        if opcode >= first:
            advance, more = divmod(opcode - first, span)
            address += advance * step
            line += base + more
            row(files[file] if file < len(files) else _NONE)
        elif opcode == 0:
            size = reader.leb()
            start = reader.skip(size)
            kind = reader.data[start] if size else 0
            if kind == 1:  # end_sequence
                row(_NONE)
                address, file, line = 0, 1, 1
            elif kind == 2:  # set_address
                address = int.from_bytes(reader.data[start + 1 : min(start + size, start + 9)], "little")
            elif kind == 3:  # define_file
                inner = _Reader(reader.data, start + 1, start + size)
                files.append(rows.file(inner.string()))
        elif opcode == 1:  # copy
            row(files[file] if file < len(files) else _NONE)
        elif opcode == 2:  # advance_pc
            address = (address + reader.leb() * step) & _ADDRESS
        elif opcode == 3:  # advance_line
            line = max(min(line + reader.leb(signed=True), _LINE), -_LINE)
        elif opcode == 4:  # set_file
            file = reader.leb()
        elif opcode == 8:  # const_add_pc
            address += (255 - first) // span * step
        elif opcode == 9:  # fixed_advance_pc
            address += reader.number(2)
        else:  # column, statement, block, prologue, epilogue, isa, and those to come: nothing here needs them
            _numbers(reader, operands[opcode - 1])
