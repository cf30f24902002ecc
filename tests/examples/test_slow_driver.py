"""Mistakes of a driver that cost time only: a data frame finds each, and nothing in the driver as it is."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import plain
from tests.examples.command import EXAMPLES, environment
from tests.needs import need

FOLDER = EXAMPLES / "slow_driver"
README = (FOLDER / "README.md").read_text()
BUGS = re.findall(r"^\| `(BUG_\w+)` \|", README, re.MULTILINE)
PAGE = (EXAMPLES.parent / "docs" / "faults.md").read_text()


def run(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python on the example."""
    compiler = os.environ.get("CC", "cc")
    need(shutil.which(compiler), f"a C compiler, {compiler} (apt-get install gcc libc6-dev)")
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=FOLDER,
        env=plain(environment()) | variables,
        check=False,
        timeout=110,
    )


def test_the_demo_prints_what_its_page_shows() -> None:
    """Each mistake is found, the driver as it is has none, and all counts are those of the page."""
    ran = run("findings.py")
    shown = README.partition("findings.py\n")[2].partition("```")[0]
    assert (ran.stdout, ran.stderr) == (shown, "")


@pytest.mark.parametrize("bug", ["", *BUGS])
def test_only_the_data_frame_finds_it(tmp_path: Path, bug: str) -> None:
    """What the driver returns is right with each mistake. The test of the trace fails with each, and only then."""
    flags = f"-D{bug}" if bug else "-Werror"
    options = "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tests'}"
    ran = run("-m", "pytest", *options, "test_engine.py", ENGINE_FLAGS=flags)
    failed = re.findall(r"^FAILED test_engine\.py::(\w+)", ran.stdout, re.MULTILINE)
    assert failed == (["test_no_time_is_lost"] if bug else []), ran.stdout + ran.stderr
    assert f"{2 - len(failed)} passed" in ran.stdout


def test_every_mistake_is_in_the_tables() -> None:
    """Those of the source, of the example's page and of docs/faults.md are the same; the lines are counted."""
    planted = set(re.findall(r"\bBUG_\w+", (FOLDER / "engine.c").read_text())) - {"BUG_"}
    rows = re.findall(r"^\| .+ \(`(BUG_\w+)`\) \| .+ \| `(\w+)`: .+ \| (\d+) \|$", PAGE, re.MULTILINE)
    assert planted == set(BUGS) == {bug for bug, _, _ in rows}
    source = (FOLDER / "findings.py").read_text().splitlines()
    bodies = {
        node.name: source[node.body[1].lineno - 1 : node.end_lineno]  # without the docstring
        for node in ast.parse("\n".join(source)).body
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: len(bodies[name]) for _, name, _ in rows} == {name: int(lines) for _, name, lines in rows}
