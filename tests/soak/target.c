/* The program of a soak test: it does what its arguments say, and prints a checksum after each operation.
 *
 *     target DEVICE COUNTERS FLAGS OPERATION...
 *
 * An operation is a letter and a number, from which its details follow. What is printed, the exit status and the
 * contents of DEVICE do not depend on the scheduling of threads, on when signals come or on how fast the program is:
 * threads and children have bytes of DEVICE of their own, shared ones are changed by pairs of LOCK instructions that
 * cancel out, and handlers write only to bytes that nobody compares. So a run under pagetrap must end as one without.
 *
 * COUNTERS is a file shared with the test. The program counts there what it does: accesses to the device before and
 * after each instruction that makes them, so that the number of records is between the two whenever it is killed.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The bytes of the device. The test leaves out SCRATCH..SCRATCH_END when it compares. */
enum { PAGE = 4096, LENGTH = 4 * PAGE, OWN = 0, OWN_SIZE = 0x600, CHILD = 0x600, AREA = 0x80, WORKER = 0x800 };
enum { SHARED = 0xa00, SCRATCH = 0xe00, SCRATCH_END = 0xf00, ACROSS = 0xf80, ACROSS_SIZE = 0x100, MOVING = 2 * PAGE };
enum { WORKERS = 4, CHILDREN_ACCESS = 1, LIMITED = 2 }; /* the latter are FLAGS */

static volatile struct {
    uint64_t started[3], done[3]; /* reads, writes, atomics */
    uint64_t operations, pid, stage, signals, jumps, forks, execs, threads, mappings, calls;
} *counters;
static unsigned char *device;
static char **arguments; /* target DEVICE COUNTERS FLAGS: where a started process takes them from */
static int flags;
static uint64_t sum = 0xcbf29ce484222325;
static volatile int quiet; /* handlers of a child that may not touch the device */

static void add(volatile uint64_t *counter, uint64_t n) { __atomic_fetch_add(counter, n, __ATOMIC_RELAXED); }
static void count(volatile uint64_t *which, uint64_t reads, uint64_t writes, uint64_t atomics) {
    if (reads) add(which, reads);
    if (writes) add(which + 1, writes);
    if (atomics) add(which + 2, atomics);
}
static void stop(int status, const char *why) {
    dprintf(1, "%s: %s\n", why, strerror(errno));
    _exit(status);
}
static uint32_t draw(uint64_t *random, uint32_t below) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % below;
}
static uint64_t folded(uint64_t into, uint64_t value) {
    into = (into ^ value) * 0x100000001b3;
    return into ^ into >> 29;
}
static uint64_t folded_bytes(const void *bytes, size_t n) {
    uint64_t into = n;
    for (size_t i = 0; i < n; i++) into = folded(into, ((const unsigned char *)bytes)[i]);
    return into;
}

/* One access of a kind that is drawn, somewhere in an area; returns what can be seen of its result. */
#define DO(reads, writes, atomics, ...) \
    do { \
        count(counters->started, reads, writes, atomics); \
        __asm__ volatile(__VA_ARGS__); \
        count(counters->done, reads, writes, atomics); \
    } while (0)
