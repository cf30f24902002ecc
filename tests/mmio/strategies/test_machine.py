"""The state machine, around drivers in C with mistakes."""

import re
import subprocess
import sys
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from mmio import faults
from mmio.strategies import DriverError, DriverMachine, fault_schedules
from tests.mmio.faults.card import Card
from tests.native import compile_c, run_python

SOURCE = """
#include <stdint.h>
int start(volatile uint32_t *card, int limit)
{
    card[0] = 0x101 | EXTRA;
    for (int polls = 0; limit < 0 || polls < limit; polls++)
        if (card[1] & 1)
            return 0;
    return -1;
}
void touch(volatile uint32_t *card) { card[0] = 0x100; }
"""
QUICK = settings(
    deadline=None, derandomize=True, database=None, max_examples=40, phases=(Phase.generate, Phase.target, Phase.shrink)
)


def load(directory: Path, extra: str = "0") -> CDLL:
    library = compile_c(SOURCE, directory, f"-DEXTRA={extra}")
    library.start.argtypes = c_void_p, c_int
    library.touch.argtypes = (c_void_p,)
    return library


class CardMachine(DriverMachine):
    """A driver that is started, and perhaps closed; `library` and `limit` are set by each test."""

    schedules = fault_schedules(Card, registers=["STAT"], effects=["stuck", "late"], fields=["RDY"])
    max_polls = 500
    library: CDLL
    limit = 100
    closes = False

    def make_device(self) -> Card:
        return Card()

    @rule()
    def start_card(self) -> None:
        if not self._visitors[0].closed:
            self.library.start(self.target, self.limit)

    @rule(again=st.booleans())
    def finish(self, again: bool) -> None:
        if not self.closes:
            return
        self.driver_closed()
        if again:
            self.library.touch(self.target)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    def make(extra: str = "0", **attributes: Any) -> type[CardMachine]:
        return type("CardMachine", (CardMachine,), {"library": load(tmp_path, extra), **attributes})

    return make


def failing(machine: type[RuleBasedStateMachine], error: type[BaseException]) -> tuple[str, str]:
    """Run a machine that must fail; return the message, and the test that is printed."""
    with pytest.raises(error) as caught:
        run_state_machine_as_test(machine, settings=QUICK)
    (note,) = (note for note in caught.value.__notes__ if "def test_found" in note)
    return str(caught.value), note[note.index("def test_found") :]


def test_a_driver_without_mistakes_passes(made: Any) -> None:
    """Whatever is late or stuck."""
    run_state_machine_as_test(made(), settings=QUICK)


def test_a_poll_without_an_end_is_found(made: Any) -> None:
    """The shortest schedule is one fault, and the shortest run one call."""
    told, printed = failing(made(limit=-1), DriverError)
    assert re.match(r"the driver has read STAT 501 times in one call, always 0x0: a poll must have an end", told)
    assert printed.split("\n") == [
        "def test_found():",
        "    state = CardMachine()",
        "    state.begin(schedule=mmio.faults.parse('STAT stuck RDY=0'))",
        "    state.start_card()",
        "    state.teardown()",
        "",
    ]


def test_the_printed_test_fails_in_the_same_way(made: Any) -> None:
    """Pasted into a file, it is a test without hypothesis."""
    machine = made(limit=-1)
    _, printed = failing(machine, DriverError)
    steps = [line.strip() for line in printed.split("\n")[2:-1]]
    schedule = re.search(r"parse\('(.*)'\)", steps[0])
    assert schedule is not None
    state = machine()
    state.begin(schedule=faults.parse(schedule[1]))
    with pytest.raises(DriverError, match="STAT 501 times"):
        state.start_card()
    state.teardown()


def test_a_write_of_reserved_bits_is_found(made: Any) -> None:
    """Without any fault, which is the shortest schedule."""
    told, printed = failing(made(extra="0x8000"), DriverError)
    assert told == "a write of 0x8101 to CTRL changes reserved bits 0x8000 of CTRL, which are 0x0 after reset"
    assert "faults.parse())" in printed


def test_a_touch_after_the_driver_has_been_closed_is_found(made: Any) -> None:
    """By name and direction."""
    told, printed = failing(made(closes=True), DriverError)
    assert told == "a write of CTRL after the driver has been closed"
    assert "    state.finish(again=True)" in printed


def test_a_user_invariant_is_in_the_printed_test() -> None:
    """Model and driver may be Python."""

    class Odd(DriverMachine):
        def make_device(self) -> Card:
            return Card()

        @rule(value=st.integers(0, 1))
        def put(self, value: int) -> None:
            self.device.stat.ERR = value
            assert not self.device.stat.ERR

    _, printed = failing(Odd, AssertionError)
    assert "    state.put(value=1)" in printed


def test_a_failing_start_is_the_runs_failure() -> None:
    """Nothing of it is left mapped."""
    mappings = []

    class Bad(DriverMachine):
        def make_device(self) -> Card:
            return Card()

        def start(self) -> None:
            mappings.append(self.target)
            raise OSError("no")

        @rule()
        def nothing(self) -> None: ...

    failing(Bad, OSError)
    assert all(mapping.closed for mapping in mappings)


def test_the_driver_is_stopped_at_the_end_of_a_good_run(made: Any) -> None:
    """Once, and not when it has been closed."""
    stopped = []
    machine = made(stop=lambda self: stopped.append(self._visitors[0].closed), closes=True)
    state = machine()
    state.begin(schedule=faults.parse())
    state.teardown()
    state = machine()
    state.begin(schedule=faults.parse())
    state.finish(again=False)
    state.teardown()
    assert stopped == [False]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"schedules": 3}, "Wrong.schedules is a strategy, as fault_schedules"),
        ({"max_polls": 0}, "Wrong.max_polls is an int, from 1 up, not 0"),
        ({"max_polls": "many"}, "Wrong.max_polls is an int, not 'many'"),
    ],
)
def test_wrong_attributes_are_refused_when_the_class_is_made(attributes: dict[str, object], told: str) -> None:
    """By name."""
    with pytest.raises((TypeError, ValueError), match=told):
        type("Wrong", (DriverMachine,), attributes)


def test_a_machine_needs_a_model() -> None:
    """It says so."""

    class Without(DriverMachine):
        @rule()
        def nothing(self) -> None: ...

    state: Any = Without()
    with pytest.raises(NotImplementedError, match=r"Without has no make_device\(\), which returns the model"):
        state.begin(schedule=faults.parse())


def test_polls_that_see_something_move_are_no_endless_ones() -> None:
    """Reading a FIFO is none, nor are many calls that read a little each."""

    class Fifo(DriverMachine):
        max_polls = 10

        def make_device(self) -> Card:
            return Card()

        @rule()
        def drain(self) -> None:
            self.device.queue = [1, 2] * 50
            for _ in range(100):
                self.target.space.read(self.target.address + 8, 4)
            for _ in range(8):
                self.target.space.read(self.target.address + 4, 4)

    run_state_machine_as_test(Fifo, settings=QUICK)


def test_hypothesis_is_needed_and_named() -> None:
    """Only where it is used: mmio and mmio.faults load without."""
    done: subprocess.CompletedProcess[str] = run_python("""if True:
        import sys
        sys.modules["hypothesis"] = None
        import mmio, mmio.faults, mmio.strategies
        mmio.faults.parse("SR stuck A=1")
        try:
            mmio.strategies.fault_schedules
        except ImportError as error:
            print(error)
    """)
    assert done.stdout == "mmio.strategies needs hypothesis: pip install 'pagetrap[hypothesis]'\n", done.stderr
    assert sys.modules.get("hypothesis") is not None
