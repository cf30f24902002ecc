/* A driver in user space: reset the card, start a transfer, wait for its interrupt at /dev/uio0.
 *
 * The wait for the interrupt ends after ten seconds. The wait for the reset, as it stands, does not end by itself:
 * compile with -DFIXED for the driver that gives up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CTRL, STAT };                    /* registers of 32 bits */
enum { START = 1, RESET = 2, DONE = 1 };
enum { PATIENCE = 10 };                 /* seconds */

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static int reset(volatile uint32_t *card)
{
    time_t begin = now();

    card[CTRL] = RESET;
    while (card[CTRL] & RESET) {
#ifdef FIXED
        if (now() - begin >= PATIENCE)
            return -EIO;
#endif
        usleep(10000);
    }
    return 0;
}

static int transfer(int fd, volatile uint32_t *card)
{
    struct pollfd ready = {fd, POLLIN};
    uint32_t count, on = 1;

    card[CTRL] = START;
    if (poll(&ready, 1, PATIENCE * 1000) == 0)
        return -ETIMEDOUT;
    if (read(fd, &count, sizeof count) != sizeof count || !(card[STAT] & DONE))
        return -EIO;
    card[STAT] = DONE;
    return write(fd, &on, sizeof on) == sizeof on ? 0 : -EIO;
}

int main(void)
{
    int fd = open("/dev/uio0", O_RDWR), result;
    volatile uint32_t *card = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || card == MAP_FAILED)
        return 1;
    result = reset(card);
    if (!result)
        result = transfer(fd, card);
    puts(result == 0 ? "transferred" : result == -ETIMEDOUT ? "no interrupt" : "no card");
    return result != 0;
}
