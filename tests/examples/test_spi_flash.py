"""The flash chip: by its pins, with a driver in C, and as flashrom of Debian sees it."""

import ctypes
import errno
import importlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmio
from mmio import open_trace
from tests.examples.command import EXAMPLES, environment, need_program, pagetrap, run_on
from tests.needs import need

FLASH = EXAMPLES / "spi_flash"
RAYER = "spi_flash/rayer.py:Rayer@ports:0x378+3"
FLASHROM = ["flashrom", "-p", "rayer_spi", "-c", "MX25L512(E)/MX25V512(C)"]
SIZE = 1 << 16
BUSY, WRITE_ENABLED = 1, 2


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of the example, as its own scripts would."""
    monkeypatch.syspath_prepend(EXAMPLES / "protocols")
    monkeypatch.syspath_prepend(FLASH)
    return importlib.import_module


class Master:
    """Drives the pins of a chip."""

    def __init__(self, chip: Any) -> None:
        self.chip = chip

    def transfer(self, data: bytes, bits: int = 0) -> bytes:
        """Select the chip, exchange bytes and some more bits, and release it; return what the chip said."""
        answer = 0
        self.chip.drive(True, False, False)
        count = 8 * len(data) + bits
        for place in range(count - 1, -1, -1):
            mosi = bool(int.from_bytes(data, "big") << bits >> place & 1)
            self.chip.drive(True, False, mosi)
            self.chip.drive(True, True, mosi)
            answer = answer << 1 | self.chip.miso
        self.chip.drive(True, False, False)
        self.chip.drive(False, False, False)
        return (answer >> bits).to_bytes(len(data), "big")

    def ask(self, command: str, length: int) -> bytes:
        """Send a command in hexadecimal and return the bytes that follow it."""
        sent = bytes.fromhex(command)
        return self.transfer(sent + bytes(length))[len(sent) :]

    def do(self, command: str, data: bytes = b"", bits: int = 0) -> None:
        """Enable writing, send a command, wait until it is done."""
        self.transfer(b"\x06")
        self.transfer(bytes.fromhex(command) + data, bits)
        while self.status & BUSY:
            pass

    @property
    def status(self) -> int:
        return self.ask("05", 1)[0]


@pytest.fixture
def chip(example: Callable[[str], Any]) -> Any:
    """A chip full of something."""
    return example("chip").SpiFlash(bytearray(random.Random(512).randbytes(SIZE)))


@pytest.fixture
def master(chip: Any) -> Master:
    return Master(chip)


def test_every_identification_command_names_the_chip(master: Master) -> None:
    """RDID, RES and REMS each tell who it is, over and over."""
    assert master.ask("9f", 6).hex() == "c22010c22010"
    assert master.ask("ab000000", 2).hex() == "0505"
    assert master.ask("90000000", 3).hex() == "c205c2"
    assert master.ask("90000001", 3).hex() == "05c205"


def test_reading_goes_on_from_the_start(master: Master, chip: Any) -> None:
    """After the last byte comes the first; high address bits do not count; FAST READ has a byte between."""
    memory = bytes(chip.memory)
    assert master.ask("030000fe", 5) == memory[0xFE:0x103]
    assert master.ask("03fffffe", 4) == memory[-2:] + memory[:2]
    assert master.ask("0b001234", 5)[1:] == memory[0x1234:0x1238]


def test_nothing_is_driven_while_not_selected(chip: Any) -> None:
    """A clock without select moves nothing, whatever it spells."""
    for bit in f"{0x9F0000:024b}":
        chip.drive(False, True, bit == "1")
        chip.drive(False, False, bit == "1")
        assert chip.miso == 1
    assert Master(chip).ask("9f", 1) == b"\xc2"


def test_wren_sets_the_latch_and_every_change_clears_it(master: Master) -> None:
    """WREN sets the latch, WRDI and every programming or erasing clear it."""
    assert master.status == 0
    master.transfer(b"\x06")
    assert master.status == WRITE_ENABLED
    master.transfer(b"\x04")
    assert master.status == 0
    for command in ("02000000ff", "20000000", "d8000000", "60", "c7", "0100"):
        master.do(command)
        assert master.status == 0


@pytest.mark.parametrize("command", ["0200001000", "20000000", "52000000", "d8000000", "60", "c7", "010c"])
def test_nothing_is_changed_without_write_enable(master: Master, chip: Any, command: str) -> None:
    """Nor by a command that is cut off inside a byte, nor by an erase with a byte too many."""
    before = bytes(chip.memory)
    master.transfer(bytes.fromhex(command))
    master.do(command, bits=3)
    if not command.startswith("02"):
        master.do(command, b"\0")
    assert (bytes(chip.memory), master.status & ~WRITE_ENABLED) == (before, 0)


def test_programming_clears_bits_and_wraps_in_its_page(example: Callable[[str], Any]) -> None:
    """Bits are only cleared; the address wraps around inside its page; of more than 256 bytes the last ones count."""
    module = example("chip")

    @settings(max_examples=50)
    @given(address=st.integers(0, SIZE - 1), data=st.binary(min_size=1, max_size=600))
    def law(address: int, data: bytes) -> None:
        chip = module.SpiFlash(bytearray(random.Random(1).randbytes(SIZE)))
        expected = bytearray(chip.memory)
        wanted = {address & ~0xFF | (address + at) & 0xFF: byte for at, byte in enumerate(data)}
        for at, byte in wanted.items():
            expected[at] &= byte
        Master(chip).do(f"02{address:06x}", data)
        assert chip.memory == expected

    law()


@pytest.mark.parametrize(("command", "first", "last"), [("20", 0x3000, 0x4000), ("52", 0, SIZE), ("d8", 0, SIZE)])
def test_any_address_inside_erases_the_sector_or_block(
    master: Master, chip: Any, command: str, first: int, last: int
) -> None:
    """A sector is 4 KiB, the block is all there is; any address inside will do."""
    expected = chip.memory[:first] + b"\xff" * (last - first) + chip.memory[last:]
    master.do(f"{command}003abc")
    assert chip.memory == expected


def test_a_busy_chip_answers_only_its_status(master: Master, chip: Any) -> None:
    """After a change the chip is busy and answers only its status; then it answers again."""
    master.do("20000000")
    master.transfer(b"\x06")
    master.transfer(bytes.fromhex("0200000000"))
    assert master.ask("03000000", 2) == b"\xff\xff"
    master.transfer(b"\x06")
    states = [master.status for _ in range(4)]
    assert states[0] == BUSY
    assert states[-1] == 0
    assert master.ask("03000000", 2) == b"\x00\xff"


def test_protection_bits_prevent_every_change(master: Master, chip: Any) -> None:
    """With a protection bit set nothing is programmed or erased; WRSR sets those bits and no others."""
    before = bytes(chip.memory)
    master.do("01ff")
    assert master.status == 0x8C
    for command in ("0200000000", "20000000", "c7"):
        master.do(command)
    assert bytes(chip.memory) == before
    master.do("0100")
    master.do("c7")
    assert bytes(chip.memory) == b"\xff" * SIZE


def test_deep_power_down(master: Master) -> None:
    """The chip sleeps until RES wakes it."""
    master.transfer(b"\xb9")
    assert master.ask("9f", 3) == b"\xff\xff\xff"
    assert master.ask("ab000000", 1) == b"\x05"
    assert master.ask("9f", 3).hex() == "c22010"


def test_unknown_commands_are_ignored(master: Master) -> None:
    """Bus floating high, and the next transaction works."""
    assert master.ask("77", 4) == b"\xff" * 4
    assert master.ask("9f", 1) == b"\xc2"


def test_contents_of_the_wrong_size_are_refused(example: Callable[[str], Any]) -> None:
    """The chip has 64 KiB, no more and no less."""
    with pytest.raises(ValueError, match="an MX25L512 has 65536 bytes, the contents given have 5"):
        example("chip").SpiFlash(bytearray(5))


@pytest.fixture
def driver(example: Callable[[str], Any], tmp_path: Path) -> Any:
    """The C driver, compiled and loaded."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    return example("flash_demo").build(tmp_path)


