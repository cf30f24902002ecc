"""docs/adding-an-instruction.md shows the code as it is."""

import re
from pathlib import Path

import pytest

from mmio.commands.main import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "adding-an-instruction.md").read_text()
BLOCKS = re.findall(r"`(\S+\.py)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_python_block_names_its_file() -> None:
    """Each block of code is introduced by the file it is from."""
    assert len(BLOCKS) == TEXT.count("```python") == 3


@pytest.mark.parametrize(("file", "code"), BLOCKS)
def test_code_is_shown_as_it_is(file: str, code: str) -> None:
    """What the page shows stands in the file, word for word."""
    assert code in (ROOT / file).read_text()


def test_the_files_it_names_exist() -> None:
    """Whatever looks like a path is one."""
    paths = re.findall(r"(?:docs|emulate|tests)/[a-z_/-]+(?:\.py|\.md)", TEXT)
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_command_prints_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The decoder says of XADD what the page says it does."""
    shown = re.search(r"\$ pagetrap decode (.*?)\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    assert main(["decode", *shown[1].split()]) == 0
    assert capsys.readouterr().out == shown[2]
