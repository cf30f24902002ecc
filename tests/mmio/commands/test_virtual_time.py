"""`pagetrap run` with --virtual-time and --clock, as a user types it."""

from pathlib import Path

import pytest

from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import program

MODEL = """
from mmio import Device, ms, register


class Card(Device):
    ctrl = register(0x00)
    stat = register(0x04)

    @ctrl.written
    def _start(self, old, new):
        self.clock.after(ms(new), self._done)

    def _done(self):
        self.stat.value = 1
"""
SPIN = """int main(int argc, char **argv) {
    volatile uint32_t *card = map("/dev/card", PROT_READ | PROT_WRITE);
    uint32_t polls = 0;
    card[0] = 1;
    while (!card[1]) polls++;
    printf("%u", polls);
    return 0; }"""


@pytest.mark.parametrize(
    ("options", "polls"),
    [
        (("--clock", "access:100us"), "9"),
        (("--clock", "poll:250us"), "5"),
        (("--virtual-time", "--clock", "access:500us"), "1"),
        (("--virtual-time",), "999"),
    ],
)
@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_policy_moves_the_models_clock(tmp_path: Path, engine: str, options: tuple[str, ...], polls: str) -> None:
    """A driver that spins finds the answer after as many reads as the policy says, the same in each engine."""
    (tmp_path / "card.py").write_text(MODEL)
    device = ("--device", "card.py:Card@/dev/card:0x0+0x1000")
    ran = pagetrap(tmp_path, "run", "-q", "--engine", engine, *options, *device, "--", program(SPIN))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, polls, "")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("run", "--clock", "fast", "--", "true"), "argument --clock: there is no time policy 'fast'; expected one of"),
        (("run", "--clock", "access:-1ns", "--", "true"), "expected a duration above 0 with its unit"),
        (("run", "--virtual-time", "--", "true"), "nothing answers: name a model with --device"),
        (("attach", "--virtual-time", "-p", "1"), "there is no option --virtual-time"),
        (("trace", "--virtual-time", "--map", "*", "--", "true"), "there is no option --virtual-time"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    """A policy that is none, and virtual time where there are no models."""
    ran = pagetrap(tmp_path, *arguments)
    assert ran.returncode == 2
    assert problem in ran.stderr


def test_a_program_that_makes_processes_is_told_the_other_engine(tmp_path: Path) -> None:
    """In this process a program with virtual time can have no children: one message says what to use."""
    (tmp_path / "card.py").write_text(MODEL)
    options = ("--engine=inprocess", "--virtual-time", "--device", "card.py:Card@/dev/card")
    ran = pagetrap(tmp_path, "run", "-q", *options, "--", program("int main(void) { return fork() < 0; }"))
    assert ran.returncode == 125
    assert ran.stderr.count("\n") <= 2
    assert "makes a process, which cannot have virtual time here: use --engine=ptrace" in ran.stderr
