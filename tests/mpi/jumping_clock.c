/* To be loaded before a program: its wall clock is set forth and back by an hour, three times a second, as by
 * someone who sets the time of a host. */
#include <dlfcn.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

typedef int clock_function(clockid_t clock, struct timespec *now);

int clock_gettime(clockid_t clock, struct timespec *now) {
    static const long hour_seconds = 3600, jump_nanoseconds = 333000000;
    static clock_function *real;
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
        memcpy(&real, &symbol, sizeof real); /* ISO C has no conversion between the two */
    }
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && now->tv_nsec / jump_nanoseconds % 2 == 1)
        now->tv_sec += hour_seconds;
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return result;
}