__attribute__((target("avx2"))) static uint64_t touch_avx2(unsigned char *p, int how) {
    __m256i value, index = _mm256_setr_epi32(0, 3, 1, 7, 2, 2, 5, 4), all = _mm256_set1_epi32(-1);
    if (how == 0) DO(1, 0, 0, "vmovdqu (%1),%0" : "=x"(value) : "r"(p) : "memory");
    if (how == 1) {
        value = _mm256_set1_epi32((uintptr_t)p & 0xfff);
        DO(0, 1, 0, "vmovdqu %0,(%1)" : : "x"(value), "r"(p) : "memory");
    }
    if (how == 2) {
        value = _mm256_setzero_si256();
        DO(8, 0, 0, "vpgatherdd %1,(%2,%3,4),%0" : "+&x"(value), "+&x"(all) : "r"(p), "x"(index) : "memory");
    }
    return folded_bytes(&value, sizeof value);
}
static uint64_t touch(uint64_t *random, unsigned char *area, unsigned size) {
    unsigned kind = draw(random, 34), at = draw(random, size - 64), many = 1 + draw(random, 12);
    unsigned char *p = area + at, *q = (unsigned char *)((uintptr_t)p & -16), buffer[64] = {0};
    uint64_t value = draw(random, 1 << 30) * 0x9e3779b97f4a7c15u, other = value >> 7;
    __m128i vector = _mm_set1_epi64x(value);
    void *from = p, *to = buffer;
    size_t left = many;
    switch (kind) {
    case 0: DO(1, 0, 0, "movb (%1),%b0" : "+q"(value) : "r"(p) : "memory"); break;
    case 1: DO(1, 0, 0, "movw (%1),%w0" : "+r"(value) : "r"(p) : "memory"); break;
    case 2: DO(1, 0, 0, "movl (%1),%k0" : "+r"(value) : "r"(p) : "memory"); break;
    case 3: DO(1, 0, 0, "movq (%1),%0" : "+r"(value) : "r"(p) : "memory"); break;
    case 4: DO(0, 1, 0, "movb %b0,(%1)" : : "q"(value), "r"(p) : "memory"); break;
    case 5: DO(0, 1, 0, "movw %w0,(%1)" : : "r"(value), "r"(p) : "memory"); break;
    case 6: DO(0, 1, 0, "movl %k0,(%1)" : : "r"(value), "r"(p) : "memory"); break;
    case 7: DO(0, 1, 0, "movq %0,(%1)" : : "r"(value), "r"(p) : "memory"); break;
    case 8: DO(1, 0, 0, "movzbl (%1),%k0" : "=r"(value) : "r"(p) : "memory"); break;
    case 9: DO(1, 0, 0, "movswq (%1),%0" : "=r"(value) : "r"(p) : "memory"); break;
    case 10: DO(1, 1, 0, "addl %k0,(%1)" : : "r"(value), "r"(p) : "memory", "cc"); break;
    case 11: DO(1, 1, 0, "notq (%0)" : : "r"(p) : "memory"); break;
    case 12: DO(1, 1, 0, "shlw $3,(%0)" : : "r"(p) : "memory", "cc"); break;
    case 13: DO(0, 0, 1, "lock xaddq %0,(%1)" : "+r"(value) : "r"(q) : "memory", "cc"); break;
    case 14:
        DO(0, 0, 1, "lock cmpxchgl %k2,(%1)" : "+a"(value) : "r"(q), "r"(other) : "memory", "cc");
        value &= 0xffffffff;
        break;
    case 15: DO(0, 0, 1, "xchgb %b0,(%1)" : "+q"(value) : "r"(q) : "memory"); break;
    case 16: DO(0, 0, 1, "lock btsl $5,(%1); sbbl %k0,%k0" : "=r"(value) : "r"(q) : "memory", "cc"); break;
    case 17: {
        uint64_t low = value & 1, high = 0;
        DO(0, 0, 1, "lock cmpxchg16b (%2)" : "+a"(low), "+d"(high) : "r"(q), "b"(value), "c"(other) : "memory", "cc");
        value = low ^ high;
        break;
    }
    case 18: DO(many, 0, 0, "rep movsb" : "+S"(from), "+D"(to), "+c"(left) : : "memory"); break;
    case 19: DO(0, many, 0, "rep stosl" : "+D"(from), "+c"(left) : "a"(value) : "memory"); break;
    case 20:
        to = area;
        DO(many, many, 0, "rep movsl" : "+S"(from), "+D"(to), "+c"(left) : : "memory");
        break;
    case 21:
    case 22:
        count(counters->started, many, 0, 0);
        if (kind == 21) __asm__ volatile("repe cmpsb" : "+S"(to), "+D"(from), "+c"(left) : : "memory", "cc");
        else __asm__ volatile("repne scasb" : "+D"(from), "+c"(left) : "a"(value) : "memory", "cc");
        count(counters->done, many - left, 0, 0);
        count(counters->started, -left, 0, 0);
        value = left;
        break;
    case 23: DO(1, 0, 0, "movdqu (%1),%0" : "=x"(vector) : "r"(p) : "memory"); break;
    case 24: DO(0, 1, 0, "movdqu %0,(%1)" : : "x"(vector), "r"(p) : "memory"); break;
    case 25: DO(0, 1, 0, "movntdq %0,(%1)" : : "x"(vector), "r"(q) : "memory"); break;
    case 26: DO(1, 0, 0, "paddd (%1),%0" : "+x"(vector) : "r"(q) : "memory"); break;
    case 27: DO(1, 0, 0, "sqrtps (%1),%0" : "=x"(vector) : "r"(q) : "memory"); break;
    case 28: DO(1, 1, 0, "fildll (%0); fistpll (%1)" : : "r"(p), "r"(area) : "memory"); break;
    case 29: DO(1, 1, 0, "pushq (%0); popq (%1)" : : "r"(p), "r"(area) : "memory"); break;
    case 30: DO(1, 0, 0, "cmpl %k0,%k0; cmovnel (%1),%k0" : "+r"(value) : "r"(p) : "memory", "cc"); break;
    case 31: DO(1, 0, 0, "imull (%1),%k0" : "+r"(value) : "r"(p) : "memory", "cc"); break;
    default:
        if (__builtin_cpu_supports("avx2")) value = touch_avx2(p, many % 3);
        else DO(1, 0, 0, "xorl (%1),%k0" : "+r"(value) : "r"(p) : "memory", "cc");
    }
    return folded(folded(value, left), folded(folded_bytes(&vector, sizeof vector), folded_bytes(buffer, sizeof buffer)));
}
static uint64_t burst(uint64_t random, unsigned char *area, unsigned size, int accesses) {
    uint64_t seen = 0;
    while (accesses--) seen = folded(seen, touch(&random, area, size));
    return seen;
}
static void clear(unsigned char *area, unsigned size) {
    size_t words = size / 8;
    DO(0, size / 8, 0, "rep stosq" : "+D"(area), "+c"(words) : "a"(0) : "memory");
}

