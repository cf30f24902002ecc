"""Facts of Python and of what is installed."""

import sys

import pytest

from pagetrap.doctor import software
from pagetrap.doctor.finding import Finding


@pytest.mark.parametrize(
    ("version", "least", "older"),
    [
        ("25.1.0", "22.2", False),
        ("22.1.0", "22.2", True),
        ("22.2", "22.2", False),
        ("22.2.dev0+x", "22.2", False),
        ("3", "", False),
        ("unknown", "1", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, least: str, older: bool) -> None:
    """Number by number; what has no number is older than anything that has."""
    assert software.older(version, least) is older


def test_the_requirements_are_read_from_the_metadata() -> None:
    """Two are needed by all, the others belong to extras."""
    found = list(software.requirements())
    assert {item.name for item in found if not item.extra} == {"attrs", "iced-x86"}
    assert software.Requirement("rich", "13", "cli") in found


def test_a_python_without_the_lock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a finding about everything, and says how to turn the lock on."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    advice = "off; the engines need the GIL; start Python with -X gil=1 or PYTHON_GIL=1"
    assert Finding("GIL", "failed", advice, "") in list(software.python())


def test_this_python_is_fit() -> None:
    """The interpreter of the tests is one that pagetrap is for."""
    assert {finding.status for finding in software.python()} == {"ok"}
