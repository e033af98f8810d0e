#include "planner/commands/ask.h"

#include "planner/answers/expert_notes.h"
#include "planner/answers/slow_hosts.h"
#include "planner/report/print_progress.h"

bool ask_find(struct problem *problem,
              bool (*find)(struct problem *problem, struct answer *answer, struct error *error),
              struct answer *answer, struct error *error) {
    struct print_progress line;
    print_progress_start(&line, &problem->search.devices);
    problem->search.progress = &line.progress;
    bool found = find(problem, answer, error);
    problem->search.progress = NULL;
    print_progress_end(&line);
    return found;
}

void ask_note(struct problem *problem, const struct plan *best) {
    slow_hosts_price(problem, best);
    if (best) {
        problem_note_mfu(problem, best->mfu);
        expert_notes_add(problem, best);
    }
    problem_note_assumptions(problem);
}

/* What is asked, and the flags of the one who asks. */
struct asking {
    const struct ask *ask;
    struct problem_flags flags;
};

static int run(const struct command_call *call, void *data) {
    const struct asking *asking = data;
    const struct ask *ask = asking->ask;
    const struct problem_flags *flags = &asking->flags;
    struct error error = {0};
    struct problem problem;
    if ((ask->check && !ask->check(ask, flags, &error)) ||
        !problem_read(flags, call->arena, &problem, &error))
        return command_fail(&error);
    if (ask->one_layout) {
        problem.search.top = 1;
        if (problem.devices_from != problem.devices_to) {
            error_set(&error, "one layout has one number of devices, not --devices %s", flags->devices);
            return command_fail(&error);
        }
    }
    return ask->reply(ask, &problem, call->format, call->arena);
}

int ask(const struct ask *ask, int argc, char **argv) {
    struct asking asking = {.ask = ask};
    struct option_entry options[PROBLEM_OPTIONS + ASK_OPTIONS + 1];
    struct option_entry *rest = problem_options(&asking.flags, options);
    for (size_t i = 0; i < ASK_OPTIONS && ask->options[i].name; i++)
        *rest++ = ask->options[i];
    *rest = (struct option_entry){.name = NULL};
    const struct command command = {.help = ask->help, .options = options, .run = run, .data = &asking};
    return command_run(&command, argc, argv);
}
