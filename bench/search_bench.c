/* Times the search on the questions of docs/search.md: search_bench DATA-DIRECTORY [NAME], where topologies/
 * and examples/ lie; NAME: the questions alone that have it in their names ("Growing", "in full"). */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "planner/clusterplan.h"

struct question {
    const char *name, *model, *cluster;
    int64_t devices, sequence, global_batch;
    const char *layout; /* keys that are given */
    bool exhaustive;
    bool in_full; /* devices have room for any layout, so that each has its memory and its cost reckoned */
};

static const struct question questions[] = {
    {"GPT-4 MoE on 24,576 A100", "gpt-4", "dgx-a100-80g", 24576, 8192, 7680, "", false, false},
    {"GPT-4 MoE on 8,192 H100", "gpt-4", "dgx-h100", 8192, 8192, 7680, "", false, false},
    {"DeepSeek-V3 on 2,048 H800", "deepseek-v3", "dgx-h800", 2048, 4096, 15360, "", false, false},
    {"Megatron 1T on 4,096 A100", "megatron-1t", "dgx-a100-80g", 4096, 2048, 4096, "", false, false},
    {"Megatron 1T on 4,096 A100, no offload, nothing pruned", "megatron-1t", "dgx-a100-80g", 4096, 2048, 4096,
     "offload=none recompute=none,selective,full", true, false},
    {"Llama 3 70B on 256 H100", "llama-3-70b", "dgx-h100", 256, 8192, 1024, "", false, false},
    {"Each in full: Megatron 1T on 4,096 A100", "megatron-1t", "dgx-a100-80g", 4096, 2048, 4096,
     "offload=none recompute=none,selective,full", true, true},
    {"Each in full: DeepSeek-V3 on 2,048 H800", "deepseek-v3", "dgx-h800", 2048, 4096, 15360,
     "offload=none recompute=none,selective,full cp=1 etp=1 micro_batch=1", true, true},
};

/* More than any layout needs. */
static const double BOUNDLESS_BYTES = 1e18;

/* Of the processor, so that others on the machine don't count. */
static double cpu_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static bool ask(const struct question *question, const char *directory) {
    struct arena *arena = arena_create();
    struct error error = {0};
    struct model model;
    struct cluster cluster;
    struct search_problem problem = {
        .model = &model, .cluster = &cluster, .devices = question->devices, .top = 5};
    struct search_result result;
    char layout[256] = "nothing fits";
    bool done;
    problem.training = (struct training){.sequence = question->sequence,
                                         .global_batch = question->global_batch,
                                         .precision = PRECISION_BF16,
                                         .attention = ATTENTION_FLASH,
                                         .stack = stack_default()};
    problem.exhaustive = question->exhaustive;
    double start, spent;
    done = model_read(arena_print(arena, "%s/examples/models/%s.yaml", directory, question->model), arena,
                      &model, &error) &&
           cluster_read(arena_print(arena, "%s/topologies/%s.yaml", directory, question->cluster), arena,
                        &cluster, &error) &&
           layout_request_parse(question->layout, &problem.request, &error);
    if (question->in_full)
        cluster.device.memory_bytes = BOUNDLESS_BYTES;
    start = cpu_seconds();
    done = done && search_run(&problem, arena, &result, &error);
    spent = cpu_seconds() - start;
    if (!done) {
        error_print(&error, stderr);
    } else {
        if (result.plan_count > 0)
            layout_format(&result.plans[0].layout, layout, sizeof layout);
        printf("%s: %.1f ms of processor time, %lld layouts, %lld evaluated, %lld pruned, %lld fit\n    best "
               "%.3f s, %s\n",
               question->name, 1e3 * spent, (long long)result.looked.layouts,
               (long long)result.looked.evaluated, (long long)result.looked.pruned,
               (long long)result.looked.feasible, result.plan_count > 0 ? result.plans[0].step.seconds : 0,
               layout);
        if (question->in_full)
            printf("    %.2f million layouts a second\n", 1e-6 * (double)result.looked.evaluated / spent);
    }
    arena_destroy(arena);
    return done;
}

static bool is_asked(const char *name, int count, char **arguments) {
    return count == 2 || strstr(name, arguments[2]) != NULL;
}

/* The same question with ever more devices, and with ever other models. */
static bool ask_growing(int count, char **arguments) {
    static const char *const models[] = {"llama-3-8b",   "llama-3-70b",     "llama-3-405b", "megatron-1t",
                                         "mixtral-8x7b", "qwen3-235b-a22b", "deepseek-v3",  "gpt-4"};
    struct question question = {.cluster = "dgx-h100", .sequence = 8192, .global_batch = 4096, .layout = ""};
    char name[64];
    bool good = true;
    question.name = name;
    question.model = "gpt-4";
    for (question.devices = 1024; question.devices <= 32768; question.devices *= 2) {
        snprintf(name, sizeof name, "Growing: GPT-4 MoE on %lld H100", (long long)question.devices);
        good = (!is_asked(name, count, arguments) || ask(&question, arguments[1])) && good;
    }
    question.devices = 1024;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        snprintf(name, sizeof name, "Growing: %s on 1024 H100", models[i]);
        question.model = models[i];
        good = (!is_asked(name, count, arguments) || ask(&question, arguments[1])) && good;
    }
    return good;
}

int main(int count, char **arguments) {
    struct rusage usage;
    bool good = true;
    if (count != 2 && count != 3) {
        fprintf(stderr, "usage: %s DATA-DIRECTORY [NAME]\n", arguments[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        good = (!is_asked(questions[i].name, count, arguments) || ask(&questions[i], arguments[1])) && good;
    good = ask_growing(count, arguments) && good;
    getrusage(RUSAGE_SELF, &usage);
    printf("largest resident size %.1f MB\n", (double)usage.ru_maxrss / 1e3);
    return good ? 0 : 1;
}
