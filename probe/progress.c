#include "probe/progress.h"

#include <stdio.h>
#include <unistd.h>

static const double redraw_seconds = 0.2;

void progress_start(struct progress *progress, double now) {
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO) != 0, .begin = now};
}

static void draw(struct progress *progress, double share, double now) {
    double phase = progress->expected, later = progress->later;
    double left = phase * (1 - share) + later, spent = now - progress->begin;
    double percent = 100 * spent / (spent + left + 1e-9);
    if (progress->terminal) {
        fprintf(stderr, "\r\033[K%3.0f %%  %s, about %.0f s left", percent, progress->what, left);
    } else {
        fprintf(stderr, "clusterprobe: %3.0f %%  %s, about %.0f s left\n", percent, progress->what, left);
    }
    progress->drawn = now;
}

void progress_phase(struct progress *progress, const char *what, double expected_seconds,
                    double later_seconds, double now) {
    progress->what = what;
    progress->expected = expected_seconds;
    progress->later = later_seconds;
    draw(progress, 0, now);
}

void progress_step(struct progress *progress, double share, double now) {
    if (progress->terminal && now - progress->drawn >= redraw_seconds) {
        draw(progress, share, now);
    }
}

void progress_clear(struct progress *progress) {
    if (progress->terminal) {
        fputs("\r\033[K", stderr);
    }
}
