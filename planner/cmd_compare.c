/* The clusters of a session side by side. */
#include "planner/commands.h"
#include "planner/print_compare.h"
#include "planner/print_data.h"
#include "planner/print_progress.h"
#include "planner/session.h"

/* Reads the session, and poses every problem before the first is searched. */
static bool read_session(const char *path, struct arena *arena, struct compared **compared, size_t *count,
                         struct error *error) {
    struct session session;
    if (!session_read(path, arena, &session, error)) {
        return false;
    }
    *count = session.cluster_count;
    *compared = ARENA_ARRAY(arena, struct compared, *count);
    for (size_t i = 0; i < *count; i++) {
        struct compared *one = &(*compared)[i];
        if (!session_pose(&session, i, arena, &one->problem, &one->wish, error)) {
            return false;
        }
        one->label = session_label(&session, i, &one->problem);
    }
    return true;
}

static bool answer_all(struct compared *compared, size_t count, struct error *error) {
    struct print_progress line;
    const struct size_progress progress = {print_progress_update, &line};
    bool found = true;
    for (size_t i = 0; i < count && found; i++) {
        print_progress_start(&line, NULL);
        found = size_find(&compared[i].problem, &compared[i].wish, &progress, &compared[i].result, error);
        print_progress_end(&line);
        problem_note_assumptions(&compared[i].problem);
    }
    return found;
}

static int compare(const char *path, const char *format_text, struct arena *arena) {
    struct error error = {0};
    struct compared *compared = NULL;
    size_t count = 0;
    enum print_format format;
    if (!print_format_parse(format_text, &format, &error) ||
        !read_session(path, arena, &compared, &count, &error) || !answer_all(compared, count, &error)) {
        return command_fail(&error);
    }
    if (format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);
        print_compare_table(compared, count, &style, arena, stdout);
    } else {
        print_data(print_compare_data(compared, count, arena), format, stdout);
    }
    for (size_t i = 0; i < count; i++) {
        if (compared[i].result.best) {
            return EXIT_RESULT;
        }
    }
    return EXIT_NO_RESULT;
}

int cmd_compare(int argc, char **argv) {
    const char *format = NULL, *path = NULL;
    bool help = false;
    const struct option_entry options[] = {
        {"format", 'f', "F", "table (default), yaml or json", &format, NULL},
        {"help", 'h', NULL, "this text", NULL, &help},
        {.name = NULL}};
    const struct command_help text = {
        .usage = "clusterplan compare SESSION [--format table|yaml|json]",
        .about =
            "Puts the clusters of a session side by side: for each the devices that size finds, their "
            "layout,\n"
            "memory, step time, days, cost and energy, what binds, and the differences in words. Without a\n"
            "wish in the session it is the fewest devices that fit; with one number of devices, those. Exit\n"
            "status 1 when no cluster meets the wish.",
        .options = options,
        .examples = "  clusterplan compare examples/sessions/gpt-3.yaml\n"
                    "  clusterplan compare examples/sessions/gpt-4.yaml --format yaml\n"};
    struct error error = {0};
    size_t operands;
    if (!options_parse(argc, argv, options, &path, 1, &operands, &error)) {
        return command_fail(&error);
    }
    if (help) {
        return command_print_help(&text);
    }
    if (!path) {
        error_set(&error, "compare needs a session file");
        error_hint(&error, "docs/formats.md says what is in one; examples/sessions has some");
        return command_fail(&error);
    }
    struct arena *arena = arena_create();
    int code = compare(path, format, arena);
    arena_destroy(arena);
    return code;
}
