"""Trees of processes: a program that makes them as a text says, and the text drawn by hypothesis."""

from collections import Counter
from typing import Any, TypeAlias

from hypothesis import strategies as st

MODEL = '''
class Tickets:
    """Gives each read of a counter the next number of its own; the word at 8 is memory."""

    length = 0x1000

    def __init__(self):
        self.drawn, self.word = {}, 0

    def next(self, counter):
        return self.drawn.get(counter, 0) + 1

    def read(self, offset, width):
        if offset == 8:
            return self.word
        self.drawn[offset] = number = self.next(offset)
        return number

    def write(self, offset, width, value):
        self.word = value


tickets = Tickets()
'''

# The second argument is the text. c, n: loads, emulated and completed natively; r: pread; o: IN; a: LOCK INC.
# F, V, S(...): a child by fork, vfork, posix_spawn, which does what is in the parentheses; E(...): become it by execve.
# W: wait for all children; D: setsid; K, T: die of SIGKILL, SIGTERM.
SOURCE = r"""
#include <spawn.h>
#include <sys/io.h>
extern char **environ;
static char *path;
static volatile uint32_t *p;
static int fd, ports;
static const char *after(const char *s) {
    for (int depth = 0;; s++) {
        depth += (*s == '(') - (*s == ')');
        if (!depth) return s;
    }
}
static __attribute__((noinline)) int body(const char *s) {
    int sum = 0, status;
    uint32_t word;
    for (; *s && *s != ')'; s++) {
        const char *inner = s + 2;
        char text[strlen(s) + 1];
        if (s[1] == '(') {
            memcpy(text, inner, after(s + 1) - inner);
            text[after(s + 1) - inner] = 0;
        }
        char *words[] = {"self", path, text, 0};
        pid_t pid;
        switch (*s) {
        case 'c': (void)p[0]; break;
        case 'n': __asm__ volatile("sqrtss (%0),%%xmm0" : : "r"(p + 4) : "xmm0"); break;
        case 'r': if (pread(fd, &word, 4, 12) != 4) _exit(60); break;
        case 'o': if (ports) (void)inb(0x84); break;
        case 'a': __asm__ volatile("lock incl (%0)" : : "r"(p + 2) : "memory"); break;
        case 'F': if (!(pid = fork())) _exit(body(inner)); goto made;
        case 'V': if (!(pid = vfork())) _exit(body(inner)); goto made;
        case 'S': if (posix_spawn(&pid, "/proc/self/exe", 0, 0, words, environ)) _exit(61); goto made;
        case 'E': execve("/proc/self/exe", words, environ); _exit(62);
        made: if (pid < 0) _exit(63); s = after(s + 1); break;
        case 'W':
            while (wait(&status) > 0) sum += WIFEXITED(status) ? 1 + WEXITSTATUS(status) : WTERMSIG(status);
            break;
        case 'D': setsid(); break;
        case 'K': kill(getpid(), SIGKILL); pause();
        case 'T': kill(getpid(), SIGTERM); pause();
        }
    }
    return sum % 50;
}
int main(int argc, char **argv) {
    path = argv[1];
    fd = open(path, O_RDWR);
    ports = !!getenv("PORTS");
    p = map(path, PROT_READ | PROT_WRITE);
    if (ports && iopl(3)) return 64;
    return body(argv[2]);
}
"""

COUNTERS = {"c": ("memory", 0), "n": ("memory", 16), "r": ("memory", 12), "o": ("port", 4)}
"""Where each letter's counter is, as records have it: the space, and the offset."""

Tree: TypeAlias = list[tuple[str, Any]]
"""The steps of a process: a letter, and for a child what it does."""

_LEAF = st.sampled_from("cnroacnroaWD").map(lambda letter: (letter, None))
_END = st.sampled_from(["K", "T", "", "", "", ""]).map(lambda letter: [(letter, None)] if letter else [])


def _bodies(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    child = st.tuples(st.sampled_from("FFVVSSE"), inner)
    return st.builds(lambda steps, end: steps + end, st.lists(_LEAF | child, max_size=5), _END)


trees = st.lists(
    st.tuples(st.sampled_from("FVS"), st.recursive(st.lists(_LEAF, max_size=3), _bodies, max_leaves=6)) | _LEAF,
    min_size=1,
    max_size=4,
)


def text_of(tree: Tree) -> str:
    """Return a tree as the program takes it."""
    return "".join(letter if inner is None else f"{letter}({text_of(inner)})" for letter, inner in tree)


def done(tree: Tree) -> "Counter[str]":
    """Return how often each letter is carried out."""
    found: Counter[str] = Counter()
    for letter, inner in tree:
        if inner is None:
            found[letter] += 1
        else:
            found += done(inner)
        if letter in "KTE":
            break
    return found