@pytest.fixture
def board(example: Callable[[str], Any], chip: Any) -> Iterator[Any]:
    """The chip on its GPIO port, mapped."""
    with mmio.ioremap(example("gpio").Gpio(chip), length=0x1000, name="gpio") as mapping:
        yield mapping


def test_the_c_driver_identifies_erases_programs_and_reads(driver: Any, board: Any, chip: Any) -> None:
    """What it programs, across pages, it reads back; the rest of the sector is erased, the rest of the chip is not."""
    before = bytes(chip.memory)
    data = random.Random(2).randbytes(600)
    copy = ctypes.create_string_buffer(600)
    assert driver.flash_identify(board) == 0xC22010
    assert driver.flash_erase_sector(board, 0x20FF) == 0
    assert driver.flash_program(board, 0x20FF, data, ctypes.c_size_t(600)) == 0
    driver.flash_read(board, 0x20FF, copy, ctypes.c_size_t(600))
    assert copy.raw == data
    sector = (b"\xff" * 0xFF + data).ljust(0x1000, b"\xff")
    assert bytes(chip.memory) == before[:0x2000] + sector + before[0x3000:]
    assert {access.width for access in board.trace} == {4}


def test_the_wires_tell_what_the_driver_meant(driver: Any, board: Any, example: Callable[[str], Any]) -> None:
    """examples/protocols/spi.py makes the transactions out of the accesses."""
    driver.flash_erase_sector(board, 0x1000)
    spoken = [(t.mosi.hex(), t.miso.hex()) for t in example("spi").decode(board.trace)]
    assert spoken[:3] == [("06", "ff"), ("0500", "ff02"), ("20001000", "ffffffff")]
    assert spoken[-1] == ("0500", "ff00")


