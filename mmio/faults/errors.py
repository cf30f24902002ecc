"""Errors of faults: in what is asked for, and those that a fault makes of an access."""

from mmio.errors import AccessError, MmioError
from mmio.live.memory import BeyondEnd


class FaultError(MmioError, ValueError):
    """A fault that cannot be: a line that is no fault, or a register, field, line or clock that is not there."""


class FaultWarning(UserWarning):
    """A fault has never had an effect, so the test that asked for it has tested nothing."""


class BusError(AccessError):
    """The bus has answered an access with an error, because a fault says so."""


class BusFault(BeyondEnd):
    """The bus error that the program gets as its SIGBUS, because a fault says so."""
