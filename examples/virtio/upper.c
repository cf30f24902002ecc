/* SPDX-License-Identifier: MIT
 *
 * A driver of a virtio device with one queue (virtio 1.2, 3.1.1 and 4.2). Behind each macro BUG_… is a mistake.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define REG(offset) (*(volatile uint32_t *)(base + (offset)))
#define MAGIC 0x000
#define VERSION 0x004
#define DEVICE_ID 0x008
#define DRIVER_FEATURES 0x020
#define DRIVER_FEATURES_SEL 0x024
#define QUEUE_SEL 0x030
#define QUEUE_SIZE 0x038
#define QUEUE_READY 0x044
#define QUEUE_NOTIFY 0x050
#define INTERRUPT_STATUS 0x060
#define INTERRUPT_ACK 0x064
#define STATUS 0x070
#define QUEUE_DESC 0x080
#define QUEUE_DRIVER 0x090
#define QUEUE_DEVICE 0x0a0

#define ACKNOWLEDGE 1u
#define DRIVER 2u
#define DRIVER_OK 4u
#define FEATURES_OK 8u
#define F_NEXT 1
#define F_WRITE 2
#define SIZE 4

static volatile struct {
	struct {
		uint64_t address;
		uint32_t length;
		uint16_t flags, next;
	} desc[SIZE];
	struct {
		uint16_t flags, index, ring[SIZE], used_event;
	} available;
	struct {
		uint16_t flags, index;
		struct {
			uint32_t id, length;
		} ring[SIZE];
		uint16_t available_event;
	} used;
} rings __attribute__((aligned(16)));

static void set_address(volatile uint8_t *base, unsigned offset, volatile void *at)
{
	REG(offset) = (uint32_t)(uintptr_t)at;
	REG(offset + 4) = (uint32_t)((uintptr_t)at >> 32);
}

static void set_descriptor(unsigned number, const void *at, uint32_t length, uint16_t flags, uint16_t next)
{
	rings.desc[number].address = (uintptr_t)at;
	rings.desc[number].length = length;
	rings.desc[number].flags = flags;
	rings.desc[number].next = next;
}

/* Set the device up. Return 0 or a negative error. */
int upper_open(volatile uint8_t *base)
{
	if (REG(MAGIC) != 0x74726976 || REG(VERSION) != 2 || REG(DEVICE_ID) != 42)
		return -ENODEV;
	REG(STATUS) = 0;
	REG(STATUS) = ACKNOWLEDGE;
	REG(STATUS) = ACKNOWLEDGE | DRIVER;
	REG(DRIVER_FEATURES_SEL) = 1;
	REG(DRIVER_FEATURES) = 1; /* VIRTIO_F_VERSION_1 */
	REG(DRIVER_FEATURES_SEL) = 0;
	REG(DRIVER_FEATURES) = 0;
	REG(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
#ifndef BUG_FEATURES
	if (!(REG(STATUS) & FEATURES_OK))
		return -ENOTSUP;
#endif
	memset((void *)&rings, 0, sizeof(rings));
	REG(QUEUE_SEL) = 0;
	REG(QUEUE_SIZE) = SIZE;
	set_address(base, QUEUE_DESC, rings.desc);
	set_address(base, QUEUE_DRIVER, &rings.available);
	set_address(base, QUEUE_DEVICE, &rings.used);
	REG(QUEUE_READY) = 1;
	REG(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
	return 0;
}

/* Have a text made upper case. Return the length of the answer, or a negative error. */
int upper_call(volatile uint8_t *base, const char *text, char *answer, uint32_t length)
{
	uint16_t before = rings.used.index;

#ifdef BUG_ORDER
	set_descriptor(0, answer, length, F_NEXT | F_WRITE, 1);
	set_descriptor(1, text, length, 0, 0);
#else
	set_descriptor(0, text, length, F_NEXT, 1);
	set_descriptor(1, answer, length, F_WRITE, 0);
#endif
	rings.available.ring[rings.available.index % SIZE] = 0;
#ifdef BUG_BARRIER
	REG(QUEUE_NOTIFY) = 0;
	rings.available.index++; /* as a CPU or a compiler may order it */
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the entry is in memory before the index */
	rings.available.index++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* and the index before the notification */
	REG(QUEUE_NOTIFY) = 0;
#endif
	if (rings.used.index == before)
		return -ETIMEDOUT;
	REG(INTERRUPT_ACK) = REG(INTERRUPT_STATUS);
	return (int)rings.used.ring[before % SIZE].length;
}
