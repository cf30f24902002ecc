"""docs/licences.md: what is installed with pagetrap, and under which licence."""

import re
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from tests.documents import TOP

ROW = re.compile(r"^\| ([\w-]+) \| (\w*) ?\| (.+) \|$", re.MULTILINE)
ROWS = [
    match for match in ROW.findall((TOP / "docs" / "licences.md").read_text()) if match[0] not in ("package", "---")
]


def _declared() -> list[tuple[str, str]]:
    """Return every requirement in setup.cfg, with the extra it belongs to."""
    config = ConfigParser()
    config.read(TOP / "setup.cfg")
    lists = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    lines = [(extra, line) for extra, text in lists.items() for line in text.split("\n") if line.strip()]
    names = [(re.split(r"[<>=;\[ ]", line.strip())[0], extra) for extra, line in lines]
    return [pair for pair in names if pair[0] != "pagetrap"]


def _said(name: str) -> str:
    """Return all that an installed package says of its licence, on one line and in small letters."""
    try:
        data = metadata(name)
    except PackageNotFoundError:
        return ""
    lines = [
        *data.get_all("License-Expression", []),
        *(text.partition("\n")[0] for text in data.get_all("License", [])),
    ]
    lines += [line for line in data.get_all("Classifier", []) if line.startswith("License ::")]
    return " ".join(lines).lower().strip()


def test_every_dependency_has_a_row() -> None:
    """The table is what setup.cfg asks for, extra by extra."""
    assert sorted((name, extra) for name, extra, _ in ROWS) == sorted(_declared())


@pytest.mark.parametrize(("name", "licence"), [(name, licence) for name, _, licence in ROWS])
def test_a_package_says_the_same_of_itself(name: str, licence: str) -> None:
    """The first word of the licence (MIT, BSD, Apache …) is in the metadata of what is installed, if it has any."""
    said = _said(name)
    first = re.split(r"[- ]", licence.lower())[0]
    if name == "unicorn":
        first = "bsd"  # its metadata is about the binding
    assert not said or {"psf": "python software foundation"}.get(first, first) in said


def test_what_users_install_is_permissive() -> None:
    """Nothing that obliges users of pagetrap is needed outside the tests."""
    assert [name for name, extra, licence in ROWS if extra != "test" and "GPL" in licence] == []
