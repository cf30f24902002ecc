"""The network card demo, run as a user runs it, and its driver against cards that misbehave."""

import ctypes
import errno
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mmio

NIC = Path(__file__).parents[2] / "examples" / "nic"
HEX = "0x(?:0|[1-9a-f][0-9a-f]*)"

# Compiled and run once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("nic")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nic")


@pytest.fixture(scope="module")
def demo(out: Path) -> "subprocess.CompletedProcess[str]":
    """The finished demo; what it wrote is in `out`."""
    command: list[str | Path] = [sys.executable, NIC / "demo.py", "--out", out]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def accesses(demo: "subprocess.CompletedProcess[str]", out: Path) -> list[mmio.Access]:
    """Every access the demo recorded, read back from its JSON Lines."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return list(mmio.open_trace(out / "demo.jsonl").load())


def widths_in_the_source() -> dict[str, int]:
    """Width in bytes of each register, by the table at the top of nic.c."""
    table = re.findall(r"#define NIC_(\w+) 0x[0-9a-f]+ +/\* +(\d+)", (NIC / "nic.c").read_text())
    return {name: int(bits) // 8 for name, bits in table}


def test_the_demo_ends_with_status_0_and_no_complaint(demo: "subprocess.CompletedProcess[str]") -> None:
    """The demo ends with status 0 after comparing every frame, and complains of nothing."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "2 frames sent, 2 received, every byte as it should be" in demo.stdout
    assert demo.stderr == ""


def test_demo_shows_each_access(demo: "subprocess.CompletedProcess[str]", accesses: list[mmio.Access]) -> None:
    """Each access is a line with direction, width, register, value, fields and the line of C; a loop is folded."""
    lines = iter(demo.stdout.splitlines())
    words = [access for access in accesses if str(access.register).startswith("EE_")]
    looped = words[10:]  # reading the EEPROM takes five accesses a word, of which the first two words are shown
    for access in accesses:
        start = f"  {access.letter} {access.width}  {access.register} "
        assert access in looped or any(line.startswith(start) and access.shown in line for line in lines), start
    assert f"... 6 times more, last: EE_DATA {words[-1].shown}" in demo.stdout
    assert re.search(r"^  W 4  CTRL +0x0000000e UP TX RX +nic\.c:\d+ +\*ctrl \|= bits;", demo.stdout, re.MULTILINE)
    assert re.search(r"^  R 4  STATUS +0x00000033 READY LINK SPEED=1000M", demo.stdout, re.MULTILINE)


def test_demo_sums_up(demo: "subprocess.CompletedProcess[str]", accesses: list[mmio.Access]) -> None:
    """The summary has a row for every register, with the number of its reads and writes."""
    summary = demo.stdout.split("what the driver did to each register")[1]
    for register in {access.register for access in accesses}:
        mine = [access for access in accesses if access.register == register]
        reads, writes = (sum(access.letter == letter for access in mine) for letter in "RW")
        assert re.search(rf"^nic\.{re.escape(str(register))} +{reads} +{writes} ", summary, re.MULTILINE), register


def test_widths_are_those_of_the_source(accesses: list[mmio.Access]) -> None:
    """Every register in nic.c is in the trace, each access exactly as wide as the source says."""
    seen = {(a.register, a.width) for a in accesses if not str(a.register).startswith("BUFFER")}
    assert seen == set(widths_in_the_source().items())
    assert {width for _, width in seen} == {1, 2, 4, 8}


def test_control_bits_are_set_in_place(accesses: list[mmio.Access]) -> None:
    """A read-modify-write instruction is a read, then a write of what was read and the new bits."""
    both = [a for a in accesses if a.text.startswith("or dword ptr")]
    reads, writes = both[::2], both[1::2]
    assert [a.letter for a in both] == ["R", "W", "R", "W"]
    assert [(r.register, r.ip, r.sequence + 1) for r in reads] == [(w.register, w.ip, w.sequence) for w in writes]
    assert [(r.value, w.value) for r, w in zip(reads, writes, strict=True)] == [(0, 0b10), (0b10, 0b1110)]


def test_short_frame_is_copied_by_the_c_library(accesses: list[mmio.Access]) -> None:
    """The bytes memcpy put into the packet buffer, put together again, are the frame."""
    buffer = bytearray(64)
    for access in accesses:
        if str(access.register).startswith("BUFFER") and access.offset is not None:
            at = access.offset - 0x1000
            buffer[at : at + access.width] = access.value.to_bytes(access.width, "little")
    mac = bytes.fromhex("025450010203")
    assert buffer[:60] == (b"\xff" * 6 + mac + b"\x88\xb5" + b"Hello, card!").ljust(60, b"\0")


