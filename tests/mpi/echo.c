/* The latency of a link, told without the probe: echo serve answers each datagram, and echo ask ADDRESS
 * SECONDS prints the least half round trip of 8 bytes there and back, in microseconds. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum { PORT = 7777, BYTES = 8 };

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static void serve(int file) {
    for (;;) {
        char bytes[BYTES];
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (recvfrom(file, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size) > 0)
            sendto(file, bytes, sizeof bytes, 0, (struct sockaddr *)&from, size);
    }
}

static double ask(int file, double seconds) {
    char bytes[BYTES] = {0};
    double begin = now_us(), least = 1e6 * seconds;
    while (now_us() < begin + 1e6 * seconds) {
        double sent = now_us();
        if (send(file, bytes, sizeof bytes, 0) == BYTES && recv(file, bytes, sizeof bytes, 0) == BYTES) {
            double half = (now_us() - sent) / 2;
            least = half < least ? half : least;
        }
    }
    return least;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    const struct timeval patience = {1, 0};
    int file = socket(AF_INET, SOCK_DGRAM, 0);
    if (argc == 2 && strcmp(argv[1], "serve") == 0 &&
        bind(file, (struct sockaddr *)&address, sizeof address) == 0) {
        serve(file);
    } else if (argc == 4 && inet_pton(AF_INET, argv[2], &address.sin_addr) == 1 &&
               connect(file, (struct sockaddr *)&address, sizeof address) == 0) {
        setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        printf("%.1f\n", ask(file, strtod(argv[3], NULL)));
        return 0;
    }
    fputs("usage: echo serve | echo ask ADDRESS SECONDS\n", stderr);
    return 2;
}
