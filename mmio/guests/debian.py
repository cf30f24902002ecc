"""Unpack Debian packages into a folder: nothing is installed, and no package's scripts run.

Packages of the machine's own release come by its own apt. Those of a newer one come by the same mirror, with an apt
configuration of their own, so that the machine's package lists stay what they are.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from mmio.guests.errors import MissingError

_TOOLS: Final = ("apt-get", "apt-cache", "dpkg-deb")
_SOURCES: Final = Path("/etc/apt")
_SUITE: Final = r"bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|testing|unstable"

Say = Callable[[str], object]


@frozen
class Mirror:
    """A Debian archive that the machine's apt uses.

    Attributes:
        uri: its address.
        keyring: the file of the keys that it is signed with, "" for those that apt trusts.
    """

    uri: str
    keyring: str = ""


def has_tools() -> bool:
    """Return whether Debian's package tools are here."""
    return all(map(shutil.which, _TOOLS))


def mirror(folder: Path = _SOURCES) -> Mirror | None:
    """Return the first archive of Debian's main component in apt's sources, None when there is none.

    Args:
        folder: of apt's configuration.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in (".list", ".sources"):
            continue
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError):
            continue
        for uri, suites, components, keyring in (_stanzas if file.suffix == ".sources" else _lines)(text):
            if "main" in components and any(re.fullmatch(_SUITE, suite) for suite in suites):
                return Mirror(uri, keyring)
    return None


_Source = tuple[str, list[str], list[str], str]  # address, suites, components, keyring


def _lines(text: str) -> Iterator[_Source]:
    """Parse sources.list(5), one line a source."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match[1] or "")
            yield match[2], [match[3]], match[4].split(), signed[1] if signed else ""


def _stanzas(text: str) -> Iterator[_Source]:
    """Parse sources.list(5) in deb822 style."""
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            name.lower(): value
            for name, value in re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").strip().lower() != "no":
            keyring = fields.get("signed-by", "").strip()
            for uri in fields.get("uris", "").split():
                signed = keyring if keyring.startswith("/") else ""
                yield uri, fields.get("suites", "").split(), fields.get("components", "").split(), signed


def download(package: str, folder: Path, say: Say) -> None:
    """Download a package of the machine's own release and unpack it into a folder.

    Args:
        package: its name.
        folder: where its files go.
        say: told what is done.

    Raises:
        MissingError: there are no package tools here, or no such package.
    """
    if not has_tools():
        raise MissingError(f"cannot fetch {package}: this is no Debian, there is no {_TOOLS[0]}; install it")
    say(f"fetching {package} into {folder}")
    done = subprocess.run(
        ["apt-get", "download", "--quiet", package], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MissingError(f"cannot fetch {package}: {_last_line(done.stderr)}; apt-get update may help")
    _unpack(folder, folder)


def depends(package: str, pattern: str) -> str | None:
    """Return the first package that one depends on and whose name matches, None if there is none.

    Args:
        package: its name.
        pattern: a regular expression for the whole name.
    """
    told = subprocess.run(["apt-cache", "depends", package], capture_output=True, text=True, check=False).stdout
    found = [name for name in re.findall(r"Depends: (\S+)", told) if re.fullmatch(pattern, name)]
    return found[0] if found else None


class NewerRelease:
    """A newer Debian release, with all that apt keeps of it in a folder.

    Args:
        folder: of the configuration, the lists and the packages.
        suites: of the archive; packages come from the last of them where it has them.
        say: told what is done.

    Raises:
        MissingError: there are no package tools here, or no mirror of Debian is known.
    """

    def __init__(self, folder: Path, suites: Sequence[str], say: Say) -> None:
        found = mirror()
        if not has_tools() or found is None:
            raise MissingError("expected Debian's apt-get with a mirror of Debian in /etc/apt/sources.list.d")
        self._folder, self._suite = folder, suites[-1]
        signed = f"[signed-by={found.keyring}] " if found.keyring else ""
        for path in ("lists/partial", "archives/partial"):
            (folder / path).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")  # nothing is installed: all that a package depends on comes along
        (folder / "sources.list").write_text("".join(f"deb {signed}{found.uri} {suite} main\n" for suite in suites))
        settings = {
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::archives": folder / "archives",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "true",
        }
        (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
        say(f"reading the package lists of {' and '.join(suites)}")
        self._apt("update")

    def version(self, package: str) -> str:
        """Return the version of a package that would come, "" for none.

        Args:
            package: its name.
        """
        command = ["apt-cache", "-c", str(self._folder / "apt.conf"), "show", f"{package}/{self._suite}"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        match = re.search(r"^Version: (?:\d+:)?(\S+)", told, re.MULTILINE)
        return match[1] if match else ""

    def unpack(self, packages: Sequence[str], root: Path) -> None:
        """Download packages with all they depend on, and unpack them into one root.

        Args:
            packages: their names.
            root: where their files go.

        Raises:
            MissingError: that fails.
        """
        self._apt("--download-only", "-t", self._suite, "--yes", "install", *packages)
        _unpack(self._folder / "archives", root)

    def _apt(self, *arguments: str) -> None:
        command = ["apt-get", "-c", str(self._folder / "apt.conf"), "--quiet", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"apt-get {' '.join(arguments)}: {_last_line(done.stderr)}")


def _unpack(packages: Path, root: Path) -> None:
    for package in sorted(packages.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "--extract", package, root], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"{package.name}: {_last_line(done.stderr)}")
        package.unlink()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E:")]
    return (errors or lines or ["no reason given"])[-1]
