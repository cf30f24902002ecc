"""Notes of a timeline while a trace is read: values, phases and functions, in bounded memory.

Words take room in a picture, so there are few of them, and of a long trace no more are kept. A register that has more
values than could stand beside each other has none, as it has where two are accessed at one time.
"""

from collections.abc import Hashable
from typing import Final

from attrs import Factory, define, frozen

from mmio.records.access import Access
from mmio.records.events import Located, Mark, Record

VALUES: Final = 200  # times of a register that have a value, in each direction
PHASES: Final = 100  # marks
FUNCTIONS: Final = 2000  # times the function changes

Key = tuple[str, str]
"""Space and place of a register, as of a lane."""


@frozen(slots=True)
class Span:
    """A part of the time that has a name; it ends where the next one begins."""

    start: int
    text: str


@define
class _Values:
    """Values of a register in one direction, by time: the last one of each."""

    by_time: dict[int, Access] = Factory(dict)
    full: bool = False

    def add(self, access: Access) -> None:
        """Take a value, unless there are too many."""
        if self.full:
            return
        self.by_time[access.time] = access
        if len(self.by_time) > VALUES:
            self.by_time.clear()
            self.full = True


class Notes:
    """Values, phases and functions, taken record by record.

    Attributes:
        phases: a span from each mark to the next; none where there are too many.
        functions: spans in which one function makes all accesses; none where nothing says which, or there are too many.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, _Values] = {}
        self._symbols: dict[int, str] = {}
        self._marks: list[Span] = []
        self._runs: list[Span] = []

    def take(self, record: Record) -> None:
        """Take the next record."""
        if isinstance(record, Access):
            for happens, letter in ((record.reads, "R"), (record.writes, "W")):
                if happens:
                    self._values.setdefault((record.space, record.place, letter), _Values()).add(record)
            function = self._symbols.get(record.ip, "")
            if len(self._runs) <= FUNCTIONS and (not self._runs or self._runs[-1].text != function):
                self._runs.append(Span(record.time, function))
        elif isinstance(record, Located):
            self._symbols[record.ip] = record.symbol or record.module
        elif isinstance(record, Mark) and len(self._marks) <= PHASES:
            self._marks.append(Span(record.time, record.text))

    def values(self, key: Key, letter: str) -> dict[int, Access]:
        """Return the reads or writes of a register by time, the last one of each; none if there are too many."""
        found = self._values.get((*key, letter))
        return {} if found is None else found.by_time

    @property
    def phases(self) -> list[Span]:
        """The spans between marks."""
        return self._marks if len(self._marks) <= PHASES else []

    @property
    def functions(self) -> list[Span]:
        """The spans of functions."""
        known = any(run.text for run in self._runs)
        return self._runs if known and len(self._runs) <= FUNCTIONS else []
