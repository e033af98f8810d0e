/* The best layouts on so many devices. */
#include "planner/ask.h"
#include "planner/print_plan.h"

static int report(struct problem *problem, const struct answer *answer, enum print_format format,
                  struct arena *arena) {
    if (format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);
        print_plan_table(problem, answer, &style, arena, stdout);
    } else {
        print_data(print_plan_data(problem, answer), format, stdout);
    }
    return answer->plan_count ? EXIT_RESULT : EXIT_NO_RESULT;
}

int cmd_plan(int argc, char **argv) {
    static const struct ask plan = {
        .help =
            {
                .usage = "clusterplan plan --model F --cluster F [options]",
                .about =
                    "Finds the fastest layouts of a training on so many devices: how to split it by tensor,\n"
                    "pipeline, expert, context and data parallelism, with which micro-batch, ZeRO stage,\n"
                    "recomputation and schedule. Says what memory a device needs, how long a step takes and\n"
                    "what a whole training costs. Exit status 1 when nothing fits.",
                .examples =
                    "  clusterplan plan --model llama-3-70b --cluster dgx-h100 --devices 512 --tokens 15T\n"
                    "  clusterplan plan --model gpt-3 --cluster dgx-a100-80g --devices 64..1024\n"
                    "  clusterplan plan --model mixtral-8x7b --cluster dgx-h100 --layout \"tp=2,4 zero=1\"\n"
                    "  clusterplan plan --model gpt-3 --cluster dgx-h100 --format json\n",
            },
        .report = report,
    };
    return ask(&plan, argc, argv);
}
