"""ELF files, read without trust."""

import os
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.records.elf import MAX_NAME, ElfFile, Malformed, text_at
from tests.mmio.records.modules import FORMS, build

MOST = 1 << 20
BOUND = 64 << 20


@pytest.fixture(scope="module", params=FORMS)
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("module"), *FORMS[request.param])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build(tmp_path_factory.mktemp("module"), *FORMS["compressed"]).read_bytes()


@contextmanager
def opened(content: bytes) -> Iterator[str]:
    """The path of a file with this content."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def read_all(content: bytes) -> None:
    """Read all there is to be read of a file."""
    with opened(content) as path:
        elf = ElfFile(path)
        list(elf.segments())
        functions = elf.functions()
        for _, _, place in functions.places[:100]:
            functions.name(place)
        for name in (".debug_line", ".debug_str"):
            elf.data(name, MOST)


def test_segments_functions_and_sections_are_those_of_another_reader(module: Path) -> None:
    """pyelftools finds the same in every form: 32- and 64-bit, compressed in either way, stripped."""
    with module.open("rb") as file:
        other: Any = ELFFile(file)
        elf = ElfFile(str(module))
        loaded = [each for each in other.iter_segments() if each["p_type"] == "PT_LOAD"]
        assert [(each.offset, each.length, each.address) for each in elf.segments()] == [
            (each["p_offset"], each["p_filesz"], each["p_vaddr"]) for each in loaded
        ]
        table = other.get_section_by_name(".symtab") or other.get_section_by_name(".dynsym")
        functions = elf.functions()
        assert sorted((start, size, functions.name(name)) for start, size, name in functions.places) == sorted(
            (each["st_value"], each["st_size"], each.name)
            for each in table.iter_symbols()
            if each["st_info"]["type"] == "STT_FUNC" and each["st_shndx"] != "SHN_UNDEF"
        )
        section = other.get_dwarf_info().debug_line_sec
        expected = None if section is None else section.stream.getvalue()
        assert elf.data(".debug_line", MOST) == expected


def test_a_section_that_is_too_large_is_not_read(module: Path) -> None:
    """Neither one that is compressed: its size stands before it."""
    elf = ElfFile(str(module))
    assert elf.data(".debug_line", 10) is None
    assert elf.data(".debug_nothing", MOST) is None


def made(*sections: tuple[str, int, bytes]) -> bytes:
    """A 64-bit file with these sections and nothing else: name, flags, content."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in sections) + b".names\0"
    place, body, rows = 64, b"", [bytes(64)]
    for name, flags, content in (*sections, (".names", 0, names)):
        at = names.index(name.encode() + b"\0")
        rows.append(struct.pack("<IIQQQQIIQQ", at, 1, flags, 0, place + len(body), len(content), 0, 0, 1, 0))
        body += content
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, place + len(body), 0, 64, 56, 0, 64, len(rows), len(rows) - 1
    )
    return ident + header + body + b"".join(rows)


@pytest.mark.parametrize(("claimed", "expected"), [(100, bytes(100)), (MOST, bytes(MOST)), (1 << 60, None)])
def test_a_section_that_grows_is_cut(claimed: int, expected: bytes | None) -> None:
    """256 MiB of zeros take 260 KiB; what the section says of its size holds, if it is not too much."""
    bomb = zlib.compress(bytes(1 << 28))
    newer = made((".debug_line", 0x800, struct.pack("<I4xQQ", 1, claimed, 1) + bomb))
    older = made((".zdebug_line", 0, b"ZLIB" + claimed.to_bytes(8, "big") + bomb))
    for content in (newer, older):
        tracemalloc.start()
        with opened(content) as path:
            assert ElfFile(path).data(".debug_line", MOST) == expected
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * MOST


def test_a_section_in_another_compression_is_not_read() -> None:
    """Zstandard, which this Python may not have."""
    with opened(made((".debug_line", 0x800, struct.pack("<I4xQQ", 2, 100, 1)))) as path:
        assert ElfFile(path).data(".debug_line", MOST) is None


def test_a_damaged_compression_is_malformed() -> None:
    """In either form."""
    broken = [
        made((".debug_line", 0x800, struct.pack("<I4xQQ", 1, 100, 1) + b"no zlib")),
        made((".zdebug_line", 0, b"ZLIB" + (100).to_bytes(8, "big") + b"no zlib")),
        made((".zdebug_line", 0, b"plain text")),
        made((".debug_line", 0x800, b"")),
    ]
    for content in broken:
        with opened(content) as path, pytest.raises(Malformed, match="debug_line"):
            ElfFile(path).data(".debug_line", MOST)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF", "its class or byte order is no x86's"),
        (b"\x7fELF\x02\x02" + bytes(58), "its class or byte order is no x86's"),
        (b"\x7fELF\x02\x01" + bytes(20), "it ends in its header"),
        (b"\x7fELF\x02\x01" + bytes(34) + b"\x40" + bytes(23), "it ends in its section header 0"),
    ],
)
def test_what_is_cut_off_is_malformed(content: bytes, message: str) -> None:
    """The message says where it ends."""
    with pytest.raises(Malformed, match=message):
        read_all(content)


def test_names_are_cut(plain: bytes) -> None:
    """A table without a zero byte has no endless names."""
    assert text_at(b"ab\0c", 0) == "ab"
    assert text_at(b"ab\0c", 3) == "c"
    assert text_at(b"ab\0c", 9) == ""
    assert len(text_at(b"x" * (MAX_NAME + 10), 0)) == MAX_NAME


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_is_in_a_file_it_is_read_or_malformed(plain: bytes, data: st.DataObject) -> None:
    """Bytes overwritten anywhere, in the headers above all, and files cut off; in bounded memory."""
    content = bytearray(plain)
    table = struct.unpack_from("<Q", plain, 0x28)[0]
    places = st.integers(0, 0x40) | st.integers(table, len(plain) - 1) | st.integers(0, len(plain) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(places)
        new = data.draw(
            st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8), b"\xff" * 7 + b"\x7f"])
        )
        content[start : start + len(new)] = new
    content = content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))]
    tracemalloc.start()
    with suppress(Malformed):
        read_all(bytes(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOUND


def test_the_file_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """A file of 1 TiB, nearly all of it a hole that a section claims."""
    header = bytearray(build(tmp_path, *FORMS["dwarf-5"]).read_bytes())
    with opened(bytes(header)) as path:
        os.truncate(path, 1 << 40)
        elf = ElfFile(path)
        assert elf.functions().places
