/* Fits the constants of the software stacks (planner/inputs/stack.c) and the efficiencies of the networks
 * (topologies/) to measured training steps, and shows how well they predict runs they were not fitted to:
 *
 *     fit_stacks [--left-out] RUNS.yaml...
 *
 * The mean of |ln(predicted / measured)| over all runs is made least by trying one constant after the other,
 * up and down, with steps that grow where they help and shrink where they don't. Layout keys that were not
 * published are completed once, by the search, with the constants the program was built with. With --left-out
 * each file is then predicted by constants fitted to the others alone, from neutral values on: a constant
 * that only the left-out file knows keeps its neutral value. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "planner/answers/validate.h"
#include "planner/cost/cost.h"
#include "planner/kernels/chip.h"

enum { MAX_STACKS = 16, MAX_CLUSTERS = 32, MAX_TARGETS = 8, MAX_MEMBERS = 3, ROUNDS = 25 };

enum { EFFICIENCY = 100000 }; /* stands for a member of the network's outer levels */

#define MEGATRON_BEFORE_CORE "megatron-2021", "megatron-2022", "megatron-deepspeed"

/* What the fit moves: the same value in several stacks, or in several networks. */
static const struct {
    const char *name;
    size_t offsets[MAX_MEMBERS];     /* of the members in struct stack, or EFFICIENCY; ends with 0 */
    double least, most, neutral;     /* neutral: what one would guess without any run */
    const char *owners[MAX_TARGETS]; /* stacks or clusters; ends with NULL */
} constants[] = {
    {"traffic_factor", {offsetof(struct stack, traffic_factor)}, 0.4, 2.5, 1, {"megatron-core"}},
    {"traffic_factor", {offsetof(struct stack, traffic_factor)}, 0.4, 2.5, 1, {"fsdp", "internevo"}},
    {"tp_exposed", {offsetof(struct stack, tp_exposed)}, 0.2, 0.8, 0.2, {"megatron-core"}},
    {"layer_floor_seconds",
     {offsetof(struct stack, layer_floor_seconds)},
     1e-5,
     3e-3,
     5e-4,
     {MEGATRON_BEFORE_CORE}},
    {"hop_seconds",
     {offsetof(struct stack, hop_seconds)},
     1e-5,
     2e-3,
     2e-4,
     {MEGATRON_BEFORE_CORE, "megatron-core"}},
    {"attention_dropout",
     {offsetof(struct stack, attention_dropout)},
     0.2,
     1,
     0.8,
     {MEGATRON_BEFORE_CORE, "megatron-core", "fsdp", "internevo"}},
    {"expert_floor_seconds",
     {offsetof(struct stack, expert_floor_seconds)},
     1e-4,
     1e-2,
     2e-3,
     {"megatron-core"}},
    {"expert_call_seconds",
     {offsetof(struct stack, expert_call_seconds)},
     1e-6,
     2e-3,
     2e-4,
     {"megatron-core"}},
    {"efficiency", {EFFICIENCY}, 0.05, 1, 0.9, {"a100-80g-800g"}},
    {"efficiency", {EFFICIENCY}, 0.05, 1, 0.9, {"a100-80g-4x100g"}},
    /* Neutral: BigScience's own all-reduce test, 8 GB over four nodes at 10 of 50 GB/s. */
    {"efficiency", {EFFICIENCY}, 0.05, 1, 0.2, {"a100-80g-4x100g-opa"}},
};
enum { CONSTANT_COUNT = sizeof constants / sizeof *constants };

struct observation {
    const struct validated_run *validated;
    struct training training;
    const struct cluster *cluster;
    bool moved_by[CONSTANT_COUNT];
    double error; /* ln(predicted / measured) */
};

struct fit {
    struct arena *arena;
    struct stack stacks[MAX_STACKS];
    size_t stack_count;
    struct cluster clusters[MAX_CLUSTERS];
    size_t cluster_count;
    struct observation *observations;
    size_t count;
    const char *left_out; /* file that the objective ignores; NULL: none */
};

static bool owns(size_t constant, const char *name) {
    for (size_t i = 0; i < MAX_TARGETS && constants[constant].owners[i] != NULL; i++)
        if (strcmp(constants[constant].owners[i], name) == 0)
            return true;
    return false;
}

