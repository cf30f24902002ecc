"""Find buffers that no signature describes: structures with pointers, structures that contain their size."""

from collections.abc import Callable
from typing import Final, TypeAlias

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.linux.libc import PAGE, pages
from mmio.linux.prctl import SECCOMP_MODE_FILTER
from mmio.linux.syscall_table import ATTACH_FILTER, I2C_TRANSFER, IFCONF, SPI_MASK, SPI_TRANSFER
from mmio.program.syscall_pointers import Buffer, Pointer, Values, integer, valued, vectors

Rule: TypeAlias = Callable[[Values, int], Buffer | None]
"""`rule(values, index)` returns the buffer of the argument at an index, None when it is no pointer."""

_OLD_IOCTL: Final = 64  # bytes that the parameter of an ioctl has whose number does not tell its size, for all we know
_FILTER: Final = 8  # bytes in a struct sock_filter
_MOST_MESSAGES: Final = 42  # I2C_RDWR_IOCTL_MAX_MSGS
_LARGEST_HANDLE: Final = 128  # MAX_HANDLE_SZ
_SOCKET: Final = 1  # SOL_SOCKET
_FIRST_CAPABILITIES: Final = 0x19980330  # _LINUX_CAPABILITY_VERSION_1, of 32 bits


def _ioctl(values: Values, index: int) -> Buffer:
    request, address, word = values.number(1), values.arguments[index], values.word
    size, moved = request >> 16 & 0x3FFF, request >> 30 & 3  # asm-generic/ioctl.h; its WRITE is our READ
    if request == IFCONF:
        data = values.reader.read(address, 2 * word)
        whole = Buffer(integer(data, word, word), integer(data, 0, 4), WRITE)
        pointer = Pointer(word, word, whole, used=(0, 4))
        return Buffer(address, 2 * word, READ_WRITE, contents=data, pointers=(pointer,))
    if request == I2C_TRANSFER:
        data = values.reader.read(address, 2 * word)
        messages = _i2c_messages(integer(data, 0, word), integer(data, word, 4), values)
        return Buffer(address, 2 * word, READ, contents=data, pointers=(Pointer(0, word, messages),))
    if request & SPI_MASK == SPI_TRANSFER:
        data = values.reader.read(address, size)
        pointers = tuple(
            Pointer(at + side, 8, Buffer(integer(data, at + side, 8), integer(data, at + 16, 4), direction))
            for at in range(0, size, 32)  # struct spi_ioc_transfer
            for side, direction in ((0, READ), (8, WRITE))
        )
        return Buffer(address, size, READ, contents=data, pointers=pointers)
    if size and moved:
        return Buffer(address, size, Direction(moved))
    return Buffer(address, _OLD_IOCTL, READ_WRITE)


def _i2c_messages(address: int, count: int, values: Values) -> Buffer:
    """Return an array of struct i2c_msg: address, flags (1: a read), length, and a pointer."""
    word = values.word
    size = 8 + word
    data = values.reader.read(address, size * min(count, _MOST_MESSAGES))
    pointers = []
    for at in range(0, len(data), size):
        direction = WRITE if integer(data, at + 2, 2) & 1 else READ
        buffer = Buffer(integer(data, at + 8, word), integer(data, at + 4, 2), direction)
        pointers.append(Pointer(at + 8, word, buffer))
    return Buffer(address, len(data), READ, contents=data, pointers=tuple(pointers))


def _program(values: Values, index: int) -> Buffer | None:
    """Return a struct sock_fprog: how many instructions, and a pointer to them (linux/filter.h)."""
    return _block(values, index, at=values.word, width=2, unit=_FILTER)


def _filter_mode(values: Values, index: int) -> Buffer | None:
    return _program(values, index) if values.number(1) == SECCOMP_MODE_FILTER else None


def _masked(values: Values, index: int) -> Buffer | None:
    """Return what pselect6 and io_pgetevents have: a pointer to a signal mask, and its size."""
    return _block(values, index, at=0, width=values.word)


def _register_set(values: Values, index: int) -> Buffer | None:
    """Return a struct iovec, whose length says afterwards how much there was (ptrace(2))."""
    address, word = values.arguments[index], values.word
    data = values.reader.read(address, 2 * word)
    direction = WRITE if values.number(0) == 0x4204 else READ  # PTRACE_GETREGSET
    inner = Buffer(integer(data, 0, word), integer(data, word, word), direction)
    return Buffer(address, 2 * word, READ_WRITE, contents=data, pointers=(Pointer(0, word, inner, used=(word, word)),))


