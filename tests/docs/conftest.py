"""What several tests of the pages share."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents import TOP
from tests.needs import need


@pytest.fixture(scope="session")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual's folder, built with warnings as errors."""
    need(all(map(find_spec, ("sphinx", "myst_parser", "furo"))), "Sphinx (pip install 'pagetrap[docs]')")
    out = tmp_path_factory.mktemp("manual")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-c", "docs", "."]
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    done = subprocess.run([*command, str(out)], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return out
