"""VCD, as pyvcd reads it."""

import os
import re
import subprocess
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcd.common import VarType
from vcd.reader import ScalarChange, StringChange, TokenKind, VarDecl, VectorChange, tokenize

from decode import READ_WRITE, WRITE
from mmio import Access, AddressSpace, Device, Trace, TraceFileError, bit, field, open_trace, register, save, writer
from mmio.formats import VcdWriter
from mmio.records.events import Loss, Mark, Record
from tests.mmio.formats.killed import killed_while_writing
from tests.mmio.sample_traces import START, access, accesses, events, machine
from tests.needs import need

Change = tuple[int, str, object]
PLAIN = (
    TokenKind.COMMENT,
    TokenKind.TIMESCALE,
    TokenKind.ENDDEFINITIONS,
    TokenKind.DATE,
    TokenKind.VERSION,
    TokenKind.DUMPVARS,
    TokenKind.END,
)


def read(path: Path) -> tuple[dict[str, VarDecl], list[Change]]:
    """Return the variables by "scope.name" and the changes as (time, variable, value)."""
    scopes: list[str] = []
    variables: dict[str, VarDecl] = {}
    names: dict[str, str] = {}
    changes: list[Change] = []
    time = -1
    with open(path, "rb") as file:
        for token in tokenize(file):
            match token.kind:
                case TokenKind.SCOPE:
                    scopes.append(token.scope.ident)
                case TokenKind.UPSCOPE:
                    scopes.pop()
                case TokenKind.VAR:
                    name = ".".join([*scopes, token.var.ref_str])
                    assert token.var.id_code not in names
                    assert name not in variables
                    variables[name] = token.var
                    names[token.var.id_code] = name
                case TokenKind.CHANGE_TIME:
                    assert token.time_change > time
                    time = token.time_change
                case TokenKind.CHANGE_VECTOR | TokenKind.CHANGE_SCALAR | TokenKind.CHANGE_STRING:
                    change = token.data
                    assert isinstance(change, VectorChange | ScalarChange | StringChange)
                    changes.append((time, names[change.id_code], change.value))
                case kind:
                    assert kind in PLAIN
    return variables, changes


def written(records: Iterator[Record] | list[Record], tmp_path: Path) -> tuple[dict[str, VarDecl], list[Change]]:
    path = tmp_path / "trace.vcd"
    save(records, path)
    return read(path)


def test_register_is_a_wire_with_events(tmp_path: Path) -> None:
    """A register is a wire of its width in its region's scope; each read and each write is an event, in ns."""
    variables, changes = written([access(1), access(2), access(3, direction=WRITE, value=1)], tmp_path)
    assert variables["timer.STATUS"].size == 32
    assert changes == [
        (1000, "timer.STATUS", 3),
        (1000, "timer.STATUS.read", "1"),
        (2000, "timer.STATUS.read", "1"),
        (3000, "timer.STATUS", 1),
        (3000, "timer.STATUS.write", "1"),
    ]


def test_atomic_is_read_and_written(tmp_path: Path) -> None:
    """An atomic is both events and the value written."""
    _, changes = written([access(1, direction=READ_WRITE, old=1, value=5)], tmp_path)
    assert changes == [
        (1000, f"timer.STATUS{suffix}", value) for suffix, value in (("", 5), (".read", "1"), (".write", "1"))
    ]


class Mode(IntEnum):
    """Values that have names."""

    OFF = 0
    FAST = 2


class Uart(Device):
    """A device that says where its fields are."""

    ctrl = register(0, fields=[bit("EN", 0), field("MODE", 3, 2, enum=Mode), field("PSC", 15, 8)])
    stat = register(4, fields=[bit("BUSY", 31)])


