"""Findings of the diagnosis, and probes that may fail in any way."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

Status: TypeAlias = Literal["ok", "warning", "absent", "failed"]
"""Result of a probe: `absent` is what is not there and need not be, `failed` what does not work."""

Probe: TypeAlias = "Callable[[], Iterable[Finding]]"


class Finding(NamedTuple):
    """One line of the diagnosis.

    Attributes:
        name: the thing that was looked at.
        status: its state.
        detail: what was found; for `failed` also the reason, and what to do.
        engine: the engine that the finding is about, "" for what none of them can do without.
    """

    name: str
    status: Status
    detail: str
    engine: str | None = None


def findings(name: str, probe: Probe) -> Iterator[Finding]:
    """Yield what a probe finds; an exception of it is a finding, too."""
    try:
        yield from probe()
    except Exception as error:  # whatever is broken here is to be reported, not to end the report
        yield Finding(name, "failed", f"could not be examined: {type(error).__name__}: {error}")


def first_line(path: str) -> str:
    """Return the first line of a file, such as one of /proc.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().strip()
