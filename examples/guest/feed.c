/*
 * Feeds the watchdog of i6300esb.py three times: as a library, when it is given the registers' address; as a program,
 * where /dev/mem has them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

void feed(volatile void *registers)
{
	volatile uint16_t *reload = (volatile uint16_t *)registers + 6;

	for (int i = 0; i < 3; i++) {
		*reload = 0x80;
		*reload = 0x86;
		*reload = 0x100;
	}
}

int main(void)
{
	int file = open("/dev/mem", O_RDWR | O_SYNC);
	void *registers = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0xfebff000);

	if (registers == MAP_FAILED)
		return 1;
	feed(registers);
	return 0;
}
