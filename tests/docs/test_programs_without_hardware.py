"""docs/programs-without-hardware.md: every command is typed, and prints what stands under it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.command import environment, need_program
from tests.native import ROOT

PAGE = (ROOT / "docs" / "programs-without-hardware.md").read_text()
PROGRAMS = {
    "memtool": "memtool",
    "inb": "ioport",
    "hwclock": "util-linux-extra",
    "lspci": "pciutils",
    "flashrom": "flashrom",
}
HOME = "/home/me"

# What differs from run to run: time and thread, addresses and where in a program, how often something was polled,
# and columns as wide as these.
MASKS = [
    (r"(?m)^\d+\.\d{6} +\d+ ", "TIME THREAD "),
    (r"\b(?:0x[0-9a-f]{10,12}\b|(?:hwclock|in[bwl]|lib[\w.]+|memtool|out[bwl])\+0x[0-9a-f]+)", "ADDRESS"),
    (r"\([\d,]+\)", "(COUNT)"),
    (r"[ \t]+", " "),
    (r"(?m) $", ""),
    (r"(?m)^ ?\d+\.\d{6} \d+ ", "TIME PID "),  # of a live line
]


def sections() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the page's sections with the commands in them, each with its output; those without are left out."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        commands: list[tuple[str, str]] = []
        for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
            for typed in re.split(r"(?m)^\$ ", block)[1:]:
                first, *rest = typed.splitlines()
                more = [line for line in rest if line.startswith("> ")]
                commands.append(
                    (
                        "\n".join([first, *(line[2:] for line in more)]),
                        "\n".join(line for line in rest if line not in more),
                    )
                )
        if commands:
            found.append((section.partition(":")[0], commands))
    return found


SECTIONS = sections()


def plain(text: str) -> str:
    """Return output without what differs from run to run."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text.strip()


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """A directory with the examples, and an environment in which this project's commands are found."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, arguments in (("pagetrap", "-m mmio "), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (commands / name).chmod(0o755)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    variables = environment()
    variables["PATH"] = f"{commands}{os.pathsep}{variables['PATH']}"
    return variables


@pytest.mark.parametrize(("section", "commands"), SECTIONS, ids=[title.split()[0] for title, _ in SECTIONS])
def test_commands_print_what_stands_under_them(
    tmp_path: Path, shell: dict[str, str], section: str, commands: list[tuple[str, str]]
) -> None:
    """In order, in one directory; … stands for anything."""
    need_program(section.split()[0], PROGRAMS[section.split()[0]])
    for command, shown in commands:
        if assigned := re.fullmatch(r"export (\w+)=(.*)", command):
            shell[assigned[1]] = assigned[2]
            continue
        command = command.replace("PYTHONPATH=", f"PYTHONPATH={ROOT}:")
        done = subprocess.run(
            ["sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=shell,
            timeout=60,
            check=False,
        )
        output = plain(done.stdout.replace(str(tmp_path), HOME))
        wanted = ".*".join(re.escape(part) for part in plain(shown).split("…"))
        assert re.fullmatch(wanted, output, re.DOTALL), f"{command}\nprinted\n{output}"


def test_the_page_has_commands_for_every_program() -> None:
    """The pattern above still finds them, and the line with the packages is complete."""
    assert [title.split()[0] for title, _ in SECTIONS] == list(PROGRAMS)
    assert all(len(commands) >= 1 for _, commands in SECTIONS)
    (packages,) = re.findall(r"apt-get install (.*)", PAGE)
    assert packages.split() == sorted(PROGRAMS.values())


def test_the_examples_it_names_exist() -> None:
    """Whatever looks like a path of the repository is one."""
    paths = set(re.findall(r"(?:examples|tests)/[\w/]+(?:\.py)?", PAGE))
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []
