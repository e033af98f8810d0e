/* What must hold for the best plan of any problem: random models on random clusters. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/yaml_tree.h"
#include "planner/report/print_plan.h"
#include "planner/search/search.h"
#include "random_pick.h"

enum { PROBLEMS = 200 };

struct setting {
    struct model model;
    struct cluster cluster;
    struct search_problem problem;
};

static void make_model(struct model *model) {
    *model = (struct model){.name = "random"};
    model->layers = PICK_INT(1, 2, 3, 4, 7, 8, 12, 16);
    model->heads = PICK_INT(1, 4, 6, 8, 12, 16);
    model->head_dim = PICK_INT(64, 80, 128);
    model->hidden = PICK_INT(1021, 1024, 1536, 2048);
    model->kv_heads = ONE_IN(2) ? model->heads : 1;
    model->ffn_hidden = PICK_INT(1000, 3072, 4096);
    model->gated = ONE_IN(2);
    model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    model->vocab = PICK_INT(101, 32000, 128256);
    model->tied_embeddings = ONE_IN(2);
    model->mtp_layers = ONE_IN(8) ? 1 : 0;
    model->experts.every = 1;
    if (ONE_IN(4))
        model->mla = (struct model_mla){512, 128, 64, 32, 64};
    if (ONE_IN(2)) {
        model->experts.count = PICK_INT(1, 4, 6, 64);
        model->experts.top_k = ONE_IN(2) ? 1 : model->experts.count > 2 ? 3 : 1;
        model->experts.ffn_hidden = PICK_INT(256, 1024);
        model->experts.first_dense_layers = model->layers > 1 ? PICK_INT(0, 1) : 0;
        model->experts.shared = PICK_INT(0, 0, 2);
        model->experts.shared_ffn_hidden = 512;
        model->experts.capacity_factor = PICK(0, 0, 1, 1.5);
    }
}

static struct network_level make_level(const char *name, int64_t devices, double bandwidth, double latency) {
    return (struct network_level){.name = name,
                                  .devices = devices,
                                  .bandwidth_bytes_per_second = bandwidth,
                                  .latency_seconds = latency,
                                  .oversubscription = 1};
}

static void make_collectives(struct network_level *level) {
    for (int operation = 0; operation < COLLECTIVE_COUNT; operation++)
        level->collectives[operation] = (struct collective_constants){
            .known = true,
            .latency_seconds = 4 * level->latency_seconds,
            .latency_per_member_seconds = level->latency_seconds,
            .bandwidth_bytes_per_second = 0.7 * level->bandwidth_bytes_per_second,
            .ramp_seconds = 1e-5};
}

static void make_cluster(struct cluster *cluster) {
    int64_t node = PICK_INT(2, 4, 6, 8);
    *cluster = (struct cluster){.name = "test", .node = {.devices = node}};
    cluster->device = (struct cluster_device){.name = "random",
                                              .memory_bytes = PICK(2, 3, 6, 12, 40, 200) * 1e9,
                                              .reserved_bytes = PICK(0, 0.5e9),
                                              .memory_bytes_per_second = PICK(0.9e12, 2e12, 3.3e12),
                                              .peak_flops = {312e12, 312e12, 156e12, ONE_IN(2) ? 624e12 : 0},
                                              .price_per_second = 1.0 / 3600,
                                              .power_watts = 400,
                                              .mtbf_seconds = ONE_IN(2) ? 1e8 : 0};
    cluster->levels[cluster->level_count++] = make_level("inner", node, PICK(25e9, 300e9), PICK(2e-6, 5e-6));
    if (ONE_IN(2))
        cluster->levels[cluster->level_count++] =
            make_level("rack", node * PICK_INT(2, 4), PICK(12.5e9, 25e9, 50e9), 4e-6);
    cluster->levels[cluster->level_count++] =
        make_level("outer", 0, PICK(3e9, 12.5e9, 25e9), PICK(5e-6, 2e-5));
    for (size_t i = 1; i < cluster->level_count; i++) {
        cluster->levels[i].ports = PICK_INT(0, 1, 2);
        cluster->levels[i].oversubscription = PICK(1, 1, 2, 8);
    }
    if (ONE_IN(3))
        make_collectives(&cluster->levels[random_bits() % cluster->level_count]);
    if (ONE_IN(2))
        cluster->node.storage_bytes_per_second = 1e9;
    if (ONE_IN(4)) {
        cluster->node.host_memory_bytes = 1e12;
        cluster->node.host_link_bytes_per_second = 25e9;
    }
}

static void make_problem(struct setting *setting, uint64_t seed) {
    static const char *const names[] = {"megatron-core", "megatron-core", "megatron-2022", "fsdp"};
    struct search_problem *problem = &setting->problem;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
    random_bits();
    make_model(&setting->model);
    make_cluster(&setting->cluster);
    *problem = (struct search_problem){.model = &setting->model, .cluster = &setting->cluster, .top = 2};
    problem->devices = setting->cluster.node.devices * PICK_INT(1, 2, 4, 8);
    problem->training = (struct training){.sequence = PICK_INT(77, 1024, 4096, 65536),
                                          .global_batch = PICK_INT(48, 96, 192),
                                          .tokens = 1e10,
                                          .attention = ONE_IN(4) ? ATTENTION_UNFUSED : ATTENTION_FLASH,
                                          .stack = stack_find(names[PICK_INT(0, 1, 2, 3)])};
    int precision = (int)PICK(PRECISION_BF16, PRECISION_BF16, PRECISION_FP16, PRECISION_TF32, PRECISION_FP8);
    if (setting->cluster.device.peak_flops[precision] > 0)
        problem->training.precision = (enum precision)precision;
}

/* The best plan, or false where there is none. */
static bool best_plan(const struct setting *setting, struct arena *arena, struct plan *plan) {
    struct search_problem problem = setting->problem;
    struct search_result result;
    struct error error = {0};
    problem.model = &setting->model;
    problem.cluster = &setting->cluster;
    problem.plans_only = true;
    if (!search_run(&problem, arena, &result, &error) || result.plan_count == 0)
        return false;
    *plan = result.plans[0];
    return true;
}

