/* SPDX-License-Identifier: MIT
 *
 * Driver for the Tern 1000, a small gigabit network card.
 *
 * The caller maps the card's registers and passes the address. Buffers given to the card are plain memory: this
 * driver runs where a bus address is the virtual address. Functions return 0 or a count, or a negative errno value.
 */
#ifndef NIC_H
#define NIC_H

#include <stddef.h>
#include <stdint.h>

#define NIC_MAX_FRAME 1514 /* bytes, without the check sequence the card adds */

struct nic;

struct nic_stats {
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_dropped;
	uint64_t rx_errors;
};

/* Find, reset and configure the card. NULL with errno set to ENODEV (no such card), ETIMEDOUT (it never became
 * ready), EILSEQ (EEPROM checksum) or ENOMEM. */
struct nic *nic_open(volatile void *bar);

/* Copy the station address. */
void nic_mac(const struct nic *nic, uint8_t mac[6]);

/* Bring the link up and start both directions. Returns the speed in Mbit/s or -ETIMEDOUT. */
int nic_up(struct nic *nic);

/* Send one frame. -ENETDOWN, -EMSGSIZE, or -EAGAIN when the ring is full. */
int nic_send(struct nic *nic, const void *frame, size_t length);

/* Handle what the card reports and copy out the next received frame. Returns its length, 0 when there is none,
 * or -EMSGSIZE (the frame is dropped) when it does not fit. */
int nic_poll(struct nic *nic, void *frame, size_t capacity);

/* Totals since nic_open. */
void nic_stats(struct nic *nic, struct nic_stats *totals);

/* Stop the card and free everything. */
void nic_close(struct nic *nic);

#endif
