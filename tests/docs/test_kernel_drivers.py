"""docs/kernel-drivers.md: its code boots a guest and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import TOP, Page, assert_runs
from tests.mmio.guests.guests import need_guest


@pytest.mark.slow
@pytest.mark.xdist_group("guest")
@pytest.mark.timeout(300)
def test_the_page_runs_as_printed(tmp_path: Path) -> None:
    """The block of Python does what the page says."""
    need_guest()
    page = Page("docs/kernel-drivers.md")
    assert [block.language for block in page.blocks] == ["python"]
    assert_runs(page.blocks, tmp_path)


def test_commands_are_understood() -> None:
    """Each command of the page is one that pagetrap takes, and each file it names is there."""
    from mmio.commands.main import parser

    text = (TOP / "docs/kernel-drivers.md").read_text()
    commands = re.findall(r"^\$ pagetrap (.*)$", text, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        words = [word.strip("'") for word in command.split()]
        options, left = parser().parse_known_args(words)
        assert left == []
        for argument in getattr(options, "device", []):
            assert (TOP / argument.file).exists()
