"""Interrupts that a driver in C waits for at a descriptor, or gets as a signal, in this process."""

import errno
import os
import select
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmio
from mmio import EventFd, SignalSender, VfioInterrupts, ioremap, uio_fd
from mmio.interrupts.vfio import (
    ACTION_MASK,
    ACTION_TRIGGER,
    ACTION_UNMASK,
    DATA_BOOL,
    DATA_EVENTFD,
    DATA_NONE,
)
from tests.mmio.interrupts.models import Card
from tests.native import compile_c

DRIVER = r"""
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/eventfd.h>

int uio_wait(int fd, volatile uint32_t *regs) {          /* what every UIO driver does */
    uint32_t count, one = 1;
    if (read(fd, &count, sizeof count) != 4) return -1;
    regs[0] = 1;                                          /* acknowledge */
    return write(fd, &one, sizeof one) == 4 ? (int)count : -2;
}
int ready(int fd) { struct pollfd p = {fd, POLLIN, 0}; return poll(&p, 1, 0); }
int events(int fd) { eventfd_t n; return ready(fd) ? (eventfd_read(fd, &n) ? -1 : (int)n) : 0; }

static volatile sig_atomic_t signals;
static void on_signal(int number) { signals++; }
int listen_for(int number) {
    struct sigaction action = {.sa_handler = on_signal};
    return sigaction(number, &action, 0);
}
int heard(void) { return signals; }
"""


@pytest.fixture
def driver(tmp_path: Path) -> Any:
    """The driver, compiled."""
    return compile_c(DRIVER, tmp_path)


def _until(condition: Callable[[], object]) -> None:
    """Wait for the thread that hears what a driver has written: it has all the time it needs."""
    while not condition():
        select.select([], [], [], 0.001)


def test_a_uio_driver_in_this_process(driver: Any) -> None:
    """A read gives the count, the interrupt is masked until the driver writes 1, and comes again if still asserted."""
    card = Card()
    with ioremap(card, 0x1000) as mapping, uio_fd(card.irq) as fd:
        assert not driver.ready(fd)
        card.happen()
        assert driver.ready(fd)
        assert fd.uio.source.masked
        assert driver.uio_wait(fd, mapping) == 1
        _until(lambda: not fd.uio.source.masked)
        assert not driver.ready(fd)
        card.happen()
        assert os.read(fd.fileno(), 4) == struct.pack("<I", 2)
        os.write(fd.fileno(), struct.pack("<I", 1))  # and the card has not been quietened
        _until(lambda: driver.ready(fd))
        assert driver.uio_wait(fd, mapping) == 3


def test_an_unread_count_is_replaced(driver: Any) -> None:
    """A driver that is late reads the present count once, as the kernel's does; an edge masks nothing."""
    card = Card()
    with uio_fd(card.msi) as fd:
        for _ in range(5):
            card.happen()
        assert os.read(fd.fileno(), 4) == struct.pack("<I", 5)
        assert not driver.ready(fd)
        os.write(fd.fileno(), struct.pack("<I", 0))
        _until(lambda: fd.uio.source.masked)
        card.happen()
        assert not driver.ready(fd)
        os.write(fd.fileno(), struct.pack("<I", 1))
        _until(lambda: driver.ready(fd))
    fd.close()


def test_an_event_descriptor_counts_interrupts(driver: Any) -> None:
    """Each edge, or each rise of a level, adds one; masked, a level waits and comes once."""
    card = Card()
    with EventFd(card.msi) as edges, EventFd(card.irq) as rises, EventFd(card.irq, automask=True) as levels:
        assert driver.events(edges) == 0
        card.happen()
        card.happen()
        assert [driver.events(each) for each in (edges, rises, levels)] == [2, 1, 1]
        levels.unmask()
        assert driver.events(levels) == 1
        card.write(0, 4, 1)
        levels.unmask()
        assert [driver.events(each) for each in (edges, rises, levels)] == [0, 0, 0]
        edges.mask()
        card.happen()
        card.happen()
        assert driver.events(edges) == 0
        edges.unmask()
        assert driver.events(edges) == 1


def test_a_given_event_descriptor_is_signalled_and_not_closed() -> None:
    """The descriptor may be another's, such as one that a test polls; one that is not open is refused."""
    card, mine = Card(), os.eventfd(0)
    EventFd(card.msi, descriptor=mine).close()
    with EventFd(card.msi, descriptor=mine):
        card.happen()
    assert os.eventfd_read(mine) == 1
    os.close(mine)
    with pytest.raises(OSError, match=rf"descriptor {mine} is not open: Bad file descriptor"):
        EventFd(card.msi, descriptor=mine)


