#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/terminal.h"
#include "planner/report/print_data.h"
#include "planner/report/print_explain.h"
#include "planner/report/print_plan.h"

static const struct print_style ascii = {false, false};

/* A problem and its answer, made by hand: figures are round, so that what is printed can be reckoned. */
struct fixture {
    struct arena *arena;
    struct problem problem;
    struct plan plans[2];
    const struct plan *order[2];
    struct answer answer;
};

static const struct stack stack = {.name = "megatron-core", .what = "test"};

static struct plan make_plan(const struct problem *problem, int64_t pp) {
    return (struct plan){
        .model = &problem->model,
        .cluster = &problem->cluster,
        .training = problem->search.training,
        .devices = 1024,
        .nodes = 128,
        .layout = {.tp = 8,
                   .pp = pp,
                   .vpp = 1,
                   .cp = 1,
                   .ep = 1,
                   .etp = 1,
                   .dp = 128 / pp,
                   .micro_batch = 1,
                   .sequence_parallel = true,
                   .zero = 1,
                   .recompute = RECOMPUTE_SELECTIVE},
        .memory = {.per_device_bytes = 60e9,
                   .capacity_bytes = 80e9,
                   .weights_bytes = 20e9,
                   .gradients_bytes = 10e9,
                   .optimizer_bytes = 5e9,
                   .activations_bytes = 20e9,
                   .buffers_bytes = 3e9,
                   .reserved_bytes = 2e9,
                   .allocated_bytes = 58e9,
                   .moment = "logits backward"},
        .step = {.seconds = 10, .compute = 7, .tp = 1, .pp = 0.5, .dp = 0.25, .bubble = 1, .optimizer = 0.25},
        .mfu = 0.45,
        .total = {.tokens = 3e11,
                  .steps = 95367.4,
                  .days = 11.5,
                  .device_hours = 282624,
                  .cost = 282624,
                  .goodput = 1},
    };
}

static int create(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->arena = arena_create();
    struct problem *problem = &fixture->problem;
    problem->arena = fixture->arena;
    problem->model.name = "GPT-3";
    problem->counts =
        (struct model_counts){.parameters = 175e9, .active_parameters = 175e9, .flops_per_token = 1.1e12};
    problem->cluster.name = "dgx-a100-80g";
    problem->cluster.node.devices = 8;
    problem->cluster.device.name = "A100-SXM4-80GB";
    problem->cluster.device.price_per_second = 1.0 / 3600;
    problem->search.training = (struct training){
        .sequence = 2048, .global_batch = 1536, .tokens = 3e11, .precision = PRECISION_BF16, .stack = &stack};
    problem_note(problem, "vocabulary of %d assumed", 51200);
    fixture->plans[0] = make_plan(problem, 8);
    fixture->plans[1] = make_plan(problem, 16);
    fixture->plans[1].step.seconds = 11;
    fixture->order[0] = &fixture->plans[0];
    fixture->order[1] = &fixture->plans[1];
    fixture->answer = (struct answer){
        .plans = fixture->order,
        .plan_count = 2,
        .looked = {.layouts = 12345, .evaluated = 345, .pruned = 2000, .feasible = 2345, .seconds = 0.25}};
    *state = fixture;
    return 0;
}

static int destroy(void **state) {
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static char *printed_table(const struct fixture *fixture, const struct print_style *style) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    print_plan_table(&fixture->problem, &fixture->answer, style, fixture->arena, stream);
    fclose(stream);
    return text;
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part)) {
        fputs(text, stderr); /* cmocka cuts long messages */
        fail_msg("\"%s\" is not in it", part);
    }
}

static void assert_shape(const char *text) {
    size_t column = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '\n') {
            assert_true(column <= TERMINAL_MOST_COLUMNS);
            assert_true(c == text || c[-1] != ' ');
            column = 0;
        } else {
            column += (*c & '\xc0') != '\x80';
        }
    }
    assert_int_equal(column, 0);
}

/* Columns of the widest line before `end` first occurs; the text is ASCII. */
static size_t widest_before(const char *text, const char *end) {
    size_t widest = 0;
    while (*text && strncmp(text, end, strlen(end)) != 0) {
        size_t length = strcspn(text, "\n");
        widest = length > widest ? length : widest;
        text += length + (text[length] == '\n');
    }
    return widest;
}

/* On fewer columns the panels stand one below the other. */
static void test_narrow_table(void **state) {
    const struct fixture *fixture = *state;
    setenv("COLUMNS", "60", 1);
    char *text = printed_table(fixture, &ascii);
    unsetenv("COLUMNS");
    assert_in_range(widest_before(text, "Runners-up"), 40, 60);
    assert_has(text, "#\n\n  Step: ");
    free(text);
}

