"""The driver of the network card against a card whose events come late: generated frames, in both directions.

    python -m pytest examples/nic/nic_machine.py

NIC_FLAGS=-DBUG_CLEARS_UNSEEN plants a mistake, which it finds.
"""

import os
import tempfile
from pathlib import Path

from card import Card
from driver import Driver, build, load
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from mmio.strategies import DriverMachine, fault_schedules

TEMPORARY = tempfile.TemporaryDirectory()  # removed with this module
LIBRARY = load(build(Path(TEMPORARY.name), *os.environ.get("NIC_FLAGS", "").split()))
LONG = bytes(300)  # a frame that takes a descriptor
LATE = 3  # reads of a register after which the card shows what has happened


class NicMachine(DriverMachine):
    """Every frame arrives, and every descriptor comes back."""

    schedules = fault_schedules(Card, effects=("late",), registers=("INTR",), late=LATE)

    def make_device(self) -> Card:
        return Card()

    def start(self) -> None:
        self.driver = Driver(LIBRARY, self.target)
        self.driver.up()

    def stop(self) -> None:
        self.driver.close()

    @rule(count=st.integers(1, 10), answered=st.booleans())
    def exchange(self, count: int, answered: bool) -> None:
        """Send frames; perhaps each is answered; poll for as long as something may be late."""
        for _ in range(count):
            self.driver.send(LONG)
            assert self.device.sent.pop() == LONG
            if answered:
                self.device.receive(b"hello")
                assert self.driver.poll() == b"hello"
            for _ in range(LATE + 1):
                assert self.driver.poll() == b""


NicMachine.TestCase.settings = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    stateful_step_count=10,
    phases=(Phase.generate, Phase.target, Phase.shrink),
)
TestNic = NicMachine.TestCase