def test_a_signal_comes_to_the_drivers_handler(driver: Any) -> None:
    """A handler in C runs for each interrupt, in the thread that made the sender."""
    card = Card()
    before = signal.getsignal(signal.SIGUSR1)
    driver.listen_for(signal.SIGUSR1)
    try:
        with SignalSender(card.msi, signal.SIGUSR1):
            card.happen()
            card.happen()
        with SignalSender(card.irq, signal.SIGUSR1, os.getpid()):
            pass  # the line was asserted already
        card.happen()
        assert driver.heard() == 3
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_vfio_level_masks_itself_and_is_unmasked_by_an_event() -> None:
    """INTx: one event, masked, until the user unmasks by a call or an event descriptor; asserted still, the next."""
    card = Card()
    trigger, unmask = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0)
    irqs = VfioInterrupts(card.irq)
    assert irqs.info == (7, 1)
    irqs.set_irqs(DATA_EVENTFD | ACTION_TRIGGER, 0, 1, struct.pack("<i", trigger))
    irqs.set_irqs(DATA_EVENTFD | ACTION_UNMASK, 0, 1, struct.pack("<i", unmask))
    card.happen()
    assert (os.eventfd_read(trigger), irqs.masked()) == (1, True)
    irqs.set_irqs(DATA_NONE | ACTION_UNMASK, 0, 1)
    assert os.eventfd_read(trigger) == 1
    os.eventfd_write(unmask, 1)
    _until(lambda: select.select([trigger], [], [], 0)[0])
    assert os.eventfd_read(trigger) == 1
    card.write(0, 4, 1)
    os.eventfd_write(unmask, 1)
    _until(lambda: not irqs.masked())
    irqs.set_irqs(DATA_BOOL | ACTION_MASK, 0, 1, b"\1")
    card.happen()
    assert not select.select([trigger], [], [], 0)[0]
    irqs.set_irqs_of(struct.pack("<5IB", 21, DATA_BOOL | ACTION_UNMASK, 0, 0, 1, 1))
    assert os.eventfd_read(trigger) == 1
    irqs.set_irqs(DATA_BOOL | ACTION_TRIGGER, 0, 1, b"\1")  # a test of the descriptor
    assert os.eventfd_read(trigger) == 1
    irqs.set_irqs(DATA_NONE | ACTION_TRIGGER, 0, 0)
    card.write(0, 4, 1)
    card.happen()
    assert not select.select([trigger], [], [], 0)[0]
    irqs.close()
    irqs.close()
    os.close(trigger)
    os.close(unmask)


def test_vfio_edges_are_counted_vector_by_vector() -> None:
    """MSI-X: each vector has a trigger of its own, -1 takes one away, and there is no mask."""
    cards = [Card(), Card()]
    triggers = [os.eventfd(0, os.EFD_NONBLOCK) for _ in cards]
    irqs = VfioInterrupts(*(card.msi for card in cards))
    assert (irqs.info, irqs.trigger) == ((9, 2), "edge")
    irqs.set_irqs(DATA_EVENTFD | ACTION_TRIGGER, 0, 2, struct.pack("<2i", *triggers))
    cards[1].happen()
    cards[1].happen()
    cards[0].happen()
    assert [os.eventfd_read(trigger) for trigger in triggers] == [1, 2]
    irqs.set_irqs(DATA_EVENTFD | ACTION_TRIGGER, 1, 1, struct.pack("<i", -1))
    cards[1].happen()
    assert not select.select([triggers[1]], [], [], 0)[0]
    with pytest.raises(OSError, match="cannot be masked") as refused:
        irqs.set_irqs(DATA_NONE | ACTION_MASK, 0, 1)
    assert refused.value.errno == 25  # ENOTTY
    irqs.close()
    for trigger in triggers:
        os.close(trigger)


KINDS = (DATA_NONE, DATA_BOOL, DATA_EVENTFD, 0, DATA_NONE | DATA_BOOL)
ACTIONS = (ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER, 0, ACTION_MASK | ACTION_UNMASK, 64)
CALLS = st.tuples(
    st.sampled_from([kind | action for kind in KINDS for action in ACTIONS]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["event", "none", "pipe", "closed", "short"]),
)


class Kernel:
    """Results of SET_IRQS, as vfio_set_irqs_validate_and_prepare() and vfio_pci_intrs.c of Linux compute them.

    Those of a call without vectors that does not end the index differ in the kernel from index to index; here they are
    EINVAL.
    """

    def __init__(self, vectors: int, edge: bool) -> None:
        self.vectors, self.edge = vectors, edge
        self.enabled = False
        self.unmasking = False

    def result(self, flags: int, start: int, count: int, given: str) -> int:
        """Return the error number of a call, 0 for none."""
        kind, action = flags & 7, flags & 0x38
        if flags & ~0x3F or kind not in (1, 2, 4) or start + count > self.vectors:
            return errno.EINVAL
        if given == "short" and kind != 1 and count:
            return errno.EINVAL
        if action not in (8, 16, 32) or (self.edge and action != 32):
            return errno.ENOTTY
        if not count:
            if (kind, action) != (1, 32) or not self.enabled:
                return errno.EINVAL
            self.enabled = self.unmasking = False
            return 0
        if not self.enabled and (kind, action) != (4, 32):
            return errno.EINVAL
        if kind == 4 and action == 8:
            return errno.ENOTTY
        if kind == 4 and given in ("pipe", "closed"):
            return errno.EINVAL if given == "pipe" else errno.EBADF
        if kind == 4 and action == 16:
            if given == "event" and self.unmasking:
                return errno.EBUSY
            self.unmasking = given == "event"
        self.enabled = True
        return 0