static struct posed {
    struct setting setting;
    struct plan plan;
    bool has_plan;
} problems[PROBLEMS];

/* Setup and teardown of the group, whose state is the arena of all plans. */
static int plan_all(void **state) {
    struct arena *arena = arena_create();
    for (size_t i = 0; i < PROBLEMS; i++) {
        make_problem(&problems[i].setting, i + 1);
        problems[i].has_plan = best_plan(&problems[i].setting, arena, &problems[i].plan);
    }
    *state = arena;
    return 0;
}

static int drop_all(void **state) {
    arena_destroy(*state);
    return 0;
}

/* Calls `hold` for each of the problems that have a plan, or for every so many of them. */
static void for_every_problem(size_t every,
                              void (*hold)(const struct setting *, const struct plan *, struct arena *)) {
    int planned = 0;
    for (size_t i = 0; i < PROBLEMS; i += every) {
        struct arena *arena = arena_create();
        if (problems[i].has_plan) {
            planned++;
            hold(&problems[i].setting, &problems[i].plan, arena);
        }
        arena_destroy(arena);
    }
    assert_true(planned > (int)(PROBLEMS / every / 2));
}

/* Sums of parts come in another order than the whole. */
static void assert_sum(double sum, double whole) {
    if (!(fabs(sum - whole) <= 1e-9 * whole))
        fail_msg("parts add up to %.17g, not %.17g", sum, whole);
}

static void hold_sums(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    const struct step_cost *step = &plan->step;
    const struct memory_use *memory = &plan->memory;
    const double parts[] = {step->compute, step->recompute, step->tp,     step->ep,        step->cp,
                            step->pp,      step->dp,        step->bubble, step->optimizer, step->offload};
    double sum = 0;
    (void)setting, (void)arena;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!(parts[i] >= 0))
            fail_msg("part %zu of a step is %g s", i, parts[i]);
        sum += parts[i];
    }
    assert_sum(sum, step->seconds);
    assert_true(memory->weights_bytes >= 0 && memory->gradients_bytes >= 0 && memory->optimizer_bytes >= 0 &&
                memory->activations_bytes >= 0 && memory->buffers_bytes >= 0 && memory->reserved_bytes >= 0);
    assert_sum(memory->weights_bytes + memory->gradients_bytes + memory->optimizer_bytes +
                   memory->activations_bytes + memory->buffers_bytes + memory->reserved_bytes,
               memory->per_device_bytes);
    assert_true(memory->per_device_bytes <= memory->capacity_bytes);
    assert_true(memory->capacity_bytes <= setting->cluster.device.memory_bytes);
}

static void test_parts_add_up(void **state) {
    (void)state;
    for_every_problem(1, hold_sums);
}

static void hold_mfu(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    (void)setting, (void)arena;
    if (!(plan->mfu > 0 && plan->mfu <= 1))
        fail_msg("MFU %g of %s, sequence %lld, %s", plan->mfu, precision_names[plan->training.precision],
                 (long long)plan->training.sequence, plan->training.stack->name);
}

