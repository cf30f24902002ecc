"""The diagnosis as a whole: its sections, as text or JSON, and its verdict."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from shutil import get_terminal_size
from typing import Final

from pagetrap.doctor import machine, software
from pagetrap.doctor.engines import NEEDED, engines
from pagetrap.doctor.finding import Finding, findings

_SHOWN: Final = {"ok": "ok", "warning": "warning", "absent": "no", "failed": "FAILED"}
_STATUS: Final = 7
"""Columns of the status."""


def examine() -> Iterator[tuple[str, Finding]]:
    """Yield the findings with the section of each, as they are made."""
    basic: list[Finding] = []
    for section, probe in (
        ("Python", software.python),
        ("packages", software.packages),
        ("dependencies", software.dependencies),
        ("CPU", machine.cpu),
        ("kernel", machine.kernel),
    ):
        for finding in findings(section, probe):
            basic.append(finding)
            yield section, finding
    obstacles = [finding.name for finding in basic if finding.status == "failed" and finding.engine == ""]
    obstacle = f"see {', '.join(obstacles)} above" if obstacles else None
    for finding in findings("engines", lambda: engines(obstacle)):
        yield "engines", finding
    for finding in findings("tools", software.tools):
        yield "tools", finding


def run(*, as_json: bool = False, needed: Iterable[str] = NEEDED) -> int:
    """Examine this machine and print the report; return the exit status, 0 when all that is needed works.

    Args:
        as_json: print one JSON object in place of lines.
        needed: the engines that have to work.
    """
    found: list[tuple[str, Finding]] = []
    for section, finding in examine():
        if not as_json:
            if section not in (name for name, _ in found):
                print(section)
            print(line(finding), flush=True)
        found.append((section, finding))
    missing = broken((finding for _, finding in found), needed)
    if as_json:
        rows = [{"section": section, **finding._asdict()} for section, finding in found]
        print(json.dumps({"works": not missing, "broken": missing, "findings": rows}, indent=2))
    else:
        print(f"does not work here: {', '.join(missing)}" if missing else f"works here: {', '.join(needed)}")
    return 1 if missing else 0


def broken(found: Iterable[Finding], needed: Iterable[str]) -> list[str]:
    """Return the names of what is needed and does not work."""
    everything = list(found)
    working = {finding.engine for finding in everything if finding.status == "ok"}
    general = [finding.name for finding in everything if finding.status == "failed" and finding.engine == ""]
    return [*general, *(engine for engine in needed if engine not in working)]


def line(finding: Finding) -> str:
    """Return a finding as a line, or several where the terminal is narrow."""
    head = f"  {_SHOWN[finding.status]:<{_STATUS}} {finding.name}: "
    width = max(get_terminal_size().columns, 2 * len(head))
    return textwrap.fill(
        f"{head}{finding.detail}",
        width,
        subsequent_indent=" " * (_STATUS + 5),
        break_long_words=False,
        break_on_hyphens=False,
    )