def uart(path: Path) -> None:
    """Write a trace of a `Uart` to a file."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(START, 0x100, Uart(), "uart")
    cpu = space.initiator(0)
    for value in (0xAA09, 0xAB09, 0xAB01, 0xAB05):
        cpu.write(START, 4, value)
    cpu.write(START + 1, 1, 0xAC)
    cpu.read(START, 8)
    save(trace, path)


def test_fields_are_wires(tmp_path: Path) -> None:
    """A field whose place the device tells is a wire of its width; names of values are texts beside it."""
    uart(tmp_path / "trace.vcd")
    variables, changes = read(tmp_path / "trace.vcd")
    wires = {name: var.size for name, var in variables.items() if var.type_ is VarType.wire}
    assert (
        wires
        == {
            "uart.CTRL": 32,
            "uart.CTRL.EN": 1,
            "uart.CTRL.MODE": 2,
            "uart.CTRL.PSC": 8,
            "uart.CTRL+1": 8,
            "uart.CTRL+1.PSC": 8,
            "uart.CTRL..STAT": 64,
            "uart.CTRL..STAT.CTRL.EN": 1,
            "uart.CTRL..STAT.CTRL.MODE": 2,
            "uart.CTRL..STAT.CTRL.PSC": 8,
            "uart.CTRL..STAT.STAT.BUSY": 1,
        }
        or wires
    )
    values = {name: [value for _, changed, value in changes if changed == name] for name in variables}
    assert values["uart.CTRL.EN"] == ["1"]
    assert values["uart.CTRL.MODE"] == [2, 0, 1]
    assert values["uart.CTRL.PSC"] == [0xAA, 0xAB]
    assert values["uart.CTRL+1.PSC"] == [0xAC]
    assert values["uart.CTRL.MODE.text"] == ["FAST", "OFF"]
    assert values["uart.CTRL..STAT.STAT.BUSY"] == ["0"]


def test_wires_of_a_file(tmp_path: Path) -> None:
    """Fields keep their places in JSON Lines, so a trace that was stored becomes the same waveforms."""
    uart(tmp_path / "direct.vcd")
    uart(tmp_path / "stored.jsonl")
    save(open_trace(tmp_path / "stored.jsonl").records(), tmp_path / "stored.vcd")
    direct, stored = read(tmp_path / "direct.vcd"), read(tmp_path / "stored.vcd")
    assert {name: (v.size, v.type_) for name, v in direct[0].items()} == {
        n: (v.size, v.type_) for n, v in stored[0].items()
    }
    assert [change[1:] for change in direct[1]] == [change[1:] for change in stored[1]]


def test_fields_of_unknown_place_are_strings(tmp_path: Path) -> None:
    """What a device says of a value without telling where, is a string for each field, written when it changes."""
    trace = Trace()
    timer = machine(trace)
    for value in (1, 3, 2):
        timer.write(START, 4, value)
    path = tmp_path / "trace.vcd"
    save(trace, path)
    _, changes = read(path)
    assert [value for _, name, value in changes if name == "timer.CTRL.EN"] == ["1", "0"]


def test_gtkwave_reads_every_variable_and_change(tmp_path: Path) -> None:
    """GTKWave's converter reads every variable and every change of a wire, also of a file that was not closed."""
    need(which("vcd2fst") and which("fst2vcd"), "vcd2fst (apt-get install gtkwave)")
    path = tmp_path / "trace.vcd"
    with writer(path) as file:
        for n in range(200):
            file.write(access(n, register=f"R{n % 7}", value=n, layout=(("LOW", 3, 0), ("TOP", 7, 7))))
        file.write(Mark(200, 200_000, "still open"))
        subprocess.run(["vcd2fst", path, tmp_path / "trace.fst"], check=True, capture_output=True, timeout=60)
    with open(tmp_path / "back.vcd", "wb") as back:
        subprocess.run(["fst2vcd", tmp_path / "trace.fst"], check=True, stdout=back, timeout=60)
    (ours, changes), (theirs, changes_back) = read(path), read(tmp_path / "back.vcd")
    wires = {name: variable.size for name, variable in ours.items() if variable.type_ is VarType.wire}
    assert len(wires) == 7 * 3
    assert wires == {name: variable.size for name, variable in theirs.items() if variable.type_ is VarType.wire}
    initial = [(time, name, value) for time, name, value in changes_back if value in ("x", "z")]
    found = [change for change in changes_back if change[1] in wires and change not in initial]
    assert sorted(found, key=str) == sorted((change for change in changes if change[1] in wires), key=str)