def test_mmiotrace_file_keeps_the_rules(accesses: list[mmio.Access], out: Path) -> None:
    """The log is one mmiotrace readers take: VERSION first, MAP before use, one form of line for each record."""
    version, *lines = (out / "demo.mmiotrace").read_text().splitlines()
    assert version == "VERSION 20070824"
    time = r"(\d+\.\d{6})"
    access = re.compile(rf"[RW] ([1248]) {time} (\d+) ({HEX}) ({HEX}) ({HEX}) 0")
    mapped = re.compile(rf"MAP {time} (\d+) ({HEX}) ({HEX}) ({HEX}) {HEX} 0")
    other = re.compile(rf"UNMAP {time} \d+ {HEX} 0|MARK {time} .*|PCIDEV .*")
    regions: dict[str, range] = {}
    count = 0
    for line in lines:
        if match := mapped.fullmatch(line):
            start, length = int(match[3], 16), int(match[5], 16)
            regions[match[2]] = range(start, start + length)
        elif match := access.fullmatch(line):
            width, address, value = int(match[1]), int(match[4], 16), int(match[5], 16)
            assert address in regions[match[3]], line
            assert value < 1 << 8 * width, line
            count += 1
        else:
            assert other.fullmatch(line), line
    assert count == len(accesses)
    stamps = [float(stamp) for stamp in re.findall(rf"^[A-Z]+ (?:[1248] )?{time} ", "\n".join(lines), re.MULTILINE)]
    assert stamps == sorted(stamps)


def test_both_files_tell_the_same(out: Path, accesses: list[mmio.Access]) -> None:
    """The JSON Lines and the mmiotrace log hold the same accesses."""
    log = list(mmio.open_trace(out / "demo.mmiotrace").load())
    assert [(a.letter, a.width, a.address, a.value, a.ip) for a in log] == [
        (a.letter, a.width, a.address, a.value, a.ip) for a in accesses
    ]


def test_json_lines_are_json(demo: "subprocess.CompletedProcess[str]", out: Path) -> None:
    """Each line of the default format is one JSON object."""
    assert demo.returncode == 0
    for line in (out / "demo.jsonl").read_text().splitlines():
        assert isinstance(json.loads(line), dict)


def test_picture_is_a_picture(demo: "subprocess.CompletedProcess[str]", out: Path) -> None:
    """The timeline is a PNG of some size."""
    assert demo.returncode == 0
    picture = (out / "demo.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(picture[16:20], "big") > 1000


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of the example, as its own scripts do."""
    monkeypatch.syspath_prepend(NIC)
    return importlib.import_module


@pytest.fixture
def card(example: Callable[[str], Any]) -> Any:
    return example("card").Card()


@pytest.fixture
def mapping(card: Any) -> Iterator[Any]:
    with mmio.ioremap(card, length=0x2000) as mapping:
        yield mapping


@pytest.fixture
def attach(example: Callable[[str], Any], mapping: Any, out: Path) -> Callable[[], Any]:
    """Open the driver on the card."""
    driver = example("driver")
    library = driver.load(driver.build(out))
    return lambda: driver.Driver(library, mapping)


def test_statistics_clear_when_read(card: Any, mapping: Any, attach: Callable[[], Any]) -> None:
    """The card's 64-bit counters start again at zero; the driver adds up what it read."""
    driver = attach()
    driver.up()
    for _ in range(2):
        driver.send(bytes(100))
        driver.send(bytes(1000))
        totals = driver.stats()
    assert (totals["tx_packets"], totals["tx_bytes"]) == (4, 2200)
    assert [a.value for a in mapping.trace.filter(register="TX_BYTES")] == [1100, 1100]
    assert card.tx_bytes == 0


def test_frames_arrive_intact(card: Any, attach: Callable[[], Any]) -> None:
    """Frames of every way through the driver arrive whole in both directions, round the ring and further."""
    driver = attach()
    driver.up()
    frames = [bytes([length & 0xFF]) * length for length in (60, 61, 127, 255, 256, 257, 1000, 1513, 1514) * 3]
    for frame in frames:
        driver.send(frame)
        card.receive(frame[::-1])
        assert driver.poll() == frame[::-1]
    assert card.sent == frames
    assert driver.poll() == b""


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda card: setattr(card.id, "value", 0xFFFFFFFF), errno.ENODEV),
        (lambda card: card.eeprom.insert(0, 1), errno.EILSEQ),
    ],
    ids=["nothing there", "bad EEPROM"],
)
def test_open_reports_a_bad_card(
    spoil: Callable[[Any], object], expected: int, card: Any, attach: Callable[[], Any]
) -> None:
    """The driver refuses a card it does not know or cannot trust, and errno says why."""
    spoil(card)
    with pytest.raises(OSError, match="nic_open") as failure:
        attach()
    assert failure.value.errno == expected


