/* A driver's work: one instruction in a thousand touches the device. As a library, and as a program by itself. */
#include <stdint.h>
#include <stdlib.h>

volatile uint32_t device_register[8];

/* Read the device `rounds` times; between one access and the next, 999 instructions that fold a buffer on the stack. */
uint32_t work(volatile uint32_t *device, long rounds)
{
	uint32_t sum = 0, buffer[142] = {0};

	while (rounds-- > 0)
		__asm__ volatile("addl 16(%1),%0\n\t"
				 "movl $142,%%ecx\n"
				 "1:\troll $5,%0\n\t"
				 "addl -4(%2,%%rcx,4),%0\n\t"
				 "xorl %%ecx,%0\n\t"
				 "movl %0,-4(%2,%%rcx,4)\n\t"
				 "nop\n\t"
				 "decl %%ecx\n\t"
				 "jnz 1b" : "+r"(sum) : "r"(device), "r"(buffer) : "ecx", "memory");
	return sum;
}

int main(int argc, char **argv)
{
	return argc > 1 && work(device_register, atol(argv[1])) == 1;
}
