/* A cable between two TAP interfaces for test beds on kernels without netem: wire TAP TAP DELAY_US RATE_MBIT
 * LOSS
 *
 * Each direction sends one frame after the other at the rate, and delivers it the delay later. When more than
 * 10 ms worth of frames wait, the next is lost, as at a switch; of a hundred others LOSS are. SIGUSR1 cuts
 * the cable silently: everything is lost from then on; a second one mends it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 4096, FRAME_BYTES = 9216 };
static const int64_t second_ns = 1000000000;
static const int64_t queue_ns = 10000000;  /* what may wait to be sent */
static const int64_t spin_ns = 60000;      /* a sleep may wake this late; the rest is waited for awake */
static const int wire_overhead_bytes = 24; /* preamble, check sum and gap of Ethernet */

struct frame {
    int64_t due_ns;
    size_t bytes;
    unsigned char data[FRAME_BYTES];
};

struct direction {
    int from, to;
    int64_t free_at_ns; /* when the frames accepted so far have been sent */
    uint64_t head, tail;
    struct frame *frames; /* a ring of FRAMES */
};

static struct frame frames[2][FRAMES]; /* of both directions */
static volatile sig_atomic_t is_cut;
static double loss_share;

static void toggle(int signal_number) {
    (void)signal_number;
    is_cut = !is_cut;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * second_ns + now.tv_nsec;
}

static int open_tap(const char *name) {
    struct ifreq request;
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (file < 0 || ioctl(file, TUNSETIFF, &request) != 0) {
        fprintf(stderr, "wire: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return file;
}

/* Hands over what is due. Returns when the next frame is. */
static int64_t deliver(struct direction *d) {
    while (d->tail != d->head) {
        struct frame *frame = &d->frames[d->tail % FRAMES];
        if (frame->due_ns > now_ns())
            return frame->due_ns;
        if (!is_cut && write(d->to, frame->data, frame->bytes) < 0 && errno != EAGAIN && errno != EIO)
            perror("wire: write");
        d->tail++;
    }
    return INT64_MAX;
}

static bool is_lost(void) {
    static unsigned short state[3] = {1, 2, 3}; /* the same in each run */
    return loss_share > 0 && erand48(state) < loss_share;
}

/* Takes frames in, until there are none or the queue is full. */
static void take(struct direction *d, int64_t delay_ns, double bytes_per_ns) {
    while (d->head - d->tail < FRAMES) {
        struct frame *frame = &d->frames[d->head % FRAMES];
        ssize_t bytes = read(d->from, frame->data, FRAME_BYTES);
        if (bytes <= 0)
            return;
        int64_t now = now_ns(), start = d->free_at_ns > now ? d->free_at_ns : now;
        if (is_cut || start - now > queue_ns || is_lost())
            continue;
        d->free_at_ns = start + (int64_t)((double)(bytes + wire_overhead_bytes) / bytes_per_ns);
        frame->bytes = (size_t)bytes;
        frame->due_ns = d->free_at_ns + delay_ns;
        d->head++;
    }
}

static void wait_until(int64_t due_ns, const struct direction *directions) {
    struct pollfd files[2] = {{directions[0].from, POLLIN, 0}, {directions[1].from, POLLIN, 0}};
    int64_t left = due_ns == INT64_MAX ? second_ns : due_ns - now_ns() - spin_ns;
    if (left > 0) {
        struct timespec pause = {left / second_ns, left % second_ns};
        ppoll(files, 2, &pause, NULL);
    }
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fputs("usage: wire TAP TAP DELAY_US RATE_MBIT LOSS\n", stderr);
        return 2;
    }
    int64_t delay_ns = strtoll(argv[3], NULL, 10) * 1000;
    double bytes_per_ns = strtod(argv[4], NULL) / 8 * 1e6 / (double)second_ns;
    loss_share = strtod(argv[5], NULL) / 100;
    int one = open_tap(argv[1]), other = open_tap(argv[2]);
    struct direction directions[2] = {{.from = one, .to = other, .frames = frames[0]},
                                      {.from = other, .to = one, .frames = frames[1]}};
    struct sigaction action = {.sa_handler = toggle};
    sigaction(SIGUSR1, &action, NULL);
    /* A cable waits for no other program. */
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    for (;;) {
        int64_t next = INT64_MAX;
        for (int i = 0; i < 2; i++) {
            take(&directions[i], delay_ns, bytes_per_ns);
            int64_t due = deliver(&directions[i]);
            next = due < next ? due : next;
        }
        wait_until(next, directions);
    }
}
