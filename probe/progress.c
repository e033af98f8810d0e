#include "probe/progress.h"

#include <stdio.h>

#include "common/terminal.h"

enum { TEXT = 256 };

static const double REDRAW_SECONDS = 0.2;
static const double SHARE_THAT_TELLS = 0.1; /* of a phase, after which its own pace is the best guess */

void progress_start(struct progress *progress, double now) {
    *progress = (struct progress){.terminal = terminal_takes_escapes(stderr), .begin = now};
}

static void draw(struct progress *progress, double share, double now) {
    double whole = progress->expected;
    if (share > SHARE_THAT_TELLS)
        whole = (now - progress->phase_begin) / share;
    double left = whole * (1 - share) + progress->later, spent = now - progress->begin;
    double percent = 100 * spent / (spent + left + 1e-9);
    char text[TEXT];
    snprintf(text, sizeof text, "%3.0f %%  %s, about %.0f s left", percent, progress->what, left);
    if (progress->terminal)
        terminal_show_status(text, stderr);
    else
        fprintf(stderr, "clusterprobe: %s\n", text);
    progress->drawn = now;
}

void progress_phase(struct progress *progress, const char *what, double expected_seconds,
                    double later_seconds, double now) {
    progress->what = what;
    progress->expected = expected_seconds;
    progress->later = later_seconds;
    progress->phase_begin = now;
    draw(progress, 0, now);
}

void progress_step(struct progress *progress, double share, double now) {
    if (progress->terminal && now - progress->drawn >= REDRAW_SECONDS)
        draw(progress, share, now);
}

void progress_clear(struct progress *progress) {
    if (progress->terminal)
        terminal_show_status("", stderr);
}
