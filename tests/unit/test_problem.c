#include "posed.h"

#include <stdlib.h>
#include <string.h>

#include "planner/answers/problem.h"

static void assert_refused(struct arena *arena, const struct problem_flags *flags, const char *what,
                           const char *hint) {
    struct problem problem;
    struct error error = {0};
    assert_false(problem_read(flags, arena, &problem, &error));
    assert_string_equal(error.what, what);
    assert_string_equal(error.hint, hint);
}

static int64_t batch(struct arena *arena, const char *model, const char *devices, const char *global_batch,
                     const char *layout) {
    struct problem problem;
    pose(arena,
         &(struct problem_flags){.model = model,
                                 .cluster = "dgx-a100-80g",
                                 .devices = devices,
                                 .global_batch = global_batch,
                                 .layout = layout},
         &problem);
    problem_set_devices(&problem, problem.devices_from, problem.devices_to);
    return problem.search.training.global_batch;
}

static void test_defaults(void **state) {
    struct problem problem;
    pose(*state, &(struct problem_flags){.model = "gpt-3", .cluster = "dgx-a100-80g"}, &problem);
    assert_int_equal(problem.search.training.sequence, 2048);
    assert_int_equal(problem.search.training.precision, PRECISION_BF16);
    assert_string_equal(problem.search.training.stack->name, "megatron-core");
    assert_int_equal(problem.search.training.attention, ATTENTION_FLASH);
    assert_int_equal(problem.devices_from, 0); /* the datasheet has as many nodes as asked */
    assert_true(problem.search.training.tokens == 0);
}

static void test_default_batch(void **state) {
    /* 4 Mi tokens of 2048 */
    assert_int_equal(batch(*state, "gpt-3", "1024", NULL, NULL), 2048);
    /* 24 devices want a multiple of 3: 1536 and 3072 are next to 2048 */
    assert_int_equal(batch(*state, "gpt-3", "24", NULL, NULL), 1536);
    /* so do 1536, of which 2048 would leave 3 to tp or pp */
    assert_int_equal(batch(*state, "gpt-3", "1536", NULL, NULL), 1536);
    /* 24576 x 2048 tokens of 8192 */
    assert_int_equal(batch(*state, "gpt-4", "24576", NULL, NULL), 6144);
    /* what the layout fixes divides it */
    assert_int_equal(batch(*state, "gpt-3", "40", NULL, "dp=5 micro_batch=2") % 10, 0);
    /* a layout that divides what is taken without one leaves that */
    assert_int_equal(batch(*state, "gpt-3", "136", NULL, NULL), 2176);
    assert_int_equal(batch(*state, "gpt-3", "136", NULL, "tp=4 pp=17 cp=1 dp=2 micro_batch=2"), 2176);
    /* and so does what it leaves no choice of: 24960 / 8 / 15 = 208 */
    assert_int_equal(batch(*state, "gpt-4", "24960", "60M tokens", "tp=8 pp=15 cp=1") % 208, 0);
}

static void test_batch_in_tokens(void **state) {
    /* 60M / 8192 = 7324.2; 19 x 384 is 0.4 % less, and 384 has more divisors than 1024, of which 7168 is a
     * multiple */
    assert_int_equal(batch(*state, "gpt-4", "24576", "60M tokens", NULL), 7296);
    assert_int_equal(batch(*state, "gpt-4", "24576", "7324", NULL), 7324);
    /* 7168 = 7 x 1024 is 2.1 % less */
    assert_int_equal(batch(*state, "gpt-4", "8192", "60M tokens", NULL), 7168);
    /* no multiple of 24000's 375 is near; 7200 = 3 x 2400, and 7500 = 3 x 2500, which divide the devices */
    assert_int_equal(batch(*state, "gpt-4", "24000", "60M tokens", NULL), 7200);
    assert_int_equal(batch(*state, "gpt-4", "25000", "60M tokens", NULL), 7500);
}

static void test_devices(void **state) {
    struct problem problem;
    struct problem_flags flags = {.model = "gpt-3", .cluster = "dgx-a100-80g", .devices = "8..512"};
    pose(*state, &flags, &problem);
    assert_int_equal(problem.devices_from, 8);
    assert_int_equal(problem.devices_to, 512);
    flags.devices = NULL;
    flags.layout = "tp=8 cp=1 pp=16 dp=6";
    pose(*state, &flags, &problem);
    assert_int_equal(problem.devices_from, 768);
    assert_string_equal(problem.notes[0], "768 devices, as the layout says");
    flags.layout = NULL;
    flags.devices = "12";
    assert_refused(*state, &flags, "a node of dgx-a100-80g has 8 devices, and 12 are no whole nodes",
                   "take 8 or 16");
    flags.devices = "512..8";
    assert_refused(*state, &flags, "--devices 512..8 runs backwards", "");
    flags.devices = "0";
    assert_refused(*state, &flags, "--devices takes 1 to 16777216, not \"0\"", "");
    flags.devices = "8.5";
    assert_refused(*state, &flags, "--devices takes a whole number, not \"8.5\"", "");
}

static void test_what_is_refused(void **state) {
    struct problem_flags flags = {.cluster = "dgx-a100-80g"};
    assert_refused(*state, &flags, "--model is missing",
                   "--model gpt-3, or a file; clusterplan models lists the shipped ones");
    flags.model = "gpt-3";
    flags.precision = "fp8";
    assert_refused(*state, &flags, "the A100-SXM4-80GB of dgx-a100-80g gives no peak in fp8",
                   "it has bf16, fp16, tf32");
    flags.precision = "bf61";
    assert_refused(*state, &flags, "--precision takes bf16, fp16, tf32, fp8, not \"bf61\"",
                   "did you mean \"bf16\"?");
    flags.precision = NULL;
    flags.stack = "megatron-cor";
    struct problem problem;
    struct error error = {0};
    assert_false(problem_read(&flags, *state, &problem, &error));
    assert_string_equal(error.hint, "did you mean \"megatron-core\"?");
    flags.stack = NULL;
    flags.global_batch = "100 tokens";
    assert_false(problem_read(&flags, *state, &problem, &error)); /* less than a sequence */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, create, destroy),
        cmocka_unit_test_setup_teardown(test_default_batch, create, destroy),
        cmocka_unit_test_setup_teardown(test_batch_in_tokens, create, destroy),
        cmocka_unit_test_setup_teardown(test_devices, create, destroy),
        cmocka_unit_test_setup_teardown(test_what_is_refused, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