static double *member(struct stack *stack, size_t offset) {
    return (double *)(void *)((char *)stack + offset);
}

static void set_constant(struct fit *fit, size_t constant, double value) {
    bool network = constants[constant].offsets[0] == EFFICIENCY;
    for (size_t i = 0; !network && i < fit->stack_count; i++)
        if (owns(constant, fit->stacks[i].name))
            for (size_t m = 0; m < MAX_MEMBERS && constants[constant].offsets[m] != 0; m++)
                *member(&fit->stacks[i], constants[constant].offsets[m]) = value;
    for (size_t i = 0; network && i < fit->cluster_count; i++)
        for (size_t level = 1; owns(constant, fit->clusters[i].name) && level < fit->clusters[i].level_count;
             level++)
            fit->clusters[i].levels[level].efficiency = value;
}

static double get_constant(struct fit *fit, size_t constant) {
    const char *owner = constants[constant].owners[0];
    for (size_t i = 0; i < fit->stack_count; i++)
        if (strcmp(fit->stacks[i].name, owner) == 0)
            return *member(&fit->stacks[i], constants[constant].offsets[0]);
    for (size_t i = 0; i < fit->cluster_count; i++)
        if (strcmp(fit->clusters[i].name, owner) == 0)
            return fit->clusters[i].levels[fit->clusters[i].level_count - 1].efficiency;
    return constants[constant].most; /* none of the runs has it */
}

/* The pipeline's closed form is as good to fit with; errors are told of the simulated pipeline. */
static void predict(struct observation *observation, bool simulate) {
    const struct run *run = observation->validated->run;
    struct arena *arena = arena_create();
    struct step_cost cost;
    struct cost_context *context =
        cost_context_create(arena, &run->model, observation->cluster, &observation->training);
    cost_evaluate(context, &observation->validated->layout,
                  simulate ? PIPELINE_SIMULATED : PIPELINE_CLOSED_FORM, &cost, NULL);
    observation->error = log(cost.seconds / run->measured.step_seconds);
    arena_destroy(arena);
}

/* Mean |error|; predicts anew the runs that `constant` moves, or all. */
static double objective(struct fit *fit, size_t constant) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < fit->count; i++) {
        struct observation *observation = &fit->observations[i];
        if (fit->left_out != NULL && strcmp(observation->validated->file, fit->left_out) == 0)
            continue;
        if (constant == CONSTANT_COUNT || observation->moved_by[constant])
            predict(observation, false);
        sum += fabs(observation->error);
        count++;
    }
    return sum / fmax(1, count);
}

/* One constant up or down by `step` (a share of it); true when that helps. */
static bool try_constant(struct fit *fit, size_t constant, double step, double *best) {
    double before = get_constant(fit, constant);
    for (int direction = -1; direction <= 1; direction += 2) {
        double value = before * exp(direction * step);
        if (value < constants[constant].least || value > constants[constant].most)
            continue;
        set_constant(fit, constant, value);
        double reached = objective(fit, constant);
        if (reached < *best) {
            *best = reached;
            return true;
        }
    }
    set_constant(fit, constant, before);
    objective(fit, constant);
    return false;
}

static void descend(struct fit *fit) {
    double steps[CONSTANT_COUNT], best;
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        set_constant(fit, i, get_constant(fit, i)); /* the same in all that own it */
        steps[i] = 0.1;
    }
    best = objective(fit, CONSTANT_COUNT);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < CONSTANT_COUNT; i++)
            steps[i] = fmax(0.002, steps[i] * (try_constant(fit, i, steps[i], &best) ? 1.4 : 0.5));
}

static const struct cluster *add_cluster(struct fit *fit, const struct run *run, struct error *error) {
    struct cluster cluster;
    if (!chip_read_cluster(run->cluster_path, fit->arena, &cluster, error))
        return NULL;
    for (size_t i = 0; i < fit->cluster_count; i++)
        if (strcmp(fit->clusters[i].name, cluster.name) == 0)
            return &fit->clusters[i];
    if (fit->cluster_count == MAX_CLUSTERS) {
        error_set(error, "more than %d clusters", MAX_CLUSTERS);
        return NULL;
    }
    fit->clusters[fit->cluster_count] = cluster;
    return &fit->clusters[fit->cluster_count++];
}

