"""Finding a QEMU that has vfio-user."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmio.guests import qemu
from mmio.guests.errors import MissingError
from mmio.guests.qemu import VARIABLE, find_qemu


def fake(path: Path, version: str) -> Path:
    """Write a program that says it is QEMU."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (Debian 1:{version}+dfsg-1)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any QEMU."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(qemu, "_NAME", "qemu-of-the-test")


@pytest.mark.parametrize("version", ["10.1.0", "10.2.3", "11.1.3", "100.0.0"])
def test_the_installed_one(version: str, tmp_path: Path) -> None:
    """One that is new enough is taken from PATH."""
    path = fake(tmp_path / "bin/qemu-of-the-test", version)
    found = find_qemu()
    assert (found.command, found.version, found.has_vfio_user) == ((str(path),), version, True)


@pytest.mark.parametrize("version", ["7.2.22", "10.0.13", "9.99.0"])
def test_one_that_is_too_old(version: str, tmp_path: Path) -> None:
    """The error says which version it is, which one is needed, and how to get it."""
    path = fake(tmp_path / "bin/qemu-of-the-test", version)
    with pytest.raises(MissingError) as error:
        find_qemu()
    text = str(error.value)
    assert f"needs QEMU 10.1 or later, the first with vfio-user devices; {path} is {version}" in text
    assert "pagetrap boot --fetch" in text
    assert "\n" not in text


def test_none() -> None:
    """Without any, the error says the same."""
    with pytest.raises(MissingError, match="there is none: install Debian's qemu-system-x86"):
        find_qemu()


def test_the_one_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$PAGETRAP_QEMU comes first, and must be one."""
    fake(tmp_path / "bin/qemu-of-the-test", "10.1.0")
    monkeypatch.setenv(VARIABLE, str(fake(tmp_path / "mine", "12.0.0")))
    assert find_qemu().version == "12.0.0"
    monkeypatch.setenv(VARIABLE, str(fake(tmp_path / "mine", "8.0.0")))
    with pytest.raises(MissingError, match=f"{VARIABLE} is .*mine, which is QEMU 8.0.0; expected"):
        find_qemu()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(MissingError, match="which is no QEMU that runs"):
        find_qemu()
    (tmp_path / "mine").write_text("#!/bin/sh\necho hello\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    with pytest.raises(MissingError, match="which is no QEMU that runs"):
        find_qemu()


def test_the_unpacked_one(tmp_path: Path) -> None:
    """One in the cache folder runs by its own dynamic linker, with its own modules and firmware."""
    usr = tmp_path / "cache/pagetrap/qemu/usr"
    fake(usr / "lib64/ld-linux-x86-64.so.2", "11.1.3")  # the linker is what is started
    fake(usr / "bin/qemu-of-the-test", "11.1.3")
    found = find_qemu()
    assert found.command[:3] == (f"{usr}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{usr}/lib/x86_64-linux-gnu")
    assert found.command.count("-L") == 2
    assert found.environment == {"QEMU_MODULE_DIR": f"{usr}/lib/x86_64-linux-gnu/qemu"}


def test_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    """The releases are tried in order; when none has it, the error says what the last one has."""
    asked: list[str] = []

    class Release:
        def __init__(self, folder: Path, suites: tuple[str, ...], say: object) -> None:
            self.suite = suites[-1]
            asked.append(self.suite)
            if self.suite == "sid":
                raise MissingError("apt-get update: E: no network")

        def version(self, package: str) -> str:
            return "10.0.13+ds-1"

    monkeypatch.setattr(qemu, "NewerRelease", Release)
    with pytest.raises(MissingError, match=r"cannot be fetched: apt-get update: E: no network"):
        find_qemu(fetch=True)
    assert asked == ["trixie-backports", "sid"]


def test_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was fetched is found, and is not fetched again."""
    count: list[str] = []

    class Release:
        def __init__(self, folder: Path, suites: tuple[str, ...], say: object) -> None:
            count.append(suites[-1])

        def version(self, package: str) -> str:
            return "11.1.3+ds-1~bpo13+1"

        def unpack(self, packages: list[str], root: Path) -> None:
            fake(root / "usr/lib64/ld-linux-x86-64.so.2", "11.1.3")
            fake(root / "usr/bin/qemu-of-the-test", "11.1.3")

    monkeypatch.setattr(qemu, "NewerRelease", Release)
    said: list[str] = []
    assert find_qemu(fetch=True, say=said.append).version == "11.1.3"
    assert find_qemu(fetch=True).version == "11.1.3"
    assert count == ["trixie-backports"]
    assert any("fetching QEMU 11.1.3" in line for line in said)
