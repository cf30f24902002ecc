"""Groups of tests that share a process, such as those that boot one guest."""

import pytest


@pytest.mark.xdist_group("groups")
def test_a_group_has_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist has put the group into the test's id, by which it chooses the worker; not with pytest 9.2."""
    if request.config.getoption("loadgroup", False):
        assert request.node.nodeid.endswith("@groups")
