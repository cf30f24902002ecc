"""The README keeps its promises: its examples run as printed, its tables stand in the pages they were copied from."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n(?:\n```\n(.*?)```\n)?", README, re.DOTALL)
TABLES = re.findall(r"<!-- from (\S+) -->\n((?:\|.*\n)+)", README)


@pytest.mark.parametrize(("source", "output"), EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_an_example_prints_what_stands_below_it(source: str, output: str) -> None:
    """Each example is a whole program and prints what the README shows below it (… stands for anything)."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=TOP, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = [re.escape(part.strip()) for part in re.split("…", output)]
    assert re.fullmatch(".*".join(shown), done.stdout.strip(), re.DOTALL), done.stdout


def test_there_are_examples_and_tables() -> None:
    """The patterns above still find something."""
    assert len(EXAMPLES) >= 3
    assert all(output for _, output in EXAMPLES)
    assert len(TABLES) >= 2


@pytest.mark.parametrize(("page", "table"), TABLES, ids=[page for page, _ in TABLES])
def test_a_table_is_copied_from_where_it_says(page: str, table: str) -> None:
    """Every row of a table stands in the generated page it names."""
    assert set(table.splitlines()) <= set((TOP / page).read_text().splitlines())


def test_every_link_leads_somewhere() -> None:
    """Relative links name files of the repository."""
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (TOP / link).exists()] == []
