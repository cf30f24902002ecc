"""The text log of Linux's mmiotrace."""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import Access, Trace, TraceFormatError
from mmio.formats import MmiotraceReader, MmiotraceWriter, nvidia_card, save
from mmio.records.events import Loss, Mapped, Mark, PciDevice, Record, Started, Undecoded, Unmapped
from tests.mmio.sample_traces import MOV, REGIONS, START, TIMES, access, accesses, events, machine, plain_accesses

# One line of each kind, as Linux writes them.
LINUX = (
    """\
VERSION 20070824
PCIDEV 0100 10de0611 1f fd000000 e000000c 0 fa000004 0 cc01 0 1000000 10000000 0 2000000 0 80 20000 nouveau
PCIDEV 0018 80861234 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 """
    + """
MAP 11.998001 1 0xfd000000 0xffffc90000800000 0x1000000 0x0 0
R 4 12.000345 1 0xfd000000 0x92a200a2 0xffffffffa0001234 0
W 1 12.000399 1 0xfd6013d4 0xffffff3a 0x0 0
UNKNOWN 12.000412 1 0xfd000100 f0,0f,b1 0xffffffffa0001260 0
MARK 12.700000 X started
MARK 0.000000 Lost 37 events.
UNMAP 13.500000 1 0x0 0
"""
)


def written(records: list[Record], path: Path, **options: object) -> list[str]:
    """Write records and return the file's lines."""
    save(records, path, format="mmiotrace", **options)
    return path.read_text().splitlines()


def read(text: str, path: Path) -> list[Record]:
    path.write_text(text)
    return list(MmiotraceReader(path).records())


def test_reads_every_kind_of_line(tmp_path: Path) -> None:
    """All the lines that Linux writes are read, values masked to their width, a loss told from a mark."""
    assert read(LINUX, tmp_path / "log") == [
        PciDevice(
            sequence=0,
            time=0,
            bus=1,
            devfn=0,
            vendor=0x10DE,
            device=0x0611,
            irq=0x1F,
            resources=(0xFD000000, 0xE000000C, 0, 0xFA000004, 0, 0xCC01, 0),
            sizes=(0x1000000, 0x10000000, 0, 0x2000000, 0, 0x80, 0x20000),
            driver="nouveau",
        ),
        PciDevice(0, 0, 0, 0x18, 0x8086, 0x1234, 0, (0,) * 7, (0,) * 7, ""),
        Mapped(0, 11_998_001_000, 1, "memory", "map 1", 0xFD000000, 0x1000000),
        Access(
            sequence=0,
            time=12_000_345_000,
            thread=0,
            direction=READ,
            space="memory",
            address=0xFD000000,
            width=4,
            value=0x92A200A2,
            ip=0xFFFFFFFFA0001234,
            region="map 1",
            offset=0,
        ),
        Access(1, 12_000_399_000, 0, WRITE, "memory", 0xFD6013D4, 1, 0x3A, region="map 1", offset=0x6013D4),
        Undecoded(2, 12_000_412_000, 1, 0xFD000100, bytes.fromhex("f00fb1"), 0xFFFFFFFFA0001260),
        Mark(2, 12_700_000_000, "X started"),
        Loss(2, 12_700_000_000, 37),
        Unmapped(2, 13_500_000_000, 1),
    ]


def test_writes_what_it_reads(tmp_path: Path) -> None:
    """A log read and written again has the same lines, but for names of maps and values, which are masked."""
    lines = written(read(LINUX, tmp_path / "in"), tmp_path / "out")
    ours = [line for line in lines if " pagetrap " not in line]
    assert ours == LINUX.replace("0xffffff3a", "0x3a").replace("0xffffc90000800000", "0xfd000000").splitlines()


