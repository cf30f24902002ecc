"""What files put into a board's memory."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import bincopy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio.boards.images import image_of
from tests.needs import need

FLASH = 0x0800_0000


def file_of(path: Path, parts: dict[int, bytes]) -> Path:
    """Write an Intel HEX file, or S-records, by the path's suffix."""
    made = bincopy.BinFile()
    for address, data in parts.items():
        made.add_binary(data, address, overwrite=True)
    path.write_text(made.as_ihex() if path.suffix == ".hex" else made.as_srec())
    return path


@given(
    st.dictionaries(st.integers(0, 400), st.binary(min_size=1, max_size=60), min_size=1, max_size=5),
    st.integers(0, 300),
    st.integers(1, 300),
    st.sampled_from([".hex", ".s19"]),
)
def test_what_lies_in_the_memory_is_taken(
    tmp_path_factory: pytest.TempPathFactory, parts: dict[int, bytes], start: int, size: int, suffix: str
) -> None:
    """Every byte is where the file has it, 0xFF between them, and nothing from elsewhere."""
    memory: dict[int, int] = {}
    for address, data in parts.items():
        memory.update(enumerate(data, FLASH + address))
    path = file_of(tmp_path_factory.mktemp("image") / f"boot{suffix}", {FLASH + at: data for at, data in parts.items()})
    start += FLASH
    inside = [at for at in memory if start <= at < start + size]
    if not inside:
        with pytest.raises(ValueError, match="has nothing in"):
            image_of(path).at(start, size, 0xFF)
        return
    assert image_of(path).at(start, size, 0xFF) == bytes(memory.get(at, 0xFF) for at in range(start, max(inside) + 1))


def test_flash_and_option_bytes_of_one_file(tmp_path: Path) -> None:
    """Each memory takes its part; flash without contents is erased."""
    path = file_of(tmp_path / "firmware.hex", {FLASH: b"abc", FLASH + 0x10: b"d", 0x1FFF_C000: b"options"})
    with mmio.board() as board:
        flash = board.rom(FLASH, path, 0x1000, name="flash")
        assert ctypes.string_at(flash.start, 18) == b"abc" + b"\xff" * 13 + b"d\xff"
        assert ctypes.string_at(flash.start + 0xFFF, 1) == b"\xff"
        assert ctypes.string_at(board.rom(0x1FFF_C000, str(path), 0x1000, name="options").start, 7) == b"options"
        assert ctypes.string_at(board.ram(0x2000_0000, 0x1000).start, 4) == bytes(4)
        with pytest.raises(ValueError, match=r"firmware.hex has nothing in 0x9000000..0x9001000: it has 0x8000000"):
            board.rom(0x0900_0000, path, 0x1000, name="other")
        with pytest.raises(ValueError, match=r"bytes before 0x10000000: .*; give a size"):
            board.rom(0x1000_0000, path, name="high")
        with pytest.raises(ValueError, match=r"continues for 0x17ffc007 bytes .*; give a size"):
            board.rom(FLASH, path, name="all")


def test_an_elf_file_is_where_it_is_loaded(tmp_path: Path) -> None:
    """Initialised data stands in ROM, behind the code (p_paddr), whatever its address is when the firmware runs."""
    need(shutil.which("ld"), "a linker, ld (apt-get install binutils)")
    (tmp_path / "link.ld").write_text(
        "MEMORY { rom : ORIGIN = 0x08000000, LENGTH = 64K\n ram : ORIGIN = 0x20000000, LENGTH = 64K }\n"
        "SECTIONS { .text : { *(.text) } > rom\n .data : { *(.data) } > ram AT > rom\n /DISCARD/ : { *(*) } }"
    )
    source = '.text\n.ascii "code"\n.data\n.ascii "data"\n'
    for command in "as -o boot.o -", "ld -T link.ld -e 0x08000000 -o boot.elf boot.o":
        subprocess.run(command.split(), cwd=tmp_path, input=source, text=True, check=True)
    with mmio.board() as board:
        assert ctypes.string_at(board.rom(FLASH, tmp_path / "boot.elf").start, 8) == b"codedata"


@pytest.mark.parametrize(
    ("name", "content"),
    [("bad.hex", b"no hex"), ("bad.hex", b":00000001"), ("bad.hex", b"\xff"), ("bad.elf", b"\x7fELF" + bytes(60))],
)
def test_a_file_that_is_not_what_it_says(tmp_path: Path, name: str, content: bytes) -> None:
    """The error names the file and what was expected."""
    (tmp_path / name).write_bytes(content)
    with mmio.board() as board, pytest.raises(ValueError, match=rf"{name} is not ELF, Intel HEX or S-records"):
        board.rom(FLASH, tmp_path / name)


def test_without_bincopy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw files need it not; the error says what to install."""
    (tmp_path / "boot.bin").write_bytes(b"raw")
    monkeypatch.setitem(sys.modules, "bincopy", None)
    with mmio.board() as board:
        assert ctypes.string_at(board.rom(FLASH, tmp_path / "boot.bin").start, 4) == b"raw\xff"
        with pytest.raises(ImportError, match=r"boot.hex needs bincopy: pip install 'pagetrap\[firmware\]'"):
            board.rom(0x0900_0000, file_of(tmp_path / "boot.hex", {FLASH: b"a"}), name="other")
        with pytest.raises(TypeError, match="not 5"):
            board.rom(0x0A00_0000, 5, name="third")
