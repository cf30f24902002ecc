/* SPDX-License-Identifier: MIT
 *
 * Driver for the Tern 1000 network card.
 *
 * Long frames go through descriptor rings in memory. Short ones are copied into the card's own packet buffer, which
 * saves the card two bus transactions and the driver a descriptor.
 */
#include "nic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Registers: offset, width in bits. */
#define NIC_ID 0x000         /* 32 */
#define NIC_REVISION 0x004   /*  8 */
#define NIC_LED 0x005        /*  8 */
#define NIC_MTU 0x006        /* 16 */
#define NIC_CTRL 0x008       /* 32 */
#define NIC_STATUS 0x00c     /* 32 */
#define NIC_INTR 0x010       /* 32, write one to clear */
#define NIC_INTR_MASK 0x014  /* 32 */
#define NIC_EE_ADDR 0x020    /*  8 */
#define NIC_EE_CTRL 0x021    /*  8 */
#define NIC_EE_DATA 0x022    /* 16 */
#define NIC_MAC 0x028        /* 64, the station address in bits 47:0 */
#define NIC_TX_BASE 0x040    /* 64 */
#define NIC_TX_COUNT 0x048   /* 16, descriptors */
#define NIC_TX_INLINE 0x04a  /* 16, writing a length sends the packet buffer */
#define NIC_TX_TAIL 0x04c    /* 32, doorbell */
#define NIC_RX_BASE 0x050    /* 64 */
#define NIC_RX_COUNT 0x058   /* 16, descriptors */
#define NIC_RX_TAIL 0x05c    /* 32, doorbell */
#define NIC_TX_PACKETS 0x100 /* 64, this and the following clear on read */
#define NIC_TX_BYTES 0x108   /* 64 */
#define NIC_RX_PACKETS 0x110 /* 64 */
#define NIC_RX_BYTES 0x118   /* 64 */
#define NIC_RX_DROPPED 0x120 /* 32 */
#define NIC_RX_ERRORS 0x124  /* 32 */
#define NIC_BUFFER 0x1000    /* packet buffer, any width */

#define NIC_ID_TERN1000 0x10001e4e

#define NIC_CTRL_RESET (1u << 0)
#define NIC_CTRL_LINK_UP (1u << 1)
#define NIC_CTRL_TX_ENABLE (1u << 2)
#define NIC_CTRL_RX_ENABLE (1u << 3)

#define NIC_STATUS_READY (1u << 0)
#define NIC_STATUS_LINK (1u << 1)
#define NIC_STATUS_SPEED(status) (((status) >> 4) & 3u)

#define NIC_INTR_TX (1u << 0)
#define NIC_INTR_RX (1u << 1)
#define NIC_INTR_LINK (1u << 2)

#define NIC_EE_START (1u << 0)
#define NIC_EE_DONE (1u << 7)
#define NIC_EE_WORDS 8
#define NIC_EE_SUM 0xbaba /* what all words of a good EEPROM add up to */

#define NIC_LED_OFF 0
#define NIC_LED_LINK 1

#define NIC_MIN_FRAME 60 /* shorter frames are padded */
#define NIC_INLINE_MAX 256
#define NIC_RING 8
#define NIC_POLLS 1000
#define NIC_POLL_US 10

#define NIC_DESC_OWN (1u << 15) /* the card's turn */
#define NIC_DESC_ERROR (1u << 1)
#define NIC_DESC_END (1u << 0)

struct nic_desc {
	uint64_t address;
	uint16_t length;
	uint16_t flags;
	uint32_t reserved;
};

struct nic_ring {
	struct nic_desc desc[NIC_RING];
	uint8_t frames[NIC_RING][NIC_MAX_FRAME];
};

struct nic {
	volatile uint8_t *bar;
	struct nic_ring *tx;
	struct nic_ring *rx;
	uint32_t tx_tail; /* next descriptor to fill */
	uint32_t tx_done; /* next descriptor to take back */
	uint32_t rx_next; /* next descriptor to look at */
	int up;
	uint8_t mac[6];
	struct nic_stats totals;
};

/* ---- Register access ------------------------------------------------------------------------------------------ */

#define readb(reg) (*(const volatile uint8_t *)(reg))
#define readw(reg) (*(const volatile uint16_t *)(reg))
#define readl(reg) (*(const volatile uint32_t *)(reg))
#define readq(reg) (*(const volatile uint64_t *)(reg))

#define writeb(value, reg) ((void)(*(volatile uint8_t *)(reg) = (value)))
#define writew(value, reg) ((void)(*(volatile uint16_t *)(reg) = (value)))
#define writel(value, reg) ((void)(*(volatile uint32_t *)(reg) = (value)))
#define writeq(value, reg) ((void)(*(volatile uint64_t *)(reg) = (value)))

