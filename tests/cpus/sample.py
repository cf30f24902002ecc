"""A plugin of pytest that runs a sample of the suites, for a guest that takes twenty times as long for each test.

Of a test with parameters it keeps a few cases, evenly spaced over all; of each law it runs a few examples. The report
says of which tests the CPU is the judge.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")

CASES = 5
"""Cases kept of each test that has parameters."""
EXAMPLES = 10
"""Examples of each law; a native run makes 100."""
TIMEOUT = 3600
"""Seconds that a test may take, whatever it says itself; natively the longest takes some twenty."""


SILICON = "silicon"
"""The marker of such a test, and the name of the property with its node ID in the report."""


def pytest_configure() -> None:
    """Run few examples of each law."""
    slow = [HealthCheck.too_slow]
    settings.register_profile("guest", settings(), max_examples=EXAMPLES, suppress_health_check=slow)
    settings.load_profile("guest")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a few cases of each test, with time enough; tell the report which ones the CPU judges."""
    for item in items:
        item.add_marker(pytest.mark.timeout(TIMEOUT), append=False)
        if item.get_closest_marker(SILICON):
            item.user_properties.append((SILICON, item.nodeid))
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
    kept = {item for found in cases.values() for item in spaced(found, CASES)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def spaced(items: list[T], most: int) -> list[T]:
    """Return at most `most` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]