def test_lines_of_a_trace(tmp_path: Path) -> None:
    """A trace becomes VERSION, a MAP before its first use, an access a line, and an UNMAP at the end."""
    records: list[Record] = [
        Mapped(0, 1000, 1, "memory", "timer", START, 0x100),
        access(0, time=12_000_345_678),
        access(1, time=12_000_399_000, direction=WRITE, width=1, value=0x3A, ip=0),
        Mark(2, 12_700_000_000, "X started"),
        Loss(2, 12_800_000_000, 37),
    ]
    lines = written(records, tmp_path / "log")
    assert [line for line in lines if " pagetrap " not in line] == [
        "VERSION 20070824",
        "MAP 0.000001 1 0xfe000000 0xfe000000 0x100 0x0 0",
        "R 4 12.000345 1 0xfe000004 0x3 0x401000 0",
        "W 1 12.000399 1 0xfe000004 0x3a 0x0 0",
        "MARK 12.700000 X started",
        "MARK 0.000000 Lost 37 events.",
        "UNMAP 12.800000 1 0x0 0",
    ]


@given(st.lists(plain_accesses(), max_size=8))
def test_accesses_come_back_whole(tmp_path_factory: pytest.TempPathFactory, given_accesses: list[Access]) -> None:
    """Accesses as drivers make them are read back with everything the log contains: all but their numbers."""
    path = tmp_path_factory.mktemp("round") / "log"
    save([*REGIONS, *given_accesses], path, format="mmiotrace")
    assert list(MmiotraceReader(path)) == [evolve(a, sequence=n) for n, a in enumerate(given_accesses)]


@given(accesses().filter(lambda a: a.space == "memory" and a.address + a.width <= 1 << 64 and a.region is None))
def test_wide_accesses_are_split(tmp_path_factory: pytest.TempPathFactory, whole: Access) -> None:
    """Any access becomes reads, then writes, of 1, 2, 4 or 8 bytes in address order, which together are its values."""
    path = tmp_path_factory.mktemp("wide") / "log"
    save([whole], path, format="mmiotrace")
    pieces = list(MmiotraceReader(path))
    expected = [value for value in (whole.old, whole.value) if value is not None]
    directions = [READ, WRITE] if whole.direction == READ_WRITE else [whole.direction]
    assert [p.direction for p in pieces] == sorted(p.direction for p in pieces)
    for direction, value in zip(directions, expected, strict=True):
        mine = [p for p in pieces if p.direction == direction]
        assert {p.width for p in mine} <= {1, 2, 4, 8}
        assert [p.address for p in mine] == [whole.address + sum(p.width for p in mine[:n]) for n in range(len(mine))]
        assert b"".join(p.value.to_bytes(p.width, "little") for p in mine) == value.to_bytes(whole.width, "little")


@given(accesses().filter(lambda a: a.space == "port"))
def test_ports_come_back_whole(tmp_path_factory: pytest.TempPathFactory, port: Access) -> None:
    """An access to a port, for which the log has no line, stands in a mark and comes back equal."""
    path = tmp_path_factory.mktemp("port") / "log"
    save([port], path, format="mmiotrace")
    assert list(MmiotraceReader(path)) == [evolve(port, sequence=0)]
    assert all(line.startswith(("VERSION", "MARK")) for line in path.read_text().splitlines())