/* Signals. Handlers access the device, may leave by siglongjmp, and set the timer for the next tick. */
static const int numbers[] = {SIGALRM, SIGUSR1, SIGUSR2, SIGURG};
static __thread volatile int may_jump, depth;
static __thread sigjmp_buf back;
static volatile int ticks, interval, drawn;
static void rearm(void) {
    if (ticks > 0 && __atomic_fetch_sub(&ticks, 1, __ATOMIC_RELAXED) > 0) {
        struct itimerval timer = {.it_value.tv_usec = interval};
        setitimer(ITIMER_REAL, &timer, 0);
    }
}
static void handler(int number, siginfo_t *info, void *context) {
    int error = errno;
    add(&counters->signals, 1);
    if (!quiet && depth < 3) {
        unsigned char *cell = device + SCRATCH + 16 * (number % 8);
        __m128i vector;
        depth++;
        DO(0, 0, 1, "lock incl (%0)" : : "r"(cell) : "memory", "cc");
        DO(1, 0, 0, "movaps (%1),%0" : "=x"(vector) : "r"(cell) : "memory");
        DO(0, 1, 0, "movl %0,(%1)" : : "r"(number), "r"(cell + 8) : "memory");
        depth--;
    }
    if (number == SIGALRM) rearm();
    errno = error;
    if (may_jump && depth == 0 && __atomic_fetch_add(&drawn, 1, __ATOMIC_RELAXED) % 4 == 0) {
        may_jump = 0;
        add(&counters->jumps, 1);
        siglongjmp(back, 1);
    }
}
static void handle(uint64_t random) {
    static const int ways[] = {0, SA_ONSTACK, SA_ONSTACK | SA_RESTART, SA_NODEFER, SA_RESTART};
    for (int i = 0; i < 4; i++) {
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | ways[draw(&random, 5)]};
        if (sigaction(numbers[i], &action, 0)) stop(80, "sigaction");
    }
}
static void tick(uint64_t random) {
    ticks = 0;
    interval = 200 + draw(&random, 2000);
    ticks = 5 + draw(&random, 40);
    rearm();
}
static void no_ticks(void) {
    ticks = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
}
static void jump(uint64_t random) {
    unsigned char *p = device + OWN + 8 * draw(&random, 64);
    for (volatile int round = 0; round < 4; round++) {
        volatile uint64_t value = random + round, got = 0;
        while (got != value) {
            if (sigsetjmp(back, 1) == 0) {
                uint64_t seen;
                may_jump = 1;
                if (round == 1) raise(SIGUSR1);
                DO(0, 1, 0, "movq %0,(%1)" : : "r"(value), "r"(p) : "memory");
                if (round == 2) raise(SIGUSR2);
                DO(1, 0, 0, "movq (%1),%0" : "=r"(seen) : "r"(p) : "memory");
                may_jump = 0;
                got = seen;
            }
        }
        sum = folded(sum, got);
    }
}

