"""Signal actions in the layout of rt_sigaction(2), and how those of a traced program are set in the kernel.

No handler may run with SIGSEGV blocked, see `signal_handlers.py`: the bit is taken out of each mask, and the handler
for SIGSEGV itself has SA_NODEFER.
"""

import struct
from signal import SIGSEGV
from typing import Final

from attrs import frozen

SIGNAL_CALLS: Final = ("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn")
"""The calls by which the tracer knows what a thread believes to be blocked."""
BIT: Final = 1 << SIGSEGV - 1
"""SIGSEGV in a signal mask."""
MASK_SIZE: Final = 8
LAYOUTS: Final = {64: struct.Struct("<4Q"), 32: struct.Struct("<3IQ")}
"""struct kernel_sigaction: handler, flags, restorer, mask."""
OWN: Final = 1
"""SIG_IGN; a handler up to that is none of the program's."""
_NODEFER: Final = 0x40000000
_RESETHAND: Final = 0x80000000


@frozen
class Action:
    """Action for a signal, as a traced program has set it, as far as the tracer must know.

    Attributes:
        handled: it has a handler.
        masks: SIGSEGV is blocked while the handler runs, by the action's mask. The kernel does not know.
        defers: so it is because it is the handler for SIGSEGV. The kernel does not know.
        once: the handler is called once (SA_RESETHAND).
    """

    handled: bool = False
    masks: bool = False
    defers: bool = False
    once: bool = False


NONE: Final = Action()


def changed(number: int, action: bytes, bits: int = 64) -> tuple[bytes, Action]:
    """Return the action for a signal that the kernel is told, and what the program has said.

    Args:
        number: the signal.
        action: a struct kernel_sigaction.
        bits: 64 or 32, the size of its fields.
    """
    layout = LAYOUTS[bits]
    handler, flags, restorer, mask = layout.unpack(action)
    if handler <= OWN:
        return action, NONE
    masks, defers = bool(mask & BIT), number == SIGSEGV and not flags & _NODEFER
    told = layout.pack(handler, flags | _NODEFER * defers, restorer, mask & ~BIT)
    return told, Action(True, masks, defers, bool(flags & _RESETHAND))


def shown(action: bytes, said: Action, bits: int = 64) -> bytes:
    """Return an action of the kernel's as the program has said it."""
    layout = LAYOUTS[bits]
    handler, flags, restorer, mask = layout.unpack(action)
    return layout.pack(handler, flags & ~(_NODEFER * said.defers), restorer, mask | BIT * said.masks)
