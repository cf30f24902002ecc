"""A driver in C under a storm of signals, whose handlers access the device themselves."""

# Worker i increments word i of the device, its handlers word 8+i, with one instruction each. Counts made before and
# after bound the word, because a handler that comes in between may leave by siglongjmp.
STORM = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include <sys/syscall.h>
enum { WORKERS = 3, ROUNDS = 150 };
static volatile uint32_t *device;
volatile uint32_t started[WORKERS], done[WORKERS], entered[WORKERS], handled[WORKERS];
static volatile uint32_t finished;
static volatile pid_t tid[WORKERS];
static __thread volatile int self = -1, may_jump;
static __thread sigjmp_buf back;
static unsigned seed;
static int chance(int of) { return (__atomic_add_fetch(&seed, 2654435761u, __ATOMIC_RELAXED) >> 16) % of; }
static void increment(volatile uint32_t *word, int how) {
    switch (how & 3) {
    case 0: __asm__ volatile("incl (%0)" : : "S"(word) : "memory"); break;
    case 1: __asm__ volatile("lock addl $1,(%0)" : : "d"(word) : "memory"); break;
    case 2: { uint32_t one = 1; __asm__ volatile("xaddl %0,(%1)" : "+r"(one) : "D"(word) : "memory"); break; }
    case 3: __asm__ volatile("subl $-1,(%0)" : : "a"(word) : "memory");
    }
}
// Instructions that are executed out of line: signals come while the thread is in a slot.
static void out_of_line(int round) {
    float root[4] __attribute__((aligned(16)));
    if (round % 2) {
        __asm__ volatile("sqrtps (%1),%%xmm3; movaps %%xmm3,%0" : "=m"(root) : "r"(device + 16) : "xmm3");
        for (int i = 0; i < 4; i++) if (root[i] != i + 1) exit(80);
    } else {
        __asm__ volatile("fnstenv (%0); fldenv (%0)" : : "r"(device + 24) : "memory");
        if ((uint16_t)device[24] != 0x37f) exit(81);
    }
}
static void handler(int number, siginfo_t *info, void *context) {
    int me = self;
    if (me < 0) return;
    increment(entered + me, 0);
    increment(device + 8 + me, number);
    increment(handled + me, 0);
    if (may_jump && chance(5) == 0) { may_jump = 0; siglongjmp(back, 1); }
}
static void *work(void *argument) {
    int me = (long)argument;
    static char stacks[WORKERS][1 << 20];  // the model runs there, too, in this process
    stack_t alternate = {.ss_sp = stacks[me], .ss_size = sizeof stacks[me]};
    if (me != 1) sigaltstack(&alternate, 0);  // one thread has none
    tid[me] = syscall(SYS_gettid);
    self = me;
    for (int round = 0; round < ROUNDS; round++) {
        if (sigsetjmp(back, 1) == 0) {
            increment(started + me, 0);
            may_jump = 1;  // not before: a handler in between would leave a round that has not been counted
            increment(device + me, round);
            increment(done + me, 0);
            out_of_line(round);
        }
        may_jump = 0;
        if (round % 16 == 0) usleep(100);
    }
    self = -1;
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    while (finished < WORKERS) usleep(1000);
    return 0;
}
int storm(volatile uint32_t *registers, unsigned start) {
    static const int numbers[] = {SIGALRM, SIGUSR1, SIGUSR2, SIGURG};
    static const int flags[] = {0, SA_ONSTACK, SA_ONSTACK | SA_RESTART, SA_NODEFER};
    struct sigaction before[4];
    seed = start;
    device = registers;
    finished = 0;
    for (int i = 0; i < WORKERS; i++) started[i] = done[i] = entered[i] = handled[i] = tid[i] = 0;
    for (int i = 0; i < 4; i++) {
        ((volatile float *)device)[16 + i] = (i + 1) * (i + 1);
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags[(i + seed) % 4]};
        sigaction(numbers[i], &action, before + i);
    }
    pthread_t threads[WORKERS];
    for (long i = 0; i < WORKERS; i++) pthread_create(threads + i, 0, work, (void *)i);
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &timer, 0);
    while (finished < WORKERS) {
        int who = chance(WORKERS);
        if (tid[who]) syscall(SYS_tgkill, getpid(), tid[who], numbers[1 + chance(3)]);
        usleep(200 + chance(500));
    }
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, 0);
    for (int i = 0; i < WORKERS; i++) pthread_join(threads[i], 0);
    for (int i = 0; i < 4; i++) sigaction(numbers[i], before + i, 0);
    int wrong = 0;
    for (int i = 0; i < WORKERS; i++) {
        wrong += started[i] != ROUNDS || device[i] < done[i] || device[i] > started[i];
        wrong += device[8 + i] < handled[i] || device[8 + i] > entered[i];
    }
    return wrong;
}
"""

WORKERS = 3
ROUNDS = 150
