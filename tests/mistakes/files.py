"""Trace files that are not what they should be."""

from typing import Final

from tests.mistakes.mistake import Mistake


def _typed(did: str, typed: str, *says: str, remark: str = "") -> Mistake:
    return Mistake(did, typed, says, "sh", remark=remark)


_NO_TRACE: Final = ":1: not a jsonlines, mmiotrace or parquet trace: it begins with"

MISTAKES: Final = (
    _typed("You show a file that is not there.", "pagetrap show rnu.jsonl", "rnu.jsonl: No such file or directory"),
    _typed("You show a directory.", "pagetrap show bin", "bin: Is a directory"),
    _typed(
        "You show standard input.",
        "cat run.jsonl | pagetrap show -",
        "-: No such file or directory; standard input is /dev/stdin here",
    ),
    _typed("You show a program.", "pagetrap show /bin/true", f"/bin/true{_NO_TRACE} b'\\x7fELF"),
    _typed(
        "You show a trace that was cut off.",
        "head -c -20 run.jsonl > cut.jsonl; pagetrap show cut.jsonl",
        "cut.jsonl:",
        "the file ends within this line, which its writer did not finish",
        "skip bad lines to read the rest",
        remark="`pagetrap show --skip` does.",
    ),
    _typed(
        "You show a file of another tool.",
        "echo time,address,value > a.csv; pagetrap show a.csv",
        f"a.csv{_NO_TRACE} b'time,address,value",
    ),
    _typed(
        "You show JSON that is no trace.",
        "echo '{\"name\": 1}' > package.json; pagetrap show package.json",
        f"package.json{_NO_TRACE}",
    ),
    _typed("You show an empty file.", ": > empty.jsonl; pagetrap show empty.jsonl", "empty.jsonl:1: the file is empty"),
    _typed(
        "You convert to a format that does not exist.",
        "pagetrap convert run.jsonl run.csv",
        "run.csv: its suffix is of no trace format; there are .jsonl (jsonlines)",
    ),
    _typed(
        "You show a format that is only written.",
        "pagetrap convert run.jsonl run.vcd && pagetrap show run.vcd",
        f"run.vcd{_NO_TRACE}",
        "vcd is only written, so keep a trace in another format, too",
    ),
    _typed(
        "You convert a file to itself.",
        "pagetrap convert run.jsonl run.jsonl",
        "run.jsonl: would be overwritten while it is read",
    ),
    _typed(
        "You draw a picture to a file without a suffix.",
        "pagetrap show run.jsonl --heatmap bin",
        "argument --heatmap: bin: expected a picture, a file with one of the suffixes .png, .svg, .pdf",
    ),
    _typed(
        "You show a file whose name is in a variable that is not set.",
        'pagetrap show "$RUN"',
        "argument TRACE: expected the path of a file, got ''",
    ),
    _typed("You compare one file with nothing.", "pagetrap diff run.jsonl", "the following arguments are required: B"),
    _typed(
        "You ask for a register that is not in the trace.",
        "pagetrap show --only CTRL run.jsonl",
        "run.jsonl: no access is one that was asked for; the trace has accesses to",
        "regs.bin",
    ),
    _typed("You give a width that is none.", "pagetrap show --width four run.jsonl", "argument --width", "'four'"),
    _typed("You give a time that is none.", "pagetrap show --since soon run.jsonl", "argument --since", "'soon'"),
)
