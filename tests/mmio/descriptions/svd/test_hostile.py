"""Files that were damaged, or made to do harm: each is read or refused, in bounded memory."""

import gzip
import io
import re
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmio import DescriptionError, SvdFile
from tests.mmio.descriptions.svd.files import FRAME, field, peripheral, register

SENSOR = (Path(__file__).parents[1] / "data" / "sensor.svd").read_bytes()
NUMBERS = [match.span() for match in re.finditer(rb"(?<=>)(0x)?[0-9A-F]+(?=<)", SENSOR)]
BOUND = 64 << 20
NUMBER = st.sampled_from(
    [
        *("-1", "", "0", "1", "33", "65536", str(1 << 32), hex(1 << 63), str(1 << 64), "9" * 5000, "0x" + "f" * 5000),
        *("#" + "x" * 16, "#" + "x" * 5000, "4096t", "1e9", "\u0661"),
    ]
)


@contextmanager
def bounded(bound: int = BOUND) -> Iterator[None]:
    """Fails when more than this was in use at a time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < bound, f"{peak / (1 << 20):.0f} MiB"


def load(path: Path, content: bytes, ways: tuple[bool, ...] = (False, True)) -> None:
    """Read every peripheral of a file, strictly or not; an error names the file."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for strict in ways:
            refused: list[DescriptionError] = []
            try:
                chip = SvdFile(path, strict=strict)
                for name in chip:
                    with suppress(DescriptionError):
                        chip[name]()
            except DescriptionError as error:
                refused.append(error)
            assert all(str(error).startswith(f"{path}:") for error in refused)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "chip.svd"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_bytes_exchanged(path: Path, data: st.DataObject) -> None:
    """Anywhere, by anything, and cut off."""
    content = bytearray(SENSOR)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        new = data.draw(st.binary(max_size=4) | st.sampled_from([b"<", b"</", b"&x;", b"%s", b" ", b"\xff\xfe"]))
        content[start : start + data.draw(st.integers(0, 30))] = new
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    with bounded():
        load(path, bytes(content))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(NUMBERS), NUMBER), min_size=1, max_size=3, unique_by=lambda pair: pair[0]))
def test_numbers_exchanged(path: Path, changes: list[tuple[tuple[int, int], str]]) -> None:
    """By others that are too large, too long, negative, or none."""
    content = SENSOR
    for (start, end), new in sorted(changes, reverse=True):
        content = content[:start] + new.encode() + content[end:]
    with bounded():
        load(path, content)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_elements_exchanged(path: Path, data: st.DataObject) -> None:
    """One in the place of another, and one derived from another."""
    tags = sorted(set(re.findall(rb"<(\w+)>", SENSOR)))
    content = SENSOR
    for _ in range(data.draw(st.integers(1, 2))):
        one, other = data.draw(st.sampled_from(tags)), data.draw(st.sampled_from(tags))
        content = content.replace(b"<%s>" % one, b"<%s>" % other).replace(b"</%s>" % one, b"</%s>" % other)
    names = re.findall(rb"<name>([\w%\[\]]+)</name>", SENSOR)
    tag = data.draw(st.sampled_from([b"peripheral", b"register", b"cluster", b"field", b"enumeratedValues"]))
    content = content.replace(b"<%s>" % tag, b'<%s derivedFrom="%s">' % (tag, data.draw(st.sampled_from(names))))
    with bounded():
        load(path, content)


def cluster(name: str, inside: str, more: str = "") -> str:
    """A cluster."""
    return f"<cluster{more}><name>{name}</name><addressOffset>0</addressOffset>{inside}</cluster>"


def doubling() -> str:
    """Clusters of which each has the one before twice."""
    text = cluster("K0", register("R"))
    for i in range(1, 14):
        inner = "".join(cluster(f"I{j}", "", f' derivedFrom="K{i - 1}"') for j in range(2))
        text += cluster(f"K{i}", inner)
    return text


def names_of_values() -> str:
    """Fields of which each names 65,536 values in a few characters."""
    value = f"<enumeratedValue><name>V</name><value>#{'x' * 16}</value></enumeratedValue>"
    fields = "".join(
        field(f"F{i}", f"{16 * i + 15}:{16 * i}", f"<enumeratedValues>{value}</enumeratedValues>") for i in range(32)
    )
    return "".join(register(f"R{i}", 64 * i, f"<size>512</size><fields>{fields}</fields>") for i in range(20))


