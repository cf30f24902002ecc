"""Serve what a program leaves behind when it ends: children that run on, and signals that come meanwhile."""

import signal
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from mmio.hosted.children import Children

_HEARD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def await_end(children: Children) -> int:
    """Wait until there is no child any more; return the signal by which this process was to end meanwhile, or 0.

    SIGTERM and SIGHUP are passed on to the children; the terminal gives them Ctrl-C itself. A second signal kills
    them. In a thread that is not the main one no signal is heard.

    Raises:
        Exception: what has failed in a child.
    """
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        if heard:
            children.kill()
        elif number != signal.SIGINT:
            children.send_signal(number)
        heard.append(number)

    before: dict[int, Any] = {}
    try:
        with suppress(ValueError):  # not the main thread
            for number in _HEARD:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, hear)
        children.wait()
    finally:
        for changed, action in before.items():
            signal.signal(changed, action)
    return heard[0] if heard else 0
