"""The example of a driver without a timeout, as a user runs it."""

import shutil
import subprocess
import sys

from tests.native import ROOT
from tests.needs import need

HERE = ROOT / "examples" / "timeout"


def test_the_demo_prints_what_its_page_shows() -> None:
    """The missing timeout is found, the other one is seen to work, and all times are those of the page."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    command = [sys.executable, str(HERE / "timeout_demo.py")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT)
    shown = (HERE / "README.md").read_text().partition("timeout_demo.py\n")[2].partition("```")[0]
    assert (ran.stdout, ran.stderr) == (shown, "")
