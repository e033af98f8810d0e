/* The clusters of a session side by side. */
#include "planner/answers/session.h"
#include "planner/answers/shapes.h"
#include "planner/commands/commands.h"
#include "planner/report/print_compare.h"
#include "planner/report/print_data.h"
#include "planner/report/print_progress.h"
#include "planner/report/print_size.h"
#include "planner/report/print_words.h"

/* Of a cluster's name in sentences. */
enum { NAME_COLUMNS = 30 };

/* Reads the session, and poses every problem before the first is searched. */
static bool read_session(const char *path, struct arena *arena, struct session *session,
                         struct compared **compared, struct error *error) {
    if (!session_read(path, arena, session, error))
        return false;
    *compared = ARENA_ARRAY(arena, struct compared, session->cluster_count);
    for (size_t i = 0; i < session->cluster_count; i++) {
        struct compared *one = &(*compared)[i];
        if (!session_pose(session, i, arena, &one->problem, &one->wish, error))
            return false;
        one->name = print_shortened(arena, one->problem.cluster.name, NAME_COLUMNS);
        one->variant = session_variant(session, i, arena);
        one->label = arena_print(arena, "%s%s%s", one->name, *one->variant ? " " : "", one->variant);
    }
    return true;
}

static bool answer_all(const struct session *session, struct compared *compared, struct error *error) {
    struct print_progress line;
    for (size_t i = 0; i < session->cluster_count; i++) {
        const struct problem asked = compared[i].problem;
        print_progress_start(&line, NULL);
        bool found =
            size_find(&compared[i].problem, &compared[i].wish, &line.progress, &compared[i].result, error);
        if (found) {
            shapes_find_sizes(&compared[i].problem, &asked, &compared[i].wish, &line.progress,
                              compared[i].result.best);
        }
        print_progress_end(&line);
        if (!found)
            return session_blame_search(session, i, error);
        if (compared[i].result.best)
            problem_note_mfu(&compared[i].problem, compared[i].result.best->mfu);
        problem_note_assumptions(&compared[i].problem);
    }
    return true;
}

/* The exit code: 0 with one answer at least. Else each line that is to blame is named. */
static int conclude(const struct session *session, const struct compared *compared, struct arena *arena) {
    struct error error;
    enum wish_key key;
    for (size_t i = 0; i < session->cluster_count; i++)
        if (compared[i].result.best)
            return EXIT_RESULT;
    for (size_t i = 0; i < session->cluster_count; i++) {
        print_size_no(&compared[i].problem, &compared[i].wish, &compared[i].result, arena, &key, &error);
        session_blame_wish(session, i, key, &error);
        command_say_no(&error);
    }
    return EXIT_NO_RESULT;
}

static int run(const struct command_call *call, void *data) {
    struct error error = {0};
    struct session session;
    struct compared *compared = NULL;
    (void)data;
    if (call->operand_count == 0) {
        error_set(&error, "compare needs a session file");
        error_hint(&error, "docs/formats.md says what is in one; examples/sessions has some");
        return command_fail(&error);
    }
    if (!read_session(call->operands[0], call->arena, &session, &compared, &error) ||
        !answer_all(&session, compared, &error))
        return command_fail(&error);
    size_t count = session.cluster_count;
    if (call->format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);
        print_compare_table(compared, count, &style, call->arena, stdout);
    } else {
        print_data(print_compare_data(compared, count, call->arena), call->format, stdout);
    }
    return conclude(&session, compared, call->arena);
}

int cmd_compare(int argc, char **argv) {
    static const struct command compare = {
        .help =
            {.usage = "clusterplan compare SESSION [--format table|yaml|json]",
             .about =
                 "Puts the clusters of a session side by side: for each the devices that size finds, "
                 "their layout, memory, step time, days, cost and energy, what binds, and the differences "
                 "in words. Without a wish in the session it is the fewest devices that fit; with one "
                 "number of devices, those. Exit status 1 when no cluster meets the wish.",
             .examples = "  clusterplan compare examples/sessions/gpt-3.yaml\n"
                         "  clusterplan compare examples/sessions/gpt-4.yaml --format yaml\n"},
        .operand_max = 1,
        .run = run};
    return command_run(&compare, argc, argv);
}
