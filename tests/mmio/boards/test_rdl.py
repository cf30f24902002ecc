"""Boards of SystemRDL address maps."""

from ctypes import CDLL, c_uint32, c_void_p
from pathlib import Path

import pytest

import mmio
from mmio import DescriptionError, RdlFile, UnmappedAccess

SOC = """
reg word { field { sw = rw; hw = r; } VALUE[32] = 0; };
addrmap uart {
    reg { field { sw = rw; hw = r; } EN[1] = 0; field { sw = r; hw = w; } READY[1] = 1; } CTRL @ 0;
    word DATA @ 4;
};
addrmap bus { uart serial @ 0; regfile { word LOAD; } timer[2] @ 0x100 += 0x10; };
addrmap soc {
    bus slow @ 0x4000_0000;
    bus fast @ 0x5000_0000;
    uart console @ 0x6000_0000;
    reg { field { sw = r; hw = na; } ID[32] = 0x1234; } VERSION @ 0x6000_1000;
    mem { mementries = 64; memwidth = 32; } external buffer @ 0x6000_2000;
};
"""


@pytest.fixture
def soc(tmp_path: Path) -> Path:
    """The file, with blocks, buses, arrays, and a register and a memory of its own."""
    path = tmp_path / "soc.rdl"
    path.write_text(SOC)
    return path


@pytest.fixture
def stores(firmware_path: Path) -> CDLL:
    """The firmware's functions that load and store."""
    library = CDLL(str(firmware_path))
    library.load.restype, library.load.argtypes = c_uint32, (c_void_p,)
    return library


def test_blocks_are_peripherals_at_their_addresses(soc: Path, stores: CDLL) -> None:
    """Fields and reset values are the file's."""
    with mmio.board(soc) as board:
        assert board.core is None
        assert stores.load(0x6000_0000) == 2
        stores.store(0x6000_0000, 1)
        assert board.console.CTRL.EN == 1
        assert stores.load(0x6000_1000) == board.VERSION.VERSION.ID == 0x1234
        stores.store(0x6000_20FC, 7)
        assert board.buffer.buffer[63] == 7
        assert [f"{access.place}" for access in board.trace][1:] == [
            "console.CTRL",
            "VERSION.VERSION",
            "buffer.buffer[63]",
        ]


def test_elements_and_blocks_of_one_name_are_told_apart(soc: Path, stores: CDLL) -> None:
    """By their index, and by the bus they are on where that is needed."""
    with mmio.board(soc) as board:
        assert board.peripherals == (
            *("slow.serial", "slow.timer[0]", "slow.timer[1]"),
            *("fast.serial", "fast.timer[0]", "fast.timer[1]"),
            *("console", "VERSION", "buffer"),
        )
        stores.store(0x5000_0110, 5)
        assert board["fast.timer[1]"].LOAD.VALUE == 5
        assert board["slow.timer[1]"].LOAD.VALUE == 0


def test_models_take_the_place_of_blocks(soc: Path, stores: CDLL) -> None:
    """As on any board; what is between blocks is an error."""
    chip = RdlFile(soc)
    assert len(chip) == 9
    assert set(chip) == {place.name for place in chip.memory_map()}

    with mmio.board(chip) as board:
        model = board.replace("VERSION", type("Version", (chip["VERSION"],), {})())
        model.VERSION.value = 9
        assert stores.load(0x6000_1000) == 9
        with pytest.raises(UnmappedAccess, match="console"):
            stores.load(0x6000_0008)
        with pytest.raises(AttributeError, match="did you mean 'console'"):
            print(board.consol)  # codespell:ignore


def test_what_is_no_description_is_refused(soc: Path, tmp_path: Path) -> None:
    """With the file's name, and the compiler's own words."""
    (tmp_path / "bad.rdl").write_text("addrmap {")
    with pytest.raises(DescriptionError, match=r"bad\.rdl"):
        mmio.board(tmp_path / "bad.rdl")
    with pytest.raises(DescriptionError, match="nothing"):
        mmio.board(tmp_path / "nothing.rdl")
    with pytest.raises(DescriptionError, match="no such map"):
        RdlFile(soc, "no such map")
    with pytest.raises(TypeError, match="not 7"):
        mmio.board(7)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="no peripheral 'uart'"):
        RdlFile(soc)["uart"]
