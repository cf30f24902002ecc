"""Every mistake of tests/mistakes gets the message in docs/mistakes.md. `python -m tests.test_mistakes` writes it."""

from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from tests.mistakes import command_line, drivers, files, install, kit, library, models
from tests.mistakes.mistake import Mistake
from tests.mistakes.workshop import CARD, message_of

PAGE: Final = Path(__file__).parents[1] / "docs" / "mistakes.md"

SUBJECTS: Final[dict[str, ModuleType]] = {
    "Installing": install,
    "Device models": models,
    "Drivers in this process": drivers,
    "Programs: the command line": command_line,
    "Trace files": files,
    "Decoder, emulator, address space": library,
    "What a driver's test is made of": kit,
}

ALL: Final[list[Mistake]] = [mistake for module in SUBJECTS.values() for mistake in module.MISTAKES]

# The workshop is made once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("mistakes")


INTRODUCTION: Final = f"""\
# What can go wrong, and what you are told

Every mistake below is made for real, and every message captured, by `python -m tests.test_mistakes`, which writes this
page. Of a Python program the last lines are shown, without the traceback; addresses are `0x7f…`. The model is this one:

```python
{CARD}```

`driver.so` has `load`, `load8` and `store`, each of which makes one access to the pointer it is given. `peek FILE
OFFSET` is a program that maps a page of a file and loads four bytes. `regs.bin` is a page of bytes, `run.jsonl` a
trace.
"""


def page() -> str:
    """Return the page: every mistake with what was typed and what came of it."""
    parts = [INTRODUCTION.rstrip()]
    for subject, module in SUBJECTS.items():
        parts += [f"## {subject}", *map(entry, module.MISTAKES)]
    return "\n\n".join(parts) + "\n"


def entry(mistake: Mistake) -> str:
    """Return one mistake as the page has it."""
    typed = f"```{mistake.language}\n{mistake.typed.strip()}\n```"
    told = f"```\n{message_of(mistake)}\n```"
    return "\n\n".join([f"**{mistake.did}**", typed, told, *([mistake.remark] if mistake.remark else [])])


def test_there_are_mistakes_enough() -> None:
    """Of each subject there are several, and no two are the same."""
    assert len(ALL) >= 100
    assert len({mistake.name for mistake in ALL}) == len(ALL)
    assert all(len(module.MISTAKES) >= 10 for module in SUBJECTS.values())


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.name)
def test_the_message_says_what_to_do(mistake: Mistake) -> None:
    """It has what it must say: what was expected, what came, where, or what to do next; and no traceback."""
    message = message_of(mistake)
    for part in mistake.says:
        assert part in message
    assert "mmio/" not in message
    assert "emulate/" not in message


@pytest.mark.timeout(600)
def test_the_page_is_up_to_date() -> None:
    """docs/mistakes.md shows what is said today."""
    assert PAGE.read_text() == page(), "run python -m tests.test_mistakes"


if __name__ == "__main__":
    PAGE.write_text(page())
