"""Collect notes and problems while a description is read.

A note is something the description says and the device is not, or a slip of its author that cost one element: nothing
of either kind is dropped in silence. For who wants slips to be errors (`strict`) they are problems. All problems are
gathered before any is raised, because a description comes from a vendor in one piece, and a reader who has to mend or
trim it wants the whole list.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from os import PathLike
from typing import Final, NoReturn

from attrs import define, field, frozen

from mmio.descriptions.errors import DescriptionError, DescriptionWarning

REGISTERS: Final = 1 << 16  # more of them in one device is a mistake, or memory
MEMBERS: Final = 1 << 15  # of a class: an array is one, whatever its length; vendors' largest has 16,842
ELEMENTS: Final = 1 << 19  # looked at for one device: registers, fields, names of values, as often as they are there
MAX_NOTES: Final = 1 << 14
_SHOWN: Final = 10
_HINTS: Final = 16  # looking for a name that comes close takes a while
_COMPARED: Final = 1000


@frozen
class Note:
    """Something a description says and the device is not: of which register or field, which property, and what.

    `line`: of a slip, where it is in the file; 0 when it is a thing that a `Device` has no word for.
    """

    name: str
    word: str
    text: str
    line: int = 0

    def __str__(self) -> str:
        place = f" (line {self.line})" if self.line else ""
        return f"{self.name}: {self.word}: {self.text}{place}"


@define
class Report:
    """The notes and problems of one description.

    `without`: names its user wants left out; `device`: whose they are; `strict`: whether a slip is a problem.
    """

    path: str | PathLike[str]
    without: Iterable[str] = ()
    device: str = ""
    strict: bool = True
    notes: list[Note] = field(factory=list)
    problems: list[str] = field(factory=list)
    unfit: list[str] = field(factory=list)
    registers: int = 0
    members: int = 0
    elements: int = 0
    _names: list[str] = field(factory=list)
    _noted: set[Note] = field(factory=set)
    _hints: int = 0

    def __attrs_post_init__(self) -> None:
        self.without = frozenset([self.without] if isinstance(self.without, str) else self.without)

    def wants(self, name: str) -> bool:
        """Return whether a register, block or field ("CTRL", "DMA.CTRL", "CTRL.EN") is to be in the device."""
        if not self.without:
            return True
        self._names.append(name)
        return name not in self.without

    def note(self, name: str, word: str, text: str, line: int = 0) -> None:
        """Note once what the device is not; after `MAX_NOTES` of them there are no more."""
        note = Note(name, word, text, line)
        if note not in self._noted and len(self.notes) < MAX_NOTES:
            self._noted.add(note)
            self.notes.append(note)

    def refuse(self, name: str, text: str, line: int = 0) -> None:
        """Leave a register, block or field out of the device."""
        if not self.strict:
            self.note(name, "left out", text.strip(" :"), line)
            return
        self.problems.append(f"{self._at(line)}{self.device}.{name}{text}")
        self.unfit.append(name)

    def slip(self, name: str, line: int, word: str, text: str, remedy: str) -> None:
        """Note a slip of the description's author, and what was made of it. `name`: "" for the device itself."""
        if self.strict:
            whose = ".".join(filter(None, (self.device, name)))
            self.problems.append(f"{self._at(line)}{whose}{': ' if whose else ''}<{word}> {text}")
        else:
            self.note(name or self.device, word, f"{text}; {remedy}", line)

    def _at(self, line: int) -> str:
        return f"{self.path}:{line}: " if line else ""

    def count(self, name: str, number: int, members: int = 1) -> None:
        """Count registers, and what they are declared as, before they are made.

        Raises DescriptionError when they are too many.
        """
        self.registers += number
        self.members += members
        if self.registers > REGISTERS:
            self.fail(f"{name} is there {number} times; a device has at most {REGISTERS} registers")
        if self.members > MEMBERS:
            self.fail(f"{name} is there {members} times; a device has at most {MEMBERS} registers besides arrays")

    def visit(self, number: int = 1) -> None:
        """Count elements that are looked at. Raises DescriptionError when a device would take too long to make."""
        self.elements += number
        if self.elements > ELEMENTS:
            self.fail(f"{self.device} has more than {ELEMENTS} elements, with all that are derived from others")

    def fail(self, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise DescriptionError with this problem after those gathered before."""
        raise DescriptionError(self.path, *self.problems, problem) from cause

    def check(self) -> None:
        """Raise DescriptionError when there have been problems, or a name to leave out is none."""
        for name in sorted(set(self.without) - set(self._names)):
            self.problems.append(f"without: there is no {name!r}{did_you_mean(name, self._names)}")
        if self.unfit:
            self.fail(
                f"what cannot be corrected in the file can be left out: without={list(dict.fromkeys(self.unfit))}"
            )
        if self.problems:
            raise DescriptionError(self.path, *self.problems)

    def hint(self, name: str, known: Callable[[], Iterable[str]]) -> str:
        """Suggest a known name as `did_you_mean`, a few times at most."""
        self._hints += 1
        return did_you_mean(name, known()) if self._hints <= _HINTS else ""

    def warn(self) -> None:
        """Warn, once for all notes, where the user called the function that calls this."""
        if not self.notes:
            return
        kinds = Counter(note.word.split()[0] for note in self.notes)
        rare = sorted(self.notes, key=lambda note: kinds[note.word.split()[0]])  # what all registers share comes last
        differences = "1 note" if len(self.notes) == 1 else f"{len(self.notes)} notes"
        lines = [f"{self.path}: {self.device} is not all its description says ({differences}):"]
        lines += map(str, rare[:_SHOWN])
        if len(self.notes) > _SHOWN:
            lines.append(f"and {len(self.notes) - _SHOWN} more, all of them in the notes of the class")
        warnings.warn("\n  ".join(lines), DescriptionWarning, stacklevel=3)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest a known name, or list the known ones, as the end of a message."""
    name, names = str(name), sorted(set(known))
    some = names[:_COMPARED]
    # In one case, because that is the likeliest slip.
    close = get_close_matches(name[:80].upper(), [each[:80].upper() for each in some], n=3)
    found = [each for each in some if each.upper() in close]
    if found:
        return f"; did you mean {' or '.join(map(repr, found))}?"
    if not names:
        return "; there are none"
    more = f" and {len(names) - len(some)} more" if len(names) > len(some) else ""
    return f"; there are {', '.join(some)}{more}"
