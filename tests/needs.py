"""The one way a test may skip: by saying what it needs and is missing.

From afar a skipped test looks like a passed one. So every skip goes through `need` and gives its reason, and
where everything is meant to be installed (`.ci/run` exports PAGETRAP_NO_SKIP=1) a missing need is a failure.

What the CPU lacks cannot be installed: `tests/cpu.py`.
"""

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the calling test unless `condition` holds; fail it instead when PAGETRAP_NO_SKIP=1.

    `reason` says what is needed and how to get it, such as "memtool (apt-get install memtool)".
    """
    if condition:
        return
    if os.environ.get("PAGETRAP_NO_SKIP") == "1":
        pytest.fail(f"PAGETRAP_NO_SKIP=1, and this test needs {reason}", pytrace=False)
    pytest.skip(f"needs {reason}")
