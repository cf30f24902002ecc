"""Compare how a scenario ended under pagetrap with how it ended natively."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Final

from attrs import frozen

from decode import READ, READ_WRITE, WRITE
from mmio import open_trace
from mmio.commands.exits import TROUBLE
from mmio.formats import TraceFormatError
from mmio.records.access import Access
from mmio.records.flags import KERNEL, TOO_WIDE
from tests.soak.running import LENGTH, Outcome
from tests.soak.scenario import ATTACH, Scenario

_SCRATCH: Final = slice(0xE00, 0xF00)  # SCRATCH..SCRATCH_END of target.c
_KINDS: Final = {READ: "reads", WRITE: "writes", READ_WRITE: "atomics"}
_WITHOUT_DESCRIPTORS: Final = "Too many open files", "(RLIMIT_NOFILE)"
_DISK_FULL: Final = "cannot write the trace any further", "No space left on device", "File too large"


@frozen
class Verdict:
    """What a comparison says.

    Attributes:
        differences: a line each; none when all is as it should be.
        records: in the trace.
        refused: whether pagetrap refused because descriptors were missing.
        disk_full: whether the trace did not fit.
    """

    differences: tuple[str, ...]
    records: int
    refused: bool
    disk_full: bool


def judge(scenario: Scenario, native: Outcome, traced: Outcome) -> Verdict:
    """Return the verdict on a scenario that was run both ways."""
    problems = [*_broken(native, "natively: "), *_broken(traced, "")]
    records, unreadable = _records(scenario, traced)
    problems += unreadable
    if traced.complaints and not (scenario.live or scenario.disk is not None or scenario.limit or traced.killed):
        problems.append(f"complains: {_end(traced)}")
    refused = scenario.limit is not None and _complains(traced, _WITHOUT_DESCRIPTORS)
    disk_full = scenario.disk is not None and _complains(traced, _DISK_FULL)
    if not traced.hung:
        problems += _ends(scenario, native, traced, refused, disk_full)
        complete = not refused and not disk_full and scenario.way != ATTACH and scenario.disk != 0
        problems += _counts(records, traced, complete)
        problems += _replayed(scenario, records, traced, complete)
    return Verdict(tuple(problems), len(records), refused, disk_full)


def _broken(outcome: Outcome, how: str) -> Iterator[str]:
    """Yield what no run may do."""
    if outcome.hung:
        yield f"{how}hangs:\n{outcome.hung}{_end(outcome)}"
    if outcome.left:
        yield f"{how}left behind: {'; '.join(outcome.left)}"
    if any(sign in outcome.complaints for sign in ("Traceback", "Fatal Python error", "Exception ignored")):
        yield f"{how}a traceback:\n{_end(outcome)}"


def _end(outcome: Outcome) -> str:
    """Return the end of what was printed to standard error, where tracebacks are."""
    return outcome.complaints[-2000:]


def _complains(outcome: Outcome, signs: tuple[str, ...]) -> bool:
    return any(sign in outcome.complaints for sign in signs)


def _records(scenario: Scenario, traced: Outcome) -> tuple[list[Access], list[str]]:
    if not traced.trace.exists():
        early = scenario.disk == 0 or traced.status == TROUBLE or traced.killed
        return [], [] if early else ["there is no trace"]
    if not traced.trace.stat().st_size:  # no room for the first line, or killed before it
        return [], [] if scenario.disk is not None or traced.killed else ["the trace is empty"]
    try:
        return list(open_trace(traced.trace).load()), []
    except TraceFormatError as error:
        return [], [f"the trace cannot be read: {error}"]


def _ends(scenario: Scenario, native: Outcome, traced: Outcome, refused: bool, disk_full: bool) -> Iterator[str]:
    """Yield in what exit status, output and contents are not as they must be."""
    kill = scenario.kill if traced.killed else None
    status, whole = native.status, True
    killed_itself = scenario.engine == "inprocess" and status == -signal.SIGKILL  # its process is pagetrap's
    if refused or disk_full:
        if not killed_itself or traced.status == TROUBLE:  # it was not even begun
            status = TROUBLE
        whole = not refused and scenario.disk != 0  # where nothing can be written nothing is begun
    elif kill and scenario.way == ATTACH:
        if traced.tracer_status not in (-kill.number, 0):
            yield f"the tracer ended with {traced.tracer_status}, not by signal {kill.number} or with 0"
    elif kill and traced.status == -kill.number:
        status, whole = -kill.number, False
    if scenario.way == ATTACH and not kill and traced.tracer_status != 0:
        yield f"the tracer ended with {traced.tracer_status}, not 0"
    if traced.status not in (status, native.status if kill else status):
        yield f"exit status {traced.status}, not {status}: {_end(traced)}"
    if not native.output.startswith(traced.output) or (whole and traced.output != native.output):
        yield _difference(native.output, traced.output)
    if scenario.way == "run":
        if traced.contents != Random(scenario.seed).randbytes(LENGTH):
            yield "the file was written to, where a model answers"
    elif whole and _compared(traced.contents) != _compared(native.contents):
        yield f"contents differ at {_places(_compared(traced.contents), _compared(native.contents))}"


def _difference(native: str, traced: str) -> str:
    """Return the first line of the output that differs."""
    expected, came = native.splitlines(), traced.splitlines()
    for number, (mine, other) in enumerate(zip(expected, came, strict=False), 1):
        if mine != other:
            return f"output differs in line {number}: {other!r}, natively {mine!r}"
    return f"output ends after {len(came)} lines, natively after {len(expected)}; last {came[-1:]}"


def _compared(contents: bytes | bytearray) -> bytearray:
    shown = bytearray(contents)
    shown[_SCRATCH] = bytes(_SCRATCH.stop - _SCRATCH.start)
    return shown


def _places(mine: bytearray, other: bytearray) -> str:
    places = [hex(at) for at in range(LENGTH) if mine[at] != other[at]]
    return f"{len(places)} places: {' '.join(places[:8])}"


def _counts(records: list[Access], traced: Outcome, complete: bool) -> Iterator[str]:
    """Yield which accesses were not recorded, or recorded twice: records are between accesses done and begun."""
    counted = dict.fromkeys(_KINDS, Fraction(0))
    for access in records:
        if not access.flags & KERNEL:
            counted[access.direction] += _part(access)
    for (direction, name), done, started in zip(
        _KINDS.items(), traced.counters.done, traced.counters.started, strict=True
    ):
        if not (done if complete else 0) <= counted[direction] <= started:
            yield f"{counted[direction]} {name} are recorded; the program began {started} and finished {done}"


def _part(access: Access) -> Fraction:
    """Return how much of an access a record is: a model is given at most 8 bytes at a time."""
    if not access.flags & TOO_WIDE or access.instruction is None:
        return Fraction(1)
    return Fraction(access.width, access.instruction.accesses[0].width)


def _replayed(scenario: Scenario, records: list[Access], traced: Outcome, complete: bool) -> Iterator[str]:
    """Yield where the file is not what the recorded writes make of it."""
    if not complete or scenario.way != "trace" or _was_cut_off(scenario, traced):
        return
    contents = bytearray(Random(scenario.seed).randbytes(LENGTH))
    for access in records:
        if access.direction & WRITE:
            base = re.search(r"\+0x([0-9a-f]+)$", access.region or "")
            at = (int(base[1], 16) if base else 0) + (access.offset or 0)
            contents[at : at + access.width] = access.value.to_bytes(access.width, "little")
    if _compared(contents) != _compared(traced.contents):
        yield f"the records make other contents: {_places(_compared(contents), _compared(traced.contents))}"


def _was_cut_off(scenario: Scenario, traced: Outcome) -> bool:
    """Return whether pagetrap may have been killed between a write and its record."""
    victims = ("tracer",) if scenario.engine == "ptrace" else ("tracer", "target")
    kill = scenario.kill
    return traced.killed and kill is not None and kill.victim in victims and kill.number == signal.SIGKILL
