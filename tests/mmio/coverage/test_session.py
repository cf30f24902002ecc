"""Coverage of a run of tests: `pytest --mmio-cov`, in one process and in workers."""

import json
from pathlib import Path

import pytest

from mmio.coverage.live import no_such
from mmio.coverage.session import SessionCoverage
from tests.mmio.coverage.devices import Card

pytest_plugins = ["pytester"]

MODEL = """
from mmio import Device, bit, field, register

class Fan(Device):
    ctrl = register(0x04, fields=[bit("EN", 0), field("MODE", 2, 1, enum={0: "FIXED", 1: "AUTO"})])
    status = register(0x0C, on_write="woclr", fields=[bit("HOT", 0)])

class Empty(Device):
    pass
"""
SUITE = """
from ctypes import c_uint32

from fan import Empty, Fan
from mmio import AddressSpace

def test_control(mmio_trap):
    mapping = mmio_trap(Fan(), length=0x1000)
    c_uint32.from_address(mapping.address + 4).value = 3

def test_status():
    space = AddressSpace()
    space.map(0x1000, 0x100, Fan())
    space.read(0x100C, 4)
    Empty()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A model and its tests."""
    pytester.makepyfile(fan=MODEL, test_fan=SUITE)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the suite in a process of its own: classes are found by name, and this one has some."""
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *options)


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n2"]])
def test_a_run_reports_what_it_has_touched(suite: pytest.Pytester, workers: list[str]) -> None:
    """Whatever maps the device, and in however many processes; every report has the same numbers."""
    reports = ["--mmio-cov-report=term", *(f"--mmio-cov-report={form}:out.{form}" for form in ("html", "json", "lcov"))]
    result = run(suite, "--mmio-cov=Fan", *reports, *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*= device coverage =*",
            "Fan: * points covered",
            "* 0x4  CTRL * 1 * 1 * 4 *",
            "* 0xc  STATUS * 1 * 0 * 4 * written*",
            "never written: STATUS",
            "html written to out.html",
        ]
    )
    data = json.loads((suite.path / "out.json").read_text())["devices"][0]
    assert [(each["name"], each["reads"], each["writes"]) for each in data["registers"]] == [
        ("CTRL", 1, 1),
        ("STATUS", 1, 0),
    ]
    covered, total = data["points"]["all"]
    assert f"({covered} of {total})" in result.stdout.str()
    assert f"({covered} of {total})" in (suite.path / "out.html").read_text()
    assert f"BRF:{total}\nBRH:{covered}\n" in (suite.path / "out.lcov").read_text()
    assert "SF:fan.py\n" in (suite.path / "out.lcov").read_text()


def test_too_little_fails_the_run(suite: pytest.Pytester) -> None:
    """And says so; enough does not."""
    result = run(suite, "--mmio-cov=Fan", "--mmio-cov-fail-under=99")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["--mmio-cov: Fan: * of 18) covered, less than 99 %"])
    assert run(suite, "--mmio-cov=Fan", "--mmio-cov-fail-under=10").ret == 0


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n1"]])
def test_a_class_that_is_not_there_fails_the_run(suite: pytest.Pytester, workers: list[str]) -> None:
    """So does one without registers."""
    result = run(suite, "--mmio-cov=Fam", "--mmio-cov=Empty", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "--mmio-cov: Empty has no registers, so there is nothing of it to cover",
            "--mmio-cov: Fam: no device of a class of this name was made; did you mean Fan?",
        ]
    )


@pytest.mark.parametrize("name", ["fan:Unused", "fan.py:Unused", "Unused"])
def test_a_class_of_which_no_device_was_made(suite: pytest.Pytester, name: str) -> None:
    """It is there, so it is not the name that is wrong."""
    suite.makepyfile(fan=MODEL + "\n\nclass Unused(Device):\n    pass\n")
    result = run(suite, f"--mmio-cov={name}")
    expected = f"--mmio-cov: {name}: there is this class, fan:Unused, and no device of it was made while the tests ran"
    result.stdout.fnmatch_lines([expected])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Fam", "; did you mean Fan?"),
        ("fan.Fan", "; did you mean Fan?"),
        ("fans:Fan", "; did you mean pkg.fan:Fan?"),
        ("fan:Fam", "; did you mean pkg.fan:Fan?"),
        ("Zebra", ""),
    ],
)
def test_the_hint_is_a_name_that_would_do(name: str, hint: str) -> None:
    """With the module where the name had one."""
    known = ["pkg.fan:Fan", "pkg.pump:Pump"]
    assert no_such(name, known) == f"{name}: no device of a class of this name was made{hint}"


def test_arrays_can_be_merged(suite: pytest.Pytester) -> None:
    """The option is one of a run."""
    model = MODEL.replace("import Device", "import array, Device").replace(
        "    status =", "    curve = array(0x20, count=2)\n    status ="
    )
    suite.makepyfile(fan=model)
    result = run(suite, "--mmio-cov=Fan", "--mmio-cov-merge-arrays")
    result.stdout.fnmatch_lines(["* CURVE[[][*][]] * 0 * 0 *"])


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n1"]])
def test_registers_can_be_omitted(suite: pytest.Pytester, workers: list[str]) -> None:
    """They are in the table without points; one that no device has fails the run."""
    result = run(suite, "--mmio-cov=Fan", "--mmio-cov-omit=STATUS", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Fan: * of 12) points covered", "* STATUS * omitted"])
    assert "never written" not in result.stdout.str()
    result = run(suite, "--mmio-cov=Fan", "--mmio-cov-omit=STATSU", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["--mmio-cov: no device has a register 'STATSU' to omit"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mmio-cov=Fan", "--mmio-cov-report=pdf:x"], "expected a report, one of term, html:PATH"),
        (["--mmio-cov=Fan", "--mmio-cov-fail-under=101"], "expected a percentage to fail under, 0..100, got 101"),
        (["--mmio-cov=fan.py:"], "expected the name of a device class, as in Timer or timer.py:Timer"),
        (
            ["--mmio-cov-report=term"],
            "--mmio-cov-report, --mmio-cov-omit and --mmio-cov-fail-under need --mmio-cov=CLASS",
        ),
    ],
)
def test_wrong_options_are_refused_at_once(suite: pytest.Pytester, options: list[str], message: str) -> None:
    """Before any test runs."""
    result = run(suite, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_a_report_that_cannot_be_written_fails_the_run(suite: pytest.Pytester) -> None:
    """The path is named."""
    result = run(suite, "--mmio-cov=Fan", "--mmio-cov-report=html:/nowhere/x.html")
    assert result.ret == 1
    assert "--mmio-cov: /nowhere/x.html: No such file or directory" in result.stdout.str()


def test_without_the_option_nothing_is_loaded(suite: pytest.Pytester) -> None:
    """And `Device` is as it is."""
    suite.makepyfile(
        test_cost="""
        import sys
        from mmio import Device

        def test_it():
            assert not [name for name in sys.modules if name.startswith("mmio.coverage")]
            assert Device.__new__.__module__ == "mmio.device.device"
        """
    )
    assert run(suite, "test_cost.py").ret == 0


def test_a_worker_that_died_is_missed(tmp_path: Path) -> None:
    """Its part is not there, and the run fails."""
    session = SessionCoverage(["Card"], [f"json:{tmp_path}/x.json"], None)
    session.start()
    Card()
    session.stop()
    session.take(None, "gw1")
    assert not session.finish()
    assert session.problems == ["worker gw1 ended without saying what it has covered"]


def test_different_devices_of_one_name_are_refused() -> None:
    """As two workers may find them."""
    one = SessionCoverage(["Card"], [], None)
    one.start()
    Card()
    one.stop()
    data = json.loads(json.dumps(one.to_dict()))
    data["devices"]["Card"]["registers"].pop()
    one.take(data, "gw0")
    assert not one.finish()
    assert "Card and Card are different devices, only one has dma.CTRL" in one.problems[0]
