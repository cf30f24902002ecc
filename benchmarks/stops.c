/* Two programs for benchmarks/ptrace.py.

   stops access N FILE   maps FILE and loads from it N times
   stops port N          makes N port writes
   stops trace ...       traces the above with the least a tracer can do: wait, ask for signal and registers, skip the
                         instruction, set registers, go on. The mapping is one nobody may touch. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void touch(char **arguments, int protection) {
    long count = atol(arguments[1]);
    if (strcmp(arguments[0], "port") == 0) {
        if (protection && iopl(3)) _exit(9);
        for (long i = 0; i < count; i++) __asm__ volatile("outb %%al,$0x80" : : "a"((char)i));  /* 2 bytes */
        _exit(0);
    }
    void *p = mmap(0, 4096, protection, MAP_SHARED, open(arguments[2], O_RDWR), 0);
    if (p == MAP_FAILED) _exit(9);
    for (long i = 0; i < count; i++) __asm__ volatile("movl 0x10(%%rdi),%%eax" : : "D"(p) : "rax", "memory");  /* 3 */
    _exit(0);
}

int main(int count, char **arguments) {
    if (strcmp(arguments[1], "trace")) touch(arguments + 1, PROT_READ | PROT_WRITE);
    int length = strcmp(arguments[2], "port") ? 3 : 2;
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        touch(arguments + 2, PROT_NONE);
    }
    for (;;) {
        int status;
        siginfo_t info;
        struct user_regs_struct registers;
        waitpid(child, &status, __WALL);
        if (!WIFSTOPPED(status)) return WEXITSTATUS(status);
        ptrace(PTRACE_GETSIGINFO, child, 0, &info);
        ptrace(PTRACE_GETREGS, child, 0, &registers);
        registers.rip += length;
        ptrace(PTRACE_SETREGS, child, 0, &registers);
        ptrace(PTRACE_CONT, child, 0, 0);
    }
}
