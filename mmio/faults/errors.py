"""Errors of faults: invalid faults, and the errors that faults raise at an access."""

from mmio.errors import AccessError, MmioError
from mmio.live.memory import BeyondEnd


class FaultError(MmioError, ValueError):
    """A fault is invalid: its text, or a register, field, line or clock in it that does not exist."""


class FaultWarning(UserWarning):
    """A fault has never had an effect, so the test that asked for it has tested nothing."""


class BusError(AccessError):
    """A bus error of an access, injected by a fault."""


class BusFault(BeyondEnd):
    """A bus error injected by a fault; the program gets it as SIGBUS."""
