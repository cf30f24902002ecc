"""Architectural exceptions and other failures of an instruction, as Python exceptions.

A `Fault` is what the CPU itself would raise, with its vector and error code; a virtual machine hands it to its guest.
`UnsupportedInstruction` is the emulator's: the CPU could do it, this emulator does not.
"""

from typing import ClassVar

from decode import Instruction, PagetrapError


class Fault(PagetrapError):
    """An architectural exception (SDM vol. 3A, chapter 6).

    Attributes:
        reason: why it was raised, without the place.
        vector: its number, 0 for #DE … 19 for #XM.
        error_code: what the CPU pushes, None for vectors without one.
        address: the linear address for #PF and #AC and wherever one is known, else None.
        instruction: the instruction that faulted, once known.
        ip: its address, once known.
    """

    vector: ClassVar[int]
    mnemonic: ClassVar[str]

    def __init__(self, reason: str, *, error_code: int | None = None, address: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error_code = error_code
        self.address = address
        self.instruction: Instruction | None = None
        self.ip: int | None = None

    def locate(self, instruction: Instruction, ip: int) -> None:
        """Note which instruction faulted, for the message."""
        self.instruction = instruction
        self.ip = ip

    def __str__(self) -> str:
        text = f"{self.mnemonic} {self.reason}"
        if self.address is not None:
            text += f", address {self.address:#x}"
        if self.instruction is not None and self.ip is not None:
            text += f", in '{self.instruction.format(self.ip)}' at ip {self.ip:#x}"
        return text


class DivideError(Fault):
    """#DE: division by zero, or a quotient too large for its register."""

    vector = 0
    mnemonic = "#DE"


class BoundRange(Fault):
    """#BR: the index of BOUND is outside the bounds."""

    vector = 5
    mnemonic = "#BR"


class InvalidOpcode(Fault):
    """#UD: an encoding that the CPU refuses at execution."""

    vector = 6
    mnemonic = "#UD"


class StackFault(Fault):
    """#SS: a non-canonical or out-of-limit address through the stack segment."""

    vector = 12
    mnemonic = "#SS"


class GeneralProtection(Fault):
    """#GP: a non-canonical or misaligned address, a limit, a privilege."""

    vector = 13
    mnemonic = "#GP"


class PageFault(Fault):
    """#PF: no memory is mapped at the address, or it does not permit the access. Raised by a bus.

    The error code has bit 0 set when the page is present, bit 1 on a write, bit 2 in user mode (SDM vol. 3A, 4.7).
    """

    vector = 14
    mnemonic = "#PF"

    def __init__(self, address: int, *, write: bool = False, reason: str = "nothing is mapped there") -> None:
        super().__init__(reason, error_code=6 if write else 4, address=address)


class MathFault(Fault):
    """#MF: an unmasked x87 exception, raised by the next waiting x87 or MMX instruction."""

    vector = 16
    mnemonic = "#MF"


class AlignmentCheck(Fault):
    """#AC: a misaligned access while alignment checking is on."""

    vector = 17
    mnemonic = "#AC"


class SimdFault(Fault):
    """#XM: an unmasked SSE or AVX floating-point exception.

    MXCSR has been changed when this is raised: its exception bits tell what happened (SDM vol. 1, 11.5.1).

    Attributes:
        exceptions: the exception bits of MXCSR that are set and not masked.

    Args:
        mxcsr: MXCSR as it is now, for the message.
    """

    vector = 19
    mnemonic = "#XM"

    def __init__(self, exceptions: int, mxcsr: int) -> None:
        super().__init__(f"floating-point exceptions {exceptions:#x} are not masked (MXCSR {mxcsr:#x})")
        self.exceptions = exceptions


class UnsupportedInstruction(PagetrapError):
    """The emulator does not support this instruction.

    Attributes:
        instruction: which one; its `code` and `bits` are the bytes and the mode.
        reason: why, in a few words.
    """

    def __init__(self, instruction: Instruction, reason: str = "is not emulated") -> None:
        code = instruction.code.hex(" ")
        super().__init__(f"'{instruction}' {reason} (bytes {code}, {instruction.bits}-bit code)")
        self.instruction = instruction
        self.reason = reason
