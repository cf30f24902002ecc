"""Find the buffers of a system call by its signature.

This is the interpreter of `mmio/linux/syscall_signatures.py`.
"""

from typing import Final

from decode import READ
from mmio.linux.syscall_notation import argument
from mmio.linux.syscall_table import SIGNATURES, Signature
from mmio.linux.syscall_variants import SEND_RECEIVE, SOCKETCALLS, VARIANTS
from mmio.live.memory import Unreachable
from mmio.program.syscall_pointers import Buffer, Pointer, Reader, Values, described
from mmio.program.syscall_rules import RULES
from mmio.program.thread import Call

_NO_POINTERS: Final[Signature] = ()
_MOST_ARGUMENTS: Final = 6


def buffers(name: str, call: Call, reader: Reader) -> dict[int, Buffer]:
    """Return the buffers of a call, by the argument that points there.

    One whose structure is not all there is left out: the kernel comes as far, and says so.
    """
    return _found(signature(name, call.arguments, call.bits), Values(call.arguments, call.bits, reader))


def signature(name: str, arguments: tuple[int, ...], bits: int) -> Signature:
    """Return what the arguments of a call are, as far as one is a pointer, of these values."""
    found = SIGNATURES[bits].get(name, _NO_POINTERS)
    if not found or found[0] is None or found[0].text != "variant":
        return found
    where, shift, by_value = VARIANTS[name]
    text = by_value.get((arguments[where] & 0xFFFFFFFF) >> shift, "")
    return tuple(map(argument, text.split()))


def _found(parts: Signature, values: Values) -> dict[int, Buffer]:
    found = {}
    for index, part in enumerate(parts):
        if part is None or not values.arguments[index]:
            continue
        try:
            if part.kind != "rule":
                buffer = described(part, index, values)
            elif part.text == "socketcall":
                buffer = _socketcall(values, index)
            else:
                buffer = RULES[part.text](values, index)
        except Unreachable:
            continue
        if buffer is not None:
            found[index] = buffer
    return found


def _socketcall(values: Values, index: int) -> Buffer | None:
    """Return the arguments of a socket call, an array of longs, with the pointers among them."""
    name = SOCKETCALLS.get(values.number(0))
    if name is None:
        return None
    text = SEND_RECEIVE.get(name)
    parts = SIGNATURES[values.bits][name] if text is None else tuple(map(argument, text.split()))
    address, word = values.arguments[index], values.word
    data = b""
    while len(data) < _MOST_ARGUMENTS * word:  # as many as there are: the kernel reads no more than it needs
        try:
            data += values.reader.read(address + len(data), word)
        except Unreachable:
            break
    words = [int.from_bytes(data[at : at + word], "little") for at in range(0, len(data), word)]
    words += [0] * (_MOST_ARGUMENTS - len(words))
    inner = _found(parts, Values(tuple(words), values.bits, values.reader))
    pointers = tuple(Pointer(word * number, word, buffer) for number, buffer in inner.items())
    return Buffer(address, len(data), READ, contents=data, pointers=pointers)
