"""Coverage of a device, by the accesses of a trace: what counts, and the laws of adding up."""

import json
import random
import re
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access, Device, DeviceCoverage, bit, field, register
from mmio.coverage.device import combined, loaded
from mmio.records.events import Mapped
from mmio.traces.view import TraceView
from tests.mmio.coverage.devices import Card, access, accesses, traces


def covered(coverage: DeviceCoverage) -> set[str]:
    """The names of what is covered."""
    return {point.name for point in coverage.points if point.covered}


def of(*records: Access) -> DeviceCoverage:
    """Coverage of the card by some accesses."""
    coverage = DeviceCoverage(Card)
    if records:
        coverage.add(records, "card")
    return coverage


def test_nothing_is_covered_at_first() -> None:
    """Every register can be read or written, every field has two transitions, every value a name."""
    coverage = of()
    assert (coverage.total.covered, coverage.percent) == (0, 0.0)
    assert {kind: share.total for kind, share in coverage.shares.items()} == {
        "registers": 1 + 2 + 2 + 1 + 1 + 4 * 2 + 2,
        "fields": 1 + 3 * 2 + 2 * 2 + 1 + 2,
        "values": 3,
        "transitions": 2 * 8,
    }


def test_a_read_covers_register_fields_and_values() -> None:
    """Those that it moved."""
    assert covered(of(access("R", 4, 4, 0x8))) == {
        *("CTRL read", "CTRL.EN read", "CTRL.MODE read", "CTRL.RESET read"),
        *("CTRL.MODE=FAST", "CTRL.MODE 0->1"),
    }


def test_a_part_covers_the_fields_in_it() -> None:
    """A byte of a register is an access to the register, and to the fields that lie in it entirely."""
    coverage = of(access("W", 7, 1, 0x80))
    assert covered(coverage) == {"CTRL written", "CTRL.RESET written", "CTRL.RESET 0->1", "CTRL.RESET 1->0"}
    assert coverage.registers[1].widths == Counter({1: 1})


def test_half_a_field_is_not_covered() -> None:
    """A byte of the two that a field lies in moves no value of it."""

    class Wide(Device):
        ctrl = register(0, fields=[field("F", 11, 4)])

    for letter in "RW":
        coverage = DeviceCoverage(Wide)
        coverage.add([evolve(access(letter, 0, 1, 0xF0), register="CTRL")], "card")
        assert covered(coverage) == {f"CTRL {'read' if letter == 'R' else 'written'}", "CTRL.F 0->1"}


def test_transitions_are_of_values_that_follow_each_other() -> None:
    """From the reset value on, in one direction and then in the other."""
    assert "CTRL.EN 1->0" not in covered(of(access("W", 4, 4, 1)))
    assert {"CTRL.EN 0->1", "CTRL.EN 1->0"} <= covered(of(access("W", 4, 4, 1), access("R", 4, 4, 0)))


def test_writes_have_their_declared_effects() -> None:
    """A one that is written to a woclr bit makes it fall, and one that was 0 stays."""
    assert "STAT.DONE 0->1" not in covered(of(access("W", 8, 4, 1)))
    both = covered(of(access("R", 8, 4, 1), access("W", 8, 4, 1)))
    assert {"STAT.DONE 0->1", "STAT.DONE 1->0"} <= both


def test_reads_have_their_declared_effects() -> None:
    """What a read clears has fallen."""
    assert {"ERRORS.COUNT 0->1", "ERRORS.COUNT 1->0"} <= covered(of(access("R", 0x10, 4, 5)))


def test_an_atomic_is_a_read_and_a_write() -> None:
    """Of the old and of the new value."""
    coverage = of(access("RW", 4, 4, 0x5, old=0x8))
    assert {"CTRL read", "CTRL written", "CTRL.MODE=FAST", "CTRL.MODE=SLOW"} <= covered(coverage)


