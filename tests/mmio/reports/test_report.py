"""Reports as objects: what is shown, and where it goes."""

from pathlib import Path

import pytest

from mmio import Trace, TraceView, save
from mmio.records.events import Cut, Loss, Mark, Started
from mmio.reports import report as module
from tests.mmio.reports.pages import Uart, contents, driven
from tests.mmio.sample_traces import access


def test_facts_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how many accesses it has, how long they took, when they were recorded, and what is missing."""
    view = TraceView.of([Started(0, 0, 10**18), access(0), Loss(1, 5, 7), access(2), Cut(3, 6)])
    html = view.report(title="a run").html()
    assert "<h1>a run</h1>" in html
    for fact in (
        "2 accesses",
        "2 µs",
        "recorded 2001-09-09 01:46:40 UTC",
        "7 accesses are missing",
        "this trace was cut",
    ):
        assert f"<li>{fact}" in html


def test_any_start_of_a_file_is_a_date() -> None:
    """A file may say that it was recorded at any time that it has a number for."""
    assert "recorded 2554-07-21" in TraceView.of([Started(0, 0, (1 << 64) - 1), access(0)]).report().html()


def test_a_notebook_gets_the_first_accesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inline the number of accesses is bounded, and the page says so; a saved one has all."""
    monkeypatch.setattr(module, "MAX_INLINE", 10)
    report = driven(polls=20).report()
    assert "the first 10 of 22 accesses; save the report for all" in report._repr_html_()
    assert len(contents(report.html())[1]["spot"]) == 22
    assert len(contents(report.html(10))[1]["spot"]) == 10


def test_an_empty_trace_has_a_report() -> None:
    """Without accesses there is a page that says so."""
    assert "<li>0 accesses</li>" in Trace().report().html()


def test_a_page_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file is replaced when the new one is finished; what fails leaves it, and nothing beside it."""
    file = tmp_path / "report.html"
    file.write_text("old")
    with pytest.raises(OSError, match=r"No such file or directory: '.*missing/report\.html'"):
        driven().report().save(tmp_path / "missing" / "report.html")
    report = driven().report()
    report.save(file)
    assert file.read_text() == report.html()
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        report.save(tmp_path)


def test_what_is_no_file_is_written_directly() -> None:
    """A page can go to a device or a pipe."""
    driven().report().save("/dev/null")


def test_coverage_is_that_of_the_classes(tmp_path: Path) -> None:
    """With a class the page has a part with what its registers saw; without one it has none."""
    html = driven().report(Uart).html()
    assert '<section id="coverage" role="tabpanel" hidden><h2>Uart</h2>' in html
    assert 'id="coverage"' not in driven().report().html()


def test_classes_name_a_trace_without_names() -> None:
    """Registers of a log that has offsets only are named by the class."""
    view = TraceView.of([access(0, region="card", offset=4, register=None)])
    assert contents(view.report(Uart).html())[0]["lanes"] == ["card.STATUS"]
    assert contents(view.report().html())[0]["lanes"] == ["card+0x4"]


def test_differences_are_those_of_the_comparison() -> None:
    """The rows are those that `diff` prints, up to a bound that the page tells."""
    mine, other = driven(polls=5), driven(polls=6)
    found = contents(mine.report(against=other).html())[0]["differences"]
    diff = mine.diff(other)
    assert found["headline"] == diff.headline
    assert [tuple(row) for row in found["rows"]] == list(diff.rows())
    assert (found["same"], found["more"]) == (False, False)
    assert contents(mine.report().html())[0]["differences"] is None


def test_many_differences_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has a bounded number of rows of differences, and says that there are more."""
    monkeypatch.setattr(module, "MAX_DIFFERENCES", 3)
    found = contents(driven(polls=1).report(against=driven(polls=30)).html())[0]["differences"]
    assert (len(found["rows"]), found["more"]) == (3, True)


def test_arguments_are_checked() -> None:
    """What is no class, no trace and no title is refused where it is given."""
    with pytest.raises(TypeError, match="device is a Device class, or several by the names of their regions, not"):
        driven().report(int)
    with pytest.raises(TypeError, match=r"against is a trace, as open_trace\(path\).load\(\) returns, not 'run.jsonl'"):
        driven().report(against="run.jsonl")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="title is a str, not 3"):
        driven().report(title=3)  # type: ignore[arg-type]


def test_a_report_has_a_short_repr() -> None:
    """`repr` says how many accesses it is of."""
    assert repr(driven(polls=20).report()) == "<HtmlReport of 22 accesses>"


def test_marks_are_notes(tmp_path: Path) -> None:
    """What was marked in the trace comes through a file into the page."""
    path = tmp_path / "run.jsonl"
    save([access(0), Mark(1, 5, "here"), access(1)], path)
    from mmio import open_trace

    assert contents(open_trace(path).load().report().html())[0]["notes"] == [[1, 5, "Mark", "here"]]
