"""Which target a file is meant by."""

from pathlib import Path

from mmio.program.targets import FileTarget, PortTarget, Redirection, Targets, extent_of, matches
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
    assert targets.concerns() == {"ranges": False, "redirects": False, "devices": False, "ports": True}
    answered = PortTarget(0x80, 1, Recording())
    targets.ports.append(answered)
    assert targets.answered_ports == [answered]
    assert targets.concerns() == {"ranges": False, "redirects": True, "devices": True, "ports": True}


def test_a_pattern_does_not_mean_code() -> None:
    """A mapping that may be executed is meant by its path, a descriptor, or when a device answers; not by a pattern."""
    targets = Targets()
    path, pattern, answered = FileTarget("/lib/libc.so.6"), FileTarget("*"), FileTarget("/lib/*", Recording())
    descriptor = FileTarget(3)
    targets.files += [path, pattern, answered, descriptor]
    assert targets.of_file("/lib/libc.so.6", 3) == [path, pattern, answered, descriptor]
    assert targets.of_file("/lib/libc.so.6", 3, executable=True) == [path, answered, descriptor]