def test_lists_of_what_was_not_touched() -> None:
    """Never read, never written, written and never read back."""
    coverage = of(access("W", 4, 4, 1), access("R", 0, 4, 1), access("W", 0x24, 1, 1), access("R", 0x20, 1, 1))
    assert coverage.never_read_back == ["CTRL", "FIFO[1]"]
    assert "ID" not in coverage.never_read
    assert "KICK" not in coverage.never_read
    assert coverage.never_written == ["STAT", "KICK", "FIFO[0]", "FIFO[2]", "FIFO[3]", "dma.CTRL"]


def test_error_paths_are_counted_apart() -> None:
    """Accesses to no register, to write-only and to read-only ones. They are no points."""
    coverage = of(
        access("R", 0x30, 4, 0),
        access("R", 0x30, 4, 0),
        access("W", 0, 4, 1),
        access("R", 0xC, 2, 0),
        access("R", 0xC, 4, 0),
    )
    assert dict(coverage.paths) == {
        ("no register", "R", "+0x30", 4): 2,
        ("write to a read-only register", "W", "ID", 4): 1,
        ("read of a write-only register", "R", "KICK", 2): 1,
        ("read of a write-only register", "R", "KICK", 4): 1,
    }
    assert covered(coverage) == set()


@given(traces, traces)
def test_a_concatenated_trace_covers_the_union(one: list[Access], two: list[Access]) -> None:
    """Where a device is reset, as the events of a recorded trace say: in everything, counts included."""
    start = Mapped(0, 0, 1, "memory", "card", 0x1000, 0x100)
    together = DeviceCoverage(Card)
    if one or two:
        together.add([start, *one, start, *two], "card")
    assert together == of(*one) | of(*two)


@given(traces, traces)
def test_without_a_reset_only_transitions_can_differ(one: list[Access], two: list[Access]) -> None:
    """Those across the seam: everything else of a concatenated trace is the union."""
    together, union = of(*one, *two), of(*one) | of(*two)
    for mine, its in zip(together.points, union.points, strict=True):
        assert mine.covered == its.covered or mine.kind == "transitions"
    assert [(r.reads, r.writes, r.widths) for r in together.registers] == [
        (r.reads, r.writes, r.widths) for r in union.registers
    ]
    assert together.paths == union.paths


@given(traces, st.randoms(use_true_random=False))
def test_order_matters_to_transitions_only(records: list[Access], rng: random.Random) -> None:
    """In any other order the same registers, fields, values and error paths are covered as often."""
    shuffled = rng.sample(records, len(records))
    one, two = of(*records), of(*shuffled)
    for mine, its in zip(one.points, two.points, strict=True):
        assert mine == its or mine.kind == "transitions"
    assert one.paths == two.paths


@given(traces, traces, traces)
def test_union_is_commutative_and_associative(one: list[Access], two: list[Access], three: list[Access]) -> None:
    """And nothing covered is its neutral element."""
    a, b, c = of(*one), of(*two), of(*three)
    assert a | b == b | a
    assert (a | b) | c == a | (b | c)
    assert a | of() == a


@given(traces, traces)
def test_more_accesses_never_cover_less(one: list[Access], two: list[Access]) -> None:
    """Coverage grows."""
    assert covered(of(*one)) <= covered(of(*one, *two))
    assert of(*one).percent <= (of(*one) | of(*two)).percent


@given(traces)
def test_it_survives_json(records: list[Access]) -> None:
    """What is read back is equal, and can be combined with what counts."""
    coverage = of(*records)
    back = DeviceCoverage.from_dict(json.loads(json.dumps(coverage.to_dict())))
    assert back == coverage
    assert (back | coverage).total == coverage.total


def test_names_of_a_trace_come_before_offsets() -> None:
    """Registers further apart than declared (`Spaced`) are found by name; without a name the offset counts."""
    moved = evolve(access("R", 4, 4, 1), offset=0x400, address=0x1400)
    assert "CTRL read" in covered(of(moved))
    assert "CTRL read" in covered(of(evolve(access("R", 4, 4, 1), register=None)))


