"""What `pagetrap trace`, `attach` and `run` are asked."""

import pytest

from mmio.commands.main import parser
from mmio.commands.where import DevicePlace


def test_the_program_may_come_without_dashes() -> None:
    """From the program on, everything is the program's, options that look like pagetrap's too."""
    for line in (["trace", "--map", "x", "ls", "--live", "-f"], ["trace", "--map", "x", "--", "ls", "--live", "-f"]):
        options, left = parser().parse_known_args(line)
        assert (options.program[-3:], options.live, left) == (["ls", "--live", "-f"], False, [])


def test_targets_given_several_times_are_all_trapped() -> None:
    """Targets may be given several times; a part of a file too."""
    line = "run --device a.py:A@/dev/a --device b.py:B@ports:1 --map x --map /dev/mem:0x10+4 --range 0x1000+8 true"
    options = parser().parse_args(line.split())
    assert [device.file for device in options.device] == ["a.py", "b.py"]
    assert options.map == [DevicePlace("file", "x", 0, None), DevicePlace("file", "/dev/mem", 0x10, 4)]
    assert options.range == [DevicePlace("range", "", 0x1000, 8)]


def test_ports_are_traced_from_a_programs_start() -> None:
    """trace has --ports, several times; attach and run have not."""
    options = parser().parse_args(["trace", "--ports", "0x70-0x71", "--ports", "0xcf8+8", "true"])
    assert options.ports == [DevicePlace("ports", "", 0x70, 2), DevicePlace("ports", "", 0xCF8, 8)]
    for line in ("attach -p 1 --ports 1", "run --device a.py:A@x --ports 1 true"):
        with pytest.raises(SystemExit, match="2"):
            parser().parse_args(line.split())


@pytest.mark.parametrize("command", ["trace", "attach", "run"])
def test_the_help_says_how_it_ends(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit statuses, and for run every form of WHERE, are in the help."""
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([command, "--help"])
    out = capsys.readouterr().out
    assert "Exit status: " in out
    assert " 125 " in out
    assert ("ports:FIRST+COUNT" in out) == (command == "run")
