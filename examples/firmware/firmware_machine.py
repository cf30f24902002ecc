"""The firmware on a board whose peripherals fail: generated commands, at a serial line that may have died.

    python -m pytest examples/firmware/firmware_machine.py

FIRMWARE_FLAGS=-DBUG_NO_TIMEOUT plants a mistake, which it finds.
"""

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from board import build, make_board
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from mmio.models import Eeprom24C, Stm32Usart
from mmio.strategies import DriverMachine, fault_schedules

TEMPORARY = tempfile.TemporaryDirectory()  # removed with this module
DIRECTORY = Path(TEMPORARY.name)
BUILT = build(DIRECTORY, *os.environ.get("FIRMWARE_FLAGS", "").split())
NUMBERS = itertools.count()


class FirmwareMachine(DriverMachine):
    """Each command comes to an end, whatever the serial line does."""

    schedules = fault_schedules(Stm32Usart, name="USART2", fields=("TXE", "TC"), effects=("stuck",))
    guarded = ("USART2",)
    max_polls = 100_000

    def connect(self) -> Any:
        return self.enter(make_board(eeprom=Eeprom24C(32768)))

    def start(self) -> None:
        # A process loads a library once, so each run has a copy.
        library = shutil.copy(BUILT, DIRECTORY / f"run{next(NUMBERS)}.so")
        self.firmware = self.target.load(library)
        self.firmware.app_init()

    @rule(command=st.sampled_from([b"show", b"name x", b"blink 20", b"save", b"?"]))
    def command(self, command: bytes) -> None:
        """Type a command, and let the firmware do it."""
        self.target.USART2.receive(command + b"\n")
        while self.firmware.app_poll():
            pass


FirmwareMachine.TestCase.settings = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=20,
    stateful_step_count=3,
    phases=(Phase.generate, Phase.target, Phase.shrink),
)
TestFirmware = FirmwareMachine.TestCase
