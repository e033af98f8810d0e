#include "planner/report/print_progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/terminal.h"

enum { TEXT = 128 };
#define PATIENCE_SECONDS 2.0
#define REFRESH_SECONDS  0.25

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
    char text[TEXT];
    size_t used = (size_t)snprintf(text, sizeof text, "%.0f %%", share * 100);
    if (share > 0) {
        double left = (now - progress->search_start_seconds) * (1 - share) / share;
        used += (size_t)snprintf(text + used, sizeof text - used, ", about %.0f s left", left);
    }
    if (progress->devices)
        snprintf(text + used, sizeof text - used, ": searching the layouts of %" PRId64 " devices",
                 *progress->devices);
    terminal_show_status(text, stderr);
}

void print_progress_start(struct print_progress *progress, const int64_t *devices) {
    double now = clock_seconds();
    *progress = (struct print_progress){.progress = {update, progress},
                                        .devices = devices,
                                        .start_seconds = now,
                                        .search_start_seconds = now,
                                        .enabled = terminal_takes_escapes(stderr)};
}

void print_progress_end(struct print_progress *progress) {
    if (progress->shown)
        terminal_show_status("", stderr);
}
