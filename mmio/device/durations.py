"""Durations in nanoseconds, from other units and from text."""

import re
from typing import Final

from mmio.arguments import integer, shortened

_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_DURATION: Final = re.compile(r"(\d{1,18})(ns|us|ms|s)", re.ASCII)


def us(count: int) -> int:
    """Return microseconds in nanoseconds.

    Args:
        count: how many, from 0.
    """
    return 1_000 * integer("count", count, least=0)


def ms(count: int) -> int:
    """Return milliseconds in nanoseconds.

    Args:
        count: how many, from 0.
    """
    return 1_000_000 * integer("count", count, least=0)


def seconds(count: int) -> int:
    """Return seconds in nanoseconds.

    Args:
        count: how many, from 0.
    """
    return 1_000_000_000 * integer("count", count, least=0)


def duration(text: str, whole: str) -> int:
    """Return a duration such as "100ns" in ns.

    Args:
        text: the duration.
        whole: what it is a part of, in words.

    Raises:
        ValueError: it is none, or 0.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        problem = "expected a duration above 0 with its unit, ns, us, ms or s, as 100ns"
        raise ValueError(f"{whole}: {problem}, got {shortened(text)}")
    return int(match[1]) * _UNITS[match[2]]
