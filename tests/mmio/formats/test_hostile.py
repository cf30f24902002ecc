"""Trace files that were damaged, or made to do harm: each is read or refused with file and line, in bounded memory."""

import itertools
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmio
from mmio.formats import open_trace, save
from mmio.records.events import PciDevice
from mmio.traces.view import TraceView

BOUND = 64 << 20
HEADER = '{"schema":"pagetrap-trace","version":1}\n'
ACCESS: dict[str, Any] = {
    "sequence": 0,
    "time": 1,
    "thread": 2,
    "direction": "W",
    "space": "memory",
    "address": 0x1000,
    "width": 4,
    "value": 7,
    "region": "card",
    "offset": 0,
    "register": "CTRL",
    "fields": "EN=1",
    "layout": "EN[0] PSC[15:8]",
    "ip": 0x401000,
    "code": "8907",
    "bits": 64,
    "text": "mov [rdi],eax",
    "flags": ["native"],
}
EVENTS: list[dict[str, Any]] = [
    {"event": "mark", "sequence": 0, "time": 1, "text": "here"},
    {"event": "mapped", "sequence": 0, "time": 1, "number": 1, "space": "memory", "name": "a", "start": 1, "length": 9},
    {
        "event": "pcidevice",
        "sequence": 0,
        "time": 1,
        "bus": 1,
        "devfn": 0,
        "vendor": 0x10DE,
        "device": 1,
        "irq": 0,
        "resources": [0] * 7,
        "sizes": [0] * 7,
        "driver": "nv",
    },
]
LOG = """\
VERSION 20070824
PCIDEV 0100 10de0611 b f0000000 0 0 0 0 0 0 1000000 0 0 0 0 0 0 nvidia
MAP 1.000000 1 0xf0000000 0xffffc900 0x1000 0x0 0
R 4 1.000100 1 0xf0000004 0x12 0x0 0
W 1 1.000200 1 0xf0000008 0xff 0x0 0
MARK 1.000300 pagetrap {"event":"mark","sequence":1,"time":1,"text":"x"}
UNKNOWN 1.000400 1 0xf0000004 f3,a5 0x0 0
UNMAP 1.000500 1 0x0 0
"""
ANYTHING: st.SearchStrategy[Any] = (
    st.sampled_from(
        [-1, 1 << 63, 1 << 64, (1 << 64) - 1, 10**400, 1.5, None, True, [], {}, "", "\ud800", "\x1b[2J", "a b"]
    )
    | st.integers()
    | st.text(st.characters())
    | st.lists(st.integers(), max_size=20)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def read(path: Path, content: bytes) -> None:
    """Read a file, print it and write it in every format; what cannot be read names file and line."""
    path.write_bytes(content)
    tracemalloc.start()
    refused: list[mmio.TraceFormatError] = []
    try:
        trace = open_trace(path).load()
        (str(trace) + str(trace.summary())).encode()
        for suffix in (".jsonl", ".mmiotrace", ".json", ".vcd", ".parquet"):
            save(trace, path.with_name(f"out{suffix}"))
        for suffix in (".jsonl", ".mmiotrace"):  # what was read and written can be read again
            open_trace(path.with_name(f"out{suffix}")).load()
    except mmio.TraceFormatError as error:
        refused.append(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOUND
    assert all(str(error).startswith(f"{path}:") and error.line >= 1 for error in refused)


@pytest.mark.parametrize("item", [ACCESS, *EVENTS], ids=lambda item: item.get("event", "access"))
def test_each_value_at_its_bounds(folder: Path, item: dict[str, Any]) -> None:
    """Each value in turn is the least and the greatest of 64 bits, and one beyond: what one format reads, all do."""
    for name, value in itertools.product(item, (0, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64)):
        lines = json.dumps(item | {name: value}), json.dumps(ACCESS)  # an access beside it must fit, too
        read(folder / "bounds.jsonl", (HEADER + "\n".join(lines) + "\n").encode())


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([ACCESS, *EVENTS]), st.data())
def test_values_exchanged(folder: Path, item: dict[str, Any], data: st.DataObject) -> None:
    """By numbers beyond 64 bits, lone surrogates, other types."""
    changed = dict(item)
    for _ in range(data.draw(st.integers(1, 2))):
        changed[data.draw(st.sampled_from(sorted(item)))] = data.draw(ANYTHING)
    read(folder / "a.jsonl", (HEADER + json.dumps(changed) + "\n").encode())


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([HEADER + json.dumps(ACCESS) + "\n" + json.dumps(EVENTS[2]) + "\n", LOG]), st.data())
def test_bytes_exchanged(folder: Path, text: str, data: st.DataObject) -> None:
    """Anywhere, by anything, and cut off."""
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        new = data.draw(st.binary(max_size=4) | st.sampled_from([b"9" * 5000, b"f" * 40, b"[" * 5000, b"\n", b" "]))
        content[start : start + data.draw(st.integers(0, 8))] = new
    content = content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))]
    read(folder / "a.trace", bytes(content))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 500_000,
        '{"a":' * 100_000,
        f'{{"sequence":{"9" * 900_000}}}',
        '"' + "x" * 2_000_000,
        "\0" * 1000,
        "9" * 5000,
    ],
    ids=["lists", "objects", "a number", "a text", "zeros", "digits"],
)
def test_giant_lines(folder: Path, line: str) -> None:
    """Nested, long, of digits only."""
    for path, start in (("a.jsonl", HEADER), ("a.mmiotrace", "VERSION 20070824\nMARK 1.000000 pagetrap ")):
        (folder / path).write_text(start + line + "\n")
        with pytest.raises(mmio.TraceFormatError, match=rf"^{folder / path}:2: "):
            open_trace(folder / path).load()


@settings(deadline=None)
@given(st.text(st.characters()), st.integers(0, 1 << 64), st.lists(st.integers(0, (1 << 64) - 1), max_size=9))
def test_a_pci_device_of_any_kind_is_written_and_read(folder: Path, driver: str, bus: int, sizes: list[int]) -> None:
    """A driver's name with blanks, line feeds or nothing in it makes no other lines."""
    device = PciDevice(0, 1000, min(bus, (1 << 64) - 1), 0, 0x10DE, 1, 0, (0,) * 7, tuple(sizes), driver)
    path = folder / "b.mmiotrace"
    save(TraceView.of([device]), path)
    (record,) = open_trace(path).records()
    assert isinstance(record, PciDevice)
    assert (record.driver, record.bus, record.sizes) == (device.driver, device.bus, device.sizes)