/* Threads. A worker does the same again and again until it is told to stop, so it does not matter how often. */
static struct worker {
    pthread_t thread;
    volatile pid_t tid;
    uint64_t seed, seen;
    int index, rounds;
} workers[WORKERS];
static int working;
static volatile int stopping;
static void *work(void *argument) {
    struct worker *me = argument;
    static char stacks[WORKERS][1 << 16];
    stack_t alternate = {.ss_sp = stacks[me->index], .ss_size = sizeof stacks[0]};
    if (me->index % 2 && sigaltstack(&alternate, 0)) stop(81, "sigaltstack");
    unsigned char *area = device + WORKER + AREA * me->index, *shared = device + SHARED + 8 * (me->seed % 8);
    me->tid = syscall(SYS_gettid);
    for (int round = 0; round < me->rounds || !stopping; round++) {
        clear(area, AREA);
        DO(0, 0, 1, "lock addq %0,(%1)" : : "r"(me->seed), "r"(shared) : "memory", "cc");
        uint64_t seen = burst(me->seed, area, AREA, 6 + me->seed % 16);
        DO(0, 0, 1, "lock subq %0,(%1)" : : "r"(me->seed), "r"(shared) : "memory", "cc");
        if (round && seen != me->seen) dprintf(1, "worker %d saw something else in round %d\n", me->index, round);
        me->seen = seen;
    }
    return 0;
}
static void join(void) {
    stopping = 1;
    for (int i = 0; i < working; i++) {
        if ((errno = pthread_join(workers[i].thread, 0))) stop(82, "pthread_join");
        sum = folded(sum, workers[i].seen);
        workers[i].tid = 0;
    }
    working = 0;
}
static void start(uint64_t random) {
    join();
    stopping = 0;
    int many = 1 + draw(&random, WORKERS);
    for (; working < many; working++) {
        struct worker *new = workers + working;
        new->index = working, new->rounds = 1 + draw(&random, 3), new->seed = random;
        if ((errno = pthread_create(&new->thread, 0, work, new))) stop(83, "pthread_create");
        add(&counters->threads, 1);
    }
}
static void signal_threads(uint64_t random) {
    for (int i = 0; i < 4; i++) {
        int who = draw(&random, WORKERS + 1), number = numbers[1 + draw(&random, 3)];
        pid_t tid = who < working ? workers[who].tid : syscall(SYS_gettid);
        if (tid) syscall(SYS_tgkill, getpid(), tid, number);
    }
}
static void *scribble(void *unused) { /* until the process ends or executes another program */
    unsigned char *cell = device + SCRATCH + 0x80;
    for (;;) {
        DO(0, 0, 1, "lock incl (%0)" : : "r"(cell) : "memory", "cc");
        DO(0, 1, 0, "movntdq %%xmm0,(%0)" : : "r"(cell + 16) : "memory");
    }
    return 0;
}
static void scribblers(uint64_t random) {
    for (int many = 1 + draw(&random, 3); many; many--) {
        pthread_t thread;
        if ((errno = pthread_create(&thread, 0, scribble, 0))) stop(84, "pthread_create");
        add(&counters->threads, 1);
    }
}

