"""Comparing two traces."""

from attrs import evolve

from decode import READ_WRITE, WRITE
from mmio import TraceView
from tests.mmio.sample_traces import MOV, POLL, START, access


def trace(values: str, **changes: object) -> TraceView:
    """Return a trace of one read for each letter, with the letter as its value."""
    return TraceView.of(access(n, value=ord(letter), **changes) for n, letter in enumerate(values))


def kinds(mine: str, other: str) -> list[tuple[str, str, str]]:
    """Return kind and letters of each hunk."""
    return [
        (hunk.kind, "".join(chr(a.value) for a in hunk.mine), "".join(chr(a.value) for a in hunk.other))
        for hunk in trace(mine).diff(trace(other))
    ]


def test_a_hunk_is_what_only_one_trace_has() -> None:
    """A difference is what only one trace has, or what stands in different forms at the same place."""
    assert kinds("abcdef", "abXdefg") == [
        ("equal", "ab", "ab"),
        ("changed", "c", "X"),
        ("equal", "def", "def"),
        ("added", "", "g"),
    ]
    assert kinds("abc", "ac") == [("equal", "a", "a"), ("missing", "b", ""), ("equal", "c", "c")]
    assert kinds("", "") == []


def test_traces_with_equal_accesses_are_the_same() -> None:
    """Traces are the same when every access has its like."""
    assert trace("abc").diff(trace("abc")).same
    assert trace("").diff(trace("")).same
    assert not trace("abc").diff(trace("ab")).same


def test_what_does_not_count() -> None:
    """Time, thread, ip and where the region lies may differ."""
    moved = trace("abc", time=5, thread=9, ip=0x999, address=START + 0x10004)
    assert trace("abc").diff(moved).same


def test_each_attribute_makes_a_difference() -> None:
    """Direction, space, region, offset, width, value, and the old value of an atomic make a difference."""
    base = access(direction=READ_WRITE, old=1)
    for change in (
        {"direction": WRITE},
        {"space": "port"},
        {"region": "other"},
        {"offset": 8},
        {"width": 2},
        {"value": 9},
        {"old": 9},
    ):
        assert not TraceView.of([base]).diff([evolve(base, **change)]).same, change


def test_unmapped_places_are_addresses() -> None:
    """Where nothing is mapped, the address decides."""
    nowhere = {"region": None, "offset": None, "register": None}
    assert trace("a", **nowhere).diff(trace("a", **nowhere)).same
    assert not trace("a", **nowhere).diff(trace("a", **nowhere, address=0x5000)).same


def test_the_report_shows_differences_with_their_context() -> None:
    """The report counts, shows each difference with three accesses around it, and says how many it leaves out."""
    mine, other = trace("aaaaaaaaaabcccccccc", instruction=MOV), trace("aaaaaaaaaaXYcccccccc", instruction=MOV)
    lines = str(mine.diff(other)).splitlines()
    assert lines[0] == "18 accesses equal, 1 only in mine (-), 2 only in other (+)"
    assert lines[1].split() == ["mine", "other", "R/W", "width", "register", "value", "ip", "instruction"]
    assert [line.split()[:2] for line in lines[2:]] == [
        ["…", "7"],
        ["7", "7"],
        ["8", "8"],
        ["9", "9"],
        ["-", "10"],
        ["+", "10"],
        ["+", "11"],
        ["11", "12"],
        ["12", "13"],
        ["13", "14"],
        ["…", "5"],
    ]
    assert " ".join(lines[6].split()) == "- 10 R 4 timer.STATUS 0x00000062 0x401000 mov eax,[rdi+10h]"
    assert str(mine.diff(mine)) == "19 accesses equal, 0 only in mine (-), 0 only in other (+)"
    assert "0x00000062" in mine.diff(other)._repr_html_()


def test_code_has_names() -> None:
    """An instruction is called what its own trace knows, in rows of either side; an access of both is mine."""
    moved = evolve(POLL, ip=0x5000, symbol="", line="")
    mine = TraceView.of([POLL, access(0), access(1, value=4)])
    diff = mine.diff(TraceView.of([moved, access(0, ip=0x5000), access(1, ip=0x5000), access(2, ip=0x401000)]))
    here = "poll+0x4 (driver.so) driver.c:42"
    ends = [" " + end for end in (here, here, "driver.so+0x1000", "0x401000")]
    assert [line.endswith(end) for line, end in zip(str(diff).splitlines()[2:], ends, strict=True)] == [True] * 4
    assert here in diff._repr_html_()
    assert here not in str(TraceView.of(mine).diff([]))


def test_short_equal_stretch_is_shown_once() -> None:
    """Equal accesses between two differences are shown once, even when they are fewer than the context."""
    lines = str(trace("XabY").diff(trace("PabQ"))).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["-", "+", "1", "2", "-", "+"]


def test_polling_longer_is_no_difference() -> None:
    """Folded, equal reads in a row are one, however many; writes are not, and a value that was never read shows."""
    ready, ring = access(1, value=1), access(2, direction=WRITE, value=7)
    mine = TraceView.of([access(0)] * 3 + [ready, ring])
    assert mine.diff([access(0)] * 900 + [ready, ready, ring], fold=True).same
    assert not mine.diff([access(0)] * 900 + [ready, ring]).same
    twice = mine.diff([access(0), ready, ring, ring], fold=True)
    assert [(hunk.kind, len(hunk.other)) for hunk in twice] == [("equal", 3), ("added", 1)]
    assert [hunk.kind for hunk in mine.diff([access(0), ring], fold=True)] == ["equal", "missing", "equal"]
