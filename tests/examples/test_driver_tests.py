"""The drivers' own tests in the examples: they pass, and each finds a bug that is planted in the driver."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import need

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a folder's tests as a user does, on a CI server."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", *arguments]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"CI": "true"}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Copy an example, so that a bug can be planted in it."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param))


@pytest.mark.parametrize("copy", ["nic", "uart16550"], indirect=True)
def test_the_drivers_pass(copy: Path) -> None:
    """The drivers are as their golden traces, and no golden file is left over."""
    done = run(copy)
    assert done.returncode == 0, done.stdout
    assert "golden" not in done.stdout


@pytest.mark.parametrize(
    ("copy", "source", "right", "wrong", "told"),
    [
        (  # the interrupts of frames that have come before the link was up are lost
            "nic",
            "nic.c",
            "writel(NIC_INTR_LINK, nic->bar + NIC_INTR);",
            "writel(NIC_INTR_TX | NIC_INTR_RX | NIC_INTR_LINK, nic->bar + NIC_INTR);",
            "is W4 INTR=0x7, which must not come: never W INTR.RX=1",
        ),
        (  # the driver takes the card for up while the link is not
            "nic",
            "nic.c",
            "nic_wait(nic, NIC_STATUS, NIC_STATUS_LINK, NIC_STATUS_LINK)",
            "nic_wait(nic, NIC_STATUS, 0, 0)",
            "is W4 INTR=0x4; expected R4 STATUS.LINK=0 * or R4 STATUS.LINK=1",
        ),
        ("nic", "nic.c", "writew(NIC_RING, nic->bar + NIC_RX_COUNT);", ";", "- W2 nic.RX_COUNT=0x8"),
        (  # what was in the FIFOs before is taken for an answer
            "uart16550",
            "uart16550.c",
            "FCR_ENABLE | FCR_RESET | FCR_TRIGGER_8",
            "FCR_ENABLE | FCR_TRIGGER_8",
            "expected W1 FCR=0x6/0x6",
        ),
        (  # the divisor's high byte goes into IER
            "uart16550",
            "uart16550.c",
            "uart_out(uart, UART_DLM, divisor >> 8);\n\tuart_out(uart, UART_LCR, LCR_8N1);",
            "uart_out(uart, UART_LCR, LCR_8N1);\n\tuart_out(uart, UART_DLM, divisor >> 8);",
            "- W1 uart.DLM=0x0",
        ),
    ],
    indirect=["copy"],
)
def test_a_planted_bug_is_found(copy: Path, source: str, right: str, wrong: str, told: str) -> None:
    """The failure shows the access that is wrong, in a test of its own words or against the golden trace."""
    text = (copy / source).read_text()
    assert text.count(right) == 1
    (copy / source).write_text(text.replace(right, wrong))
    done = run(copy)
    assert done.returncode == 1, done.stdout
    assert told in done.stdout