def test_names_of_wires_are_valid_and_distinct(tmp_path: Path) -> None:
    """Elements lose their brackets, nameless places are offsets or addresses, a second width is a second wire."""
    variables, _ = written(
        [
            access(0, register="FIFO[3]"),
            access(1, register=None, offset=8),
            access(2, region=None, offset=None, register=None),
            access(3, space="port", region=None, offset=None, register=None, address=0x71, width=1),
            access(4, register=None, offset=8, width=2),
            access(5, region="my card"),
        ],
        tmp_path,
    )
    wires = {name: variable.size for name, variable in variables.items() if variable.type_.value == "wire"}
    assert wires == {
        "timer.FIFO.3": 32,
        "timer.0x8": 32,
        "memory.0xfe000004": 32,
        "port.0x71": 8,
        "timer.0x8.16": 16,
        "my_card.STATUS": 32,
    }


def test_marks_and_losses(tmp_path: Path) -> None:
    """Marks and losses are texts at their place."""
    _, changes = written([Mark(0, 5, "probe begins"), Loss(0, 7, 37)], tmp_path)
    unescaped = [(time, name, str(value).replace("\\x20", " ")) for time, name, value in changes]
    assert unescaped == [(5, "pagetrap.mark", "probe begins"), (7, "pagetrap.mark", "37 accesses are missing here")]


def test_time_never_falls(tmp_path: Path) -> None:
    """Accesses of threads that were recorded out of order stand at the latest time."""
    _, changes = written([access(0, time=9), access(1, time=8, value=1)], tmp_path)
    assert {time for time, _, _ in changes} == {9}


def test_identifiers_of_many_registers_are_unique(tmp_path: Path) -> None:
    """Identifiers stay unique when there are more than one character distinguishes."""
    count = 1000
    records: list[Record] = [access(n, register=f"R{n}", value=n) for n in range(count)]
    _, changes = written(records, tmp_path)
    assert [value for _, name, value in changes if re.fullmatch(r"timer\.R\d+", name)] == list(range(count))


def test_no_more_room(tmp_path: Path) -> None:
    """Registers for which the header has no room are left out, and one mark says from where on."""
    path = tmp_path / "trace.vcd"
    with VcdWriter(path, room=200) as file:
        for n in range(9):
            file.write(access(n, register=f"R{n}"))
    _, changes = read(path)
    marks = [str(value) for _, name, value in changes if name == "pagetrap.mark"]
    assert len(marks) == 1
    assert re.fullmatch(r"no room to declare timer\.R[1-8] and what comes later", marks[0].replace("\\x20", " "))


def test_file_of_a_killed_process(tmp_path: Path) -> None:
    """SIGKILL leaves a file that reads without error and has every value written."""
    path = tmp_path / "trace.vcd"
    reported = killed_while_writing(path, places=16)
    _, changes = read(path)
    values = [value for _, name, value in changes if re.fullmatch(r"timer\.(CTRL|0x\w+)", name)]
    assert len(values) >= reported
    assert values == list(range(1, len(values) + 1))


@given(st.lists(accesses() | events(), max_size=8))
def test_anything_is_readable(records: list[Record]) -> None:
    """Whatever names, values and marks there are, the file parses and has an event for each read and write."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "trace.vcd")
        save(records, path, room=8192)  # pyvcd reads byte by byte
        with open(path, "rb") as file:
            tokens = list(tokenize(file))
    events = {token.var.id_code for token in tokens if token.kind is TokenKind.VAR and token.var.type_ is VarType.event}
    happened = [token for token in tokens if token.kind is TokenKind.CHANGE_SCALAR]
    assert sum(token.scalar_change.id_code in events for token in happened) == sum(
        record.reads + record.writes for record in records if isinstance(record, Access)
    )


def test_pipe_is_refused(tmp_path: Path) -> None:
    """VCD cannot go into a pipe: declarations come later than their place."""
    path = tmp_path / "trace.vcd"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(TraceFileError, match="expected a regular file"):
        writer(path)
    os.close(reader)


def test_a_vector_register_is_a_wire_of_512_bits(tmp_path: Path) -> None:
    """A vector register of 64 bytes is a wire of 512 bits."""
    value = (1 << 512) - 5
    wide: Access = access(1, width=64, value=value)
    variables, changes = written([wide], tmp_path)
    assert variables["timer.STATUS"].size == 512
    assert changes[0] == (1000, "timer.STATUS", value)
