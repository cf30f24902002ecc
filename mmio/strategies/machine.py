"""State machine that calls a driver, against a model with faults.

The rules are the driver's calls, and the user's. What belongs to every driver is here: the schedule of faults is drawn
first, guards check each access, and a failing run is printed as a test.
"""

import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar, TypeVar

from mmio.strategies import needed  # noqa: F401  (before what it checks for)

import hypothesis  # isort: skip
from hypothesis import strategies as st  # isort: skip
from hypothesis.stateful import RuleBasedStateMachine, initialize  # isort: skip

from mmio.arguments import integer, shortened
from mmio.faults.fault import Schedule
from mmio.faults.wrapping import inject
from mmio.inprocess import ioremap
from mmio.strategies.guards import Reserved, Visitor

T = TypeVar("T")


class DriverMachine(RuleBasedStateMachine):
    """Base of a state machine that runs a driver.

        class UartMachine(DriverMachine):
            schedules = fault_schedules(Uart)

            def make_device(self):
                return Uart()

            def start(self):
                self.driver = Driver(library, base=self.target)
                self.driver.open()

            @rule(data=st.binary(max_size=20))
            def send(self, data):
                self.driver.write(data)

        TestUart = UartMachine.TestCase

    Each run draws a schedule, calls `begin`, then rules in any order. `DriverError` comes out of the driver's call when
    it polls without an end, writes reserved bits, or touches the device after `driver_closed`. What the driver returns
    is for the rules and the invariants to check.

    Attributes:
        schedules: a strategy for schedules; without one nothing is wrong with the device.
        max_polls: reads of one register in one call, that show the same, before they are taken for endless.
        guarded: of a board, the names of the peripherals whose accesses are checked.
        device: the model of this run.
        target: the mapping, or the board, of this run.
        faulty: the devices with faults of this run.
    """

    schedules: ClassVar[Any] = None
    max_polls: ClassVar[int] = 10_000
    guarded: ClassVar[tuple[str, ...]] = ()

    device: Any = None
    target: Any = None

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        schedules = cls.schedules
        if schedules is None or isinstance(schedules, Schedule):
            schedules = st.just(schedules or Schedule())
        if not isinstance(schedules, st.SearchStrategy):
            given = f"{cls.__name__}.schedules is a strategy, as fault_schedules(Uart), not {shortened(schedules)}"
            raise TypeError(given)
        integer(f"{cls.__name__}.max_polls", cls.max_polls, least=1)

        def begin(self: DriverMachine, schedule: Schedule) -> None:
            self._begin(schedule)

        begin.__qualname__ = f"{cls.__qualname__}.begin"
        begin.__doc__ = "Make the model, put the faults in front of it, and start the driver."
        cls.begin = initialize(schedule=schedules)(begin)

    def __init__(self) -> None:
        super().__init__()
        self._ending = ExitStack()
        self._visitors: list[Visitor] = []
        self._written: list[str] = []
        self.faulty: list[Any] = []

    # What a user writes

    def make_device(self) -> Any:
        """Return the model of one run; a machine for a board overrides `connect` instead."""
        raise NotImplementedError(f"{type(self).__name__} has no make_device(), which returns the model")

    def connect(self) -> Any:
        """Return what the driver is to find: a mapping of the model, or a board; see `enter`."""
        self.device = self.make_device()
        return self.enter(ioremap(self.device))

    def start(self) -> None:
        """Start the driver: the model is mapped at `target`, with its faults."""

    def stop(self) -> None:
        """Stop the driver at the end of a run in which nothing has failed."""

    # What it may call

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Enter a `with` statement that ends with the run; return what it gives.

        Args:
            context: what follows `with`.
        """
        return self._ending.enter_context(context)

    def driver_closed(self) -> None:
        """Note that the driver has been closed: from now on it may not touch the device."""
        for visitor in self._visitors:
            visitor.closed = True

    # What hypothesis calls

    def _begin(self, schedule: Schedule) -> None:
        self.target = self.connect()
        regions = self._regions()
        space = self.target.space
        for region, names in regions:
            space.exchange(region, Reserved(region.device, names), names)
        self.faulty = self.enter(inject(self.target, schedule, warn=False))
        for region, names in regions:
            visitor = Visitor(region.device, names, self.max_polls)
            self._visitors.append(visitor)
            space.exchange(region, visitor, names)
        self.start()

    def _regions(self) -> list[tuple[Any, Any]]:
        region = getattr(self.target, "region", None)
        if region is not None:
            return [(region, region.names)]
        names = [(name, self.target[name]) for name in self.guarded]  # made now, if they have not been
        return [(self.target._mappings[name].region, device) for name, device in names]

    def check_invariants(self, settings: Any, output: Any, runtimes: Any) -> None:
        """Check the invariants after a step, and begin to count polls anew.

        Args:
            settings: hypothesis' own.
            output: prints a line.
            runtimes: hypothesis' own.
        """
        for visitor in self._visitors:
            visitor.begin_call()

        def told(line: str) -> None:
            self._written.append(line)
            output(line)

        super().check_invariants(settings, told, runtimes)

    def _repr_step(self, rule: Any, data: Any, result: Any) -> str:
        line: str = super()._repr_step(rule, data, result)  # called only for the run that is printed
        self._written.append(line)
        return line

    def teardown(self) -> None:
        """End the run: stop the driver, take the faults and the mapping away, and say how much has been covered."""
        error = sys.exc_info()[1]
        try:
            if error is None and self._visitors and not self._visitors[0].closed:
                self.stop()
        finally:
            self._ending.close()
            super().teardown()
        if error is not None:
            if self._written:
                error.add_note(self._as_test())
        elif hypothesis.currently_in_test_context():
            covered = sum(len(visitor.covered) for visitor in self._visitors)
            hypothesis.target(float(covered), label="registers, directions and field values covered")

    def _as_test(self) -> str:
        """Return the run as a test."""
        name = type(self).__name__
        steps = [step for step in self._written if step.startswith("state.")]
        lines = [f"state = {name}()", *steps, "state.teardown()"]
        body = "\n".join(f"    {line}" for whole in lines for line in whole.splitlines())
        head = "The shortest run that fails, as a test (it takes `import mmio`):"
        return f"\n{head}\n\ndef test_found():\n{body}\n"