def same_attributes() -> str:
    """Registers whose names are one attribute."""
    return "".join(register("a" + "-" * (1 + i % 150) + "+" * (1 + i // 150), 4 * i) for i in range(3000))


GROUP = "<dim>{}</dim><dimIncrement>{}</dimIncrement>"
MANY_FIELDS = field("F%s", "0:0", GROUP.format(32, 1))
NOWHERE = '<register derivedFrom="Q{}"><name>R{}</name><addressOffset>{}</addressOffset></register>'
UNKNOWN = "".join(f"<a{i}/>" for i in range(30_000))
BOMBS = {
    "clusters that double": doubling(),
    "arrays in arrays": cluster("K%s", register("R%s", 0, GROUP.format(65536, 4)), "") + GROUP.format(65536, 4),
    "an array of giants": register("R[%s]", 0, GROUP.format(65536, 1 << 60)),
    "a giant name, many times": register("N" * 100_000 + "%s", 0, GROUP.format(30000, 4)),
    "a giant label, many times": register("R%s", 0, GROUP.format(2, 4) + f"<dimIndex>{'A' * 200_000},B</dimIndex>"),
    "names of values": names_of_values(),
    "names that are one attribute": same_attributes(),
    "a giant size": register("R", 0, "<size>4294967296</size>") + register("S", 4, f"<size>{1 << 64}</size>"),
    "a giant field": register("R", 0, f"<fields>{field('F', '99999:0')}</fields>"),
    "fields in arrays": register("R%s", 0, GROUP.format(20000, 4) + f"<fields>{MANY_FIELDS}</fields>"),
    "sources that are not there": "".join(NOWHERE.format(i, i, 4 * i) for i in range(3000)),
    "slips without end": "<register/>" * 50_000,
    "unknown elements without end": UNKNOWN + register("R", 0, UNKNOWN),
}


@pytest.mark.parametrize("inside", BOMBS.values(), ids=list(BOMBS))
def test_little_text_does_not_make_much(path: Path, inside: str) -> None:
    """What multiplies is counted before it is made."""
    with bounded():
        load(path, FRAME.format(peripherals=peripheral(inside)).encode(), (False,))


def test_entities_are_not_expanded(path: Path) -> None:
    """A thousand million laughs, in a text and in an attribute."""
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    kind = f'<!DOCTYPE device [<!ENTITY a0 "ha">{laughs}]>'
    for inside in (register("R&a9;"), register("R", 0, '<resetValue derivedFrom="&a9;">0</resetValue>'), "&a9;"):
        with bounded():
            load(path, (kind + FRAME.format(peripherals=peripheral(inside))).encode())


def test_deep_elements(path: Path) -> None:
    """Clusters in clusters, containers in containers, anything in anything."""
    for depth in (100, 250, 300, 100_000):
        for tag in ("cluster", "registers", "x"):
            with bounded():
                load(path, FRAME.format(peripherals=peripheral(f"<{tag}>" * depth + f"</{tag}>" * depth)).encode())


def compressed() -> dict[str, bytes]:
    """The sensor's file in forms that are not read."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("chip.svd", SENSOR)
    return {
        "gzip": gzip.compress(SENSOR),
        "zip": archive.getvalue(),
        "utf-7": b"+ADw-device+AD4-",
        "zeros": bytes(1000),
    }


@pytest.mark.parametrize("content", compressed().values(), ids=list(compressed()))
def test_what_is_no_text_is_refused(path: Path, content: bytes) -> None:
    """With a place."""
    path.write_bytes(content)
    with pytest.raises(DescriptionError, match=rf"^{path}:\d+:\d+: not XML, or only a part of it: "):
        SvdFile(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "iso-8859-1", "ascii"])
@pytest.mark.parametrize("said", ["utf-8", "utf-16", "iso-8859-1", "koi8-r", "nonsense", ""])
def test_encodings(path: Path, encoding: str, said: str) -> None:
    """Said rightly, wrongly, or not at all."""
    text = SENSOR.decode().replace('encoding="utf-8"', f'encoding="{said}"' if said else "")
    with bounded():
        load(path, text.encode(encoding))