/* The least there is: what is no table of figures goes over several lines. */
static void test_narrowest_table(void **state) {
    struct fixture *fixture = *state;
    fixture->plans[0].layout.offload = OFFLOAD_OPTIMIZER;
    setenv("COLUMNS", "40", 1);
    char *text = printed_table(fixture, &ascii);
    unsetenv("COLUMNS");
    assert_in_range(widest_before(text, "Runners-up"), 30, 40);
    assert_has(text, "  Memory: 60 GB +-33 %\n          extrapolated, of 80 GB\n  weights ");
    free(text);
}

static void test_table(void **state) {
    const struct fixture *fixture = *state;
    char *text = printed_table(fixture, &ascii);
    assert_shape(text);
    assert_has(text, "Model     GPT-3: 175B parameters\n");
    assert_has(text, "Cluster   dgx-a100-80g: 1,024 A100-SXM4-80GB in 128 nodes\n");
    assert_has(text, "sequences of 2,048, 1,536 a step (3.15M tokens), bf16, megatron-core\n");
    assert_has(text, "8-way tensor and sequence x 8-way pipeline x 16-way data parallel; 96 micro-batches");
    assert_has(text, "  Memory: 60 GB +-13 %, of 80 GB                     Step: 10 s +-19 %, 45.0 % MFU\n");
    assert_has(text, "  weights        20 GB  25 %  #####..............");
    assert_has(text, "  free           20 GB  25 %  ..............#####");
    assert_has(text, "compute          7 s  70 %  #############......\n");
    assert_null(strstr(text, "recompute      ")); /* terms of nothing are left out */
    assert_has(text, "Rate: 314,573 tokens/s, 307 a device\n");
    assert_has(text, "In all: 11.5 days, 95,368 steps, 282,624 device hours\n"
                     "  Cost: 283 k$ = 282,624 device hours x 1.00 $/h\n");
    assert_has(text, "  11 s  +-19 %  10.0 %  45.0 %   60 GB  11.5  pp=16 dp=8\n");
    assert_has(text, "Searched 12,345 layouts in 250 ms: 2,345 fit, 345 costed, 2,000 pruned\n");
    assert_has(text, "  - vocabulary of 51200 assumed\n");
    free(text);
}

static void test_utf8_and_colour_are_as_wide(void **state) {
    const struct fixture *fixture = *state;
    const struct print_style utf8 = {false, true};
    char *text = printed_table(fixture, &utf8);
    assert_shape(text);
    assert_has(text, "\u2588\u2591");
    free(text);
}

static void test_range(void **state) {
    struct fixture *fixture = *state;
    fixture->answer.range = true;
    fixture->plans[1].devices = 512;
    char *text = printed_table(fixture, &ascii);
    assert_shape(text);
    const char *small = strstr(text, "      512  11 s"), *large = strstr(text, "    1,024  10 s");
    assert_non_null(small);
    assert_non_null(large);
    assert_true(small < large);
    assert_has(text, "tp=8 pp=16 dp=8 zero=1 recompute=selective\n");
    free(text);
}

/* Interruptions may leave no time between two checkpoints. */
static void test_a_training_that_never_ends(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct training_cost *total = &fixture->plans[i].total;
        total->days = total->device_hours = total->cost = HUGE_VAL;
        total->goodput = 0;
    }
    char *text = printed_table(fixture, &ascii);
    assert_shape(text);
    assert_has(text, "never ends, 95,368 steps");
    assert_null(strstr(text, "inf"));
    free(text);
    fixture->answer.range = true;
    fixture->plans[1].devices = 512;
    text = printed_table(fixture, &ascii);
    assert_shape(text);
    assert_has(text, "never");
    assert_null(strstr(text, "inf"));
    free(text);
}

static void test_nothing_fits(void **state) {
    struct fixture *fixture = *state;
    fixture->answer.plan_count = 0;
    fixture->answer.nearest_devices = 8;
    fixture->answer.nearest = (struct near_miss){.found = true,
                                                 .layout = fixture->plans[0].layout,
                                                 .memory = fixture->plans[0].memory,
                                                 .bound = "memory",
                                                 .why = "40 GB over the device's 80 GB"};
    fixture->answer.nearest.memory.optimizer_bytes += 60e9;
    fixture->answer.nearest.memory.per_device_bytes += 60e9;
    char *text = printed_table(fixture, &ascii);
    assert_shape(text);
    assert_has(text, "Nothing fits.\n");
    assert_has(text, "The nearest layout is refused by memory: 40 GB over the device's 80 GB.\n");
    assert_has(text, "Memory: 120 GB +-13 %, of 80 GB\n");
    assert_null(strstr(text, "MFU"));
    free(text);
    json_t *data = print_plan_data(&fixture->problem, &fixture->answer);
    assert_int_equal(json_array_size(json_object_get(data, "plans")), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(data, "nearest"), "bound")),
                        "memory");
    json_decref(data);
}

/* The sum of a mapping's numbers, but for two. */
static double sum_but(json_t *object, const char *first, const char *second) {
    double sum = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        sum += strcmp(key, first) == 0 || strcmp(key, second) == 0 ? 0 : json_number_value(value);
    }
    return sum;
}

