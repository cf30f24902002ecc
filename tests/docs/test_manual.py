"""docs/pagetrap.1 and docs/command-line.md are what the parsers say; transcripts are run with those of all pages."""

import re
import shutil
import subprocess

import pytest

from mmio.commands.main import parser
from mmio.commands.parser import subcommands
from tests.docs.manual import MANUAL, PAGE, manual, with_references
from tests.needs import need

TEXT = PAGE.read_text()
LINTERS = {
    "groff": ("groff -z -ww -man", "groff (apt-get install groff-base)"),
    "mandoc": ("mandoc -T lint", "mandoc (apt-get install mandoc)"),
    "man": ("man --warnings --local-file", "man (apt-get install man-db)"),
}


def test_the_manual_page_is_up_to_date() -> None:
    """docs/pagetrap.1 is made from the parsers; run `python -m tests.docs.manual` when this fails."""
    assert MANUAL.read_text() == manual()


def test_the_reference_is_up_to_date() -> None:
    """So is the reference in docs/command-line.md."""
    assert with_references(TEXT) == TEXT


def test_every_command_has_a_chapter_and_a_reference() -> None:
    """No command is left out of the page, and each has a transcript."""
    for name in subcommands(parser()):
        (chapter,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
        assert f"<!-- reference: {name} -->" in chapter
        assert f"$ pagetrap {name}" in chapter or f"| pagetrap {name}" in chapter


@pytest.mark.parametrize("program", LINTERS)
def test_the_manual_page_is_clean(program: str) -> None:
    """No program that formats the page has anything to say about it."""
    command, package = LINTERS[program]
    need(shutil.which(program), package)
    done = subprocess.run([*command.split(), MANUAL], capture_output=True, text=True, check=False)
    said = done.stdout if program == "mandoc" else ""
    assert (done.returncode, said, done.stderr) == (0, "", "")
