"""Debian packages without installing them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mmio.guests import debian
from mmio.guests.debian import Mirror, NewerRelease, download, mirror
from mmio.guests.errors import MissingError
from tests.needs import need

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main contrib # why
"""
STANZAS = """\
Types: deb
URIs: http://other.example/packages
Suites: stable/
Components:

# http://snapshot.example
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/b.gpg
"""
OFF = STANZAS.replace("Types: deb deb-src", "Enabled: no\nTypes: deb")
KEY = STANZAS.replace("/usr/share/keyrings/b.gpg", "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n -----END")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list": ONE_LINE}, Mirror("http://mirror.example/debian", "/usr/share/keyrings/a.gpg")),
        ({"sources.list.d/a.sources": STANZAS}, Mirror("http://mirror.example/debian", "/usr/share/keyrings/b.gpg")),
        ({"sources.list.d/a.sources": KEY}, Mirror("http://mirror.example/debian")),
        ({"sources.list.d/a.sources": OFF}, None),
        ({"sources.list": "deb http://mirror.example/ubuntu jammy main\n"}, None),
        ({"sources.list": "deb http://security.example/debian-security bookworm-security main\n"}, None),
        ({"sources.list.d/a.sources.bak": STANZAS}, None),
        (
            {"sources.list": "\xff\xfe", "sources.list.d/x.list": "deb http://m.example/d sid main"},
            Mirror("http://m.example/d"),
        ),
        ({}, None),
    ],
)
def test_the_mirror_of_the_machine(files: dict[str, str], expected: Mirror | None, tmp_path: Path) -> None:
    """It is the first source of a release of Debian with main, in either notation of apt."""
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    assert mirror(tmp_path) == expected


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Debian's tools."""
    monkeypatch.setattr(debian, "has_tools", lambda: False)


@pytest.mark.usefixtures("no_tools")
def test_no_debian(tmp_path: Path) -> None:
    """Elsewhere nothing is fetched, and the error says so."""
    with pytest.raises(MissingError, match="cannot fetch busybox-static: this is no Debian"):
        download("busybox-static", tmp_path, print)
    with pytest.raises(MissingError, match=r"expected Debian's apt-get with a mirror"):
        NewerRelease(tmp_path, ["sid"], print)


def test_a_package_that_is_none(tmp_path: Path) -> None:
    """A package that apt does not know is an error with apt's own words."""
    need(debian.has_tools(), "apt-get, apt-cache and dpkg-deb (a Debian)")
    with pytest.raises(MissingError, match="cannot fetch no-such-package-anywhere: E: "):
        download("no-such-package-anywhere", tmp_path, lambda text: None)


def test_unpacking(tmp_path: Path) -> None:
    """A package's files appear under the root, and the package is gone; a damaged one is an error."""
    need(shutil.which("dpkg-deb"), "dpkg-deb (apt-get install dpkg)")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    (tree / "usr").mkdir()
    (tree / "usr/file").write_text("here")
    packages = tmp_path / "packages"
    packages.mkdir()
    subprocess.run(["dpkg-deb", "--build", tree, packages / "x.deb"], check=True, capture_output=True)
    debian._unpack(packages, tmp_path / "root")
    assert (tmp_path / "root/usr/file").read_text() == "here"
    assert list(packages.iterdir()) == []
    (packages / "y.deb").write_text("no package")
    with pytest.raises(MissingError, match=r"y\.deb: .*y\.deb"):
        debian._unpack(packages, tmp_path / "root")
