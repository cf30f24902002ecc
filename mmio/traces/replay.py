"""A recorded trace as a device: it gives a driver the answers of the real one.

The recording is one afternoon with the hardware; replayed, it is a test that runs anywhere. A strict replay is
for a driver that must do exactly what it did: the first access that differs is an error. A driver that has
changed, or polls a little longer, wants a sticky one: each register gives its recorded answers in order, and
continues giving the last.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from attrs import frozen

from mmio.arguments import shortened
from mmio.errors import DeviceError
from mmio.records.access import Access
from mmio.records.fields import FieldPlace
from mmio.traces.naming import cut_of, warn_of_cut

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


@frozen(slots=True)
class Step:
    """One read or write as it was recorded; an atomic is one of each."""

    verb: str
    offset: int
    width: int
    value: int
    access: Access

    def __str__(self) -> str:
        return f"{self.verb} of {self.value:#x}, width {self.width}, at offset {self.offset:#x} ({self.access.place})"


class Replay:
    """A device that answers as recorded in a trace.

    Give it the accesses of one region, such as `trace.filter(region="timer")`. Offsets count from the start of
    that region, which may now lie elsewhere. Map it under the same name, `ioremap(replay, name="timer")`, and the new
    trace can be compared with the recording.

    `strict`: demand the recorded accesses in the recorded order, with their widths and written values, and
    nothing after the last. Otherwise take any write, and answer a read with the next value recorded for its
    offset and width, at the end with the last one again and again.

    Raises:
        ValueError: the accesses are not of exactly one region.
        DeviceError: at an access that is not the recorded one, or, when not strict, a read of what was never read.
    """

    def __init__(self, accesses: Iterable[Access], *, strict: bool = True) -> None:
        if not isinstance(accesses, Iterable):
            raise TypeError(f"a replay takes accesses, such as open_trace(path).load(), not {shortened(accesses)}")
        recorded = list(accesses)
        for access in recorded:
            if not isinstance(access, Access):
                raise TypeError(f"a replay takes accesses, such as open_trace(path).load(), not {access!r}")
        regions = {(access.space, access.region) for access in recorded if access.region is not None}
        if len(regions) != 1 or any(access.region is None for access in recorded):
            names = ", ".join(sorted({str(access.region) for access in recorded})) or "none"
            raise ValueError(f"a replay is of one region, got {names}; choose one with trace.filter(region=…)")
        warn_of_cut(accesses, stacklevel=2)
        self._cut = cut_of(accesses)
        self.strict = strict
        self._steps = deque(step for access in recorded for step in _steps(access))
        self._answers: dict[tuple[int, int], deque[int]] = defaultdict(deque)
        for step in self._steps:
            if step.verb == "read":
                self._answers[step.offset, step.width].append(step.value)
        self._names: dict[tuple[int, int], set[str | None]] = defaultdict(set)
        self._accesses: dict[tuple[int, int, int | None], Access] = {}  # by offset, width and value; by None the last
        for access in recorded:
            place = access.offset or 0, access.width
            self._names[place].add(access.register)
            self._accesses[*place, access.value] = self._accesses[*place, None] = access

    @property
    def left(self) -> int:
        """Return how many recorded reads and writes a strict replay has not seen yet."""
        return len(self._steps)

    def read(self, offset: int, width: int) -> int:
        """Return the recorded value."""
        if self.strict:
            return self._next("read", offset, width, None).value
        answers = self._answers.get((offset, width))
        if answers is None:
            raise DeviceError(f"the recording has no read of width {width} at offset {offset:#x}")
        return answers.popleft() if len(answers) > 1 else answers[0]

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a value; a strict replay demands the recorded one."""
        if self.strict:
            self._next("write", offset, width, value)

    def name_at(self, offset: int, width: int) -> str | None:
        """Return the register's name in the recording; where several took turns, all of them: "DLL/RBR/THR"."""
        return "/".join(sorted(name for name in self._names.get((offset, width), ()) if name is not None)) or None

    def describe(self, offset: int, width: int, value: int) -> str:
        """Return what the recording says of a value, "" when it does not know, or not of which register.

        Of a value that a trace file does not hold, only the fields are known, as numbers.
        """
        # What was read from a file can tell the meaning of its own value only.
        access = self._accesses.get((offset, width, value)) or self._accesses.get((offset, width, None))
        if access is None or access.describe is None or len(self._names[offset, width]) > 1:
            return ""
        words = access.describe(offset, width, value)
        return words or " ".join(
            f"{name}={value >> lsb & (1 << msb - lsb + 1) - 1:#x}" for name, msb, lsb in access.layout
        )

    def fields_at(self, offset: int, width: int) -> tuple[FieldPlace, ...]:
        """Return where the fields were in the recording, nothing where several registers took turns."""
        access = self._accesses.get((offset, width, None))
        return () if access is None or len(self._names[offset, width]) > 1 else access.layout

    def _next(self, verb: str, offset: int, width: int, value: int | None) -> Step:
        what = (
            f"{verb} of width {width} at offset {offset:#x}"
            if value is None
            else (f"{verb} of {value:#x}, width {width}, at offset {offset:#x}")
        )
        if not self._steps:
            ended = "the recording has ended" if self._cut is None else f"the recording has ended: {self._cut}"
            raise DeviceError(f"{ended}, got a {what}")
        step = self._steps[0]
        if (step.verb, step.offset, step.width) != (verb, offset, width) or value not in (None, step.value):
            raise DeviceError(f"expected access {step.access.sequence} of the recording, a {step}, got a {what}")
        return self._steps.popleft()


def _steps(access: Access) -> Iterator[Step]:
    offset = access.offset or 0
    if access.reads:
        answer = access.value if access.old is None else access.old
        yield Step("read", offset, access.width, answer, access)
    if access.writes:
        yield Step("write", offset, access.width, access.value, access)
