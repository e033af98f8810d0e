#include "planner/commands/ask.h"

#include "planner/answers/expert_notes.h"
#include "planner/answers/slow_hosts.h"
#include "planner/answers/wish.h"
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
    } else {
        problem_note_no_host(problem);
    }
    problem_note_assumptions(problem);
}

/* Wishes are size's. */
static struct option_entry *wish_guesses(struct option_entry *entries) {
    struct wish_flags ignored;
    struct option_entry *end = wish_options(&ignored, entries);
    for (struct option_entry *entry = entries; entry < end; entry++)
        *entry = (struct option_entry){.name = entry->name, .help = "clusterplan size takes it"};
    return end;
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
    struct option_entry options[PROBLEM_OPTIONS + ASK_OPTIONS + WISH_OPTIONS + PROBLEM_GUESSES + 1];
    struct option_entry *rest =
        ask->one_layout
            ? problem_options_of_one(
                  &asking.flags,
                  "how many (a few may stand idle where that is faster); default: those that --layout "
                  "fixes, all that the cluster file says there are, or else the fewest nodes the model fits "
                  "on",
                  options)
            : problem_options(&asking.flags, options);
    for (size_t i = 0; i < ASK_OPTIONS && ask->options[i].name; i++)
        *rest++ = ask->options[i];
    *problem_guesses(wish_guesses(rest)) = (struct option_entry){.name = NULL};
    const struct command command = {.help = ask->help, .options = options, .run = run, .data = &asking};
    return command_run(&command, argc, argv);
}