def test_up_times_out_without_a_cable(card: Any, attach: Callable[[], Any]) -> None:
    """A link that never comes up ends the driver's patience, not the test's."""
    card.cable = False
    driver = attach()
    with pytest.raises(TimeoutError, match="nic_up"):
        driver.up()
    with pytest.raises(OSError, match="nic_send"):
        driver.send(bytes(60))


def test_ring_fills_up(card: Any, attach: Callable[[], Any]) -> None:
    """When the card takes no descriptors back the driver says try again, and after a poll it works again."""
    driver = attach()
    driver.up()
    for _ in range(7):
        driver.send(bytes(1000))
    with pytest.raises(BlockingIOError, match="nic_send"):
        driver.send(bytes(1000))
    driver.poll()
    driver.send(bytes(1000))
    assert len(card.sent) == 8


def test_card_without_room_drops(card: Any, attach: Callable[[], Any]) -> None:
    """Frames beyond the receive ring are counted as dropped, by the card and then by the driver."""
    driver = attach()
    driver.up()
    for _ in range(10):
        card.receive(bytes(60))
    totals = driver.stats()
    assert (totals["rx_packets"], totals["rx_dropped"]) == (8, 2)


ALLOCATOR = """
#include <stdlib.h>
void (*allocated)(void *memory, size_t length), (*freed)(void *memory);
void *dma_calloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (allocated) allocated(memory, count * size);
	return memory;
}
void dma_free(void *memory)
{
	if (memory && freed) freed(memory);
	free(memory);
}
"""
STOP = "\twritel(0, nic->bar + NIC_CTRL);\n"


@pytest.fixture(params=[False, True], ids=["as it is", "does not stop the card"])
def planted(request: pytest.FixtureRequest) -> bool:
    """Whether the driver has the bug."""
    return bool(request.param)


@pytest.fixture
def allocating(example: Callable[[str], Any], tmp_path: Path, planted: bool) -> Any:
    """The driver with an allocator that tells what it has: with the bug or without."""
    source = (NIC / "nic.c").read_text()
    assert source.count(STOP) == 1
    (tmp_path / "nic.c").write_text(source.replace(STOP, "") if planted else source)
    (tmp_path / "allocator.c").write_text(ALLOCATOR)
    flags = ["-O2", "-g", "-shared", "-fPIC", f"-I{NIC}"]
    compiler = os.environ.get("CC", "cc")
    objects: list[str | Path] = [
        "-c",
        "-Dcalloc=dma_calloc",
        "-Dfree=dma_free",
        "-o",
        tmp_path / "nic.o",
        tmp_path / "nic.c",
    ]
    subprocess.run([compiler, *flags, *objects], check=True)
    library = tmp_path / "libnic.so"
    subprocess.run([compiler, *flags, "-o", library, tmp_path / "nic.o", tmp_path / "allocator.c"], check=True)
    return example("driver").load(library)


def test_stale_ring(example: Callable[[str], Any], card: Any, mapping: Any, allocating: Any, planted: bool) -> None:
    """A driver that frees its rings and leaves the card running is found at the next frame, by name and address."""
    dma = card.memory = mmio.Dma(trace=mapping.trace)
    on_allocated = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)(
        lambda at, length: dma.map(at, at, length) and None
    )
    on_freed = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda at: dma.unmap(at))
    ctypes.c_void_p.in_dll(allocating, "allocated").value = ctypes.cast(on_allocated, ctypes.c_void_p).value
    ctypes.c_void_p.in_dll(allocating, "freed").value = ctypes.cast(on_freed, ctypes.c_void_p).value
    driver = example("driver").Driver(allocating, mapping)
    driver.up()
    driver.send(bytes(1000))
    card.receive(bytes(60))
    assert len(driver.poll()) == 60
    driver.close()
    closed = len(mapping.trace)
    if not planted:
        card.receive(bytes(60))
        return
    with pytest.raises(mmio.DmaError) as error:
        card.receive(bytes(60))
    assert f"read of 16 bytes at address {error.value.address:#x} by Card: the address is stale" in str(error.value)
    assert f"until it was unmapped at access {closed}" in str(error.value)
