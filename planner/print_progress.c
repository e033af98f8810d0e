#include "planner/print_progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 2.0
#define REFRESH_SECONDS  0.25

/* Back to the start of the line, and erase it. */
#define CLEAR_LINE "\r\x1b[K"

static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void print_progress_start(struct print_progress *progress) {
    progress->start_seconds = progress->shown_seconds = now_seconds();
    progress->enabled = isatty(STDERR_FILENO);
    progress->shown = false;
}

void print_progress_update(void *data, double share) {
    struct print_progress *progress = data;
    double now = now_seconds(), spent = now - progress->start_seconds;
    if (!progress->enabled || spent < PATIENCE_SECONDS || now - progress->shown_seconds < REFRESH_SECONDS) {
        return;
    }
    progress->shown_seconds = now;
    progress->shown = true;
    fprintf(stderr, CLEAR_LINE "searching: %.0f %%, %.0f s", share * 100, spent);
    if (share > 0) {
        fprintf(stderr, ", about %.0f s left", spent * (1 - share) / share);
    }
}

void print_progress_end(struct print_progress *progress) {
    if (progress->shown) {
        fputs(CLEAR_LINE, stderr);
    }
}