@given(st.text(max_size=140) | st.sampled_from(["Lost 5 events.", "pagetrap {}", " x ", ""]), TIMES)
def test_any_mark_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str, time: int) -> None:
    """A mark of any text, with line ends, or that looks like a loss, comes back as it was."""
    path = tmp_path_factory.mktemp("mark") / "log"
    save([Mark(0, time, text)], path, format="mmiotrace")
    (again,) = MmiotraceReader(path).records()
    assert isinstance(again, Mark)
    assert (again.text, again.time // 1000) == (text, time // 1000)


@given(events() | accesses().filter(lambda a: a.space == "memory" or a.width <= 4))
def test_lines_are_short(record: Record) -> None:
    """No line is over the 1,023 bytes that demmio reads, whatever the record; a port access has at most four bytes."""
    short = evolve(record, driver="x") if isinstance(record, PciDevice) else record
    with MmiotraceWriter("/dev/null") as file:
        assert all(len(line.encode()) < 1023 for line in file.lines(short).splitlines())


def test_long_mark_is_cut(tmp_path: Path) -> None:
    """A mark too long for one line becomes several."""
    text = "".join(chr(0x4E00 + n) for n in range(1000))
    path = tmp_path / "log"
    save([Mark(0, 5000, text)], path, format="mmiotrace")
    assert "".join(mark.text for mark in MmiotraceReader(path).records() if isinstance(mark, Mark)) == text


def test_map_comes_before_use(tmp_path: Path) -> None:
    """A region that was not announced gets a MAP of whole pages; where nothing is mapped, the number is 0."""
    nowhere = access(1, region=None, offset=None, address=0x5000)
    lines = written([access(0, offset=0x1004, address=START + 0x1004), nowhere], tmp_path / "log")
    maps = [line for line in lines if " pagetrap " not in line]
    assert maps[1:4] == [
        "MAP 0.000000 1 0xfe000000 0xfe000000 0x2000 0x0 0",
        "R 4 0.000000 1 0xfe001004 0x3 0x401000 0",
        "R 4 0.000001 0 0x5000 0x3 0x401000 0",
    ]
    assert maps[4:] == ["UNMAP 0.000001 1 0x0 0"]


def test_map_number_is_free_after_unmap(tmp_path: Path) -> None:
    """After an UNMAP the same number may stand for another region."""
    path = tmp_path / "log"
    records: list[Record] = [
        Mapped(0, 1000, 1, "memory", "one", 0x1000, 0x100),
        Unmapped(0, 2000, 1),
        Mapped(0, 3000, 1, "memory", "two", 0x9000, 0x100),
        access(0, time=4000, region="two", offset=4, address=0x9004, register=None),
    ]
    lines = written(records, path)
    assert [line.split()[0] for line in lines if " pagetrap " not in line] == [
        "VERSION",
        "MAP",
        "UNMAP",
        "MAP",
        "R",
        "UNMAP",
    ]
    assert list(MmiotraceReader(path).records())[:4] == records


def test_regions_keep_their_names(tmp_path: Path) -> None:
    """The names of regions, memory or ports, come back, as do the beginning of the trace and its marks."""
    trace = Trace()
    timer = machine(trace)
    timer.write(START, 4, 1)
    trace.mark("here")
    timer.port_read(0x71, 1)
    path = tmp_path / "log.mmiotrace"
    save(trace, path)
    again = MmiotraceReader(path).load()
    assert [(a.region, a.offset) for a in again] == [("timer", 0), ("cmos", 1)]
    started = next(event for event in again.events if isinstance(event, Started))
    assert started.wall == trace.started
    assert [event.name for event in again.events if isinstance(event, Mapped)] == ["timer", "cmos"]
    assert "MARK 0.000000" not in path.read_text()  # the sign of a loss


def test_name_belongs_to_one_map(tmp_path: Path) -> None:
    """The name given to a map number is that of the next MAP only."""
    path = tmp_path / "log"
    written([Mapped(0, 1000, 1, "memory", "timer", 0x1000, 0x1000)], path)
    log = path.read_text().splitlines(keepends=True)[:-1]  # without the mark at its end
    mapped = read("".join(log) + "MAP 2.000000 1 0x5000 0x0 0x1000 0x0 0\n", path)
    assert [event.name for event in mapped if isinstance(event, Mapped)] == ["timer", "map 1"]


def test_devices_follow_the_version(tmp_path: Path) -> None:
    """PCIDEV lines stand after VERSION, and a device without a driver ends in a space."""
    device = PciDevice(0, 0, 1, 8, 0x8086, 0x1533, 16, (0xFE000000, 0, 0, 0, 0, 0, 0), (0x100, 0, 0, 0, 0, 0, 0), "")
    path = tmp_path / "log"
    written([access()], path, devices=[device])
    assert path.read_text().splitlines()[1] == "PCIDEV 0108 80861533 10 fe000000 0 0 0 0 0 0 100 0 0 0 0 0 0 "


def test_card_for_demmio() -> None:
    """The made-up card is what demmio takes for one: vendor 10de, BAR0 at the range, BAR1 set and no port."""
    card = nvidia_card(START, 0x100)
    assert card.vendor == 0x10DE
    assert card.resources[0] == START
    assert card.resources[0] & 0xF == 0
    assert card.resources[1] > START
    assert card.resources[1] & 1 == 0


def test_awk_one_liner_of_the_documentation(tmp_path: Path) -> None:
    """A line begins "W 4 " and has the address as its fifth field, between single spaces."""
    line = written([access(direction=WRITE, instruction=MOV)], tmp_path / "log")[-3]
    assert line.startswith("W 4 ")
    assert line.split(" ")[4] == hex(START + 4)


def plainly(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """Read (direction, width, address, value) as the format's description has it, without pagetrap's reader.

    First comes VERSION; every other line is of a kind with a fixed number of words between single spaces; numbers are
    as Linux prints them; an access with a map number lies in that map while it is mapped.
    """
    version, *lines = path.read_text().split("\n")
    assert version == "VERSION 20070824"
    assert lines.pop() == ""
    maps: dict[str, range] = {}
    for line in lines:
        assert len(line) <= 1023
        kind, *words = line.split(" ")
        time = words[1] if kind in ("R", "W") else words[0]
        assert re.fullmatch(r"\d+\.\d{6}", time)
        if kind == "MARK":
            continue
        hexadecimal = [word for word in words if word.startswith("0x")]
        assert all(word == hex(int(word, 16)) for word in hexadecimal)
        assert words[-1] == "0"  # the PID
        if kind == "MAP":
            assert len(words) == 7
            maps[words[1]] = range(int(words[2], 16), int(words[2], 16) + int(words[4], 16))
        elif kind == "UNMAP":
            assert len(words) == 4
            del maps[words[1]]
        else:
            assert kind in ("R", "W")
            width, _, number, address, value, _, _ = words
            assert width in ("1", "2", "4", "8")
            assert number == "0" or int(address, 16) in maps[number]
            assert int(value, 16) < 1 << 8 * int(width)
            yield kind, int(width), int(address, 16), int(value, 16)
    assert not maps


@given(st.lists(plain_accesses(), max_size=8))
def test_reads_as_the_description_says(tmp_path_factory: pytest.TempPathFactory, made: list[Access]) -> None:
    """A reader written from the description alone finds every access of a log, and no line it does not know."""
    path = tmp_path_factory.mktemp("plain") / "log"
    save([*REGIONS, *made, Mark(len(made), 5, "end of\nprobe"), Loss(len(made), 6, 3)], path, format="mmiotrace")
    assert list(plainly(path)) == [(a.letter, a.width, a.address, a.value) for a in made]


def test_long_trace_reads_as_the_description_says(tmp_path: Path) -> None:
    """So does a trace with atomics, wide accesses and ports."""
    path = tmp_path / "log"
    with MmiotraceWriter(path) as file:
        timer = machine(Trace(sinks=[file]))
        timer.update(START, 4, lambda old: old + 7)
        timer.write(START + 8, 16, 1 << 64 | 5)
        timer.port_read(0x71, 1)
        timer.read(START, 8)
    assert list(plainly(path)) == [
        ("R", 4, START, 0),
        ("W", 4, START, 7),
        ("W", 8, START + 8, 5),
        ("W", 8, START + 16, 1),
        ("R", 8, START, 7),
    ]


def scanned(line: str, form: str, *kinds: type) -> list[int | float]:
    """Scan a line with the C library's sscanf, as demmio does, and return what it found."""
    values = [kind() for kind in kinds]
    found = ctypes.CDLL(None).sscanf(line.encode(), form.encode(), *map(ctypes.byref, values))
    assert found == len(kinds), line
    return [value.value for value in values]


def test_demmio_scans_accesses(tmp_path: Path) -> None:
    """demmio finds width, time, address and value in an access where it looks for them."""
    line = written([access(time=12_000_345_678, value=0xABCD)], tmp_path / "log")[-3]
    kinds = ctypes.c_int, ctypes.c_double, ctypes.c_uint64, ctypes.c_uint64
    assert scanned(line, "%*s %d %lf %*d %lx %lx", *kinds) == [4, 12.000345, START + 4, 0xABCD]


def test_demmio_scans_the_card(tmp_path: Path) -> None:
    """demmio finds in the made-up card its vendor, four BARs and four sizes, and the first one's range."""
    line = written([access()], tmp_path / "log", devices=[nvidia_card(START, 0x1000)])[1]
    form = "%*s %*s %lx %*s %lx %lx %lx %lx %*s %*s %*s %lx %lx %lx %lx"
    identity, bar0, bar1, bar2, bar3, size0, *sizes = scanned(line, form, *[ctypes.c_uint64] * 9)
    assert (int(identity) >> 16, bar0, size0) == (0x10DE, START, 0x1000)
    assert (bar2, bar3, sizes) == (0, 0, [0, 0, 0])
    assert bar1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("R 3 12.000345 0 0xfd000000 0x1 0x0 0", "expected a width of 1, 2, 4 or 8, got '3'"),
        ("R 4 12.345 0 0xfd000000 0x1 0x0 0", "expected a time such as 12.000345, got '12.345'"),
        ("R 4 12.000345 one 0xfd000000 0x1 0x0 0", "expected a map number, got 'one'"),
        ("R 4 12.000345 0 fdxx 0x1 0x0 0", "expected a hexadecimal number of up to 64 bits, got 'fdxx'"),
        ("R 4 12.000345 0 0x1 0x10000000000000000 0x0 0", "expected a hexadecimal number of up to 64 bits, got "),
        ("R 4 12.000345 0 0xfd000000 0x1", "R has the wrong number of fields: 'R 4 12.0003..."),
        ("W", "W has the wrong number of fields: 'W'"),
        ("R 4 12.000345 1 0x1 0x1 0x0 0", "0x1 is not in map 1, 0xfd000000..0xfd001000"),
        ("UNMAP 12.000345 9 0x0 0", "UNMAP of map 9, which is not mapped"),
        ("MARK now hello", "expected a time such as 12.000345, got 'now'"),
        ('MARK 1.000000 pagetrap {"event":"party"}', "event: expected one of started, "),
        ("MARK 1.000000 pagetrap loaded", "not JSON: "),
        ("PCIDEV 0100 10de0611 1f", "PCIDEV has the wrong number of fields"),
        ("UNKNOWN 12.000412 1 0xfd000100 f0,zz 0x0 0", "non-hexadecimal number"),
        ("VERSION", "VERSION has the wrong number of fields: 'VERSION'"),
        ("HELLO", "expected one of VERSION, PCIDEV, MAP, UNMAP, MARK, UNKNOWN, R, W, LSPCI, got 'HELLO'"),
    ],
)
def test_a_bad_line_says_what_was_expected(line: str, reason: str, tmp_path: Path) -> None:
    """A line that is not as it should be is an error that says what was expected and what came."""
    with pytest.raises(TraceFormatError) as caught:
        read(f"VERSION 20070824\nMAP 11.998001 1 0xfd000000 0x0 0x1000 0x0 0\n{line}\n", tmp_path / "log")
    assert caught.value.line == 3
    assert caught.value.reason.startswith(reason.removesuffix("..."))


