"""What docs/formats.md says of trace files is so."""

import re
from pathlib import Path

import duckdb
import pyarrow
import pytest
from attrs import fields

from decode import READ_WRITE, WRITE
from mmio import Access, open_trace, writer
from mmio.formats.arrow import accesses_schema
from mmio.formats.jsonlines import from_json, to_json
from mmio.records import events
from mmio.records.events import Record
from mmio.records.flags import NAMES
from tests.mmio.sample_traces import ADD, access

PAGE = Path(__file__).parents[2].joinpath("docs", "formats.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    every = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for found, text in every if found == language]


def test_the_query_of_the_page_counts_every_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB runs the query on a folder of many parts, and it counts every poll."""
    with writer(f"{tmp_path}/run/", every=100) as file:
        for n in range(1000):
            file.write(access(n, region="nic", register="STATUS" if n % 10 else "CTRL", value=n))
        file.write(access(1000, region="nic", direction=WRITE))
        file.write(access(1001, region="other"))
    assert len(list((tmp_path / "run").glob("*.parquet"))) == 11
    monkeypatch.chdir(tmp_path)
    (query,) = blocks("sql")
    assert duckdb.execute(query).fetchall() == [
        ("STATUS", 4, 900, 1, 999, 998e3 / 1e6),
        ("CTRL", 4, 100, 0, 990, 990e3 / 1e6),
    ]


def test_the_page_lists_every_key_event_and_flag() -> None:
    """The page lists every key an access can have, every event with its keys, and every flag."""
    whole = access(
        1, direction=READ_WRITE, old=1, instruction=ADD, flags=1, describe=lambda *_: "EN=1", layout=(("EN", 0, 0),)
    )
    for key in re.findall(r'"(\w+)":', to_json(whole)):
        assert f"| `{key}` |" in PAGE
    for kind in (events.Started, events.Mapped, events.Unmapped, events.Mark, events.Loss, events.Located):
        own = [field.name for field in fields(kind) if field.name not in ("sequence", "time")]
        assert f"| `{kind.__name__.lower()}` | {', '.join(f'`{name}`' for name in own)} |" in PAGE
    for name in NAMES.values():
        assert f'`"{name}"`' in PAGE


def test_the_page_lists_every_column_with_its_type() -> None:
    """The table of columns is the schema of a table of accesses, in its order."""
    words = {
        "dictionary of strings": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "list of strings": pyarrow.list_(pyarrow.string()),
    }
    table = PAGE.partition("### Columns\n")[2].partition("\n\nThe table of events")[0]
    rows = re.findall(r"^\| (`.+?`) \| ([\w ]+) \|", table, re.MULTILINE)
    told = [(name, words.get(kind, kind)) for names, kind in rows for name in re.findall(r"`(\w+)`", names)]
    assert [(name, str(kind)) for name, kind in told] == [(one.name, str(one.type)) for one in accesses_schema()]


def test_the_example_lines_can_be_read(tmp_path: Path) -> None:
    """The example lines are read."""
    schema, example = blocks("json")
    (tmp_path / "run.jsonl").write_text(schema + example)
    (one,) = open_trace(tmp_path / "run.jsonl")
    assert (one.place, one.decoded, one.text) == ("timer.STATUS", "EN=1", "mov eax,[rdi+10h]")
    assert from_json(to_json(one)) == one
    log = next(block for block in blocks("") if block.startswith("VERSION"))
    (tmp_path / "run.txt").write_text(log)
    records: list[Record] = list(open_trace(tmp_path / "run.txt").records())
    assert [(a.letter, a.value) for a in records if isinstance(a, Access)] == [("R", 3), ("W", 0x3A)]
