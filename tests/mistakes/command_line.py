"""`pagetrap trace`, `run`, `attach` and `decode`."""

from typing import Final

from tests.mistakes.mistake import Mistake

_TRACE: Final = "pagetrap trace --map '*/regs.bin'"
_RUN: Final = "pagetrap run --device"
_PEEK: Final = "./peek regs.bin 4"

_BROKEN: Final = """\
cat > broken.py << END
class Broken:
    def read(self, offset, width): return 1 / 0
    def write(self, offset, width, value): pass
END
"""

_NARROW: Final = """\
cat > narrow.py << END
class Narrow:
    def read(self, offset): return 0
    def write(self, offset, value): pass
END
"""

_EXITING: Final = """\
cat > exiting.py << END
class Exiting:
    def read(self, offset, width): raise SystemExit(3)
    def write(self, offset, width, value): pass
END
"""


def _typed(did: str, typed: str, *says: str, remedy: str, symptom: str = "", remark: str = "") -> Mistake:
    return Mistake(did, typed, says, "sh", remark=remark, remedy=remedy, symptom=symptom)


MISTAKES: Final = (
    _typed(
        "You misspell a command.",
        "pagetrap trase",
        "there is no command 'trase'; did you mean trace?",
        remedy="correct the command",
    ),
    _typed(
        "You misspell an option.",
        f"{_TRACE} --ouput x {_PEEK}",
        "there is no option --ouput",
        "mean --output?",
        remedy="correct the option",
    ),
    _typed(
        "You name nothing to watch.",
        f"pagetrap trace {_PEEK}",
        "nothing to watch: name mappings with --map GLOB",
        remedy="add `--map`, `--range` or `--ports`",
    ),
    _typed(
        "You name no program.",
        _TRACE,
        "there is no program to run: it comes last, with its arguments",
        remedy="add the program and its arguments, at the end",
    ),
    _typed(
        "You give the wrong path of a program.",
        f"{_TRACE} ./peak regs.bin",
        "./peak: no such program",
        remedy="correct the path",
    ),
    _typed(
        "You run a file that may not be executed.",
        f"{_TRACE} ./regs.bin",
        "./regs.bin: it may not be executed",
        "+x",
        remedy="`chmod +x`",
    ),
    _typed(
        "You run a file that is not a program.",
        f"cp regs.bin data; chmod +x data; {_TRACE} ./data",
        "data: Exec format error",
        remedy="give the program; a script needs a first line `#!…`",
    ),
    _typed(
        "You give a pattern that matches nothing.",
        f"pagetrap trace --map '/dev/uio*' {_PEEK}",
        "no access was seen",
        "the program used nothing that matches file '/dev/uio*'",
        remedy="match the whole path: `'*/uio0'`; find it with `strace -f -e openat,mmap`",
        symptom="no access was seen",
    ),
    _typed(
        "You trace every mapped file.",
        f"pagetrap trace -q -o all.jsonl --map '*' {_PEEK} && echo the program has run >&2",
        "the program has run",
        remark="It takes its time, for libraries are mapped files, too. A pattern does not mean their code, which\n"
        "could not run where nothing may be read.",
        remedy="use a pattern for the device's file only",
        symptom="the traced program is very slow",
    ),
    _typed(
        "You look for an option to trace child processes, as -f of strace.",
        f"{_TRACE} -q --live sh -c './peek regs.bin 4; exit 0' 2>&1 | grep -c 'mov eax,\\[rdi\\]' >&2",
        "1",
        remark="Children and threads are always followed.",
        remedy="nothing: children are always traced",
    ),
    _typed(
        "You leave out the file of a model.",
        f"{_RUN} Card@/dev/uio0 {_PEEK}",
        "expected FILE.py:CLASS before the @",
        remedy="write `FILE.py:CLASS@WHERE`",
    ),
    _typed(
        "You leave out where a device answers.",
        f"{_RUN} card.py:Card {_PEEK}",
        "expected FILE.py:CLASS@WHERE",
        "no @",
        remedy="write `FILE.py:CLASS@WHERE`",
    ),
    _typed(
        "You give the wrong path of a model.",
        f"{_RUN} crad.py:Card@/dev/uio0 {_PEEK}",
        "crad.py: no such file",
        remedy="correct the path",
    ),
    _typed(
        "You misspell the class of a model.",
        f"{_RUN} card.py:Crad@/dev/uio0 {_PEEK}",
        "card.py has no class 'Crad'; did you mean Card?",
        remedy="correct the name",
    ),
    _typed(
        "You name a function in place of a device class.",
        f"{_RUN} card.py:bit@/dev/uio0 {_PEEK}",
        "card.py: bit cannot be made without arguments",
        remedy="name a class that can be created without arguments",
    ),
    _typed(
        "Your model has a syntax error.",
        f"echo 'class Card' > wrong.py; {_RUN} wrong.py:Card@/dev/uio0 {_PEEK}",
        "wrong.py: is not valid Python, line 1",
        "class Card",
        "SyntaxError",
        remedy="correct the syntax error",
    ),
    _typed(
        "Your model raises while the program runs.",
        f"{_BROKEN}{_RUN} broken.py:Broken@regs.bin {_PEEK}",
        "a device model failed, and the program was ended",
        'File "broken.py", line 2, in read',
        "ZeroDivisionError: division by zero",
        remedy="correct the model; the traceback shows the line",
        symptom="the traced program is ended early",
    ),
    _typed(
        "Your program reads beyond the model's registers.",
        f"{_RUN} card.py:Card@regs.bin ./peek regs.bin 0x10",
        "1 access where no device answers (read as ones, writes lost): R 4 Card+0x10 at main+",
        "--unmapped=error ends the program at the first",
        remedy="add the register, or choose the values with `--unmapped`",
        symptom="registers read as 0xffffffff, writes are lost",
    ),
    _typed(
        "Your program maps another part of the file than the model is in.",
        f"{_RUN} card.py:Card@/dev/mem:0xfe000000 ./peek /dev/mem 0",
        "1 access where no device answers (read as ones, writes lost): R 4 Card+0x0 at main+",
        remedy="correct the offset after `PATH:`",
        symptom="registers read as 0xffffffff, writes are lost",
    ),
    _typed(
        "Your program reads beyond the model's registers, with --unmapped=error.",
        f"{_RUN} card.py:Card@regs.bin --unmapped=error ./peek regs.bin 0x10",
        "no device answers at 0x10 of the file that is mapped ('Card' has 0x0..0xc)",
        "make the device longer, or use unmapped='ones' (--unmapped=ones)",
        remedy="add the register, or leave out `--unmapped=error`",
        symptom="the traced program is ended early",
    ),
    _typed(
        "You misspell a required option.",
        f"pagetrap run --devcie card.py:Card@regs.bin {_PEEK}",
        "there is no option --devcie; did you mean --device?",
        remedy="correct the option",
    ),
    _typed(
        "You misspell a value of unmapped.",
        f"{_RUN} card.py:Card@regs.bin,unmapped=one {_PEEK}",
        "expected ,unmapped=error or ,unmapped=ones or ,unmapped=zeros, got ',unmapped=one'",
        remedy="write `error`, `ones` or `zeros`",
    ),
    _typed(
        "You misspell the prefix of ports.",
        f"{_RUN} card.py:Card@port:0x70+2 {_PEEK}",
        "there is no port:; did you mean ports:?",
        remedy="write `ports:`",
    ),
    _typed(
        "Your model's methods have too few parameters.",
        f"{_NARROW}{_RUN} narrow.py:Narrow@regs.bin {_PEEK}",
        "narrow.py: Narrow.read(offset) must take (offset, width)",
        remedy="declare `read(self, offset, width)` and `write(self, offset, width, value)`",
    ),
    _typed(
        "Your model exits.",
        f"{_EXITING}{_RUN} exiting.py:Exiting@regs.bin {_PEEK}",
        "a device model failed, and the program was ended",
        "SystemExit: 3",
        remedy="raise another exception, or return a value",
        symptom="the traced program is ended early",
    ),
    _typed(
        "You give a directory in place of a model.",
        f"mkdir -p cards.py; {_RUN} cards.py:Card@x {_PEEK}",
        "directory",
        remedy="give the Python file",
    ),
    _typed(
        "You run a directory.",
        f"{_TRACE} ./bin",
        "./bin: it is a directory, expected a program",
        remedy="give the program's file",
    ),
    _typed(
        "You run a script whose interpreter does not exist.",
        f"printf '#!/no/such/python' > lost; chmod +x lost; {_TRACE} ./lost",
        "the file is there, but not the interpreter that it names",
        remedy="correct the `#!` line, or install the interpreter",
    ),
    _typed(
        "You give an empty name for the trace.",
        f"{_TRACE} -o '' {_PEEK}",
        "expected the path of a file, got ''",
        remedy="give a path; check the variable in the command",
    ),
    _typed(
        "You give a flag a value.",
        f"{_TRACE} --quiet=1 {_PEEK}",
        "argument -q/--quiet: it takes no value, got '1'",
        remedy="leave out the value",
    ),
    _typed(
        "You give a value that begins with a dash.",
        f"pagetrap trace --range -1+4 {_PEEK}",
        "argument --range: expected a value; one that begins with - needs --range=VALUE",
        remedy="write `--range=VALUE`",
    ),
    _typed(
        "You attach to one process twice.",
        "pagetrap attach -p 7 -p 7 --map x",
        "expected each process once",
        remedy="name each process once",
    ),
    _typed(
        "You give a range without a length.",
        f"pagetrap trace --range 0x1000 {_PEEK}",
        "there is no +LENGTH",
        remedy="write `START+LENGTH`",
    ),
    _typed(
        "You name IO ports from the last to the first.",
        "pagetrap trace --ports 0x71-0x70 -- inb 0x70",
        "the last port is below the first, 0x71",
        "expected FIRST-LAST, FIRST+COUNT or PORT",
        remedy="write the lower port first",
    ),
    _typed(
        "You trace the IO ports of this machine in-process.",
        "pagetrap trace --engine=inprocess --ports 0x70-0x71 -- inb 0x70",
        "real ports cannot be traced in this process",
        "use --engine=ptrace",
        remedy="use `--engine=ptrace`",
    ),
    _typed(
        "You give an invalid number.",
        f"pagetrap trace --range 0+4x {_PEEK}",
        "expected a number",
        "got '4x'",
        remedy="write a number such as `0x1000`, `4096` or `4K`",
    ),
    _typed(
        "You attach to a process that does not exist.",
        "pagetrap attach -p 4194305 --map x",
        "there is no process",
        remedy="check the process number; the program may have ended",
    ),
    _typed(
        "You attach by name.",
        "pagetrap attach -p peek --map x",
        "expected the number of a process",
        "got 'peek'",
        remedy="give the number: `-p $(pidof NAME)`",
    ),
    _typed(
        "You name a trace format that does not exist.",
        f"{_TRACE} -o x --format csv {_PEEK}",
        "no choice 'csv'",
        "vcd",
        remedy="use one of the formats in the message",
    ),
    _typed(
        "You give the trace an unknown suffix.",
        f"{_TRACE} -o run.out {_PEEK}",
        "run.out: no trace format has this suffix",
        ".vcd",
        remedy="use a suffix of the message, or `--format`",
    ),
    _typed(
        "You write into a directory that does not exist.",
        f"{_TRACE} -o out/run.jsonl {_PEEK}",
        "out/run.jsonl: No such file or directory",
        remedy="create the directory",
    ),
    _typed(
        "The disk is full.",
        f"{_TRACE} -q -o /dev/full --format jsonlines {_PEEK}",
        "/dev/full: cannot write the trace any further: No space left on device",
        remedy="free some space; the file ends with the last complete record",
        symptom="the end of a trace is missing",
    ),
    _typed(
        "You decode half a byte.",
        "pagetrap decode 8b471",
        "expected an even number of hexadecimal digits, got",
        remedy="give two digits a byte",
    ),
    _typed(
        "You decode a listing with an invalid line.",
        "printf '90\\n8b 4\\n' | pagetrap decode -",
        "line 2 of standard input: expected an even number of hexadecimal digits, got '8b 4'",
        remedy="correct the line",
    ),
    _typed(
        "You decode nothing.",
        "pagetrap decode - < /dev/null",
        "8b4710, got none in standard input",
        remedy="give the bytes, or write them to standard input",
    ),
    _typed(
        "You close standard output.",
        "pagetrap decode 90 >&-",
        "standard output: Bad file descriptor",
        remedy="leave standard output open",
    ),
    _typed(
        "You print onto a full disk.",
        "pagetrap decode 90 >/dev/full",
        "standard output: No space left on device",
        remedy="free some space",
    ),
    _typed(
        "You decode text.",
        "pagetrap decode 'mov eax,[rdi]'",
        "expected an even number of hexadecimal digits, got",
        remedy="give bytes in hexadecimal; pagetrap has no assembler",
    ),
    _typed(
        "You decode bytes of another mode.",
        "pagetrap decode 060000",
        "no instruction has this encoding: 06 00 00",
        remedy="add `--bits 32` or `--bits 16`",
    ),
    _typed(
        "You ask for an invalid mode.",
        "pagetrap decode --bits 8 90",
        "there are 16, 32, 64",
        remedy="use `--bits 16`, `32` or `64`",
    ),
)
