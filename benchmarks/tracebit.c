/* Programs and a tracer for benchmarks/tracebit.py.

   tracebit loads N FILE       loads from FILE N times
   tracebit race N PAUSE FILE  does so in each of two threads, PAUSE turns of an empty loop between two loads
   tracebit widths FILE        one access in each of the forms below
   tracebit copy FILE          REP MOVSB of 64 KiB from FILE
   tracebit trace ...          traces the above by the trace bit: prints how many accesses it saw, then each one's width
   tracebit skip ...           makes the two stops that the trace bit cannot do without, and nothing else: the floor

   The tracer does per access what the mail of November 2003 sketched first: the page is made present, the thread runs
   one instruction with the trace bit set, the page is made absent again. A tracer outside the kernel has to make the
   program call mprotect for that, which costs a stop each time. The width is guessed from the instruction's bytes by a
   table of opcodes, as Linux's mmiotrace does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 0x10000
#define PLACE ((char *)0x5A0000000000)
#define MOST (1 << 16)

extern char gate[];
__asm__(".globl gate\ngate: syscall");

static long loads_each, pause_between;

static void load(void) { __asm__ volatile("movl 0x10(%%rdi),%%eax" : : "D"(PLACE) : "rax", "memory"); }

static void *racer(void *unused) {
    for (long i = 0; i < loads_each; i++) {
        load();
        for (volatile long turn = 0; turn < pause_between; turn++) ;
    }
    return 0;
}

/* Keep in step with WIDTHS in tracebit.py. */
#define FORM(text) __asm__ volatile(text : : "D"(PLACE + 64) : "rax", "rcx", "xmm0", "memory", "cc");
static void forms(void) {
    FORM("movb (%%rdi),%%al") FORM("movw (%%rdi),%%ax") FORM("movl (%%rdi),%%eax") FORM("movq (%%rdi),%%rax")
    FORM("movb %%al,(%%rdi)") FORM("movw %%ax,(%%rdi)") FORM("movl %%eax,(%%rdi)") FORM("movq %%rax,(%%rdi)")
    FORM("movb $1,(%%rdi)") FORM("movw $1,(%%rdi)") FORM("movl $1,(%%rdi)") FORM("movq $1,(%%rdi)")
    FORM("movzbl (%%rdi),%%eax") FORM("movzwl (%%rdi),%%eax") FORM("movsbq (%%rdi),%%rax") FORM("movslq (%%rdi),%%rax")
    FORM("orl $2,(%%rdi)") FORM("xchgl %%eax,(%%rdi)") FORM("movnti %%rax,(%%rdi)") FORM("movups (%%rdi),%%xmm0")
    FORM("movdqu %%xmm0,(%%rdi)") FORM("lock cmpxchgl %%ecx,(%%rdi)") FORM("sete (%%rdi)") FORM("testl $1,(%%rdi)")
}

static int work(char **arguments, int protection) {
    char *kind = arguments[0], *file = arguments[1];
    if (!strcmp(kind, "loads")) loads_each = atol(arguments[1]), file = arguments[2];
    if (!strcmp(kind, "race")) loads_each = atol(arguments[1]), pause_between = atol(arguments[2]), file = arguments[3];
    if (mmap(PLACE, SIZE, protection, MAP_SHARED | MAP_FIXED, open(file, O_RDWR), 0) == MAP_FAILED) return 9;
    if (!strcmp(kind, "loads")) {
        for (long i = 0; i < loads_each; i++) load();
    } else if (!strcmp(kind, "widths")) {
        forms();
    } else if (!strcmp(kind, "copy")) {
        static char target[SIZE];
        void *to = target, *from = PLACE;
        long count = SIZE;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    } else {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) pthread_create(threads + i, 0, racer, 0);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    }
    return 0;
}

/* The width of an instruction's operand by its opcode, 0 for one that is not in the table. */
static int guess(pid_t thread, unsigned long ip) {
    uint8_t code[15];
    struct iovec here = {code, 15}, there = {(void *)ip, 15};
    process_vm_readv(thread, &here, 1, &there, 1, 0);
    int at = 0, full = 4;
    for (;; at++) {
        if (code[at] == 0x66) full = 2;
        else if (code[at] != 0xF2 && code[at] != 0xF3) break;
    }
    if (code[at] >> 4 == 4) full = code[at++] & 8 ? 8 : full;
    switch (code[at]) {
    case 0x88: case 0x8A: case 0xC6: case 0xA4: case 0xAA: return 1;
    case 0x89: case 0x8B: case 0xC7: case 0xA5: case 0xAB: return full;
    case 0x63: return 4;
    case 0x0F:
        if (code[at + 1] == 0xB6 || code[at + 1] == 0xBE) return 1;
        if (code[at + 1] == 0xB7 || code[at + 1] == 0xBF) return 2;
    }
    return 0;
}

static void step(pid_t thread) {
    int status;
    ptrace(PTRACE_SINGLESTEP, thread, 0, 0);
    waitpid(thread, &status, __WALL);
}

static void protect(pid_t thread, int protection) {
    struct user_regs_struct before, registers;
    ptrace(PTRACE_GETREGS, thread, 0, &before);
    registers = before;
    registers.rip = (unsigned long)gate, registers.rax = 10, registers.orig_rax = -1;
    registers.rdi = (unsigned long)PLACE, registers.rsi = SIZE, registers.rdx = protection;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
    step(thread);
    ptrace(PTRACE_SETREGS, thread, 0, &before);
}

static int trace(char **arguments, int skip) {
    static int widths[MOST];
    long seen = 0;
    pid_t child = fork(), thread;
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(work(arguments, PROT_NONE));
    }
    int status, result = 9;
    waitpid(child, &status, __WALL);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    ptrace(PTRACE_CONT, child, 0, 0);
    while ((thread = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            if (thread == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 9;
            continue;
        }
        if (WSTOPSIG(status) == SIGSEGV) {
            siginfo_t info;
            struct user_regs_struct registers;
            ptrace(PTRACE_GETSIGINFO, thread, 0, &info);
            ptrace(PTRACE_GETREGS, thread, 0, &registers);
            if (skip) {  /* the load is three bytes, and what follows it does no harm */
                registers.rip += 3;
                ptrace(PTRACE_SETREGS, thread, 0, &registers);
                step(thread);
            } else {
                widths[seen++ % MOST] = guess(thread, registers.rip);
                protect(thread, PROT_READ | PROT_WRITE);
                step(thread);
                protect(thread, PROT_NONE);
            }
        }
        ptrace(PTRACE_CONT, thread, 0, 0);
    }
    printf("%ld", seen);
    for (long i = 0; i < seen && !strcmp(arguments[0], "widths"); i++) printf(" %d", widths[i]);
    printf("\n");
    return result;
}

int main(int count, char **arguments) {
    if (!strcmp(arguments[1], "trace")) return trace(arguments + 2, 0);
    if (!strcmp(arguments[1], "skip")) return trace(arguments + 2, 1);
    return work(arguments + 1, PROT_READ | PROT_WRITE);
}
