"""Wait for the children that outlive the program, and forward signals to them meanwhile."""

import signal
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from mmio.hosted.children import Children

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def await_end(children: Children) -> int:
    """Wait until all children have ended; return the first signal that this process received meanwhile, or 0.

    SIGTERM and SIGHUP are forwarded to the children. SIGINT is not: a terminal sends it to them itself. A second signal
    kills them. In a thread that is not the main one no signal is received.

    Raises:
        KeyboardInterrupt: a second signal came while a device model did not return.
        Exception: the error of a child that has failed.
    """
    received: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if received:
            children.kill()
            if children.is_serving:  # the access of a child, by a model that may never return
                raise KeyboardInterrupt
        elif number != signal.SIGINT:
            children.send_signal(number)
        received.append(number)

    before: dict[int, Any] = {}
    try:
        with suppress(ValueError):  # not the main thread
            for number in _SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, on_signal)
        children.wait()
    finally:
        for changed, action in before.items():
            signal.signal(changed, action)
    return received[0] if received else 0
