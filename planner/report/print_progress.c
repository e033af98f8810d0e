#include "planner/report/print_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

#define PATIENCE_SECONDS 2.0
#define REFRESH_SECONDS  0.25

/* Back to the start of the line, and erase it. */
#define CLEAR_LINE "\r\x1b[K"

static void update(void *data, double share) {
    struct print_progress *progress = data;
    if (!progress->enabled)
        return;
    double now = clock_seconds();
    if (progress->devices && *progress->devices != progress->shown_devices) {
        progress->shown_devices = *progress->devices;
        progress->search_start_seconds = now;
    }
    if (now - progress->start_seconds < PATIENCE_SECONDS || now - progress->shown_seconds < REFRESH_SECONDS)
        return;
    progress->shown_seconds = now;
    progress->shown = true;
    if (progress->devices)
        fprintf(stderr, CLEAR_LINE "searching the layouts of %" PRId64 " devices: ", *progress->devices);
    else
        fputs(CLEAR_LINE "searching: ", stderr);
    fprintf(stderr, "%.0f %%", share * 100);
    if (share > 0) {
        double spent = now - progress->search_start_seconds;
        fprintf(stderr, ", about %.0f s left", spent * (1 - share) / share);
    }
}

void print_progress_start(struct print_progress *progress, const int64_t *devices) {
    double now = clock_seconds();
    *progress = (struct print_progress){.progress = {update, progress},
                                        .devices = devices,
                                        .start_seconds = now,
                                        .search_start_seconds = now,
                                        .enabled = isatty(STDERR_FILENO)};
}

void print_progress_end(struct print_progress *progress) {
    if (progress->shown)
        fputs(CLEAR_LINE, stderr);
}