def test_another_version_is_refused(tmp_path: Path) -> None:
    """Another version of the format is refused, even if bad lines are to be skipped."""
    path = tmp_path / "log"
    path.write_text("VERSION 20990101\nR 4 1.000000 0 0x1 0x1 0x0 0\n")
    with pytest.raises(TraceFormatError, match=r":1: expected mmiotrace version 20070824, got '20990101'"):
        list(MmiotraceReader(path, on_error="skip"))


def test_what_is_no_record(tmp_path: Path) -> None:
    """Comments and empty lines are passed over; what the kernel's tracer says of itself becomes a mark."""
    text = "# tracer: mmiotrace\n\nVERSION 20070824\nrw what?\nmap what?\nLSPCI 00:00.0 Host bridge\n"
    marks = read(text, tmp_path / "log")
    assert [mark.text for mark in marks if isinstance(mark, Mark)] == [
        "rw what?",
        "map what?",
        "LSPCI 00:00.0 Host bridge",
    ]
    assert len(marks) == 3


def test_a_log_without_its_first_lines_is_read(tmp_path: Path) -> None:
    """A log without its first lines can still be read; unknown maps have no name."""
    (only,) = read("W 4 12.000345 7 0xfd000000 0x1 0x0 0\n", tmp_path / "log")
    assert isinstance(only, Access)
    assert (only.region, only.address) == (None, 0xFD000000)
