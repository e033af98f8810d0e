#include "planner/commands/ask.h"

#include "planner/answers/expert_load.h"
#include "planner/answers/slow_hosts.h"
#include "planner/report/print_progress.h"

bool ask_find(struct problem *problem,
              bool (*find)(struct problem *problem, struct answer *answer, struct error *error),
              struct answer *answer, struct error *error) {
    struct print_progress progress;
    print_progress_start(&progress, &problem->search.devices);
    problem->search.progress = print_progress_update;
    problem->search.progress_data = &progress;
    bool found = find(problem, answer, error);
    print_progress_end(&progress);
    return found;
}

void ask_note(struct problem *problem, const struct plan *best) {
    slow_hosts_price(problem, best);
    if (best) {
        expert_load_note(problem, best);
    }
    problem_note_assumptions(problem);
}

static int answer_flags(const struct ask *ask, const struct problem_flags *flags, const char *format_text,
                        struct arena *arena) {
    struct error error = {0};
    struct problem problem;
    enum print_format format;
    if (!print_format_parse(format_text, &format, &error) ||
        (ask->check && !ask->check(ask, flags, &error)) || !problem_read(flags, arena, &problem, &error)) {
        return command_fail(&error);
    }
    if (ask->one_layout) {
        problem.search.top = 1;
        if (problem.devices_from != problem.devices_to) {
            error_set(&error, "one layout has one number of devices, not --devices %s", flags->devices);
            return command_fail(&error);
        }
    }
    return ask->reply(ask, &problem, format, arena);
}

int ask(const struct ask *ask, int argc, char **argv) {
    struct problem_flags flags = {0};
    const char *format = NULL;
    bool help = false;
    struct option_entry options[PROBLEM_OPTIONS + ASK_OPTIONS + 3];
    struct option_entry *rest = problem_options(&flags, options);
    for (size_t i = 0; i < ASK_OPTIONS && ask->options[i].name; i++) {
        *rest++ = ask->options[i];
    }
    rest[0] = (struct option_entry){"format", 'f', "F", "table (default), yaml or json", &format, NULL};
    rest[1] = (struct option_entry){"help", 'h', NULL, "this text", NULL, &help};
    rest[2] = (struct option_entry){0};
    struct error error = {0};
    size_t operand_count;
    if (!options_parse(argc, argv, options, NULL, 0, &operand_count, &error)) {
        return command_fail(&error);
    }
    if (help) {
        struct command_help text = ask->help;
        text.options = options;
        return command_print_help(&text);
    }
    struct arena *arena = arena_create();
    int code = answer_flags(ask, &flags, format, arena);
    arena_destroy(arena);
    return code;
}