def test_registers_that_share_an_offset_are_told_apart() -> None:
    """By name where the record has one, else by what was written to the register that chooses."""

    class Uart(Device):
        lcr = register(3, width=1, fields=[bit("DLAB", 7)])
        rbr = register(0, width=1, access="r", when=lcr.has(DLAB=0))
        dll = register(0, width=1, when=lcr.has(DLAB=1))

    def record(letter: str, offset: int, value: int, name: str | None) -> Access:
        return evolve(access(letter, offset, 1, value), register=name)

    for names in (("LCR", "DLL", "RBR"), (None, None, None)):
        coverage = DeviceCoverage(Uart)
        records = [record("R", 0, 1, names[2]), record("W", 3, 0x80, names[0]), record("W", 0, 3, names[1])]
        coverage.add(records, "card")
        assert {"RBR read", "DLL written"} <= covered(coverage)
        assert "DLL read" not in covered(coverage)


def test_the_region_is_that_of_the_class_or_the_only_one() -> None:
    """Of several, none of which is called as the class is, one must be named."""
    assert DeviceCoverage.of(Card, [access("R", 4, 4, 1)]).total.covered
    mixed = [access("R", 4, 4, 1, region="Card"), access("R", 8, 4, 1, region="other")]
    assert covered(DeviceCoverage.of(Card, mixed)) >= {"CTRL read"}
    assert "STAT read" not in covered(DeviceCoverage.of(Card, TraceView.of(mixed)))
    unclear = [access("R", 4, 4, 1, region="a"), access("R", 8, 4, 1, region="b")]
    with pytest.raises(ValueError, match="which region is the Card\\? The trace has accesses to a, b; name one"):
        DeviceCoverage.of(Card, unclear)
    with pytest.raises(ValueError, match="no access to a region 'c'; it has accesses to a, b"):
        DeviceCoverage.of(Card, unclear, "c")
    with pytest.raises(ValueError, match="which region is the Card\\? The trace has no access to any region"):
        DeviceCoverage.of(Card, [])


def test_a_comparison_says_what_was_gained_and_lost() -> None:
    """By name."""
    one, two = of(access("R", 4, 4, 0)), of(access("W", 0xC, 2, 0))
    lost = ["CTRL read", "CTRL.EN read", "CTRL.MODE read", "CTRL.MODE=OFF", "CTRL.RESET read"]
    assert str(one.compare(two)).splitlines() == ["+ KICK written", *(f"- {name}" for name in lost)]
    assert one.compare(one).same
    assert str(one.compare(one)) == "the same points are covered"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("FIFO", ["FIFO[0]", "FIFO[1]", "FIFO[2]", "FIFO[3]"]),
        ("FIFO[2]", ["FIFO[2]"]),
        ("dma.*", ["dma.CTRL"]),
        ("?ICK", ["KICK"]),
    ],
)
def test_omitted_registers_have_no_points(pattern: str, names: list[str]) -> None:
    """They are still counted, in a union, too; the others are as they were."""
    coverage = of()
    coverage.omit(pattern)
    assert {point.register for point in of().points} - {point.register for point in coverage.points} == set(names)
    assert not set(names) & {*coverage.never_read, *coverage.never_written}
    coverage.add(
        [access("W", 0x24, 1, 1), access("W", 0xC, 2, 1), access("R", 0x28, 1, 1), access("R", 0x40, 4, 1)], "card"
    )
    both = coverage | of(access("R", 4, 4, 0))
    assert not {point.register for point in both.points} & set(names)
    assert any(register.reads + register.writes for register in both.registers if register.name in names)


