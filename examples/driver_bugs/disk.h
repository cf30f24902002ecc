/* SPDX-License-Identifier: MIT
 *
 * Driver of a disk that reads by DMA. Functions return 0 or a negative errno value.
 */
#ifndef DISK_H
#define DISK_H

#include <stdint.h>

struct descriptor {
	uint64_t address;
	uint64_t length;
};

struct disk {
	volatile uint8_t *registers;
	volatile uint32_t completed; /* reads so far */
	volatile uint32_t errors;
	struct descriptor descriptor;
};

int disk_open(struct disk *disk, volatile void *registers);
int disk_read(struct disk *disk, void *buffer, uint64_t length);
void disk_irq(struct disk *disk);
void disk_close(struct disk *disk);

#endif
