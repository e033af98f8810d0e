/* The best layouts on so many devices, and what is asked of them besides. */
#include <stdlib.h>
#include <string.h>

#include "planner/answers/frontier.h"
#include "planner/answers/remedies.h"
#include "planner/answers/shapes.h"
#include "planner/answers/what_if.h"
#include "planner/answers/why_not.h"
#include "planner/commands/ask.h"
#include "planner/report/print_frontier.h"
#include "planner/report/print_plan.h"

/* What may be asked instead of the best plans; in the order of the command's options. */
static const struct question {
    const char *flag;
    bool range, runners_up; /* takes a range of devices; shows runners-up */
    bool (*find)(struct problem *problem, struct answer *answer, struct error *error);
} questions[] = {{"--what-if", false, false, what_if_find},
                 {"--why-not", false, true, why_not_find},
                 {"--frontier", true, false, frontier_find}};
enum { QUESTIONS = sizeof questions / sizeof *questions };

/* NULL: just the best plans. */
static const struct question *question_of(const struct ask *ask) {
    for (size_t i = 0; i < QUESTIONS; i++)
        if (*ask->options[i].flag)
            return &questions[i];
    return NULL;
}

static bool check(const struct ask *ask, const struct problem_flags *flags, struct error *error) {
    const struct question *question = question_of(ask);
    if (!question)
        return true;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (&questions[i] != question && *ask->options[i].flag) {
            return error_set(error, "%s and %s are two questions: ask one at a time", question->flag,
                             questions[i].flag);
        }
    }
    if (flags->top && !question->runners_up)
        return error_set(error, "--top says how many runners-up to show, and %s shows none", question->flag);
    if (!question->range && flags->devices && strstr(flags->devices, "..")) {
        return error_set(error, "%s is about one number of devices, not --devices %s", question->flag,
                         flags->devices);
    }
    return true;
}

/* The best plan for another shape of the model. */
static const struct plan *find_shape(struct problem *problem, void *data) {
    struct answer *answer = ARENA_NEW(problem->arena, struct answer);
    struct error ignored = {0}; /* a shape that no layout splits has no answer */
    (void)data;
    problem->search.top = 1;
    return ask_find(problem, answer_find, answer, &ignored) ? answer_best(answer) : NULL;
}

static bool find_remedies(struct problem *problem, struct answer *answer, struct error *error) {
    (void)error;
    remedies_find(problem, answer);
    return true;
}

static int reply(const struct ask *ask, struct problem *problem, enum print_format format,
                 struct arena *arena) {
    const struct question *question = question_of(ask);
    struct print_style style = print_style_of(stdout);
    const struct problem asked = *problem;
    struct error error = {0};
    struct answer answer;
    if (!ask_find(problem, question ? question->find : answer_find, &answer, &error))
        return command_fail(&error);
    if (answer.plan_count == 0)
        ask_find(problem, find_remedies, &answer, &error);
    if (!question)
        shapes_find(problem, &asked, answer_best(&answer), find_shape, NULL);
    ask_note(problem, answer_best(&answer));
    if (format != FORMAT_TABLE)
        print_data(print_plan_data(problem, &answer), format, stdout);
    else if (question && question->find == frontier_find && answer.plan_count > 0)
        print_frontier_table(problem, &answer, &style, arena, stdout);
    else
        print_plan_table(problem, &answer, &style, arena, stdout);
    return answer.plan_count > 0 ? EXIT_RESULT : EXIT_NO_RESULT;
}

int cmd_plan(int argc, char **argv) {
    bool what_if = false, why_not = false, frontier = false;
    const struct ask plan = {
        .help =
            {
                .usage = "clusterplan plan --model F --cluster F [options]",
                .about =
                    "Finds the fastest layouts of a training on so many devices: how to split it by tensor, "
                    "pipeline, expert, context and data parallelism, with which micro-batch, ZeRO stage, "
                    "recomputation and schedule. Says what memory a device needs, how long a step takes and "
                    "what a whole training costs. Exit status 1 when nothing fits.",
                .examples =
                    "  clusterplan plan --model llama-3-70b --cluster dgx-h100 --devices 512 --tokens 15T\n"
                    "  clusterplan plan --model gpt-3 --cluster dgx-a100-80g --devices 64..1024\n"
                    "  clusterplan plan --model mixtral-8x7b --cluster dgx-h100 --layout \"tp=2,4 zero=1\"\n"
                    "  clusterplan plan --model gpt-3 --cluster dgx-h100 --format json\n"
                    "  clusterplan plan --model gpt-3 --cluster dgx-h100 --devices 128 --what-if\n"
                    "  clusterplan plan --model gpt-4 --cluster dgx-a100-80g --devices 1024 --why-not\n"
                    "  clusterplan plan --model llama-3-8b --cluster dgx-h100 --devices 8..64 --frontier\n",
            },
        .options = {{"what-if", 0, NULL,
                     "also: what twice the compute, memory or bandwidth and half the latency would save, "
                     "and what fp8, overlap or another schedule, each with the layout that then wins",
                     NULL, &what_if},
                    {"why-not", 0, NULL,
                     "also: what refused the layouts that would be faster, and those next to "
                     "the best one",
                     NULL, &why_not},
                    {"frontier", 0, NULL,
                     "instead: the plans that no other beats in devices, time and memory", NULL, &frontier}},
        .check = check,
        .reply = reply,
    };
    return ask(&plan, argc, argv);
}
