"""The options that choose accesses."""

import argparse

import pytest

from mmio.commands import choosing
from mmio.traces.selection import Selection


def parsed(*arguments: str) -> Selection:
    command = argparse.ArgumentParser("pagetrap show")
    choosing.add(command)
    return choosing.selection(command.parse_args(arguments))


def test_options_are_a_selection() -> None:
    """The options say what `Selection.parse` takes."""
    assert parsed() == Selection()
    words = ["--only", "uart.STATUS", "--only", "timer", "--writes", "--width", "8", "--ip", "lib.so", "--since", "5ms"]
    assert parsed(*words) == Selection.parse(
        only=["uart.STATUS", "timer"], writes=True, width=["8"], ip=["lib.so"], since="5ms"
    )
    assert parsed(
        "--without", "uart", "--reads", "--value", "1..3", "--thread", "7", "--until", "9"
    ) == Selection.parse(without=["uart"], reads=True, value=["1..3"], thread=["7"], until="9")


@pytest.mark.parametrize("option", ["--only", "--width", "--value", "--ip", "--thread", "--since"])
def test_a_word_without_meaning_names_the_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A word that means nothing is a wrong use of the command, which names the option and what it expects."""
    with pytest.raises(SystemExit, match="2"):
        parsed(option, "0x")
    assert f"argument {option}: expected a " in capsys.readouterr().err