/* Children. */
static int child_work(uint64_t random) {
    quiet = !(flags & CHILDREN_ACCESS);
    uint64_t seen = random;
    if (flags & CHILDREN_ACCESS) {
        clear(device + CHILD, AREA);
        seen = burst(random, device + CHILD, AREA, 8);
    }
    return folded(seen, 1) % 64;
}
static int status_of(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) stop(85, "waitpid");
    return status;
}
static void make_child(uint64_t random) {
    extern char **environ;
    int how = draw(&random, 4);
    pid_t child;
    add(&counters->forks, 1);
    if (how == 0) child = vfork();
    else if (how == 1) {
        char word[32];
        sprintf(word, "c%llu", (unsigned long long)random);
        char *words[] = {arguments[0], arguments[1], arguments[2], arguments[3], word, 0};
        if ((errno = posix_spawn(&child, "/proc/self/exe", 0, 0, words, environ))) stop(86, "posix_spawn");
    } else child = fork();
    if (child < 0) stop(87, "fork");
    if (child == 0) {
        if (how == 0) _exit(random % 64); /* a child of vfork shares this memory */
        if (how == 3 && random % 2) raise(SIGKILL);
        _exit(child_work(random));
    }
    sum = folded(sum, burst(random, device + OWN, OWN_SIZE, 4));
    sum = folded(sum, status_of(child));
}
static void piped(uint64_t random) { /* a child writes slowly, and reads are interrupted */
    int ends[2], got = 0;
    char bytes[64];
    if (pipe(ends)) stop(88, "pipe");
    add(&counters->forks, 1);
    pid_t child = fork();
    if (child < 0) stop(89, "fork");
    if (child == 0) {
        quiet = 1;
        for (int i = 0; i < 8; i++) {
            usleep(draw(&random, 500));
            if (write(ends[1], &random, 8) != 8) _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    for (;;) {
        struct pollfd ready = {.fd = ends[0], .events = POLLIN};
        if (random % 2 && poll(&ready, 1, 1 + draw(&random, 3)) < 0 && errno != EINTR) stop(90, "poll");
        int n = read(ends[0], bytes + got, sizeof bytes - got);
        if (n == 0) break;
        if (n < 0 && errno != EINTR) stop(91, "read");
        if (n > 0) got += n;
    }
    close(ends[0]);
    sum = folded(folded(sum, folded_bytes(bytes, got)), status_of(child));
}
static void again(char **rest) { /* executes this program for the rest of the script */
    char state[32];
    no_ticks();
    signal(SIGALRM, SIG_IGN); /* another thread may be about to set the timer; the new program's handler may come late */
    sprintf(state, "=%llx", (unsigned long long)sum);
    int many = 0;
    while (rest[many]) many++;
    char *words[many + 6];
    memcpy(words, arguments, 4 * sizeof *words);
    words[4] = state;
    memcpy(words + 5, rest, (many + 1) * sizeof *words);
    add(&counters->execs, 1);
    execv("/proc/self/exe", words);
    stop(92, "execv");
}

/* Mappings. */
static unsigned char *volatile guarded;
static volatile int codes;
static void fault(int number, siginfo_t *info, void *context) {
    unsigned char *at = info->si_addr;
    if (!guarded || at < guarded || at >= guarded + PAGE) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    codes = 10 * codes + info->si_code;
    if (mprotect(guarded, PAGE, PROT_READ | PROT_WRITE)) _exit(93);
}
static unsigned char *mapped(void *where, size_t length, int protection, int how, int offset) {
    int file = how & MAP_ANONYMOUS ? -1 : open(arguments[1], O_RDWR);
    if (file < 0 && !(how & MAP_ANONYMOUS)) stop(94, "open");
    unsigned char *place = mmap(where, length, protection, how, file, offset);
    if (place == MAP_FAILED) stop(95, "mmap");
    if (file >= 0) close(file);
    add(&counters->mappings, 1);
    return place;
}
static unsigned char *moved(unsigned char *p, size_t from, size_t to, int how, unsigned char *where) {
    unsigned char *place = mremap(p, from, to, how, where);
    if (place == MAP_FAILED) stop(96, "mremap");
    add(&counters->mappings, 1);
    return place;
}
static void unmapped(void *p, size_t length) {
    if (munmap(p, length)) stop(97, "munmap");
    add(&counters->mappings, 1);
}
static void protect(void *p, size_t length, int protection) {
    if (mprotect(p, length, protection)) stop(98, "mprotect");
    add(&counters->mappings, 1);
}
static void copied(unsigned char *p, size_t n) { /* reads only */
    unsigned char buffer[n];
    void *to = buffer;
    size_t left = n;
    DO(n, 0, 0, "rep movsb" : "+S"(p), "+D"(to), "+c"(left) : : "memory");
    sum = folded(sum, folded_bytes(buffer, n));
}
static void map_around(uint64_t random) {
    enum { RW = PROT_READ | PROT_WRITE, ORDINARY = MAP_PRIVATE | MAP_ANONYMOUS };
    int kind = draw(&random, 9), page = MOVING + PAGE * draw(&random, 2);
    unsigned char *p, *q;
    switch (kind) {
    case 0:
        p = mapped(0, PAGE, RW, MAP_SHARED, page);
        sum = folded(sum, burst(random, p, PAGE, 6));
        unmapped(p, PAGE);
        break;
    case 1:
        q = mapped(0, 2 * PAGE, PROT_NONE, ORDINARY, 0);
        p = mapped(0, 2 * PAGE, RW, MAP_SHARED, MOVING);
        sum = folded(sum, burst(random, p, PAGE, 4));
        p = moved(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
        sum = folded(sum, burst(random, p + PAGE, PAGE, 4));
        unmapped(p, PAGE);
        sum = folded(sum, burst(~random, p + PAGE, PAGE, 4));
        unmapped(p + PAGE, PAGE);
        break;
    case 2:
        p = mapped(0, PAGE, PROT_READ, MAP_SHARED, page);
        copied(p + draw(&random, 1000), 20);
        protect(p, PAGE, RW);
        sum = folded(sum, burst(random, p, PAGE, 4));
        protect(p, PAGE, PROT_READ);
        copied(p + draw(&random, 1000), 20);
        unmapped(p, PAGE);
        break;
    case 3:
        p = mapped(0, PAGE, RW, MAP_SHARED, page);
        sum = folded(sum, burst(random, p, PAGE, 3));
        mapped(p, PAGE, RW, ORDINARY | MAP_FIXED, 0);
        memset(p, random, PAGE); /* makes no record */
        sum = folded(sum, folded_bytes(p, 100));
        mapped(p, PAGE, RW, MAP_SHARED | MAP_FIXED, page);
        sum = folded(sum, burst(random, p, PAGE, 3));
        unmapped(p, PAGE);
        break;
    case 4:
        p = mapped(0, 2 * PAGE, RW, MAP_SHARED, MOVING);
        p = moved(p, 2 * PAGE, PAGE, 0, 0);
        sum = folded(sum, burst(random, p, PAGE, 3));
        p = moved(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0);
        sum = folded(sum, burst(random, p + PAGE, PAGE, 3));
        unmapped(p, 2 * PAGE);
        break;
    case 5:
        p = mapped(0, 16 * PAGE, RW, ORDINARY, 0);
        memset(p, random, 16 * PAGE);
        protect(p + 2 * PAGE, PAGE, PROT_NONE);
        protect(p, 16 * PAGE, RW);
        p = moved(p, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE, 0);
        sum = folded(sum, folded_bytes(p + 15 * PAGE, 2 * PAGE));
        unmapped(p, 32 * PAGE);
        break;
    case 6:
    case 7: /* the program's own faults, in trapped and in ordinary memory */
        p = kind == 6 ? mapped(0, PAGE, RW, MAP_SHARED, page) : mapped(0, PAGE, RW, ORDINARY, 0);
        guarded = p;
        for (int protection = 0; protection <= PROT_READ; protection += PROT_READ) {
            protect(p, PAGE, protection);
            if (kind == 6) DO(0, 1, 0, "movl %k0,(%1)" : : "r"(random), "r"(p + 8) : "memory");
            else *(volatile uint32_t *)(p + 8) = random;
        }
        sum = folded(sum, codes);
        codes = 0;
        guarded = 0;
        if (kind == 6) sum = folded(sum, burst(random, p, PAGE, 3));
        unmapped(p, PAGE);
        break;
    default: /* the same bytes a second time */
        p = mapped(0, PAGE, RW, MAP_SHARED, page);
        q = mapped(0, PAGE, RW, MAP_SHARED, page);
        sum = folded(sum, burst(random, p, PAGE, 4));
        copied(q, 100);
        if (msync(p, PAGE, MS_SYNC) || madvise(q, PAGE, MADV_DONTNEED)) stop(99, "msync");
        copied(q, 100);
        unmapped(p, PAGE);
        unmapped(q, PAGE);
    }
}

/* System calls with buffers on the device. Their records are marked, and are not counted here. */
static void call(uint64_t random) {
    unsigned char *p = device + OWN + draw(&random, 1000), buffer[300];
    int ends[2], n = 1 + draw(&random, 200);
    add(&counters->calls, 1);
    if (pipe(ends)) stop(100, "pipe");
    memset(buffer, random, sizeof buffer);
    struct iovec from[] = {{buffer, 20}, {p, n}, {buffer + 30, 7}}, to[] = {{p, 11}, {buffer, n}, {p + 256, 16}};
    int result[3] = {0};
    switch (draw(&random, 4)) {
    case 0:
        result[0] = write(ends[1], p, n);
        result[1] = read(ends[0], buffer, sizeof buffer);
        break;
    case 1:
        result[0] = write(ends[1], buffer, n);
        result[1] = read(ends[0], p, sizeof buffer);
        break;
    case 2:
        result[0] = writev(ends[1], from, 3);
        result[1] = readv(ends[0], to, 3);
        break;
    default: {
        struct timespec *pause = (void *)((uintptr_t)p & -16);
        DO(0, 1, 0, "movq %0,(%1)" : : "r"(0L), "r"(pause) : "memory");
        DO(0, 1, 0, "movq %0,8(%1)" : : "r"(1000L), "r"(pause) : "memory");
        result[0] = syscall(SYS_nanosleep, pause, pause) && errno != EINTR;
        clear((unsigned char *)pause, 16);
        result[1] = write(-1, p, n) < 0 ? errno : 0;
    }
    }
    close(ends[0]);
    close(ends[1]);
    sum = folded(folded(sum, folded_bytes(result, sizeof result)), folded_bytes(buffer, sizeof buffer));
}
static void descriptors(uint64_t random) {
    struct rlimit before, limit;
    int opened[64], many = 0;
    if (getrlimit(RLIMIT_NOFILE, &before)) stop(101, "getrlimit");
    limit = before;
    limit.rlim_cur = 12 + draw(&random, 52);
    if (limit.rlim_cur > before.rlim_cur) limit.rlim_cur = before.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit)) stop(102, "setrlimit");
    int most = flags & LIMITED ? 64 : 8;
    errno = 0;
    while (many < most && (opened[many] = many % 2 ? dup(1) : open("/dev/null", O_RDONLY)) >= 0) many++;
    sum = folded(folded(sum, many), errno);
    sum = folded(sum, burst(random, device + OWN, OWN_SIZE, 4));
    while (many) close(opened[--many]);
    for (int i = 3; i < 70; i++) sum = folded(sum, close(i)); /* whatever is there, nothing is the program's */
    if (setrlimit(RLIMIT_NOFILE, &before)) stop(103, "setrlimit");
}
static void pause_for(uint64_t random) {
    struct timespec rest = {.tv_nsec = draw(&random, 2000000)};
    while (nanosleep(&rest, &rest) && errno == EINTR) {}
}
static void until(uint64_t stage) { /* the test has set the stage */
    unsigned char *area = device + ACROSS;
    uint64_t seen;
    do {
        clear(area, ACROSS_SIZE);
        seen = burst(stage, area, ACROSS_SIZE, 8);
        usleep(100);
    } while (counters->stage < stage);
    sum = folded(sum, seen);
}
static void finish(int status) {
    join();
    no_ticks();
    uint64_t whole[2 * PAGE / 8];
    void *from = device, *to = whole;
    size_t left = sizeof whole / 8;
    DO(sizeof whole / 8, 0, 0, "rep movsq" : "+S"(from), "+D"(to), "+c"(left) : : "memory");
    memset((char *)whole + SCRATCH, 0, SCRATCH_END - SCRATCH);
    sum = folded(sum, folded_bytes(whole, sizeof whole));
    dprintf(1, "end %016llx\n", (unsigned long long)sum);
    exit(status);
}

int main(int argc, char **argv) {
    static char stack[1 << 16];
    arguments = argv;
    flags = atoi(argv[3]);
    int file = open(argv[2], O_RDWR);
    counters = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || counters == MAP_FAILED) stop(79, argv[2]);
    close(file);
    file = open(argv[1], O_RDWR);
    device = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || device == MAP_FAILED) stop(78, argv[1]);
    close(file);
    if (argv[4] && argv[4][0] == 'c') return child_work(strtoull(argv[4] + 1, 0, 10));
    counters->pid = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* for attach, where Yama asks for it */
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask); /* a handler that accesses the device while SIGSEGV is blocked costs its own handler */
    sigaction(SIGSEGV, &action, 0);
    handle(0);
    for (char **word = argv + 4; *word; word++) {
        uint64_t number = strtoull(*word + 1, 0, **word == '=' ? 16 : 10);
        switch (**word) {
        case '=': sum = number; continue; /* what the program that executed this one had */
        case 'a': sum = folded(sum, burst(number, device + OWN, OWN_SIZE, 10)); break;
        case 'A': sum = folded(sum, burst(number, device + ACROSS, ACROSS_SIZE, 10)); break;
        case 't': start(number); break;
        case 'j': join(); break;
        case 'k': signal_threads(number); break;
        case 'h': handle(number); break;
        case 'i': tick(number); break;
        case 'l': jump(number); break;
        case 'f': make_child(number); break;
        case 'p': piped(number); break;
        case 'm': map_around(number); break;
        case 's': call(number); break;
        case 'd': descriptors(number); break;
        case 'u': pause_for(number); break;
        case 'y': until(number); break;
        case 'w': scribblers(number); break;
        case 'x': join(); add(&counters->operations, 1); again(word + 1); break;
        case 'K': join(); raise(number); break;
        case 'q': finish(number); break;
        default: stop(77, *word);
        }
        add(&counters->operations, 1);
        dprintf(1, "%s %016llx\n", *word, (unsigned long long)sum);
    }
    finish(0);
}
