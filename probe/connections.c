/* Linux lists a process's open files in /proc/self/fd. */
#include "probe/connections.h"

#include <dirent.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { WATCHED_MAX = 1024, NANOSECONDS = 1000000000 };

static struct pollfd watched[WATCHED_MAX];
static nfds_t watched_count;

static bool is_connection(int file) {
    int type;
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t type_size = sizeof type, peer_size = sizeof peer;
    return getsockopt(file, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
           getpeername(file, (struct sockaddr *)&peer, &peer_size) == 0 &&
           (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
}

bool connections_find(void) {
    DIR *folder = opendir("/proc/self/fd");
    watched_count = 0;
    if (folder == NULL)
        return false;
    for (const struct dirent *entry; watched_count < WATCHED_MAX && (entry = readdir(folder)) != NULL;) {
        char *end;
        long file = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && is_connection((int)file))
            watched[watched_count++] = (struct pollfd){.fd = (int)file, .events = POLLIN};
    }
    closedir(folder);
    return watched_count > 0;
}

static void await_events(long nanoseconds) {
    const struct timespec longest = {nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS};
    ppoll(watched, watched_count, &longest, NULL);
}

void connections_await(long nanoseconds) {
    for (nfds_t i = 0; i < watched_count; i++)
        watched[i].events = POLLIN;
    await_events(nanoseconds);
}

void connections_await_either(long nanoseconds) {
    for (nfds_t i = 0; i < watched_count; i++)
        watched[i].events = POLLIN | POLLOUT;
    await_events(0);
    for (nfds_t i = 0; i < watched_count; i++) {
        if ((watched[i].revents & ~POLLOUT) != 0)
            return;
        if ((watched[i].revents & POLLOUT) != 0)
            watched[i].events = POLLIN; /* there is room already: nothing to wait for */
    }
    await_events(nanoseconds);
}