@given(st.booleans(), st.lists(CALLS, max_size=12))
def test_vfio_refuses_what_the_kernel_refuses(edge: bool, calls: list[tuple[int, int, int, str]]) -> None:
    """Law: any calls in any order have the kernel's error numbers, and a call that is refused changes nothing."""
    cards = [Card(), Card()] if edge else [Card()]
    kernel = Kernel(len(cards), edge)
    irqs = VfioInterrupts(*((card.msi if edge else card.irq) for card in cards))
    event = os.eventfd(0, os.EFD_NONBLOCK)
    ends = os.pipe()
    closed = os.dup(event)
    os.close(closed)
    descriptors = {"event": event, "none": -1, "pipe": ends[1], "closed": closed, "short": event}
    try:
        for flags, start, count, given in calls:
            data = struct.pack("<i", descriptors[given]) * count if flags & DATA_EVENTFD else b"\1" * count
            expected = kernel.result(flags, start, count, given)
            before = [irqs.masked(vector) for vector in range(len(cards))]
            data = data[:-1] if given == "short" else data
            if not expected:
                irqs.set_irqs(flags, start, count, data)
                continue
            with pytest.raises(OSError, match=r"VFIO_DEVICE_SET_IRQS: ") as refused:
                irqs.set_irqs(flags, start, count, data)
            assert refused.value.errno == expected
            assert before == [irqs.masked(vector) for vector in range(len(cards))]
    finally:
        irqs.close()
        for descriptor in (event, *ends):
            os.close(descriptor)


@pytest.mark.parametrize(
    ("arguments", "number", "problem"),
    [
        ((0, 0, 1), errno.EINVAL, "flags 0x0 are not one DATA_ and one ACTION_ flag"),
        ((DATA_NONE | ACTION_MASK | ACTION_UNMASK, 0, 1), errno.ENOTTY, "not one DATA_ and one"),
        ((DATA_NONE | ACTION_MASK, 1, 1), errno.EINVAL, r"vectors 1\.\.2 of an index with 1"),
        ((DATA_NONE | ACTION_MASK, -1, 1), errno.EINVAL, r"vectors -1\.\.0"),
        ((DATA_NONE | ACTION_MASK, 0, 0), errno.EINVAL, "no vectors"),
        ((DATA_NONE | ACTION_UNMASK, 0, 1), errno.EINVAL, "there are no triggers yet, and they come first"),
        ((DATA_EVENTFD | ACTION_TRIGGER, 0, 1, b"\0"), errno.EINVAL, "1 bytes of data for 1 vectors of 4 bytes each"),
        ((DATA_EVENTFD | ACTION_TRIGGER, 0, 1, struct.pack("<i", 1 << 30)), errno.EBADF, "1073741824 is no open"),
    ],
)
def test_vfio_calls_that_make_no_sense(arguments: Any, number: int, problem: str) -> None:
    """The message says why."""
    with pytest.raises(OSError, match=f"VFIO_DEVICE_SET_IRQS: .*{problem}") as refused:
        VfioInterrupts(Card().irq).set_irqs(*arguments)
    assert refused.value.errno == number


def test_vfio_starts_anew_after_its_end() -> None:
    """Taking all triggers away takes away what unmasks as well, and the mask."""
    card = Card()
    trigger, unmask = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
    irqs = VfioInterrupts(card.irq)
    for _ in range(2):
        irqs.set_irqs(DATA_EVENTFD | ACTION_TRIGGER, 0, 1, struct.pack("<i", trigger))
        irqs.set_irqs(DATA_EVENTFD | ACTION_UNMASK, 0, 1, struct.pack("<i", unmask))
        card.happen()
        assert (os.eventfd_read(trigger), irqs.masked()) == (1, True)
        card.write(0, 4, 1)
        irqs.set_irqs(DATA_NONE | ACTION_TRIGGER, 0, 0)
        os.eventfd_write(unmask, 1)
        assert os.eventfd_read(unmask) == 1
    os.close(trigger)
    os.close(unmask)


def test_wrong_arguments_are_refused() -> None:
    """Each mistake gets one message."""
    card = Card()
    with pytest.raises(ValueError, match="a signal that a program can handle"):
        SignalSender(card.irq, signal.SIGKILL)
    with pytest.raises(TypeError, match="process is a PID, or a function that returns one, not 'init'"):
        SignalSender(card.irq, signal.SIGUSR1, "init")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="line is a line of a device"):
        uio_fd(card)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a line for each vector"):
        VfioInterrupts()
    with pytest.raises(OSError, match="a struct vfio_irq_set has 20"):
        VfioInterrupts(card.irq).set_irqs_of(b"")
    with pytest.raises(OSError, match="argsz is 99"):
        VfioInterrupts(card.irq).set_irqs_of(struct.pack("<5I", 99, 0, 0, 0, 0))
    assert mmio.EventFd is EventFd
