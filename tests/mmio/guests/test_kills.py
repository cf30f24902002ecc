"""Whatever is killed, and whenever: the trace can be read, and no process stays behind."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mmio import open_trace
from tests.mmio.commands.test_guests import MODELS, serve
from tests.mmio.guests.guests import need_guest
from tests.mmio.guests.kills import kill


@pytest.mark.slow
@pytest.mark.xdist_group("guest")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_boot_killed(seed: int) -> None:
    """QEMU or pagetrap gets SIGKILL after a number of bytes of the trace that the seed draws."""
    need_guest()
    with TemporaryDirectory(prefix="pagetrap-kills-", dir="/tmp") as folder:  # sockets have short paths
        kill(Path(folder), seed)


@pytest.mark.parametrize("seed", range(3))
def test_server_killed(seed: int, tmp_path: Path) -> None:
    """The server gets SIGKILL after a number of accesses that the seed draws; the trace has all of them."""
    (tmp_path / "models.py").write_text(MODELS)
    count = random.Random(seed).randrange(1, 400)
    with serve(tmp_path, "-q", "-o", "t.jsonl", "models.py:Card") as running:
        client = running.client()
        for number in range(count):
            client.write(0, 0, number.to_bytes(4, "little"))
        running.process.kill()
        running.end()
        assert client.receive() is None
        client.close()
    assert [access.value for access in open_trace(tmp_path / "t.jsonl")] == list(range(count))
