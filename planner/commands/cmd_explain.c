/* Every cost and memory term of one layout. */
#include "planner/commands/ask.h"
#include "planner/report/print_explain.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_slow_hosts.h"

static json_t *explain_data(const struct problem *problem, const struct answer *answer,
                            const struct plan *plan, const struct explain *explain, struct arena *arena) {
    json_t *data = json_object();
    json_object_set_new(data, "plan", print_plan_one(problem, plan));
    json_object_set_new(data, "fits", json_boolean(answer->plan_count > 0));
    if (problem->slow_price)
        json_object_set_new(data, "slow_hosts", print_slow_hosts_data(problem));
    json_object_set_new(data, "terms", print_explain_data(explain_root(explain)));
    json_object_set_new(data, "megatron_flags", print_explain_flags_data(plan, arena));
    json_object_set_new(data, "assumptions", print_plan_assumptions(problem));
    return data;
}

static void print_tree(const struct problem *problem, const struct answer *answer, const struct plan *plan,
                       const struct explain *explain, struct arena *arena) {
    struct print_style style = print_style_of(stdout);
    bool fits = answer->plan_count > 0;
    print_plan_question(problem, plan->devices, &style, arena, stdout);
    print_plan_layout(fits ? "Layout" : "Nearest layout: it does not fit", &plan->layout, &plan->training,
                      &style, stdout);
    print_plan_details(plan, &style, arena, stdout);
    print_slow_hosts(problem, arena, stdout);
    putchar('\n');
    print_explain_table(explain_root(explain), &style, arena, stdout);
    if (fits)
        print_explain_flags(plan, &style, arena, stdout);
    print_plan_notes(problem, &style, stdout);
}

/* What doesn't fit is explained too, so that one sees what takes the memory. What can't even be split so
 * can't be costed: it gets plan's report. */
static int report(const struct problem *problem, const struct answer *answer, enum print_format format,
                  struct arena *arena) {
    bool fits = answer->plan_count > 0;
    const struct layout *layout = fits ? &answer->plans[0]->layout : &answer->nearest.layout;
    const struct training *training = &problem->search.training;
    char why[256];
    bool costable =
        fits || (answer->nearest.found && layout_valid(layout, &problem->model, training->sequence,
                                                       training->global_batch, why, sizeof why));
    struct explain *explain = explain_create(arena);
    struct plan plan;
    if (costable)
        search_evaluate(&problem->search, layout, arena, &plan, explain);
    if (format == FORMAT_TABLE && costable) {
        print_tree(problem, answer, &plan, explain, arena);
    } else if (format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);
        print_plan_table(problem, answer, &style, arena, stdout);
    } else {
        print_data(costable ? explain_data(problem, answer, &plan, explain, arena)
                            : print_plan_data(problem, answer),
                   format, stdout);
    }
    return fits ? EXIT_RESULT : EXIT_NO_RESULT;
}

static int reply(const struct ask *ask, struct problem *problem, enum print_format format,
                 struct arena *arena) {
    struct error error = {0};
    struct answer answer;
    (void)ask;
    if (!ask_find(problem, answer_find, &answer, &error))
        return command_fail(&error);
    ask_note(problem, answer_best(&answer));
    return report(problem, &answer, format, arena);
}

int cmd_explain(int argc, char **argv) {
    static const struct ask explain = {
        .help =
            {
                .usage = "clusterplan explain --model F --cluster F [options]",
                .about =
                    "Shows where the time and the memory of one layout go: every term of the cost model "
                    "as a tree, with the figures behind it. The layout is the one that --layout gives, or "
                    "the best with the keys it fixes. Ends with the layout as flags of Megatron-LM's "
                    "scripts, where the stack is megatron-core. When nothing fits, the nearest miss is "
                    "explained (exit status 1).",
                .examples = "  clusterplan explain --model llama-3-70b --cluster dgx-h100 --devices 64\n"
                            "  clusterplan explain --model gpt-3 --cluster dgx-a100-80g --layout \"tp=8 pp=8 "
                            "dp=8 cp=1\"\n"
                            "  clusterplan explain --model gpt-3 --cluster dgx-a100-80g --devices 512 "
                            "--format yaml\n",
            },
        .one_layout = true,
        .reply = reply,
    };
    return ask(&explain, argc, argv);
}