/* Orders what the card sees: descriptors before the doorbell, ownership before contents. */
static inline void barrier(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* Set bits of the control register in place. A plain pointer lets the compiler use one instruction, and would let it
 * move that past other accesses. */
static void nic_ctrl_set(struct nic *nic, uint32_t bits)
{
	uint32_t *ctrl = (uint32_t *)(nic->bar + NIC_CTRL);

	barrier();
	*ctrl |= bits;
	barrier();
}

/* Wait until all `bits` of the 32-bit register at `offset` are as in `value`. */
static int nic_wait(struct nic *nic, size_t offset, uint32_t bits, uint32_t value)
{
	for (int i = 0; i < NIC_POLLS; i++) {
		if ((readl(nic->bar + offset) & bits) == value)
			return 0;
		usleep(NIC_POLL_US);
	}
	return -ETIMEDOUT;
}

/* ---- EEPROM --------------------------------------------------------------------------------------------------- */

static int nic_eeprom_word(struct nic *nic, uint8_t address, uint16_t *word)
{
	writeb(address, nic->bar + NIC_EE_ADDR);
	writeb(NIC_EE_START, nic->bar + NIC_EE_CTRL);
	for (int i = 0; i < NIC_POLLS; i++) {
		if (readb(nic->bar + NIC_EE_CTRL) & NIC_EE_DONE) {
			*word = readw(nic->bar + NIC_EE_DATA);
			return 0;
		}
		usleep(NIC_POLL_US);
	}
	return -ETIMEDOUT;
}

/* Read the whole EEPROM, check it, and take the station address from its first three words. */
static int nic_read_eeprom(struct nic *nic)
{
	uint16_t words[NIC_EE_WORDS];
	uint16_t sum = 0;

	for (uint8_t i = 0; i < NIC_EE_WORDS; i++) {
		int error = nic_eeprom_word(nic, i, &words[i]);

		if (error)
			return error;
		sum += words[i];
	}
	if (sum != NIC_EE_SUM)
		return -EILSEQ;
	memcpy(nic->mac, words, sizeof(nic->mac));
	return 0;
}

/* ---- Set-up --------------------------------------------------------------------------------------------------- */

static int nic_reset(struct nic *nic)
{
	int error;

	writel(NIC_CTRL_RESET, nic->bar + NIC_CTRL);
	error = nic_wait(nic, NIC_CTRL, NIC_CTRL_RESET, 0);
	if (error)
		return error;
	return nic_wait(nic, NIC_STATUS, NIC_STATUS_READY, NIC_STATUS_READY);
}

static void nic_set_mac(struct nic *nic)
{
	uint64_t address = 0;

	memcpy(&address, nic->mac, sizeof(nic->mac));
	writeq(address, nic->bar + NIC_MAC);
}

/* Give the card both rings: the transmit ring empty, every receive descriptor with a buffer. */
static void nic_setup_rings(struct nic *nic)
{
	for (int i = 0; i < NIC_RING; i++) {
		nic->tx->desc[i].address = (uintptr_t)nic->tx->frames[i];
		nic->rx->desc[i].address = (uintptr_t)nic->rx->frames[i];
		nic->rx->desc[i].length = NIC_MAX_FRAME;
		nic->rx->desc[i].flags = NIC_DESC_OWN;
	}
	barrier();
	writeq((uintptr_t)nic->tx->desc, nic->bar + NIC_TX_BASE);
	writew(NIC_RING, nic->bar + NIC_TX_COUNT);
	writeq((uintptr_t)nic->rx->desc, nic->bar + NIC_RX_BASE);
	writew(NIC_RING, nic->bar + NIC_RX_COUNT);
	writel(NIC_RING - 1, nic->bar + NIC_RX_TAIL);
}

static int nic_probe(struct nic *nic)
{
	int error;

	if (readl(nic->bar + NIC_ID) != NIC_ID_TERN1000 || readb(nic->bar + NIC_REVISION) == 0)
		return -ENODEV;
	error = nic_reset(nic);
	if (error)
		return error;
	error = nic_read_eeprom(nic);
	if (error)
		return error;

	nic->tx = calloc(1, sizeof(*nic->tx));
	nic->rx = calloc(1, sizeof(*nic->rx));
	if (!nic->tx || !nic->rx)
		return -ENOMEM;
	nic_set_mac(nic);
	nic_setup_rings(nic);
	writew(NIC_MAX_FRAME, nic->bar + NIC_MTU);
	return 0;
}

static void nic_free(struct nic *nic)
{
	free(nic->tx);
	free(nic->rx);
	free(nic);
}

struct nic *nic_open(volatile void *bar)
{
	struct nic *nic = calloc(1, sizeof(*nic));
	int error;

	if (!nic)
		return NULL;
	nic->bar = bar;
	error = nic_probe(nic);
	if (error) {
		nic_free(nic);
		errno = -error;
		return NULL;
	}
	return nic;
}

void nic_mac(const struct nic *nic, uint8_t mac[6])
{
	memcpy(mac, nic->mac, sizeof(nic->mac));
}

int nic_up(struct nic *nic)
{
	static const int speeds[] = {0, 10, 100, 1000};
	int error;

	nic_ctrl_set(nic, NIC_CTRL_LINK_UP);
	error = nic_wait(nic, NIC_STATUS, NIC_STATUS_LINK, NIC_STATUS_LINK);
	if (error)
		return error;
	writel(NIC_INTR_LINK, nic->bar + NIC_INTR);
	writel(NIC_INTR_TX | NIC_INTR_RX | NIC_INTR_LINK, nic->bar + NIC_INTR_MASK);
	nic_ctrl_set(nic, NIC_CTRL_TX_ENABLE | NIC_CTRL_RX_ENABLE);
	writeb(NIC_LED_LINK, nic->bar + NIC_LED);
	nic->up = 1;
	return speeds[NIC_STATUS_SPEED(readl(nic->bar + NIC_STATUS))];
}

/* ---- Transmit ------------------------------------------------------------------------------------------------- */

/* Copy a short frame into the card's packet buffer, padded, and send it from there. */
static void nic_send_inline(struct nic *nic, const void *frame, size_t length)
{
	uint8_t *buffer = (uint8_t *)(nic->bar + NIC_BUFFER);

	memcpy(buffer, frame, length);
	if (length < NIC_MIN_FRAME) {
		memset(buffer + length, 0, NIC_MIN_FRAME - length);
		length = NIC_MIN_FRAME;
	}
	barrier();
	writew((uint16_t)length, nic->bar + NIC_TX_INLINE);
}

static int nic_send_ring(struct nic *nic, const void *frame, size_t length)
{
	uint32_t next = (nic->tx_tail + 1) % NIC_RING;
	struct nic_desc *desc = &nic->tx->desc[nic->tx_tail];

	if (next == nic->tx_done)
		return -EAGAIN;
	memcpy(nic->tx->frames[nic->tx_tail], frame, length);
	desc->length = (uint16_t)length;
	desc->flags = NIC_DESC_OWN | NIC_DESC_END;
	nic->tx_tail = next;
	barrier();
	writel(next, nic->bar + NIC_TX_TAIL);
	return 0;
}

int nic_send(struct nic *nic, const void *frame, size_t length)
{
	if (!nic->up)
		return -ENETDOWN;
	if (length > NIC_MAX_FRAME)
		return -EMSGSIZE;
	if (length > NIC_INLINE_MAX)
		return nic_send_ring(nic, frame, length);
	nic_send_inline(nic, frame, length);
	return 0;
}

/* Take back the descriptors of frames that are on the wire. */
static void nic_tx_clean(struct nic *nic)
{
	barrier();
	while (nic->tx_done != nic->tx_tail && !(nic->tx->desc[nic->tx_done].flags & NIC_DESC_OWN))
		nic->tx_done = (nic->tx_done + 1) % NIC_RING;
}

/* ---- Receive -------------------------------------------------------------------------------------------------- */

static int nic_receive(struct nic *nic, void *frame, size_t capacity)
{
	struct nic_desc *desc = &nic->rx->desc[nic->rx_next];
	int result;

	barrier();
	if (desc->flags & NIC_DESC_OWN)
		return 0;
	if (desc->flags & NIC_DESC_ERROR) {
		result = 0;
	} else if (desc->length > capacity) {
		result = -EMSGSIZE;
	} else {
		memcpy(frame, nic->rx->frames[nic->rx_next], desc->length);
		result = desc->length;
	}
	desc->length = NIC_MAX_FRAME;
	desc->flags = NIC_DESC_OWN;
	barrier();
	writel(nic->rx_next, nic->bar + NIC_RX_TAIL);
	nic->rx_next = (nic->rx_next + 1) % NIC_RING;
	return result;
}

int nic_poll(struct nic *nic, void *frame, size_t capacity)
{
	uint32_t reasons;

	if (!nic->up)
		return -ENETDOWN;
	reasons = readl(nic->bar + NIC_INTR);
	if (reasons)
#ifdef BUG_CLEARS_UNSEEN
		writel(NIC_INTR_TX | NIC_INTR_RX | NIC_INTR_LINK, nic->bar + NIC_INTR); /* and what has come since the read */
#else
		writel(reasons, nic->bar + NIC_INTR);
#endif
	if (reasons & NIC_INTR_TX)
		nic_tx_clean(nic);
	return nic_receive(nic, frame, capacity);
}

/* ---- Statistics, shutdown ------------------------------------------------------------------------------------- */

/* The card's counters start again from zero when they are read, so they are added up here. */
void nic_stats(struct nic *nic, struct nic_stats *totals)
{
	nic->totals.tx_packets += readq(nic->bar + NIC_TX_PACKETS);
	nic->totals.tx_bytes += readq(nic->bar + NIC_TX_BYTES);
	nic->totals.rx_packets += readq(nic->bar + NIC_RX_PACKETS);
	nic->totals.rx_bytes += readq(nic->bar + NIC_RX_BYTES);
	nic->totals.rx_dropped += readl(nic->bar + NIC_RX_DROPPED);
	nic->totals.rx_errors += readl(nic->bar + NIC_RX_ERRORS);
	*totals = nic->totals;
}

void nic_close(struct nic *nic)
{
	writel(0, nic->bar + NIC_INTR_MASK);
	writel(0, nic->bar + NIC_CTRL);
	writeb(NIC_LED_OFF, nic->bar + NIC_LED);
	nic_free(nic);
}
