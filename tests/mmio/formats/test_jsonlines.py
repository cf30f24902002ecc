"""JSON Lines."""

import json
import subprocess
from pathlib import Path
from shutil import which

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from decode import READ_WRITE, decode
from mmio import Access, TraceFormatError
from mmio.formats import JsonLinesReader, JsonLinesWriter, save
from mmio.formats.jsonlines import from_json, to_json
from mmio.records.events import Mark, Record
from mmio.records.flags import ATOMIC, SPLIT
from tests.mmio.sample_traces import ADD, MOV, access, accesses, events
from tests.needs import need

HEADER = '{"schema":"pagetrap-trace","version":1}'


@given(accesses() | events())
def test_every_record_comes_back_equal(record: Record) -> None:
    """Every access and every event comes back equal, from a line of ASCII."""
    line = to_json(record)
    assert line.isascii()
    assert line.isprintable()
    assert from_json(line) == record


@given(st.lists(accesses() | events(), max_size=5))
def test_file_round_trip(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    """A file returns the records that were written, in order."""
    path = tmp_path_factory.mktemp("round") / "trace.jsonl"
    in_order = [evolve(record, sequence=n) for n, record in enumerate(records)]
    save(in_order, path)
    assert list(JsonLinesReader(path).records()) == in_order


@given(st.permutations(range(6)))
def test_an_access_out_of_order_is_an_error(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    """An access whose number is not greater than the last is an error at its line; skipping leaves an ordered trace."""
    path = tmp_path_factory.mktemp("order") / "trace.jsonl"
    save([access(n) for n in order], path)
    errors: list[TraceFormatError] = []
    left = [a.sequence for a in JsonLinesReader(path, on_error=errors.append)]
    assert left == [n for i, n in enumerate(order) if n == max(order[: i + 1])]
    assert len(left) + len(errors) == len(order)
    for error in errors:
        wrong, highest = order[error.line - 2], max(order[: error.line - 1])
        assert error.reason == f"access {wrong} comes after access {highest}: lines are out of order or duplicated"


def test_a_line_that_is_there_twice(tmp_path: Path) -> None:
    """An access that a file has twice in a row is an error at the second line."""
    path = tmp_path / "trace.jsonl"
    save([access(0), access(1), access(1)], path)
    with pytest.raises(TraceFormatError, match="access 1 comes after access 1") as caught:
        list(JsonLinesReader(path))
    assert caught.value.line == 4


def test_jq_finds_what_was_recorded(tmp_path: Path) -> None:
    """jq reads every line, and finds in it what was recorded."""
    need(which("jq"), "jq (apt-get install jq)")
    path = tmp_path / "trace.jsonl"
    given_accesses = [access(n, value=n, instruction=ADD, describe=lambda *_: 'NAME="x"') for n in range(100)]
    save([Mark(0, 0, "begin"), *given_accesses], path)
    query = 'select(.direction == "R") | [.sequence, .value, .register, .fields, .text] | tojson'
    done = subprocess.run(["jq", "-r", query, path], check=True, capture_output=True, text=True, timeout=60)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [a.sequence, a.value, a.register, 'NAME="x"', a.text] for a in given_accesses
    ]


@given(accesses().filter(lambda a: a.offset is not None))
def test_the_places_of_fields_come_back(each: Access) -> None:
    """The places of fields come back; a blank in a name, which would end it, is an underscore."""
    layout = (("EN", 0, 0), ("PSC", 15, 8), ("WITH[2]", 7, 4))
    again = from_json(to_json(evolve(each, layout=layout)))
    assert isinstance(again, Access)
    assert again.layout == layout
    spaced = from_json(to_json(evolve(each, layout=(("A B", 0, 0),))))
    assert isinstance(spaced, Access)
    assert spaced.layout == (("A_B", 0, 0),)


def test_the_file_has_the_keys_that_its_page_promises(tmp_path: Path) -> None:
    """The file begins with the header, and an access has the keys and values that docs/formats.md promises."""
    path = tmp_path / "trace.jsonl"
    atomic = access(
        7,
        time=5,
        thread=2,
        direction=READ_WRITE,
        old=1,
        instruction=ADD,
        flags=ATOMIC | SPLIT,
        describe=lambda *_: "EN=1",
    )
    with JsonLinesWriter(path) as file:
        file.write(atomic)
    header, line, end = path.read_text().splitlines()
    assert header == HEADER.replace("}", ',"ends":true}')
    assert json.loads(end) == {"event": "ended", "sequence": 8, "time": 5}
    assert json.loads(line) == {
        "sequence": 7,
        "time": 5,
        "thread": 2,
        "direction": "RW",
        "space": "memory",
        "address": 0xFE000004,
        "width": 4,
        "value": 3,
        "old": 1,
        "region": "timer",
        "offset": 4,
        "register": "STATUS",
        "fields": "EN=1",
        "ip": 0x401000,
        "code": "f0830701",
        "bits": 64,
        "text": "lock add dword ptr [rdi],1",
        "flags": ["split", "atomic"],
    }


def test_an_instruction_of_amds_only() -> None:
    """Bytes that AMD's CPUs take for another instruction than Intel's come back as AMD's."""
    call = decode(bytes.fromhex("66ff10"), vendor="amd")
    kept = evolve(access(), instruction=call)
    assert json.loads(to_json(kept))["vendor"] == "amd"
    again = from_json(to_json(kept))
    assert isinstance(again, Access)
    assert again.instruction is call
    with pytest.raises(ValueError, match="vendor is 'intel' or 'amd', not 'cyrix'"):
        from_json(to_json(kept).replace('"vendor":"amd"', '"vendor":"cyrix"'))


def test_absent_is_left_out() -> None:
    """What an access does not have has no key."""
    bare = evolve(access(), ip=0, region=None, offset=None, register=None)
    needed = {"sequence", "time", "thread", "direction", "space", "address", "width", "value"}
    assert json.loads(to_json(bare)).keys() == needed


def test_fields_come_back() -> None:
    """What the device said of a value is still there when the device is not."""
    assert from_json(to_json(access(describe=lambda *_: "EN=1"))).decoded == "EN=1"  # type: ignore[union-attr]


def test_unknown_keys_are_ignored() -> None:
    """A later version may add keys without becoming unreadable."""
    item = json.loads(to_json(access())) | {"temperature": 20}
    assert from_json(json.dumps(item)) == access()


def test_instruction_is_decoded_again() -> None:
    """Code and mode are enough to have the instruction back."""
    again = from_json(to_json(access(instruction=MOV)))
    assert again.instruction == MOV  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": None}, "width: expected an integer in 1..0x10000, got None"),
        ({"width": 0}, "width: expected an integer in 1..0x10000, got 0"),
        ({"width": 1 << 40}, "width: expected an integer in 1..0x10000, got 1099511627776"),
        ({"width": True}, "width: expected an integer in 1..0x10000, got True"),
        ({"value": 1 << 32}, "value: expected an integer in 0..0xffffffff, got 4294967296"),
        ({"value": -1}, "value: expected an integer in 0..0xffffffff, got -1"),
        ({"value": 1.5}, "value: expected an integer in 0..0xffffffff, got 1.5"),
        ({"value": "3"}, "value: expected an integer in 0..0xffffffff, got '3'"),
        ({"direction": "X"}, "direction: expected one of R, W, RW, got 'X'"),
        ({"direction": "RW"}, "old: expected an integer in 0..0xffffffff, got nothing"),
        ({"direction": ["R"]}, "direction: expected one of R, W, RW, got ['R']"),
        ({"space": "disk"}, "space: expected one of memory, port, got 'disk'"),
        ({"region": 5}, "region: expected text, got 5"),
        ({"layout": "EN PSC"}, "layout: expected fields such as EN[0] PSC[15:8], got 'EN PSC'"),
        ({"flags": ["wobbly"]}, "flags: expected a list of split, unaligned, "),
        ({"flags": 3}, "flags: expected a list of split, unaligned, "),
        ({"flags": [["split"]]}, "flags: expected a list of split, unaligned, "),
        ({"code": "8b"}, "code '8b': "),
        ({"code": "8b4710c3"}, "code '8b4710c3' is longer than its instruction"),
        ({"code": "xx"}, "non-hexadecimal number"),
        ({"code": "90", "bits": 8}, "bits is 16, 32 or 64, not 8"),
        ({"event": "party"}, "event: expected one of started, mapped, "),
        ({"event": "mark"}, "text: expected text, got None"),
        ({"event": "mapped", "number": 1, "space": "x"}, "space: expected one of memory, port, got 'x'"),
        ({"event": "pcidevice"}, "bus: expected an integer"),
    ],
    ids=str,
)
def test_a_wrong_value_names_its_key(change: dict[str, object], reason: str, tmp_path: Path) -> None:
    """A wrong value is an error that names the key, what was expected and what came."""
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{HEADER}\n{json.dumps(json.loads(to_json(access())) | change)}\n")
    with pytest.raises(TraceFormatError) as caught:
        list(JsonLinesReader(path).records())
    assert caught.value.line == 2
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON: Expecting property name"),
        ("", "not JSON: Expecting value at column 1"),
        ("[1]", "expected an object, got list"),
        ("[" * 100_000, "JSON nested too deeply"),
        ('{"sequence":' + "9" * 5000 + "}", "a number in it has more digits than any value"),
        ("{}", "width: expected an integer in 1..0x10000, got nothing"),
    ],
    ids=["cut", "empty", "list", "nested", "digits", "no keys"],
)
def test_a_line_of_another_kind_is_an_error(line: str, reason: str, tmp_path: Path) -> None:
    """A line that is no JSON object of this format is an error."""
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(TraceFormatError) as caught:
        list(JsonLinesReader(path))
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('{"schema":"pagetrap-trace","version":2}', "('pagetrap-trace', 2)"),
        ('{"schema":"other","version":1}', "('other', 1)"),
        ("{}", "(None, None)"),
    ],
)
def test_another_schema_or_version_is_refused(header: str, found: str, tmp_path: Path) -> None:
    """A file of another schema or version is refused, even if bad lines are to be skipped."""
    path = tmp_path / "trace.jsonl"
    path.write_text(f"{header}\n{to_json(access())}\n")
    with pytest.raises(TraceFormatError) as caught:
        list(JsonLinesReader(path, on_error="skip"))
    assert caught.value.line == 1
    assert caught.value.reason == f"expected schema 'pagetrap-trace' version 1, got {found}"