@given(traces, traces)
def test_merging_arrays_keeps_unions(one: list[Access], two: list[Access]) -> None:
    """Merged and then put together is the same as put together and then merged; any element covers for all."""
    a, b = of(*one), of(*two)
    assert (a | b).merged() == a.merged() | b.merged()
    merged = covered((a | b).merged())
    assert {name for name in merged if "FIFO" in name} == {
        re.sub(r"\d+\]", "*]", name) for name in covered(a | b) if "FIFO" in name
    }
    assert {name for name in merged if "FIFO" not in name} == {name for name in covered(a | b) if "FIFO" not in name}
    assert sum(each.reads for each in (a | b).merged().registers) == sum(each.reads for each in (a | b).registers)


def test_what_is_not_there_cannot_be_omitted() -> None:
    """Something like it is suggested."""
    with pytest.raises(ValueError, match="Card has no register 'FIFO\\[9\\]' to omit; did you mean FIFO"):
        of().omit("FIFO[9]")


class Empty(Device):
    """Nothing."""


class Other(Device):
    """Another card."""

    ctrl = register(0x04)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: DeviceCoverage(Empty), ValueError, "Empty has no registers, so there is nothing of it to cover"),
        (lambda: DeviceCoverage(int), TypeError, "coverage is of a Device class, not of <class 'int'>"),
        (lambda: DeviceCoverage.of(Card, [1]), TypeError, "coverage is of accesses, .* not of 1"),  # type: ignore[list-item]
        (
            lambda: of() | DeviceCoverage(Other),
            ValueError,
            "Card and Other are different devices, only one has CTRL|ERR",
        ),
        (lambda: of().compare(DeviceCoverage(Other)), ValueError, "different devices"),
        (lambda: DeviceCoverage.from_dict(3), ValueError, "expected coverage as DeviceCoverage.to_dict"),
        (
            lambda: DeviceCoverage.from_dict({**of().to_dict(), "paths": [1]}),
            ValueError,
            "coverage of 'Card' is damaged",
        ),
        (
            lambda: DeviceCoverage.from_dict(of().to_dict()).stream(),
            ValueError,
            "was read from a file, and cannot count",
        ),
        (lambda: loaded("{"), ValueError, "this is no JSON"),
        (lambda: loaded("[]"), ValueError, "expected a coverage report, with a list of devices"),
        (lambda: of().save("x.doc"), ValueError, "x.doc: no report has this suffix; expected one of term"),
        (lambda: of().save("x", "pdf"), ValueError, "there is no report 'pdf'"),
    ],
)
def test_mistakes_get_one_clear_error(call: Any, kind: type[Exception], message: str) -> None:
    """Each says what was expected and what came."""
    with pytest.raises(kind, match=message):
        call()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_damaged_data_is_a_value_error(junk: Any) -> None:
    """Whatever stands where registers should."""
    for key in ("registers", "paths", "device"):
        data = {**of().to_dict(), key: junk}
        with suppress(ValueError):
            DeviceCoverage.from_dict(data)


def test_a_percentage_below_a_hundred_is_never_shown_as_one() -> None:
    """It is rounded down to 99.9; of nothing everything is covered."""
    from mmio.coverage.counted import Share

    assert str(Share(9999, 10000)) == "99.9 % (9999 of 10000)"
    assert str(Share(3, 3)) == "100.0 % (3 of 3)"
    assert Share(0, 0).percent == 100


def test_values_of_several_workers_are_combined_by_name() -> None:
    """One coverage a device."""
    one, two = of(access("R", 4, 4, 1)), of(access("W", 4, 4, 1))
    assert combined([one, two]) == [one | two]


def test_enums_count_where_a_write_stores_them() -> None:
    """A one written to a woclr field is no value of it."""

    class Odd(Device):
        stat = register(0, on_write="woclr", fields=[field("S", 1, 0, enum={1: "ONE"})])

    coverage = DeviceCoverage(Odd)
    coverage.add([evolve(access("W", 0, 4, 1), register="STAT")], "card")
    assert "STAT.S=ONE" not in covered(coverage)


@given(accesses())
def test_any_access_is_counted_somewhere(record: Access) -> None:
    """Of a register, or as an error path."""
    coverage = of(record)
    assert coverage.paths or any(register.reads + register.writes for register in coverage.registers)