def _block(values: Values, index: int, *, at: int, width: int, unit: int = 1) -> Buffer | None:
    """Return a structure of two words: a pointer, at an offset, and a length at the other place."""
    address, word = values.arguments[index], values.word
    if not address:
        return None
    data = values.reader.read(address, 2 * word)
    inner = Buffer(integer(data, at, word), integer(data, word - at, width) * unit, READ)
    return Buffer(address, 2 * word, READ, contents=data, pointers=(Pointer(at, word, inner),))


def _setsockopt(values: Values, index: int) -> Buffer | None:
    if values.number(1) == _SOCKET and values.number(2) == ATTACH_FILTER:
        return _program(values, index)
    return Buffer(values.arguments[index], values.number(4), READ)


def _getsockopt(values: Values, index: int) -> Buffer | None:
    filters = values.number(1) == _SOCKET and values.number(2) == ATTACH_FILTER  # SO_GET_FILTER: it counts them
    return valued(4, index, values, _FILTER if filters else 1)


def _mincore(values: Values, index: int) -> Buffer:
    return Buffer(values.arguments[index], pages(values.arguments[1]) // PAGE, WRITE)


def _sized(values: Values, index: int) -> Buffer:
    """Return a structure that says its own size: struct perf_event_attr at offset 4, struct sched_attr at 0."""
    address = values.arguments[index]
    at, least = (4, 64) if index == 0 else (0, 48)
    size = values.integer(address + at, 4) if values.has(address, least) else 0
    return Buffer(address, min(size or least, PAGE), READ_WRITE)  # the kernel says there which size it knows


def _handle(values: Values, index: int) -> Buffer:
    """Return a struct file_handle: how many bytes there are after it, and its type."""
    address = values.arguments[index]
    size = values.integer(address, 4) if values.has(address, 8) else 0
    return Buffer(address, 8 + min(size, _LARGEST_HANDLE), READ_WRITE)


def _capabilities(direction: Direction) -> Rule:
    def rule(values: Values, index: int) -> Buffer | None:
        if not values.arguments[index]:
            return None
        size = 12 if values.integer(values.arguments[0], 4) == _FIRST_CAPABILITIES else 24
        return Buffer(values.arguments[index], size, direction)

    return rule


def _remote(direction: Direction) -> Rule:
    """Return the rule of memory in another process, which may be the caller itself (process_vm_readv(2))."""

    def rule(values: Values, index: int) -> Buffer | None:
        address, count = values.arguments[index : index + 2]
        own = values.number(0) in values.reader.numbers
        if own:
            return vectors(address, count, direction, values, counted=direction == WRITE)
        return Buffer(address, 2 * values.word * min(count, PAGE), READ)

    return rule


def _old_select(values: Values, index: int) -> Buffer:
    """Return a struct sel_arg_struct: five words, a number of descriptors and four pointers."""
    address = values.arguments[index]
    data = values.reader.read(address, 20)
    size = -(-min(integer(data, 0, 4), PAGE) // 32) * 4
    pointers = [Pointer(at, 4, Buffer(integer(data, at, 4), size, READ_WRITE)) for at in (4, 8, 12)]
    pointers.append(Pointer(16, 4, Buffer(integer(data, 16, 4), 8, READ_WRITE)))
    return Buffer(address, 20, READ, contents=data, pointers=tuple(pointers))


RULES: Final[dict[str, Rule]] = {
    "capabilities_in": _capabilities(READ),
    "capabilities_out": _capabilities(WRITE),
    "filter_mode": _filter_mode,
    "getsockopt": _getsockopt,
    "handle": _handle,
    "ioctl": _ioctl,
    "masked": _masked,
    "mincore": _mincore,
    "old_select": _old_select,
    "program": _program,
    "register_set": _register_set,
    "remote_read": _remote(READ),
    "remote_write": _remote(WRITE),
    "setsockopt": _setsockopt,
    "sized": _sized,
}
"""By name, as the signatures have them; `socketcall` and `variant` are the interpreter's own."""
