"""`pagetrap run --svd`: a program on the chip that it is for."""

from pathlib import Path

import pytest

from tests.mmio.boards.conftest import CHIP
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import program

SOURCE = r"""
#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
int main(int argc, char **argv) {
    REG(0x4001140c) = 1 << 13;
    printf("%x %x %x %x\n", REG(0x4001140c), REG(0x40011000), REG(0x40020100), REG(0xE000ED00));
    fflush(stdout);
    if (argc > 1) REG(0x40011900) = 1;
    return 0;
}
"""
MODEL = """
from mmio import Device, register
class Uart(Device):
    control = register(0xC, reset=7)
    @control.written
    def _set(self, old, new):
        self.control.value = new + 1
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "chip.svd").write_text(CHIP)
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_program_on_its_chip(directory: Path, engine: str) -> None:
    """Each peripheral and the core's own answer at their addresses; a model takes the place of one."""
    chip = ("run", f"--engine={engine}", "--live", "--svd", "chip.svd")
    plain = pagetrap(directory, *chip, "--", str(program(SOURCE)))
    assert (plain.returncode, plain.stdout) == (0, "2000 c0 1234 410fc241\n")
    seen = [line.split()[5] for line in plain.stderr.splitlines()[:5]]
    assert sorted(seen) == ["SCB.CPUID", "TIMER.FAR", "USART1.SR", "USART2.CR1", "USART2.CR1"]
    modelled = pagetrap(directory, *chip, "--device", "model.py:Uart@USART2", "--", str(program(SOURCE)))
    assert (modelled.returncode, modelled.stdout) == (0, "2001 c0 1234 410fc241\n")
    assert "USART2.CONTROL" in modelled.stderr


def test_between_the_peripherals(directory: Path) -> None:
    """There is nothing, and the program's own fault, as without pagetrap."""
    done = pagetrap(directory, "run", "-q", "--svd", "chip.svd", "--", str(program(SOURCE)), "more")
    assert done.returncode == -11


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--svd", "chp.svd"), 125, "chp.svd: cannot be read"),
        (("--svd", "model.py"), 125, "not XML"),
        (
            ("--svd", "chip.svd", "--device", "model.py:Uart@USRT2"),
            2,
            "chip.svd has no peripheral 'USRT2'; did you mean",
        ),
        ((), 2, "nothing answers: name a model with --device FILE.py:CLASS@WHERE, or a chip with --svd FILE"),
    ],
)
def test_what_is_no_chip(directory: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    """Each says what is wrong, before the program begins."""
    done = pagetrap(directory, "run", *arguments, "--", "/bin/true")
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
