"""Leave a driver early: propagate an exception of a device model to the Python call that entered the driver.

Between the device model and that call lie the driver's C frames, which know nothing of exceptions. They are abandoned,
as longjmp would: libgcc's unwinder walks the stack outwards from the signal's frame until it meets the address to which
libffi's calls return (one fixed address, learnt once by calling a function that reports where it returns to). The
unwinder reconstructs the registers the driver would have had to restore by then; the frame is rewritten to that state,
and the thread continues as if the driver had returned.

The interpreter then raises the exception when it looks for asynchronous ones, which is right after the call (see
`pending_exceptions.py`). The result of the call is never looked at.

Locks the driver held stay held, memory it allocated stays allocated.
"""

from array import array
from ctypes import PYFUNCTYPE, c_int, c_uint64, c_void_p, py_object, pythonapi
from functools import cache
from signal import SIGSEGV
from typing import Final, NamedTuple

from mmio.inprocess import pending_exceptions, signals
from mmio.linux.libc import address_of
from mmio.linux.trampoline import trampoline, unwinder
from mmio.live.signal_frame import RAX, RFLAGS, RIP, RSP, SLOTS, Frame, signal_mask_of

_CALLEE_SAVED: Final = {3: 3, 6: 5, 12: 12, 13: 13, 14: 14, 15: 15}
"""DWARF's numbers of rbx, rbp and r12 to r15, and their places in `SLOTS`."""

_DIRECTION_AND_ALIGNMENT: Final = 0x40400  # DF and AC, which the ABI wants clear

_GO_ON: Final = 0  # _URC_NO_REASON
_STOP: Final = 5  # _URC_END_OF_STACK

_Visit: Final = PYFUNCTYPE(c_int, c_void_p, c_void_p)

# What an abandoned call seems to return. Every prototype can digest the address of an object: as a py_object it is
# one, and as a string it is a short one (the reference count, whose upper bytes are zero).
_RESULT: Final = object()


class Landing(NamedTuple):
    """Place where a thread continues when it leaves a driver.

    Attributes:
        stack: the stack pointer after the return.
        registers: the callee-saved registers, by their index in `Frame.regs`.
        signal_mask: the signals blocked there.
    """

    stack: int
    registers: dict[int, int]
    signal_mask: int


class Unwinder:
    """libgcc's unwinder, and the addresses it meets."""

    def __init__(self) -> None:
        library = unwinder()
        self.walk = PYFUNCTYPE(c_int, _Visit, c_void_p)(("_Unwind_Backtrace", library))
        self.ip = PYFUNCTYPE(c_uint64, c_void_p)(("_Unwind_GetIP", library))
        self.stack = PYFUNCTYPE(c_uint64, c_void_p)(("_Unwind_GetCFA", library))
        self.register = PYFUNCTYPE(c_uint64, c_void_p, c_int)(("_Unwind_GetGR", library))
        self.ffi_return = trampoline().ffi_return()
        self.signal_return = signals.current(SIGSEGV).restorer
        self.interpreter = _code_around(address_of(pythonapi.PyEval_EvalCode))
        self.control_words = trampoline().control_words()


@cache
def prepared() -> Unwinder:
    """Return the unwinder of this process. To be called first while our handler is installed, and outside of it."""
    return Unwinder()


def find_call(frame: Frame) -> Landing | None:
    """Find the innermost call through ctypes around an interrupted instruction.

    None when there is no such call, or none that can be returned to: the thread was not made by Python, code without
    unwind tables lies in between, or the interpreter itself does (it touched the page while it held the GIL).
    """
    known = prepared()
    bottom = frame.regs[RSP]
    mask = frame.signal_mask.value
    found: list[Landing] = []

    def visit(context: int, _argument: int | None) -> int:
        nonlocal mask
        stack, ip = known.stack(context), known.ip(context)
        if stack <= bottom:  # the handler's own frames, and the interrupted function
            return _GO_ON
        if ip == known.ffi_return:
            registers = {SLOTS[place]: known.register(context, dwarf) for dwarf, place in _CALLEE_SAVED.items()}
            found.append(Landing(stack, registers, mask))
            return _STOP
        if ip == known.signal_return:  # the driver was itself interrupted, by a signal whose handler is left as well
            mask = signal_mask_of(stack).value
        return _STOP if any(ip in code for code in known.interpreter) else _GO_ON

    pending_exceptions.guard(visit)
    known.walk(_Visit(visit), None)
    pending_exceptions.check()
    return found[0] if found else None


def leave(frame: Frame, landing: Landing, error: BaseException) -> None:
    """Make the interrupted thread return from the call and raise `error` there, when the signal handler ends.

    What counts happens in the last line. When an exception comes before (Ctrl-C), the instruction faults again.
    """
    known = prepared()
    frame.xsave.reset(*known.control_words)
    frame.signal_mask.value = landing.signal_mask
    pythonapi.Py_IncRef(py_object(_RESULT))
    words = list(frame.regs)
    for index, value in landing.registers.items():
        words[index] = value
    words[RSP] = landing.stack
    words[RIP] = known.ffi_return
    words[RAX] = id(_RESULT)
    words[RFLAGS] &= ~_DIRECTION_AND_ALIGNMENT
    pending_exceptions.raise_on_return(words, error)
    frame.regs[:] = array("Q", words)


def _code_around(address: int) -> list[range]:
    """Return all code of the file that an address belongs to; a linker may have put it in several places."""
    executable: list[tuple[str, range]] = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            place, permissions, *_, path = line.split(maxsplit=5) if line.count("/") else (*line.split(), "")
            if "x" in permissions:
                executable.append((path, range(*(int(bound, 16) for bound in place.split("-")))))
    file = next(path for path, code in executable if address in code)
    return [code for path, code in executable if path == file]
