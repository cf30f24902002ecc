"""Collect what comes up while a description is read: notes for the reader, and problems that prevent a device.

All problems are gathered before any is raised, because a description comes from a vendor in one piece, and a reader who
has to mend or trim it wants the whole list. A note is something the description says and a `Device` cannot: nothing of
that kind is dropped in silence.
"""

import warnings
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from os import PathLike
from typing import Final, NoReturn

from attrs import define, field, frozen

from mmio.descriptions.errors import DescriptionError, DescriptionWarning

REGISTERS: Final = 1 << 16  # more of them in one device is a mistake, or memory
_SHOWN: Final = 10


@frozen
class Note:
    """Something a description says and the device does not do: of which register or field, which property, and what."""

    name: str
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.word}: {self.text}"


@define
class Report:
    """The notes and problems of one description. `without`: names its user wants left out; `device`: whose they are."""

    path: str | PathLike[str]
    without: Iterable[str] = ()
    device: str = ""
    notes: list[Note] = field(factory=list)
    problems: list[str] = field(factory=list)
    unfit: list[str] = field(factory=list)
    registers: int = 0
    _names: list[str] = field(factory=list)
    _noted: set[Note] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.without = frozenset([self.without] if isinstance(self.without, str) else self.without)

    def wants(self, name: str) -> bool:
        """Return whether a register, block or field ("CTRL", "DMA.CTRL", "CTRL.EN") is to be in the device."""
        self._names.append(name)
        return name not in self.without

    def note(self, name: str, word: str, text: str) -> None:
        """Note once what the device does not do."""
        note = Note(name, word, text)
        if note not in self._noted:
            self._noted.add(note)
            self.notes.append(note)

    def refuse(self, name: str, text: str) -> None:
        """Keep a problem of a register, block or field, which may be left out instead."""
        self.problems.append(f"{self.device}.{name}{text}")
        self.unfit.append(name)

    def count(self, name: str, number: int, *, counted: bool = True) -> None:
        """Count registers before they are made. Raises DescriptionError when they are too many."""
        self.registers += number * counted
        if max(number, self.registers) > REGISTERS:
            self.fail(f"{name} is there {number} times; a device has at most {REGISTERS} registers")

    def fail(self, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise DescriptionError with this problem after those gathered before."""
        raise DescriptionError(self.path, *self.problems, problem) from cause

    def check(self) -> None:
        """Raise DescriptionError when there have been problems, or a name to leave out is none."""
        for name in sorted(set(self.without) - set(self._names)):
            self.problems.append(f"without: there is no {name!r}{did_you_mean(name, self._names)}")
        if self.unfit:
            self.fail(f"what cannot be mended in the file can be left out: without={list(dict.fromkeys(self.unfit))}")
        if self.problems:
            raise DescriptionError(self.path, *self.problems)

    def warn(self) -> None:
        """Warn, once for all notes, where the user called the function that calls this."""
        if not self.notes:
            return
        kinds = Counter(note.word.split()[0] for note in self.notes)
        rare = sorted(self.notes, key=lambda note: kinds[note.word.split()[0]])  # what all registers share comes last
        lines = [f"{self.path}: {self.device} does not do all its description says:", *map(str, rare[:_SHOWN])]
        if len(self.notes) > _SHOWN:
            lines.append(f"and {len(self.notes) - _SHOWN} more, all of them in the notes of the class")
        warnings.warn("\n  ".join(lines), DescriptionWarning, stacklevel=3)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest a known name, or list the known ones, as the end of a message."""
    names = sorted(set(known))
    # In one case, because that is the likeliest slip.
    close = get_close_matches(name.upper(), [each.upper() for each in names], n=3)
    found = [each for each in names if each.upper() in close]
    if found:
        return f"; did you mean {' or '.join(map(repr, found))}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"
