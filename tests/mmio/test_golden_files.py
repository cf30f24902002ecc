"""Golden files of a test run."""

from pathlib import Path

import pytest

from mmio import GoldenError
from mmio.golden_files import Golden, GoldenRun
from tests.mmio.sample_traces import access

TRACE = [access(0), access(1)]


def test_a_file_is_named_by_the_test(tmp_path: Path) -> None:
    """What a file's name cannot have is a dash; a second trace has a number."""
    golden = Golden(GoldenRun(missing="write"), tmp_path / "test_card.py", "test_open[a/b 9600]")
    golden(TRACE)
    golden(TRACE)
    names = sorted(path.name for path in (tmp_path / "golden" / "test_card").iterdir())
    assert names == ["test_open-a-b-9600.trace", "test_open-a-b-9600@2.trace"]


def test_two_tests_cannot_have_one_file(tmp_path: Path) -> None:
    """Where names differ only in what a file's name cannot have, the second is refused."""
    run = GoldenRun(missing="write")
    Golden(run, tmp_path / "test_card.py", "test_open[a/b]")(TRACE)
    with pytest.raises(GoldenError, match=r"test_open\[a-b\] and test_open\[a/b\] would have the same golden file"):
        Golden(run, tmp_path / "test_card.py", "test_open[a-b]")(TRACE)
    Golden(run, tmp_path / "test_card.py", "test_open[a-b]")(TRACE, "test_open-a-b")


def test_what_workers_say_is_put_together(tmp_path: Path) -> None:
    """A file is used if any worker used it; a module is unsure if any test of it did not run to its end."""
    module = tmp_path / "test_card.py"
    first, second, whole = GoldenRun(missing="write"), GoldenRun(missing="write"), GoldenRun()
    Golden(first, module, "test_a")(TRACE)
    Golden(second, module, "test_b")(TRACE)
    for run in (first, second):
        run.ran(module, True)
        whole.take(run.told())
    assert list(whole.report(tmp_path)) == [
        "golden file written: golden/test_card/test_a.trace",
        "golden file written: golden/test_card/test_b.trace",
    ]
    again = GoldenRun()
    again.take(first.told())
    assert [line for line in again.report(tmp_path) if "unused" in line] == [
        "golden file unused: golden/test_card/test_b.trace; no test of its module asks for it, so remove it"
    ]
    assert not any("unused" in line for line in again.report(tmp_path, all_ran=False))
    again.ran(module, False)
    assert not any("unused" in line for line in again.report(tmp_path))


def test_a_folder_that_leads_elsewhere_has_no_files(tmp_path: Path) -> None:
    """A link out of the module's folder is an error for the test, and nothing for the report."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "golden").symlink_to(tmp_path)
    module = tmp_path / "tests" / "test_card.py"
    run = GoldenRun(missing="write")
    with pytest.raises(GoldenError, match="leads out of"):
        Golden(run, module, "test_a")(TRACE)
    run.ran(module, True)
    assert list(run.report(tmp_path)) == []
