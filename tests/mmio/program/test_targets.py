"""Which target a file is meant by."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mmio.program.targets import (
    FileTarget,
    Group,
    PortTarget,
    RangeTarget,
    Redirection,
    Targets,
    Tree,
    extent_of,
    matches,
    merged,
    without,
)
from tests.mmio.ptrace.models import Recording


def test_patterns_match_paths_and_what_links_lead_to(tmp_path: Path) -> None:
    """A pattern fits the path itself, or a link that fits it leads there."""
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert matches("/dev/uio*", "/dev/uio12")
    assert matches(str(tmp_path / "li*"), str(tmp_path / "real"))
    assert not matches("/dev/uio?", "/dev/uio12")


def test_a_descriptor_can_be_the_target() -> None:
    """A number means the descriptor that is mapped, whatever it is open on."""
    target = FileTarget(3)
    assert target.matches("/anything", 3)
    assert not target.matches("/anything", 4)
    assert str(target) == "descriptor 3"


def test_extent_is_as_said_or_the_devices_own() -> None:
    """A device's length is what the target says, else what the device says, else a page."""
    assert extent_of(FileTarget("x", Recording(), length=0x20)) == 0x20
    assert extent_of(FileTarget("x", Recording())) == Recording.length
    assert extent_of(FileTarget("x", object())) == 4096  # type: ignore[arg-type]


def test_what_has_been_met_is_remembered() -> None:
    """A target that matched is met; so is a redirection."""
    targets = Targets()
    targets.files += [FileTarget("/a"), FileTarget("/b")]
    targets.redirections.append(Redirection("/c", "/d"))
    assert targets.of_file("/a") == targets.files[:1]
    assert targets.redirected("/c") == "/d"
    assert targets.redirected("/e") is None
    assert targets.matched == {targets.files[0], targets.redirections[0]}


def test_real_ports_are_no_file() -> None:
    """Where devices answer at ports, /dev/port reaches them, too; real ports leave every file to the program."""
    targets = Targets()
    targets.ports.append(PortTarget(0x70, 2, None))
    assert targets.concerns() == {"ranges": False, "redirects": False, "devices": False, "ports": True, "more": {}}
    answered = PortTarget(0x80, 1, Recording())
    targets.ports.append(answered)
    assert targets.answered_ports == [answered]
    assert targets.concerns() == {"ranges": False, "redirects": True, "devices": True, "ports": True, "more": {}}


def test_a_pattern_does_not_mean_code() -> None:
    """A mapping that may be executed is meant by its path, a descriptor, or when a device answers; not by a pattern."""
    targets = Targets()
    path, pattern, answered = FileTarget("/lib/libc.so.6"), FileTarget("*"), FileTarget("/lib/*", Recording())
    descriptor = FileTarget(3)
    targets.files += [path, pattern, answered, descriptor]
    assert targets.of_file("/lib/libc.so.6", 3) == [path, pattern, answered, descriptor]
    assert targets.of_file("/lib/libc.so.6", 3, executable=True) == [path, answered, descriptor]


stretches = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda drawn: (drawn[0], sum(drawn))), max_size=12
)


@given(stretches)
def test_merged_stretches_are_the_same_addresses(drawn: list[tuple[int, int]]) -> None:
    """Merged, stretches have the same addresses, in order, with at least one address between two of them."""
    found = merged(drawn)
    assert _addresses(found) == _addresses(drawn)
    assert all(one[1] < other[0] for one, other in pairwise(found))


@given(stretches, st.integers(0, 80), st.integers(0, 80))
def test_stretches_without_some_addresses(drawn: list[tuple[int, int]], start: int, end: int) -> None:
    """Taking addresses out leaves exactly the others, and no empty stretch."""
    found = without(drawn, start, max(start, end))
    assert _addresses(found) == _addresses(drawn) - set(range(start, end))
    assert all(first < last for first, last in found)


def _addresses(stretches: list[tuple[int, int]]) -> set[int]:
    return {address for start, end in stretches for address in range(start, end)}


@given(st.lists(st.tuples(st.integers(0, (1 << 47) - 0x2000), st.integers(1, 0x2000)), min_size=1, max_size=60))
def test_watched_addresses_are_few_and_have_all_ranges(ranges: list[tuple[int, int]]) -> None:
    """A filter has room for what is watched, which has every byte of every range, and 64 KiB before it."""
    targets = Targets()
    targets.ranges += [RangeTarget(start, length) for start, length in ranges]
    watched = targets.watched()
    assert len(watched) <= 16
    for start, length in ranges:
        assert any(max(start - 0x10000, 0) in part and start + length - 1 in part for part in watched)
    if len(ranges) <= 16:
        assert sum(map(len, watched)) <= sum(0x10000 + 0x3000 for _ in ranges)


def test_only_devices_are_at_fixed_addresses() -> None:
    """A range has an answer of its own where it has a device, to the byte."""
    targets = Targets()
    targets.ranges += [RangeTarget(0x1000, 0x10), RangeTarget(0x2000, 0x10, Recording())]
    assert targets.fixed_devices == targets.ranges[1:]
    places = [0x1000, 0x1FFF, 0x2000, 0x200F, 0x2010]
    assert [targets.has_device_at(address) for address in places] == [False, False, True, True, False]


def test_a_tree_stands_in_for_a_directory() -> None:
    """All that is in a directory is in the other one, and is named by its path there."""
    targets = Targets()
    targets.trees.append(Tree("/sys/bus/pci", "/tmp/x/pci"))
    assert targets.redirected("/sys/bus/pci") == "/tmp/x/pci"
    assert targets.redirected("/sys/bus/pci/devices/a") == targets.in_tree("/sys/bus/pci/devices/a")
    assert targets.in_tree("/sys/bus/pci/devices/a") == "/tmp/x/pci/devices/a"
    assert targets.in_tree("/sys/bus/pcix") is targets.redirected("/dev/null") is None
    assert targets.named("/tmp/x/pci/devices/a") == "/sys/bus/pci/devices/a"
    assert targets.named("/tmp/x/pcix") == "/tmp/x/pcix"
    assert targets.concerns() == {
        "ranges": False,
        "redirects": True,
        "devices": False,
        "ports": False,
        "more": {},
        "trees": True,
    }


def test_a_group_is_matched_with_one_of_its_targets() -> None:
    """Targets of one thing are one when it is asked what the program has not touched."""
    targets = Targets()
    parts = (FileTarget("/a"), FileTarget("/b"))
    targets.files += [*parts, FileTarget("/c")]
    targets.groups.append(Group(parts, "a card"))
    assert [str(target) for target in targets.unmatched] == ["file '/c'", "a card"]
    targets.of_file("/b")
    assert [str(target) for target in targets.unmatched] == ["file '/c'"]
