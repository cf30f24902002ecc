"""Trace Event Format, as a JSON parser reads it."""

import json
import re
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from decode import WRITE
from mmio import Trace, save, writer
from mmio.formats import PerfettoWriter
from mmio.records.events import Loss, Mark, Record
from tests.mmio.formats.killed import killed_while_writing
from tests.mmio.sample_traces import START, access, accesses, events, machine
from tests.needs import need


def written(records: list[Record], tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "trace.json"
    save(records, path)
    loaded: list[dict[str, Any]] = json.loads(path.read_text())
    return loaded


def test_register_is_a_track(tmp_path: Path) -> None:
    """Accesses to a register are instants on one track that has its name; time is in microseconds."""
    found = written([access(1), access(2, direction=WRITE), access(3, offset=8, register=None)], tmp_path)
    names = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    instants = [(names[e["tid"]], e["ts"], e["name"]) for e in found if e["ph"] == "i"]
    assert instants == [
        ("timer.STATUS", 1.0, "R4 0x3"),
        ("timer.STATUS", 2.0, "W4 0x3"),
        ("timer+0x8", 3.0, "R4 0x3"),
    ]


def test_value_is_a_counter(tmp_path: Path) -> None:
    """Values are counters of the register's name, but for those wider than a number."""
    found = written([access(1), access(2, value=7), access(3, width=16, value=1)], tmp_path)
    assert [(e["name"], e["args"]["value"]) for e in found if e["ph"] == "C"] == [("timer.STATUS", v) for v in (3, 7)]


def test_an_instant_has_what_the_record_holds(tmp_path: Path) -> None:
    """An instant has what the record holds as arguments; what it does not hold is left out."""
    trace = Trace()
    machine(trace).write(START, 4, 1)
    (event,) = (e for e in written(list(trace.records()), tmp_path) if e["ph"] == "i")
    assert event["args"] == {
        "sequence": 0,
        "thread": 0,
        "width": 4,
        "address": hex(START),
        "value": "0x00000001",
        "fields": "EN=1",
        "ip": "0x401000",
        "instruction": "mov eax,[rdi+10h]",
    }


def test_marks_and_losses_are_seen_everywhere(tmp_path: Path) -> None:
    """Marks and losses are global instants."""
    found = [e for e in written([Mark(0, 5000, "probe"), Loss(0, 6000, 37)], tmp_path) if e["ph"] == "i"]
    assert [(e["name"], e["s"]) for e in found] == [("probe", "g"), ("37 accesses are missing here", "g")]


@given(st.lists(accesses() | events(), max_size=5))
def test_is_always_json(records: list[Record]) -> None:
    """Whatever the records, the lines are a JSON array of events with phase, process and track."""
    writer = PerfettoWriter("/dev/null")
    text = writer.header() + "".join(map(writer.lines, records)) + writer.footer()
    writer.close()
    assert all({"ph", "pid", "tid", "name"} <= event.keys() for event in json.loads(text))


def test_file_of_a_killed_process(tmp_path: Path) -> None:
    """SIGKILL leaves an array that lacks only its closing bracket, which the format allows."""
    path = tmp_path / "trace.json"
    reported = killed_while_writing(path)
    text = path.read_text()
    assert not re.search(r"\]\s*$", text)
    values = [e["args"]["value"] for e in json.loads(text + "]") if e["ph"] == "C"]
    assert len(values) >= reported
    assert values == list(range(1, len(values) + 1))


def test_jq_reads_an_unfinished_file(tmp_path: Path) -> None:
    """While the trace continues, the file and a bracket are what jq reads."""
    need(which("jq"), "jq (apt-get install jq)")
    path = tmp_path / "trace.json"
    with writer(path) as file:
        for n in range(50):
            file.write(access(n, value=n))
        query = ["jq", "-c", '[.[] | select(.ph == "i") | .args.sequence]']
        text = path.read_text() + "]"
        done = subprocess.run(query, input=text, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == list(range(50))