static void test_mfu_is_a_share(void **state) {
    (void)state;
    for_every_problem(1, hold_mfu);
}

/* All devices together hold each parameter at least once, in one byte or more. */
static void hold_weights(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    struct model_counts counts;
    const struct memory_use *memory = &plan->memory;
    (void)arena;
    model_count(&setting->model, plan->training.sequence, &counts);
    /* Stages are unlike: the fullest need not have the most parameters. */
    if (plan->layout.offload != OFFLOAD_NONE || plan->layout.pp > 1)
        return;
    assert_true(memory->weights_bytes * (double)plan->devices >= counts.parameters * (1 - 1e-9));
    assert_true(memory->optimizer_bytes * (double)plan->devices >= 8 * counts.parameters * (1 - 1e-9));
}

static void test_memory_holds_the_parameters(void **state) {
    (void)state;
    for_every_problem(1, hold_weights);
}

/* A request of the plan's layout alone finds the same plan. */
static void assert_found_again(const struct setting *setting, const struct layout_request *request,
                               const struct plan *plan, const char *text, struct arena *arena) {
    struct setting fixed = *setting;
    struct plan again = {0};
    fixed.problem.request = *request;
    if (!best_plan(&fixed, arena, &again))
        fail_msg("\"%s\" finds no plan", text);
    assert_same_double(again.step.seconds, plan->step.seconds);
    assert_same_double(again.memory.per_device_bytes, plan->memory.per_device_bytes);
    assert_same_double(again.total.days, plan->total.days);
}

/* Written as a report writes it and read as --layout reads it; and as a document has it. The report leaves
 * out the ends' own numbers of layers where they have none, and a search of one split looks closer at those
 * than one of all. */
static void hold_again(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    struct layout_request request = {0}, from_document = {0};
    struct error error = {0};
    struct yaml_document document;
    char text[512];
    layout_format(&plan->layout, text, sizeof text);
    assert_true(layout_request_parse(text, &request, &error));
    layout_request_fix(&request, LAYOUT_FIRST_STAGE_LAYERS, plan->layout.first_stage_layers);
    layout_request_fix(&request, LAYOUT_LAST_STAGE_LAYERS, plan->layout.last_stage_layers);
    assert_found_again(setting, &request, plan, text, arena);

    json_t *data = print_plan_layout_data(&plan->layout);
    char *json = json_dumps(data, 0);
    json_decref(data);
    assert_true(yaml_read_text("layout.json", json, arena, &document, &error));
    const struct fields_reader reader = {&document, arena, &error};
    assert_true(layout_request_read(&reader, document.root, &from_document));
    assert_found_again(setting, &from_document, plan, json, arena);
    free(json);
}

static void test_the_layout_given_again(void **state) {
    (void)state;
    for_every_problem(1, hold_again);
}

/* The two first terms are the step and the memory that the plan has. */
static void hold_explained(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    struct explain *explain = explain_create(arena);
    struct search_problem problem = setting->problem;
    struct plan explained = {0};
    bool step = false, memory = false;
    problem.model = &setting->model;
    problem.cluster = &setting->cluster;
    search_evaluate(&problem, &plan->layout, arena, &explained, explain);
    for (const struct explain_term *term = explain_root(explain)->first; term; term = term->next) {
        if (strcmp(term->label, "step") == 0) {
            step = true;
            assert_same_double(term->value, plan->step.seconds);
        }
        if (strcmp(term->label, "memory") == 0) {
            memory = true;
            assert_same_double(term->value, plan->memory.per_device_bytes);
        }
    }
    assert_true(step && memory);
    assert_same_double(explained.mfu, plan->mfu);
}

static void test_explain_says_what_plan_says(void **state) {
    (void)state;
    for_every_problem(1, hold_explained);
}

static void hold_written(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    struct setting again = *setting;
    struct error error = {0};
    struct plan planned = {0};
    char path[] = "/tmp/clusterplan-properties-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    if (!cluster_write(&setting->cluster, path, &error) || !cluster_read(path, arena, &again.cluster, &error))
        fail_msg("%s", error.what);
    unlink(path);
    assert_true(best_plan(&again, arena, &planned));
    assert_same_double(planned.step.seconds, plan->step.seconds);
    assert_same_double(planned.memory.per_device_bytes, plan->memory.per_device_bytes);
    assert_same_double(planned.total.cost, plan->total.cost);
}

static void test_a_cluster_written_and_read(void **state) {
    (void)state;
    for_every_problem(1, hold_written);
}

