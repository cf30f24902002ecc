"""The manual: what `make docs` builds."""

import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.needs import need

TOP = Path(__file__).parents[2]
# Built once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("manual")


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual's folder, built with warnings as errors."""
    need(all(map(find_spec, ("sphinx", "myst_parser", "furo"))), "Sphinx (pip install 'pagetrap[docs]')")
    out = tmp_path_factory.mktemp("manual")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs", "."]
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    done = subprocess.run([*command, str(out)], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return out


def test_it_builds_without_a_warning(manual: Path) -> None:
    """Every link leads somewhere, every docstring reads as it should."""
    assert (manual / "index.html").exists()
    assert (manual / "docs" / "README.html").exists()


@pytest.mark.parametrize("package", ["decode", "emulate", "mmio"])
def test_every_public_name_is_explained(manual: Path, package: str) -> None:
    """The API has an entry for each name in `__all__`."""
    text = (manual / "docs" / "api" / f"{package}.html").read_text()
    entries = set(re.findall(r'<dt class="[^"]*" id="([^"]+)"', text))
    assert {f"{package}.{name}" for name in importlib.import_module(package).__all__} - entries == set()


def test_it_can_be_searched(manual: Path) -> None:
    """The search index knows the pages and the names."""
    index = (manual / "searchindex.js").read_text()
    assert '"docs/model-a-device"' in index
    assert "ioremap" in index


def test_its_order_is_that_of_the_first_page(manual: Path) -> None:
    """The side of each page lists the pages in the order of docs/README.md, under its headings."""
    written = re.findall(r"^- \[[^\]]+\]\(([^)#]+)\.md\)", (TOP / "docs" / "README.md").read_text(), re.MULTILINE)
    text = (manual / "docs" / "README.html").read_text()
    side = text[text.index('<div class="sidebar-tree">') :]
    shown = re.findall(r'class="toctree-l1"><a class="reference internal" href="([^"]+)\.html"', side)
    assert shown[: len(written)] == written
