"""Line numbers of DWARF."""

import os
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.records.elf import ElfFile, Malformed
from mmio.records.lines import no_lines, read_lines
from tests.mmio.records.modules import FORMS, build

WITH_LINES = [name for name in FORMS if name != "stripped"]
# What pyelftools 0.33 cannot read, and another form of the same code that it can.
SAME_CODE = {"dwarf-64": "dwarf-5", "compressed-before-2015": "compressed"}
BOUND = 64 << 20


def sections(module: Path) -> list[bytes]:
    """Return the sections that line numbers are in."""
    elf = ElfFile(str(module))
    return [elf.data(name, 1 << 20) or b"" for name in (".debug_line", ".debug_line_str", ".debug_str")]


def expected(module: Path) -> dict[int, str]:
    """Return what pyelftools makes of each address: the last row there counts."""
    found: dict[int, str] = {}
    with module.open("rb") as file:
        dwarf: Any = ELFFile(file).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            first = 0 if program["version"] >= 5 else 1
            for entry in program.get_entries():
                if entry.state is not None:
                    name = program["file_entry"][entry.state.file - first].name.decode()
                    text = "" if entry.state.end_sequence else f"{os.path.basename(name)}:{entry.state.line}"
                    found[entry.state.address] = text
    return found


@pytest.mark.parametrize("form", WITH_LINES)
def test_lines_are_those_of_another_reader(tmp_path: Path, form: str) -> None:
    """In every version of DWARF and every class of file."""
    module = build(tmp_path, *FORMS[form])
    lines = read_lines(*sections(module))
    wanted = expected(build(tmp_path, *FORMS[SAME_CODE.get(form, form)]))
    assert len(wanted) > 10
    assert {address: lines.at(address) for address in wanted} == wanted
    assert lines.at(min(wanted) - 1) == ""
    assert lines.at(max(wanted)) == ""


def test_no_lines() -> None:
    """Of a module without any."""
    assert no_lines().at(0) == read_lines(b"", b"", b"").at(5) == ""


def unit(
    program: bytes, *, version: int = 4, tables: bytes = b"\0a.c\0\0\0\0\0", span: int = 14, first: int = 13
) -> bytes:
    """Return a unit with this program."""
    operands = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
    header = bytes([1, *([1] if version >= 4 else []), 1, 0xFB, span, first]) + operands + tables
    body = version.to_bytes(2, "little")
    if version >= 5:
        body += b"\x08\0"
    body += len(header).to_bytes(4, "little") + header + program
    return len(body).to_bytes(4, "little") + body


SET = b"\0\x09\x02" + (0x1000).to_bytes(8, "little")
END = b"\0\x01\x01"


def test_each_opcode() -> None:
    """Addresses advance in four ways, lines in two; a file may be defined on the way."""
    program = SET + b"\x01"
    program += b"\x02\x04\x03\x05\x01"  # advance_pc 4, advance_line 5, copy
    program += b"\x08\x01"  # const_add_pc: (255 - 13) // 14 = 17
    program += b"\x09\x00\x01\x01"  # fixed_advance_pc 0x100
    program += b"\0\x08\x03b.h\0\0\0\0" + b"\x04\x02"  # define_file, set_file 2
    program += b"\x05\x09\x06\x07\x0a\x0b\x0c\x01"  # column 9, statement, block, prologue, epilogue, isa 1
    program += b"\x2f"  # special: (47 - 13) // 14 = 2 bytes and -5 + 34 % 14 = 1 line
    lines = read_lines(unit(program + END), b"", b"")
    found = {address: lines.at(address) for address in lines.addresses[:-2]}
    assert found == {0x1000: "a.c:1", 0x1004: "a.c:6", 0x1015: "a.c:6", 0x1115: "a.c:6"}
    assert list(zip(lines.addresses, lines.files, lines.lines, strict=True))[-2:] == [(0x1117, 2, 7), (0x1117, 0, 7)]
    assert lines.names == ("", "a.c", "b.h")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (b"\xf0\xff\xff\xff", "a unit of reserved length 0xfffffff0"),
        (b"\x10\0\0\0\x04\0", "a unit of 16 bytes, and 2 are left"),
        (unit(END, version=6), "version 6, expected 2..5"),
        (unit(END, span=0), "line_range 0 and opcode_base 13"),
        (unit(b"", tables=b"\0" + b"a" * 20), "ends in the middle of a name"),
        (unit(b"\x02" + b"\x80" * 40), "a number of more than 16 bytes"),
        (unit(b"\0\x09\x02\x01"), "ends in the middle of something of 9 bytes"),
        # DWARF 5: no formats, and 2**62 entries that take no bytes
        (unit(END, version=5, tables=b"\0" + b"\xff" * 8 + b"\x3f"), "a table of [0-9]* entries, and . bytes are left"),
        (unit(END, version=5, tables=b"\0\x01"), "a table of 1 entries"),
        (unit(END, version=5, tables=b"\x01\x01\x20\x01\0\0"), "form 0x20, which no table of files has"),
    ],
)
def test_what_cannot_be_is_malformed(section: bytes, message: str) -> None:
    """The message says what, and nothing loops."""
    with pytest.raises(Malformed, match=message):
        read_lines(section, b"", b"")


def test_addresses_and_lines_are_bounded() -> None:
    """An advance of 2**63, again and again, stays an address; a line below 0 is 0."""
    advance = b"\x02" + b"\x80" * 9 + b"\x7f"
    program = SET + (advance + b"\x01") * 3 + b"\x03" + b"\x80" * 15 + b"\x40" + b"\x01" + END
    lines = read_lines(unit(program), b"", b"")
    assert len(lines.addresses) == 5
    assert set(lines.lines) == {0, 1}


def test_many_small_units_take_as_long_as_one() -> None:
    """None is copied with all that is before it: 20,000 of them would be 10 GiB."""
    one = unit(SET + b"\x01" + END)
    tracemalloc.start()
    lines = read_lines(one * 20_000, b"", b"")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines.addresses) == 40_000
    assert peak < 10 * len(one) * 20_000


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[list[bytes]]:
    """The sections of each version."""
    folder = tmp_path_factory.mktemp("real")
    return [sections(build(folder, *FORMS[name])) for name in ("dwarf-2", "dwarf-4", "dwarf-5", "dwarf-64")]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_whatever_is_in_a_section_it_is_read_or_malformed(real: list[list[bytes]], data: st.DataObject) -> None:
    """Bytes overwritten, inserted, cut off; with at most a row a byte, in bounded memory."""
    parts = [bytearray(part) for part in data.draw(st.sampled_from(real))]
    for _ in range(data.draw(st.integers(1, 4))):
        part = parts[data.draw(st.sampled_from([0, 0, 0, 1, 2]))]
        start = data.draw(st.integers(0, len(part)))
        part[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8) | st.just(b"\xff" * 8))
    tracemalloc.start()
    with suppress(Malformed):
        lines = read_lines(*map(bytes, parts))
        assert len(lines.addresses) <= len(parts[0])
        for address in [0, 1 << 64, *lines.addresses]:
            lines.at(address)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOUND
