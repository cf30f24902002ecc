"""Errors between an instruction and a device.

An error about an access is raised where the fault lies (deep in a device that knows no instruction pointer,
or in the route that knows no register) and travels through the initiator, which knows the rest. So the
message is put together when it is read, from `problem` and `where`.
"""

from attrs import frozen

from decode import Instruction, PagetrapError
from mmio.records.region import RecordedRegion


@frozen
class Where:
    """The access an error is about: which instruction touched what.

    `verb` is "read", "write" or "update"; `ip` is 0 and `instruction` None where the caller did not say.
    """

    verb: str
    space: str
    address: int
    width: int
    ip: int
    instruction: Instruction | None
    region: RecordedRegion

    @property
    def offset(self) -> int:
        """Bytes from the start of the region."""
        return self.address - self.region.start

    def __str__(self) -> str:
        place = "port" if self.space == "port" else "address"
        text = f"{self.verb} of {self.width} byte{'s'[: self.width != 1]} at {place} {self.address:#x}"
        if not self.region.is_background:
            text += f", {self.region.name!r} offset {self.offset:#x}"
            register = self.region.name_at(self.offset, self.width)
            if register:
                text += f" ({register})"
        if self.ip or self.instruction:
            text += f", ip {self.ip:#x}"
        if self.instruction is not None:
            text += f": {self.instruction.format(ip=self.ip)}"
        return text


class MmioError(PagetrapError):
    """Base class of every error of `mmio`."""


class MappingError(MmioError, ValueError):
    """A region cannot be mapped or unmapped."""


class ClosedMapping(MmioError, ValueError):
    """A mapping was used after it was closed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the mapping of {name!r} is closed: no device answers there; use it within its `with` statement"
        )


class DefinitionError(MmioError, TypeError):
    """The declaration of a device class is invalid. Raised when the class is created."""


class AccessError(MmioError):
    """An access that could not be performed.

    `problem` says what was expected and what came, `where` which access it was (None outside of an
    initiator).
    """

    def __init__(self, problem: str, where: Where | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where

    def __str__(self) -> str:
        return self.problem if self.where is None else f"{self.problem}; {self.where}"


class DeviceError(AccessError):
    """A device model answered a read with something other than an unsigned int of the access's width."""


class PolicyError(AccessError):
    """The mapping's policy forbids an access of this width or alignment."""


class UnmappedAccess(AccessError):
    """No device answers at the access's address, port or offset."""


class NoRegister(UnmappedAccess):
    """A device has no register at some byte of an access. Raised before the access has any effect.

    A mapping with `unmapped="ones"` or `"zeros"` answers for the missing bytes instead.

    Args:
        device: the device.
        offset: of the access in it.
        width: of the access in bytes.
    """

    def __init__(self, device: object, offset: int, width: int) -> None:
        super().__init__(f"{type(device).__name__} has no register at offset {offset:#x}, width {width}")
        self.device = device
