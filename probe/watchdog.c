#include "probe/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/terminal.h"

static char message[640], words[1024];
static void (*first_try)(void);
static double first_grace_seconds;

static void set_timer(double seconds) {
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds}};
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void bite(int signal_number) {
    (void)signal_number;
    void (*way_out)(void) = first_try;
    if (way_out != NULL) {
        first_try = NULL;
        set_timer(first_grace_seconds);
        way_out();
        return;
    }
    /* Only calls that are safe in a signal handler. */
    terminal_clear_status();
    ssize_t written = write(STDERR_FILENO, message, strlen(message));
    _exit(written >= 0 ? 1 : 3);
}

void watchdog_arm(double seconds, const char *doing) {
    char host[64] = "";
    struct sigaction action = {.sa_handler = bite};
    watchdog_disarm();
    gethostname(host, sizeof host - 1);
    snprintf(message, sizeof message,
             "clusterprobe: error: no end of %.150s within %.0f s, seen from %s (a member "
             "that doesn't say this is to blame)\n",
             doing, seconds, host);
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    set_timer(seconds);
}

void watchdog_disarm(void) {
    first_try = NULL;
    set_timer(0);
}

void watchdog_try_first(void (*way_out)(void), double grace_seconds) {
    first_grace_seconds = grace_seconds;
    first_try = way_out;
}

static void say_last_words(int signal_number) {
    terminal_clear_status();
    ssize_t written = write(STDERR_FILENO, words, strlen(words));
    (void)written;
    _exit(128 + signal_number); /* as shells report a signal */
}

void watchdog_last_words(const char *last_words) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = last_words != NULL ? say_last_words : SIG_DFL};
    sigemptyset(&action.sa_mask);
    if (last_words != NULL)
        snprintf(words, sizeof words, "clusterprobe: error: %s\n", last_words);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}
