"""Trace files that are not what they should be."""

from typing import Final

from tests.mistakes.mistake import Mistake


def _typed(did: str, typed: str, *says: str, remedy: str, symptom: str = "", remark: str = "") -> Mistake:
    return Mistake(did, typed, says, "sh", remark=remark, remedy=remedy, symptom=symptom)


_NO_TRACE: Final = ":1: not a jsonlines, mmiotrace or parquet trace: it begins with"

MISTAKES: Final = (
    _typed(
        "You show a file that does not exist.",
        "pagetrap show rnu.jsonl",
        "rnu.jsonl: No such file or directory",
        remedy="correct the path",
    ),
    _typed(
        "You show a directory.",
        "pagetrap show bin",
        "bin: Is a directory",
        remedy="give a trace file, or a folder of Parquet files",
    ),
    _typed(
        "You show standard input.",
        "cat run.jsonl | pagetrap show -",
        "-: No such file or directory; for standard input write /dev/stdin",
        remedy="write `/dev/stdin`",
    ),
    _typed(
        "You show a program.", "pagetrap show /bin/true", f"/bin/true{_NO_TRACE} b'\\x7fELF", remedy="give a trace file"
    ),
    _typed(
        "You show a trace that was cut off.",
        "head -c -20 run.jsonl > cut.jsonl; pagetrap show cut.jsonl",
        "cut.jsonl:",
        "the file ends within this line, which its writer did not finish",
        "skip bad lines to read the rest",
        remark="`pagetrap show --skip` does.",
        remedy="add `--skip` to show the rest",
        symptom="the end of a trace is missing",
    ),
    _typed(
        "You show a file of another tool.",
        "echo time,address,value > a.csv; pagetrap show a.csv",
        f"a.csv{_NO_TRACE} b'time,address,value",
        remedy="give a trace in one of the formats of the message",
    ),
    _typed(
        "You show JSON that is not a trace.",
        "echo '{\"name\": 1}' > package.json; pagetrap show package.json",
        f"package.json{_NO_TRACE}",
        remedy="give a trace in one of the formats of the message",
    ),
    _typed(
        "You show an empty file.",
        ": > empty.jsonl; pagetrap show empty.jsonl",
        "empty.jsonl:1: the file is empty",
        remedy="record the trace again",
    ),
    _typed(
        "You convert to a format that does not exist.",
        "pagetrap convert run.jsonl run.csv",
        "run.csv: no trace format has this suffix; expected one of .jsonl (jsonlines)",
        remedy="use a suffix of the message, or `--format`",
    ),
    _typed(
        "You show a format that is only written.",
        "pagetrap convert run.jsonl run.vcd && pagetrap show run.vcd",
        f"run.vcd{_NO_TRACE}",
        "vcd cannot be read back, so also keep the trace in another format",
        remedy="show the original trace; also save a trace in JSON Lines or Parquet",
    ),
    _typed(
        "You convert a file to itself.",
        "pagetrap convert run.jsonl run.jsonl",
        "run.jsonl: would be overwritten while it is read",
        remedy="give another name for the output",
    ),
    _typed(
        "You draw a picture to a file without a suffix.",
        "pagetrap show run.jsonl --heatmap bin",
        "argument --heatmap: bin: expected a picture, a file with one of the suffixes .png, .svg, .pdf",
        remedy="use one of the suffixes in the message",
    ),
    _typed(
        "You show a file whose name is in a variable that is not set.",
        'pagetrap show "$RUN"',
        "argument TRACE: expected the path of a file, got ''",
        remedy="set the variable",
    ),
    _typed(
        "You compare one file with nothing.",
        "pagetrap diff run.jsonl",
        "the following arguments are required: B",
        remedy="give two traces",
    ),
    _typed(
        "You select a register that is not in the trace.",
        "pagetrap show --only CTRL run.jsonl",
        "run.jsonl: no access matches the selection; the trace has accesses to",
        "regs.bin",
        remedy="use a name of the trace: `pagetrap show` lists them",
        symptom="a filter selects nothing",
    ),
    _typed(
        "You give an invalid width.",
        "pagetrap show --width four run.jsonl",
        "argument --width",
        "'four'",
        remedy="write a number or a range",
    ),
    _typed(
        "You give an invalid time.",
        "pagetrap show --since soon run.jsonl",
        "argument --since",
        "'soon'",
        remedy="write a time such as `20ms`",
    ),
)
