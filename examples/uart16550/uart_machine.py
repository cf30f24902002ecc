"""The driver of the serial port against a port with faults: generated calls, checked for what must hold always.

    python -m pytest examples/uart16550/uart_machine.py

UART_FLAGS=-DBUG_SPURIOUS_INTERRUPT plants a mistake, which it finds.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from serial_driver import Driver, build, load
from uart import Uart

from mmio import Interrupt, us
from mmio.strategies import DriverMachine, fault_schedules

TEMPORARY = tempfile.TemporaryDirectory()  # removed with this module
LIBRARY = load(build(Path(TEMPORARY.name), *os.environ.get("UART_FLAGS", "").split()))


class UartMachine(DriverMachine):
    """Bytes go out and come in, whatever interrupts there are."""

    schedules = fault_schedules(Uart, effects=("spurious",), until=us(50))

    def make_device(self) -> Uart:
        return Uart()

    def start(self) -> None:
        self.driver = Driver(LIBRARY, base=self.target)
        self.driver.open()
        self.interrupt = Interrupt(self.device.irq, self.driver.irq)

    def stop(self) -> None:
        self.driver.close()
        self.interrupt.close()

    @rule(duration=st.integers(1, 50))
    def wait(self, duration: int) -> None:
        """Pass some microseconds, in which nothing comes."""
        self.device.clock.run_for(us(duration))
        assert self.driver.read() == b""

    @rule(data=st.binary(max_size=40))
    def send(self, data: bytes) -> None:
        self.driver.write(data)
        assert self.device.sent == data
        self.device.sent.clear()

    @rule(data=st.binary(min_size=1, max_size=16))
    def receive(self, data: bytes) -> None:
        self.device.receive(data)
        assert self.driver.read() == data


UartMachine.TestCase.settings = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    stateful_step_count=10,
    phases=(Phase.generate, Phase.target, Phase.shrink),
)
TestUart = UartMachine.TestCase