@pytest.mark.parametrize(("answer", "error"), [(0x00, errno.EIO), (0xFF, errno.ETIMEDOUT)])
def test_the_c_driver_notices_a_dead_chip(
    driver: Any, example: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, answer: int, error: int
) -> None:
    """A chip that cannot be enabled is an IO error, one that is busy for ever times out."""
    chip = example("wires").SpiChip()
    monkeypatch.setattr(chip, "exchange", lambda byte: answer)
    with mmio.ioremap(example("gpio").Gpio(chip), length=0x1000) as board:
        assert driver.flash_identify(board) == answer * 0x10101
        assert driver.flash_erase_sector(board, 0) == -error
        assert driver.flash_program(board, 0, b"x", ctypes.c_size_t(1)) == -error


def test_the_demo_shows_transactions_and_writes_a_trace(tmp_path: Path) -> None:
    """It runs, shows the transactions, writes a trace that can be read, and succeeds."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    command: list[str | Path] = [sys.executable, FLASH / "flash_demo.py", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    shown = (FLASH / "README.md").read_text().split("```")[-2].strip()
    assert shown in done.stdout
    assert done.stdout.endswith("288 bytes programmed and read back as they were\n")
    assert len(open_trace(tmp_path / "flash.jsonl").load()) > 10_000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file that is the chip's memory."""
    need_program("flashrom", "flashrom")
    path = tmp_path / "chip.bin"
    path.write_bytes(random.Random(512).randbytes(SIZE))
    (tmp_path / "layout").write_text("0x1000:0x10ff page\n0x2000:0x2fff sector\n")
    return path


def test_flashrom_finds_the_chip(tmp_path: Path) -> None:
    """Given only the programmer, it names the chip; the trace has the transaction that identifies it."""
    need_program("flashrom", "flashrom")
    shown = run_on(RAYER, tmp_path, *FLASHROM[:3]).stdout
    assert 'Found Macronix flash chip "MX25L512(E)/MX25V512(C)" (64 kB, SPI) on rayer_spi.' in shown
    trace = open_trace(tmp_path / "run.jsonl").load()
    assert {(a.letter, a.address, a.width) for a in trace} >= {("W", 0x378, 1), ("R", 0x379, 1)}
    assert {str(a.instruction) for a in trace} == {"out dx,al", "in al,dx"}
    assert len(trace) > 1000


def test_flashrom_speaks_spi(tmp_path: Path, example: Callable[[str], Any]) -> None:
    """The same layer as for the GPIO port decodes the parallel port, told its pins."""
    need_program("flashrom", "flashrom")
    run_on(RAYER, tmp_path, *FLASHROM)
    spi = example("spi")
    pins = spi.Pins(out=0, into=1, select=0x20, clock=0x40, mosi=0x80, miso=0x40)
    spoken = [(t.mosi.hex(), t.miso.hex()) for t in spi.decode(open_trace(tmp_path / "run.jsonl").load(), pins)]
    # While it sends it does not listen, and while it listens its own wire stays as it was.
    assert [got[2:] for sent, got in spoken if sent.startswith("9f")] == ["c22010"]


def test_flashrom_reads_a_region(tmp_path: Path, image: Path) -> None:
    """Byte for byte."""
    run_on(RAYER, tmp_path, *FLASHROM, "-l", "layout", "-i", "page", "-r", "copy.bin", FLASH_IMAGE=str(image))
    assert (tmp_path / "copy.bin").read_bytes()[0x1000:0x1100] == image.read_bytes()[0x1000:0x1100]
    assert len(open_trace(tmp_path / "run.jsonl").load()) > 256 * 24


def test_flashrom_reads_the_whole_chip(tmp_path: Path, image: Path) -> None:
    """1.6 million port accesses, byte for byte; by the in-process engine, since ptrace takes a minute or two."""
    device = f"{EXAMPLES}/{RAYER}"
    run = ("run", "--engine=inprocess", "--device", device, "--", *FLASHROM, "-r", "copy.bin")
    done = pagetrap(tmp_path, *run, FLASH_IMAGE=str(image))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "copy.bin").read_bytes() == image.read_bytes()


def test_flashrom_writes_a_region(tmp_path: Path, image: Path) -> None:
    """It programs a page of an erased sector and verifies it; the file that is the chip has it afterwards."""
    before = bytearray(image.read_bytes())
    before[0x1000:0x2000] = b"\xff" * 0x1000
    image.write_bytes(before)
    wanted = before[:0x1000] + random.Random(3).randbytes(256) + before[0x1100:]
    (tmp_path / "new.bin").write_bytes(wanted)
    options = ["-l", "layout", "-i", "page", "--noverify-all", "-w", "new.bin"]
    shown = run_on(RAYER, tmp_path, *FLASHROM, *options, FLASH_IMAGE=str(image)).stdout
    assert "VERIFIED" in shown
    assert image.read_bytes() == wanted