static void test_document(void **state) {
    const struct fixture *fixture = *state;
    json_t *data = print_plan_data(&fixture->problem, &fixture->answer);
    json_t *plan = json_array_get(json_object_get(data, "plans"), 0);
    static const char *const keys[] = {"model",  "cluster", "devices", "nodes",    "layout",
                                       "memory", "step",    "mfu",     "training", NULL};
    for (const char *const *key = keys; *key; key++)
        assert_non_null(json_object_get(plan, *key));
    json_t *memory = json_object_get(plan, "memory"), *step = json_object_get(plan, "step");
    assert_true(sum_but(memory, "per_device", "capacity") == 60e9);
    assert_true(sum_but(step, "time", "") == 10);
    json_t *band = json_object_get(plan, "band");
    assert_true(json_integer_value(json_object_get(band, "runs")) > 0);
    assert_true(json_number_value(json_object_get(band, "step")) > 0);
    assert_true(json_is_false(json_object_get(band, "extrapolated")));
    json_t *layout = json_object_get(plan, "layout");
    assert_int_equal(json_integer_value(json_object_get(layout, "tp")), 8);
    assert_true(json_is_true(json_object_get(layout, "sequence_parallel")));
    assert_string_equal(json_string_value(json_object_get(layout, "recompute")), "selective");
    assert_true(json_is_false(json_object_get(json_object_get(layout, "overlap"), "dp")));
    json_t *search = json_object_get(data, "search");
    assert_int_equal(json_integer_value(json_object_get(search, "pruned")), 2000);
    json_decref(data);
}

static void test_what_was_not_asked_is_null(void **state) {
    struct fixture *fixture = *state;
    fixture->plans[0].training.tokens = 0;
    json_t *plan = print_plan_one(&fixture->problem, &fixture->plans[0]);
    json_t *training = json_object_get(plan, "training");
    assert_true(json_is_null(json_object_get(training, "days")));
    assert_true(json_is_null(json_object_get(training, "cost")));
    json_decref(plan);
}

static void test_explain_tree(void **state) {
    const struct fixture *fixture = *state;
    struct explain_term qkv = {
        .label = "qkv product", .value = 1.5, .unit = UNIT_SECONDS, .detail = "m 2048"};
    struct explain_term rate = {.label = "bandwidth", .value = 25e9, .unit = UNIT_BYTES_PER_SECOND};
    struct explain_term forward = {
        .label = "forward", .value = 2, .unit = UNIT_SECONDS, .first = &qkv, .last = &rate};
    struct explain_term root = {.first = &forward, .last = &forward};
    qkv.next = &rate;
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    print_explain_table(&root, &ascii, fixture->arena, stream);
    fclose(stream);
    assert_shape(text);
    assert_has(text, "forward            2 s\n");
    assert_has(text, "  qkv product    1.5 s  75.0 %  m 2048\n");
    assert_has(text, "  bandwidth    25 GB/s\n");
    free(text);
    json_t *data = print_explain_data(&root);
    json_t *part = json_array_get(json_object_get(json_array_get(data, 0), "parts"), 0);
    assert_string_equal(json_string_value(json_object_get(part, "unit")), "s");
    assert_true(json_number_value(json_object_get(part, "value")) == 1.5);
    json_decref(data);
}

/* What is hidden in part isn't the sum of what stands below it, which then has no shares. */
static void test_explain_share_of_a_sum(void **state) {
    const struct fixture *fixture = *state;
    struct explain_term gather = {.label = "gather", .value = 0.6, .unit = UNIT_SECONDS};
    struct explain_term scatter = {.label = "scatter", .value = 0.7, .unit = UNIT_SECONDS};
    struct explain_term exposed = {
        .label = "exposed", .value = 1, .unit = UNIT_SECONDS, .first = &gather, .last = &scatter};
    struct explain_term root = {.first = &exposed, .last = &exposed};
    gather.next = &scatter;
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    print_explain_table(&root, &ascii, fixture->arena, stream);
    fclose(stream);
    assert_has(text, "  gather   600 ms\n");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_narrow_table, create, destroy),
        cmocka_unit_test_setup_teardown(test_narrowest_table, create, destroy),
        cmocka_unit_test_setup_teardown(test_table, create, destroy),
        cmocka_unit_test_setup_teardown(test_utf8_and_colour_are_as_wide, create, destroy),
        cmocka_unit_test_setup_teardown(test_range, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_training_that_never_ends, create, destroy),
        cmocka_unit_test_setup_teardown(test_nothing_fits, create, destroy),
        cmocka_unit_test_setup_teardown(test_document, create, destroy),
        cmocka_unit_test_setup_teardown(test_what_was_not_asked_is_null, create, destroy),
        cmocka_unit_test_setup_teardown(test_explain_tree, create, destroy),
        cmocka_unit_test_setup_teardown(test_explain_share_of_a_sum, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
