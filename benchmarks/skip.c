/* The floor of a trapped access: a SIGSEGV handler that only skips the instruction. And the loop that is timed. */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#define LENGTH 3        /* of mov eax,[rdi+10h] */
#define VECTOR_LENGTH 4 /* of movups xmm0,[rdi+10h] */

static long length;

static void skip(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;

	(void)number;
	(void)info;
	interrupted->uc_mcontext.gregs[REG_RIP] += length;
}

/* Read the device `count` times. */
void load(volatile void *device, long count)
{
	for (long i = 0; i < count; i++)
		__asm__ volatile("movl 0x10(%%rdi),%%eax" : : "D"(device) : "eax", "memory");
}

/* The same of 16 bytes. */
void load_vector(volatile void *device, long count)
{
	for (long i = 0; i < count; i++)
		__asm__ volatile("movups 0x10(%%rdi),%%xmm0" : : "D"(device) : "xmm0", "memory");
}

/* Either, on a page of our own that nobody may touch, with the handler above. */
int skip_loads(long count, int vector)
{
	struct sigaction ours = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO | SA_NODEFER}, before;
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || sigaction(SIGSEGV, &ours, &before))
		return -1;
	length = vector ? VECTOR_LENGTH : LENGTH;
	(vector ? load_vector : load)(page, count);
	sigaction(SIGSEGV, &before, NULL);
	return munmap(page, 4096);
}

static void nothing(int number)
{
	(void)number;
}

/* Give SIGUSR2 a handler in C, or none. */
void handle(int with)
{
	signal(SIGUSR2, with ? nothing : SIG_DFL);
}
