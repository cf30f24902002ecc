// A driver for a serial flash chip at four pins of a GPIO port, which it toggles itself. Plain C; knows nothing of pagetrap.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

enum { OUT = 0, IN = 1 };  // registers, 32 bits each
enum { SELECT_N = 1, CLOCK = 2, MOSI = 4, MISO = 1 };
enum {
    WRITE_STATUS = 0x01, PAGE_PROGRAM = 0x02, READ = 0x03, READ_STATUS = 0x05, WRITE_ENABLE = 0x06,
    SECTOR_ERASE = 0x20, READ_IDENTIFICATION = 0x9f,
};
enum { BUSY = 1, WRITE_ENABLED = 2, PATIENCE = 1000 };
enum { PAGE = 256 };

static void select_chip(volatile uint32_t *port) { port[OUT] = 0; }
static void release_chip(volatile uint32_t *port) { port[OUT] = SELECT_N; }

static uint8_t exchange(volatile uint32_t *port, uint8_t byte)
{
    uint8_t answer = 0;
    for (int bit = 7; bit >= 0; bit--) {
        uint32_t mosi = byte >> bit & 1 ? MOSI : 0;
        port[OUT] = mosi;
        port[OUT] = mosi | CLOCK;
        answer = answer << 1 | (port[IN] & MISO);
    }
    port[OUT] = 0;
    return answer;
}

static void command(volatile uint32_t *port, uint8_t code, uint32_t address)
{
    select_chip(port);
    exchange(port, code);
    for (int shift = 16; shift >= 0; shift -= 8)
        exchange(port, address >> shift);
}

static uint8_t status(volatile uint32_t *port)
{
    select_chip(port);
    exchange(port, READ_STATUS);
    uint8_t value = exchange(port, 0);
    release_chip(port);
    return value;
}

static int wait_until_done(volatile uint32_t *port)
{
    for (int tries = 0; tries < PATIENCE; tries++)
        if (!(status(port) & BUSY))
            return 0;
    return -ETIMEDOUT;
}

static int enable_writing(volatile uint32_t *port)
{
    select_chip(port);
    exchange(port, WRITE_ENABLE);
    release_chip(port);
    return status(port) & WRITE_ENABLED ? 0 : -EIO;
}

// Manufacturer, type and capacity, as one number.
uint32_t flash_identify(volatile uint32_t *port)
{
    uint32_t identity = 0;
    release_chip(port);
    select_chip(port);
    exchange(port, READ_IDENTIFICATION);
    for (int i = 0; i < 3; i++)
        identity = identity << 8 | exchange(port, 0);
    release_chip(port);
    return identity;
}

void flash_read(volatile uint32_t *port, uint32_t address, uint8_t *data, size_t length)
{
    command(port, READ, address);
    while (length--)
        *data++ = exchange(port, 0);
    release_chip(port);
}

int flash_erase_sector(volatile uint32_t *port, uint32_t address)
{
    int error = enable_writing(port);
    if (error)
        return error;
    command(port, SECTOR_ERASE, address);
    release_chip(port);
    return wait_until_done(port);
}

// Page by page, since the chip wraps around at the end of one.
int flash_program(volatile uint32_t *port, uint32_t address, const uint8_t *data, size_t length)
{
    while (length) {
        size_t piece = PAGE - address % PAGE;
        if (piece > length)
            piece = length;
        int error = enable_writing(port);
        if (error)
            return error;
        command(port, PAGE_PROGRAM, address);
        for (size_t i = 0; i < piece; i++)
            exchange(port, data[i]);
        release_chip(port);
        error = wait_until_done(port);
        if (error)
            return error;
        address += piece, data += piece, length -= piece;
    }
    return 0;
}