static bool set_up(struct fit *fit, const struct validation *validation, struct error *error) {
    for (const struct stack *stack = stacks; stack->name != NULL && fit->stack_count < MAX_STACKS; stack++)
        fit->stacks[fit->stack_count++] = *stack;
    fit->observations = ARENA_ARRAY(fit->arena, struct observation, validation->run_count);
    for (size_t i = 0; i < validation->run_count; i++) {
        const struct validated_run *validated = &validation->runs[i];
        if (validated->why != NULL || !(validated->run->measured.step_seconds > 0))
            continue;
        struct observation *observation = &fit->observations[fit->count++];
        *observation = (struct observation){.validated = validated, .training = validated->run->training};
        size_t stack = (size_t)(validated->run->training.stack - stacks);
        observation->training.stack = &fit->stacks[stack];
        observation->cluster = add_cluster(fit, validated->run, error);
        if (observation->cluster == NULL)
            return false;
        for (size_t c = 0; c < CONSTANT_COUNT; c++)
            observation->moved_by[c] =
                owns(c, fit->stacks[stack].name) || owns(c, observation->cluster->name);
    }
    return true;
}

/* Mean error of a file's runs, as a fraction. */
static double file_error(struct fit *fit, const char *file, double *runs) {
    double sum = 0;
    *runs = 0;
    for (size_t i = 0; i < fit->count; i++) {
        struct observation *observation = &fit->observations[i];
        if (strcmp(observation->validated->file, file) != 0)
            continue;
        predict(observation, true);
        sum += fabs(expm1(observation->error));
        ++*runs;
    }
    return sum / fmax(1, *runs);
}

static void print_constants(struct fit *fit) {
    for (size_t i = 0; i < CONSTANT_COUNT; i++) {
        printf("%-22s %-10.4g", constants[i].name, get_constant(fit, i));
        for (size_t j = 0; j < MAX_TARGETS && constants[i].owners[j] != NULL; j++)
            printf(" %s", constants[i].owners[j]);
        putchar('\n');
    }
}

static void print_errors(struct fit *fit, const struct validation *validation, bool left_out) {
    double start[CONSTANT_COUNT], fitted = 0, foreign = 0;
    for (size_t i = 0; i < CONSTANT_COUNT; i++)
        start[i] = get_constant(fit, i);
    printf("\n%-20s %5s %10s %10s\n", "mean error of", "runs", "fitted", left_out ? "left out" : "");
    for (size_t f = 0; f < validation->file_count; f++) {
        double runs, error = file_error(fit, validation->files[f].name, &runs);
        fitted += error * runs;
        printf("%-20s %5.0f %8.2f %%", validation->files[f].name, runs, 100 * error);
        if (left_out) {
            fit->left_out = validation->files[f].name;
            for (size_t i = 0; i < CONSTANT_COUNT; i++)
                set_constant(fit, i, constants[i].neutral);
            descend(fit);
            error = file_error(fit, validation->files[f].name, &runs);
            foreign += error * runs;
            printf(" %8.2f %%", 100 * error);
            for (size_t i = 0; i < CONSTANT_COUNT; i++)
                set_constant(fit, i, start[i]);
        }
        putchar('\n');
        fflush(stdout);
    }
    printf("%-20s %5zu %8.2f %%", "all", fit->count, 100 * fitted / (double)fit->count);
    if (left_out)
        printf(" %8.2f %%", 100 * foreign / (double)fit->count);
    putchar('\n');
}

int main(int argc, char **argv) {
    bool left_out = argc > 1 && strcmp(argv[1], "--left-out") == 0;
    int first = left_out ? 2 : 1;
    struct arena *arena = arena_create();
    struct fit *fit = ARENA_NEW(arena, struct fit);
    struct error error = {0};
    struct validation validation;
    fit->arena = arena;
    if (argc <= first) {
        fprintf(stderr, "usage: fit_stacks [--left-out] RUNS.yaml...\n");
        return 2;
    }
    if (!validate_files((const char *const *)(void *)(argv + first), (size_t)(argc - first), NULL, arena,
                        &validation, &error) ||
        !set_up(fit, &validation, &error)) {
        error_print(&error, stderr);
        return 2;
    }
    descend(fit);
    print_constants(fit);
    print_errors(fit, &validation, left_out);
    arena_destroy(arena);
    return 0;
}