static void hold_price(const struct setting *setting, const struct plan *plan, struct arena *arena) {
    struct setting dear = *setting;
    struct plan planned = {0};
    dear.cluster.device.price_per_second *= 2;
    assert_true(best_plan(&dear, arena, &planned));
    assert_same_double(planned.total.cost, 2 * plan->total.cost);
    assert_same_double(planned.step.seconds, plan->step.seconds);
}

static void test_twice_the_price_twice_the_cost(void **state) {
    (void)state;
    for_every_problem(1, hold_price);
}

/* What makes a cluster better, one a case; false where it has nothing of the kind. */
enum better {
    BETTER_MEMORY,
    BETTER_MEMORY_BANDWIDTH,
    BETTER_PEAK,
    BETTER_BANDWIDTH,
    BETTER_LATENCY,
    BETTER_PORTS,
    BETTER_OVERSUBSCRIPTION,
    BETTER_HOST_LINK,
    BETTER_COUNT
};
static const char *const better_names[] = {"memory", "memory bandwidth", "peak",     "bandwidth", "latency",
                                           "ports",  "oversubscription", "host link"};

static bool make_better(struct cluster *cluster, enum better better, size_t level_index) {
    struct network_level *level = &cluster->levels[level_index];
    switch (better) {
    case BETTER_MEMORY:
        cluster->device.memory_bytes *= 1.3;
        break;
    case BETTER_MEMORY_BANDWIDTH:
        cluster->device.memory_bytes_per_second *= 1.5;
        break;
    case BETTER_PEAK:
        for (int precision = 0; precision < PRECISION_COUNT; precision++)
            cluster->device.peak_flops[precision] *= 1.7;
        break;
    case BETTER_BANDWIDTH:
        level->bandwidth_bytes_per_second *= 1.5;
        for (int operation = 0; operation < COLLECTIVE_COUNT; operation++)
            level->collectives[operation].bandwidth_bytes_per_second *= 1.5;
        return true;
    case BETTER_LATENCY:
        level->latency_seconds /= 2;
        for (int operation = 0; operation < COLLECTIVE_COUNT; operation++) {
            level->collectives[operation].latency_seconds /= 2;
            level->collectives[operation].latency_per_member_seconds /= 2;
        }
        return true;
    case BETTER_PORTS:
        level->ports *= 2;
        return level->ports > 0 && level->ports <= cluster->node.devices;
    case BETTER_OVERSUBSCRIPTION:
        level->oversubscription = fmax(1, level->oversubscription / 2);
        return true;
    case BETTER_HOST_LINK:
        cluster->node.host_link_bytes_per_second *= 2;
        break;
    case BETTER_COUNT:
        break;
    }
    return level_index == 0;
}

/* A better cluster may hide less: where only kernels of one stage get faster and another stage sets the pace,
 * gradients have a shorter pass to hide behind. */
static const double LESS_HIDDEN = 1e-3;

static void hold_better(const struct setting *setting, const struct plan *found, struct arena *arena) {
    struct setting before = *setting;
    struct plan plan = {0};
    (void)found;
    if (!best_plan(&before, arena, &plan))
        return;
    for (size_t level = 0; level < setting->cluster.level_count; level++)
        for (int better = 0; better < BETTER_COUNT; better++) {
            struct setting improved = before;
            struct plan planned = {0};
            char was[512], is[512];
            if (!make_better(&improved.cluster, (enum better)better, level))
                continue;
            if (!best_plan(&improved, arena, &planned))
                fail_msg("better %s leaves no plan", better_names[better]);
            if (planned.step.seconds > plan.step.seconds * (1 + LESS_HIDDEN))
                fail_msg("better %s of level %zu: %.9g s instead of %.9g s, \"%s\" instead of \"%s\"",
                         better_names[better], level, planned.step.seconds, plan.step.seconds,
                         layout_format(&planned.layout, is, sizeof is),
                         layout_format(&plan.layout, was, sizeof was));
        }
}

static void test_a_better_cluster_is_not_slower(void **state) {
    (void)state;
    for_every_problem(3, hold_better);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_mfu_is_a_share),
        cmocka_unit_test(test_memory_holds_the_parameters),
        cmocka_unit_test(test_the_layout_given_again),
        cmocka_unit_test(test_explain_says_what_plan_says),
        cmocka_unit_test(test_a_cluster_written_and_read),
        cmocka_unit_test(test_twice_the_price_twice_the_cost),
        cmocka_unit_test(test_a_better_cluster_is_not_slower),
    };
    return cmocka_run_group_tests(tests, plan_all, drop_all);
}
