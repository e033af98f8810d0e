/* The fewest devices for what is wished. */
#include <string.h>

#include "planner/answers/session.h"
#include "planner/answers/shapes.h"
#include "planner/commands/commands.h"
#include "planner/report/print_data.h"
#include "planner/report/print_progress.h"
#include "planner/report/print_size.h"

/* What is asked of one cluster, and its answer. */
struct question {
    struct problem problem;
    struct wish wish;
    struct size_result result;
    const struct session *session; /* NULL: flags asked */
    size_t index;                  /* of the cluster in the session */
};

/* Answers and prints, or adds it to `sizes`. */
static bool answer(struct question *question, enum print_format format, struct arena *arena, json_t *sizes,
                   struct error *error) {
    struct print_progress line;
    struct print_style style = print_style_of(stdout);
    struct problem *problem = &question->problem;
    const struct problem asked = *problem;
    print_progress_start(&line, NULL);
    bool found = size_find(problem, &question->wish, &line.progress, &question->result, error);
    if (found)
        shapes_find_sizes(problem, &asked, &question->wish, &line.progress, question->result.best);
    print_progress_end(&line);
    if (!found)
        return question->session ? session_blame_search(question->session, question->index, error) : false;
    slow_hosts_price(problem, question->result.best);
    if (question->result.best)
        problem_note_mfu(problem, question->result.best->mfu);
    problem_note_assumptions(problem);
    if (format == FORMAT_TABLE)
        print_size_table(problem, &question->wish, &question->result, &style, arena, stdout);
    else
        json_array_append_new(sizes, print_size_data(problem, &question->wish, &question->result, arena));
    return true;
}

/* The exit code: 0 with one answer at least. Else each line of a session that is to blame is named. */
static int conclude(const struct question *questions, size_t count, struct arena *arena) {
    struct error error;
    enum wish_key key;
    for (size_t i = 0; i < count; i++)
        if (questions[i].result.best)
            return EXIT_RESULT;
    for (size_t i = 0; i < count; i++) {
        const struct question *question = &questions[i];
        if (question->session) {
            print_size_no(&question->problem, &question->wish, &question->result, arena, &key, &error);
            session_blame_wish(question->session, question->index, key, &error);
            command_say_no(&error);
        }
    }
    return EXIT_NO_RESULT;
}

static int answer_all(struct question *questions, size_t count, enum print_format format,
                      struct arena *arena) {
    struct error error = {0};
    json_t *data = json_object(), *sizes = json_array();
    bool good = true;
    json_object_set_new(data, "sizes", sizes);
    for (size_t i = 0; i < count && good; i++) {
        fputs(i > 0 && format == FORMAT_TABLE ? "\n\n" : "", stdout);
        good = answer(&questions[i], format, arena, sizes, &error);
    }
    if (format == FORMAT_TABLE || !good)
        json_decref(data);
    else
        print_data(data, format, stdout);
    return good ? conclude(questions, count, arena) : command_fail(&error);
}

/* A session says it all. */
static bool check_alone(const struct option_entry *options, struct error *error) {
    for (const struct option_entry *option = options; option->name; option++) {
        if (option->value && *option->value) {
            return error_set(error, "--%s can't stand beside a session file, which says it all",
                             option->name);
        }
    }
    return true;
}

/* A question for each cluster; all of them are checked before the first is answered. */
static bool read_session(const char *path, struct arena *arena, struct question **questions, size_t *count,
                         struct error *error) {
    static const char no_wish[] = "nothing is wished: deadline, budget, step_time, headroom or an objective";
    struct session *session = ARENA_NEW(arena, struct session);
    if (!session_read(path, arena, session, error))
        return false;
    if (!wish_is_some(&session->wish))
        return session_want_error(session, error, no_wish);
    *count = session->cluster_count;
    *questions = ARENA_ARRAY(arena, struct question, *count);
    for (size_t i = 0; i < *count; i++) {
        struct question *question = &(*questions)[i];
        question->session = session;
        question->index = i;
        if (!session_pose(session, i, arena, &question->problem, &question->wish, error))
            return false;
    }
    return true;
}

/* What the options set. */
struct size_flags {
    struct problem_flags problem;
    struct wish_flags wish;
    struct option_entry options[PROBLEM_OPTIONS + WISH_OPTIONS + PROBLEM_GUESSES + 1];
};

static bool read_flags(const struct size_flags *flags, struct arena *arena, struct question **questions,
                       size_t *count, struct error *error) {
    struct problem_asked asked;
    struct question *question = *questions = ARENA_NEW(arena, struct question);
    enum wish_key key;
    *count = 1;
    if (!problem_flags_read(&flags->problem, arena, &asked, error) ||
        !wish_flags_read(&flags->wish, &question->wish, error))
        return false;
    question->wish.headroom_bytes = asked.headroom_bytes;
    if (!wish_is_some(&question->wish)) {
        error_set(error, "nothing is wished");
        return error_hint(error, "--deadline, --budget, --step-time, --headroom or --objective says what");
    }
    return problem_pose(&asked, arena, &question->problem, error) &&
           wish_apply(&question->wish, &question->problem, &key, error);
}

static int run(const struct command_call *call, void *data) {
    const struct size_flags *flags = data;
    struct question *questions = NULL;
    struct error error = {0};
    size_t count = 0;
    bool read = call->operand_count > 0
                    ? check_alone(flags->options, &error) &&
                          read_session(call->operands[0], call->arena, &questions, &count, &error)
                    : read_flags(flags, call->arena, &questions, &count, &error);
    return read ? answer_all(questions, count, call->format, call->arena) : command_fail(&error);
}

int cmd_size(int argc, char **argv) {
    struct size_flags flags = {0};
    struct option_entry *rest = problem_options_of_one(
        &flags.problem, "how many may be asked for: 8..32768 (default: all whole nodes up to 32,768)",
        flags.options);
    *problem_guesses(wish_options(&flags.wish, rest)) = (struct option_entry){.name = NULL};
    const struct command size = {
        .help =
            {.usage =
                 "clusterplan size --model F --cluster F [wishes] [options], or clusterplan size SESSION",
             .about =
                 "Finds the fewest devices, in whole nodes, on which the training meets what is wished: a "
                 "deadline, a budget, a step time, memory to spare. Every count of the range is looked "
                 "at. Says which wish binds, what more or fewer devices would give, and where more stop "
                 "paying. Exit status 1 when no count does it: the report says what comes closest, and by "
                 "how much it misses.",
             .examples =
                 "  clusterplan size --model llama-3-70b --cluster dgx-h100 --tokens 15T --global-batch "
                 "2048 --deadline \"90 d\" --devices 8..4096\n"
                 "  clusterplan size examples/sessions/gpt-3.yaml --format yaml\n"},
        .options = flags.options,
        .operand_max = 1,
        .run = run,
        .data = &flags};
    return command_run(&size, argc, argv);
}
