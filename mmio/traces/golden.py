"""Golden traces: the recorded accesses of a correct driver, in a file for review.

A file has a line for each access, in the words of docs/expectations.md. What differs between two right runs is left
out: where a region lies, when and in which thread something was done, and by which instruction; how often the driver
polled; and the values that a test declares volatile.
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from os import PathLike
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Literal, get_args

from attrs import frozen

from mmio.arguments import flag, one_of, shortened, text, texts
from mmio.arguments import path as path_of
from mmio.errors import MmioError
from mmio.records.access import Access
from mmio.records.loops import MAX_LOOP
from mmio.records.printable import encodable, printable
from mmio.traces.expect import made_by
from mmio.traces.expected import check_accesses, places
from mmio.traces.known import Known
from mmio.traces.listing import diff_lines
from mmio.traces.naming import cut_of, names, warn_of_cut

SUFFIX: Final = ".trace"
FOLDER: Final = "golden"
HEADER: Final = "# pagetrap golden trace, version "
VERSION: Final = 1
UPDATE: Final = "--mmio-golden-update"

_NAME: Final = re.compile(r"[\w+=,@-][\w+=,@. -]{0,149}")
_LEFT_OUT: Final = "# left out: addresses of regions, times, threads, instructions; a poll that goes on is one (+)"
_COMMENT: Final = "    # "
_REGISTER: Final = re.compile(r"(?:RW|R|W)\d+ (?!.*\+0x)([^=]+)")

Missing = Literal["write", "fail"]


class GoldenError(MmioError, ValueError):
    """A golden file cannot be used: its name, its format, or its device is wrong."""


@frozen(slots=True)
class Line:
    """Text of an access that is compared, and the access itself."""

    text: str
    access: Access

    @property
    def lines(self) -> "tuple[Line, ...]":
        """The line."""
        return (self,)


@frozen(slots=True)
class Turn:
    """Accesses that were made several times in a row, and are one turn of a poll."""

    parts: "tuple[Line | Turn, ...]"

    @property
    def lines(self) -> tuple[Line, ...]:
        """The accesses of one turn."""
        return tuple(line for part in self.parts for line in part.lines)


def assert_trace(
    trace: Sequence[Access],
    name: str,
    *,
    folder: str | PathLike[str] | None = None,
    volatile: Iterable[str] = (),
    fold: bool | Iterable[str] = True,
    update: bool = False,
    missing: Missing | None = None,
) -> None:
    """Demand that a trace is like a golden one in a file, `name`.trace; the first time, write the file.

    Args:
        trace: what a driver has done now.
        name: of the file, without a folder and the suffix.
        folder: where the file is; `golden/MODULE` beside the file this is called from when left out.
        volatile: registers and fields whose values differ from run to run: "TX_BASE", "nic.STATUS", "STATUS.COUNT".
        fold: whether accesses that repeat, with the same values and a read among them, are one: a poll. Or the names of
            the registers that are polled; those of a FIFO may have to be counted.
        update: whether the file is written anew.
        missing: what becomes of a missing file: "write" it, or "fail", which is the default where the environment
            variable CI is set.

    Raises:
        AssertionError: the trace is not like the file; the message is a diff. Or there is no file, and `missing` is
            "fail".
        GoldenError: the name is none, the file is not a golden file, or it is of another device.
        OSError: the file cannot be written.
    """
    __tracebackhide__ = True
    path = golden_path(name, _beside(sys._getframe(1).f_code.co_filename) if folder is None else _folder(folder))
    compare(trace, path, volatile=volatile, fold=fold, update=update, missing=missing)


def compare(
    trace: Sequence[Access],
    path: Path,
    *,
    volatile: Iterable[str] = (),
    fold: bool | Iterable[str] = True,
    update: bool = False,
    missing: Missing | None = None,
) -> bool:
    """Compare a trace with a file; return whether the file was written. See `assert_trace`."""
    __tracebackhide__ = True
    check_accesses("trace", trace)
    flag("update", update)
    if missing is not None:
        one_of("missing", missing, get_args(Missing))
    declared = _names("volatile", volatile)
    if not isinstance(fold, Iterable):
        flag("fold", fold)
    polled = None if fold is True else () if fold is False else _names("fold", fold)
    lines = _normalised(trace, declared)
    _check_names(trace, (*declared, *(polled or ())))
    parts = folded(lines, polled)
    warn_of_cut(trace, stacklevel=3)
    if update or not path.exists():
        if not update and (missing or default_missing()) == "fail":
            raise AssertionError(f"there is no golden file {path}; write it with {UPDATE}, and look at it")
        text = written(parts, trace, declared)
        if not path.exists() or path.read_text("utf-8", "replace") != text:
            _write(path, text)
            return True
        return False
    kept = _read(path)
    _check_device(path, kept, trace)
    now = [line for part in parts for line in part.lines]
    if kept.lines == [line.text for line in now]:
        return False
    _check_registers(path, kept, trace)
    raise AssertionError(encodable(_difference(path, kept, now, trace, declared)))


def default_missing() -> Missing:
    """Return what becomes of a missing file unless a test says so: on a CI server, which sets CI, it is a failure."""
    return "fail" if os.environ.get("CI") else "write"


def golden_path(name: str, folder: Path) -> Path:
    """Return the path of a golden file. Raises GoldenError if the name could lead out of the folder."""
    text("the name of a golden file", name)
    if _NAME.fullmatch(name) is None or name.endswith((" ", ".")):
        expected = "letters, digits and _+=,@-. without a folder in it, up to 150"
        raise GoldenError(f"a golden file's name is of {expected}, not {shortened(name)}")
    return folder / f"{name}{SUFFIX}"


def folder_of(module: Path) -> Path:
    """Return the folder of a test module's golden files.

    Raises:
        GoldenError: a link in it leads out of the module's own folder.
    """
    folder = module.parent / FOLDER / module.stem
    if not folder.resolve().is_relative_to(module.parent.resolve()):
        raise GoldenError(f"{folder} leads out of {module.parent}; golden files stay beside their test")
    return folder


def written(parts: Iterable[Line | Turn], trace: Sequence[Access], volatile: Sequence[str]) -> str:
    """Return the text of a golden file."""
    regions = ", ".join(sorted(_regions(trace)))
    lines = [f"{HEADER}{VERSION}", f"# regions: {regions or 'none'}"]
    if volatile:
        lines.append(f"# volatile: {', '.join(sorted(map(printable, volatile)))}")
    lines.append(_LEFT_OUT)
    for part in parts:
        lines += _shown(part)
    return "\n".join(lines) + "\n"


def folded(lines: Iterable[Line], polled: Sequence[str] | None) -> list[Line | Turn]:
    """Return lines with those that repeat as one turn, the shortest turns first: a poll may be part of a poll.

    Args:
        lines: the lines.
        polled: the registers that are polled, None for any.
    """
    parts: list[Line | Turn] = list(lines)
    for length in range(1, MAX_LOOP + 1):
        texts = [tuple(line.text for line in part.lines) for part in parts]
        polls = [any(_is_poll(line.access, polled) for line in part.lines) for part in parts]
        kept: list[Line | Turn] = []
        at = 0
        while at < len(parts):
            end = at + length
            if end < len(parts) and texts[at] == texts[end] and any(polls[at:end]):
                while texts[end : end + length] == texts[at : at + length]:
                    end += length
            if end > at + length:
                kept.append(Turn(tuple(parts[at : at + length])))
                at = end
            else:
                kept.append(parts[at])
                at += 1
        parts = kept
    return parts


@frozen(slots=True)
class _Kept:
    """The content of a golden file."""

    regions: frozenset[str]
    volatile: frozenset[str]
    lines: list[str]


def _beside(caller: str) -> Path:
    path = Path(caller)
    if not path.is_file():
        raise GoldenError(f"{caller} is no file, so nothing can lie beside it; say assert_trace(…, folder=…)")
    return folder_of(path)


def _folder(given: str | PathLike[str]) -> Path:
    folder = path_of("folder", given)
    try:
        os.fsencode(folder)
    except UnicodeEncodeError:
        raise GoldenError(f"{printable(folder)} can be no folder: it has characters that no path has here") from None
    return Path(folder)


def _names(what: str, given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"{what} is a list of names, not one: [{shortened(given)}]")
    found = texts(what, given)
    for name in found:
        if "," in name or "\n" in name:
            problem = "has names of registers and fields, such as 'CTRL' or 'CTRL.UP'"
            raise TypeError(f"{what} {problem}, not {shortened(name)}")
    return found


def _normalised(trace: Iterable[Access], volatile: Sequence[str]) -> list[Line]:
    return [Line(_text(access, volatile), access) for access in trace]


def _regions(trace: Iterable[Access]) -> set[str]:
    """Return the names of the regions as the file has them: parted by commas, so without any."""
    return {printable(access.region).replace(",", r"\x2c") for access in trace if access.region is not None}


@lru_cache(maxsize=1 << 14)  # a driver goes to the same few places again and again
def _head(letter: str, width: int, place: str) -> str:
    return f"{letter}{width} {printable(place)}"


def _text(access: Access, volatile: Sequence[str]) -> str:
    head = _head(access.letter, access.width, access.place)
    if not volatile:
        return f"{head}={access.value:#x}"
    known = places(access)
    bits = 0
    for name in volatile:
        if name in known:
            return head
        register, _, field_name = name.rpartition(".")
        if register in known:
            for field, msb, lsb in access.layout:
                if field == field_name:
                    bits |= (1 << msb + 1) - (1 << lsb)
    if not bits:
        return f"{head}={access.value:#x}"
    mask = ((1 << 8 * access.width) - 1) & ~bits
    return f"{head}={access.value & mask:#x}/{mask:#x}"


def _check_names(trace: Sequence[Access], declared: Iterable[str]) -> None:
    """Refuse a name that no device of the trace has."""
    unused = [
        name
        for name in declared
        if not any(name in places(access) or name.rpartition(".")[0] in places(access) for access in trace)
    ]
    if unused:
        known = Known.of(trace)
        for name in unused:
            if problem := known.missing(name):
                raise GoldenError(problem)


def _is_poll(access: Access, polled: Sequence[str] | None) -> bool:
    return not access.writes and (polled is None or any(name in places(access) for name in polled))


def _shown(part: Line | Turn) -> list[str]:
    """Return the lines of the file for a part."""
    if isinstance(part, Line):
        return [_commented(part, "")]
    if len(part.parts) == 1 and isinstance(part.parts[0], Line):
        return [_commented(part.parts[0], " +")]
    return ["{", *(f"  {line}" for inner in part.parts for line in _shown(inner)), "} +"]


def _commented(line: Line, count: str) -> str:
    told = printable(line.access.fields) if "=" in line.text else ""
    return f"{line.text}{count}{_COMMENT}{told}" if told else f"{line.text}{count}"


def _read(path: Path) -> _Kept:
    """Read a golden file. Raises GoldenError if it is none."""
    try:
        first, *rest = path.read_text("utf-8").split("\n")
    except UnicodeDecodeError:
        raise GoldenError(f"{path} is not a golden file: it is not text") from None
    if not first.startswith(HEADER):
        raise GoldenError(f"{path} is not a golden file: it begins with {first[:60]!r}, not with {HEADER}{VERSION}")
    if first != f"{HEADER}{VERSION}":
        version = first.removeprefix(HEADER)[:20]
        raise GoldenError(f"{path} is of version {version}, expected {VERSION}; write it anew with {UPDATE}")
    regions: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()
    lines = []
    for line in rest:
        if line.startswith("# regions: "):
            regions = frozenset(line.removeprefix("# regions: ").split(", ")) - {"none"}
        elif line.startswith("# volatile: "):
            volatile = frozenset(line.removeprefix("# volatile: ").split(", "))
        elif line and not line.startswith("#") and line.strip() not in ("{", "} +"):
            lines.append(printable(line.strip().partition(_COMMENT)[0].removesuffix(" +")))
    return _Kept(regions, volatile, lines)


def _check_device(path: Path, kept: _Kept, trace: Sequence[Access]) -> None:
    there = _regions(trace)
    if kept.regions and there and not kept.regions & there:
        of, now = ", ".join(sorted(kept.regions)), ", ".join(sorted(there))
        raise GoldenError(
            f"{path} is of another device: its accesses are to {of}, those of this trace to {now}; "
            f"write it anew with {UPDATE} if the device was renamed"
        )


def _check_registers(path: Path, kept: _Kept, trace: Sequence[Access]) -> None:
    """Refuse a file of a device that is called as this one is and has none of its registers."""
    known = Known.of(trace)
    registers = dict.fromkeys(match[1] for line in kept.lines if (match := _REGISTER.match(line)))
    if registers and known.whole and not any(known.is_register(name) for name in registers):
        of = ", ".join(sorted(_regions(trace)))
        raise GoldenError(
            f"{path} is of another device: {of} has no {', '.join(islice(registers, 3))}; "
            f"write it anew with {UPDATE} if the registers were renamed"
        )


def _difference(path: Path, kept: _Kept, now: Sequence[Line], trace: Sequence[Access], volatile: Sequence[str]) -> str:
    numbers: dict[str, int] = {}
    mine = [numbers.setdefault(text, len(numbers)) for text in kept.lines]
    other = [numbers.setdefault(line.text, len(numbers)) for line in now]
    resolve = names(trace)

    def came(index: int) -> str:
        line = now[index]
        told = f" ({line.access.fields})" if line.access.fields else ""
        return f"{line.text}{told}{made_by(line.access, resolve)}"

    lines = diff_lines(mine, other, kept.lines.__getitem__, came, lambda index: now[index].text)
    cut = cut_of(trace)
    notes = [] if cut is None else [str(cut)]
    if kept.volatile != set(volatile):
        was, declared = (", ".join(sorted(some)) or "nothing" for some in (kept.volatile, volatile))
        notes.append(f"when it was written {was} was volatile, now {declared}")
    headline = f"the trace (+) is not like {path} (-); {UPDATE} writes it anew"
    return "\n".join([headline, *notes, *lines])


def _write(path: Path, text: str) -> None:
    """Write a file as a whole: another process may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
