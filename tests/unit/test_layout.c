/* Which layouts can be, and where the layers go. */
#include "tests/unit/check.h"

#include <string.h>

#include "planner/inputs/layout.h"
#include "shapes.h"

static const struct layout one_device = {
    .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 1, .micro_batch = 1};

enum { SEQUENCE = 2048, BATCH = 1536 };

static void assert_valid(const struct layout *layout, const struct model *model) {
    char why[128] = "";
    if (!layout_valid(layout, model, SEQUENCE, BATCH, why, sizeof why))
        fail_msg("refused: %s", why);
}

static void assert_refused(const struct layout *layout, const struct model *model, const char *expected) {
    char why[128] = "";
    assert_false(layout_valid(layout, model, SEQUENCE, BATCH, why, sizeof why));
    assert_string_equal(why, expected);
}

/* GPT-3 as arXiv 2104.04473 section 5.1 trains it, and with interleaving. */
static void published_layouts_are_valid(void **state) {
    struct layout layout = one_device;
    (void)state;
    layout.tp = 8;
    layout.pp = 12;
    layout.dp = 16;
    assert_valid(&layout, &gpt_3);
    assert_int_equal(layout_devices(&layout), 1536);
    assert_int_equal(layout_micro_batches(&layout, BATCH), 96);
    layout.schedule = SCHEDULE_INTERLEAVED;
    layout.vpp = 2;
    layout.sequence_parallel = true;
    assert_valid(&layout, &gpt_3);
}

/* Mixtral 8x22B folded as in arXiv 2504.14960: experts over all of tp x cp x dp. */
static void experts_fold(void **state) {
    struct layout layout = one_device;
    (void)state;
    layout.tp = 2;
    layout.pp = 8;
    layout.cp = 4;
    layout.dp = 2;
    layout.ep = 8;
    assert_valid(&layout, &mixtral_8x22b);
    assert_int_equal(layout_expert_dp(&layout), 2);
    layout.etp = 2;
    assert_int_equal(layout_expert_dp(&layout), 1);
    assert_valid(&layout, &mixtral_8x22b);
    layout.etp = 4;
    assert_refused(&layout, &mixtral_8x22b, "tp x cp x dp 16 not divisible by ep x etp 32");
    layout.etp = 1;
    layout.ep = 3;
    assert_refused(&layout, &mixtral_8x22b, "experts 8 not divisible by ep 3");
}

static void key_value_heads_split_or_are_copied(void **state) {
    struct layout layout = one_device;
    struct model model = mixtral_8x22b;
    (void)state;
    layout.tp = 16;
    assert_valid(&layout, &model); /* 8 key-value heads, each on two devices */
    layout.tp = 12;
    assert_refused(&layout, &model, "kv_heads 8 and tp 12 do not divide each other");
    layout.tp = 5;
    assert_refused(&layout, &model, "heads 48 not divisible by tp 5");
    model.mla.kv_lora_rank = 512;
    layout.tp = 12;
    assert_valid(&layout, &model);
}

static void modules_are_of_the_model(void **state) {
    static const struct {
        int64_t modules;
        const char *why;
    } rows[] = {
        {RECOMPUTE_BIT(MLA_UP_PROJECTION),
         "recompute_modules mla_up_proj in a model without latent attention"},
        {RECOMPUTE_BIT(MOE_ACTIVATION), "recompute_modules moe_act in a model without experts"},
        {RECOMPUTE_BIT(MLP) | RECOMPUTE_BIT(MOE), "recompute_modules moe in a model without experts"},
        {RECOMPUTE_BIT(SHARED_EXPERTS), "recompute_modules shared_experts in a model without shared experts"},
    };
    struct layout layout = one_device;
    (void)state;
    layout.recompute_modules = RECOMPUTE_BIT(MLP);
    assert_refused(&layout, &gpt_3, "recompute_modules needs recompute selective");
    layout.recompute = RECOMPUTE_SELECTIVE;
    assert_valid(&layout, &gpt_3);
    assert_refused(&layout, &mixtral_8x22b, "recompute_modules mlp in a model without a dense layer");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        layout.recompute_modules = rows[i].modules;
        assert_refused(&layout, &gpt_3, rows[i].why);
    }
}

struct refusal {
    enum layout_key key;
    int64_t value;
    const char *why;
};

/* One change each to a layout of GPT-3 that is valid. */
static void mistakes_are_named(void **state) {
    static const struct refusal refusals[] = {
        {LAYOUT_TP, 0, "tp 0 is not positive"},
        {LAYOUT_DP, -3, "dp -3 is not positive"},
        {LAYOUT_TP, 36, "heads 96 not divisible by tp 36"},
        {LAYOUT_DP, 10, "global_batch 1536 not divisible by dp x micro_batch 10"},
        {LAYOUT_MICRO_BATCH, 5, "global_batch 1536 not divisible by dp x micro_batch 20"},
        {LAYOUT_EP, 2, "ep 2 in a model without experts"},
        {LAYOUT_ETP, 2, "etp 2 in a model without experts"},
        {LAYOUT_CP, 3, "sequence 2048 not divisible by 2 cp 6"},
        {LAYOUT_VPP, 2, "vpp 2 needs schedule interleaved, not 1f1b"},
        {LAYOUT_SCHEDULE, SCHEDULE_INTERLEAVED, "schedule interleaved needs vpp above 1"},
        {LAYOUT_PP, 97, "pp x vpp 97 is more than the 96 layers"},
        {LAYOUT_ZERO, 4, "zero 4 is not a stage from 0 to 3"},
        {LAYOUT_ZERO_GROUP, 3, "dp x cp 4 not divisible by zero_group 3"},
        {LAYOUT_TP, INT64_MAX, "heads 96 not divisible by tp 9223372036854775807"},
        {LAYOUT_DP, INT64_MAX, "global_batch 1536 not divisible by dp x micro_batch 9223372036854775807"},
        {LAYOUT_VPP, INT64_MAX, "vpp 9223372036854775807 needs schedule interleaved, not 1f1b"},
    };
    struct layout good = one_device;
    (void)state;
    good.tp = 8;
    good.pp = 4;
    good.dp = 4;
    good.zero = 1;
    assert_valid(&good, &gpt_3);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct layout layout = good;
        layout_set(&layout, refusals[i].key, refusals[i].value);
        assert_int_equal(layout_get(&layout, refusals[i].key), refusals[i].value);
        assert_refused(&layout, &gpt_3, refusals[i].why);
    }
}

static void pipelines_need_their_micro_batches(void **state) {
    struct layout layout = one_device;
    (void)state;
    layout.schedule = SCHEDULE_GPIPE;
    assert_refused(&layout, &gpt_3, "schedule gpipe needs pp above 1");
    layout = one_device;
    layout.sequence_parallel = true;
    assert_refused(&layout, &gpt_3, "sequence_parallel needs tp above 1");
    layout = one_device;
    layout.pp = 12;
    layout.vpp = 4;
    layout.dp = 256;
    layout.schedule = SCHEDULE_INTERLEAVED;
    assert_refused(&layout, &gpt_3, "interleaved needs pp micro-batches, not 6");
    layout.dp = 96; /* 16 in one group of 16 */
    assert_valid(&layout, &gpt_3);
    layout.dp = 256;
    layout.vpp = 1;
    layout.schedule = SCHEDULE_DUALPIPE;
    assert_refused(&layout, &gpt_3, "dualpipe needs 2 pp micro-batches, not 6");
    layout.dp = 64;
    assert_valid(&layout, &gpt_3);
    layout.pp = 3;
    assert_refused(&layout, &gpt_3, "dualpipe: pp 3 not divisible by the directions 2");
}

/* The least number of which the last group has none or pp at least. */
static void micro_batches_go_in_groups(void **state) {
    (void)state;
    for (int64_t pp = 1; pp <= 20; pp++)
        for (int64_t micro_batches = 0; micro_batches <= 200; micro_batches++) {
            int64_t group = pp;
            while (group < micro_batches && micro_batches % group > 0 && micro_batches % group < pp)
                group++;
            assert_int_equal(layout_micro_batch_group(pp, micro_batches), micro_batches < pp ? 0 : group);
        }
    assert_int_equal(layout_micro_batch_group(8, 38), 10);
    assert_int_equal(layout_micro_batch_group(16, 66), 22);
}

static void huge_layouts_do_not_overflow(void **state) {
    struct layout layout = one_device;
    (void)state;
    layout.tp = layout.pp = layout.cp = layout.dp = INT64_C(1) << 40;
    assert_int_equal(layout_devices(&layout), INT64_MAX);
    layout.ep = layout.etp = layout.micro_batch = INT64_MAX;
    char why[8];
    assert_false(layout_valid(&layout, &mixtral_8x22b, SEQUENCE, BATCH, why, sizeof why));
    assert_int_equal(strlen(why), sizeof why - 1);
    assert_false(layout_valid(&layout, &mixtral_8x22b, SEQUENCE, BATCH, NULL, 0));
}

static void assert_layers_and_mtp(int64_t layers, int64_t further, int64_t pp, int64_t vpp,
                                  const char *expected) {
    struct model model = gpt_3;
    struct layout layout = one_device;
    char found[512] = "";
    size_t used = 0;
    int64_t sum = 0;
    model.layers = layers;
    model.mtp_layers = further;
    layout.pp = pp;
    layout.vpp = vpp;
    for (int64_t chunk = 0; chunk < pp * vpp; chunk++) {
        const int64_t count = layout_chunk_layers(&layout, &model, chunk);
        assert_true(count >= 0);
        assert_int_equal(layout_layers_before(&layout, &model, chunk), sum);
        sum += count;
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%lld", chunk > 0 ? " " : "",
                                 (long long)count);
    }
    assert_int_equal(sum, layers);
    assert_int_equal(layout_layers_before(&layout, &model, pp * vpp), layers);
    if (expected != NULL)
        assert_string_equal(found, expected);
}

static void assert_layers(int64_t layers, int64_t pp, int64_t vpp, const char *expected) {
    assert_layers_and_mtp(layers, 0, pp, vpp, expected);
}

static void layers_go_where_the_published_runs_put_them(void **state) {
    (void)state;
    assert_layers(96, 4, 2, "12 12 12 12 12 12 12 12");
    /* BLOOM: 70 layers with embedding and loss over 12 stages, the 78-layer trial without. */
    assert_layers(70, 12, 1, "5 6 6 6 6 6 6 6 6 6 6 5");
    assert_layers(78, 12, 1, "7 7 7 7 7 7 7 7 7 7 7 1");
    /* Llama 3.1 405B: 126 layers over 16 stages, one less on the first and the last (arXiv 2407.21783). */
    assert_layers(126, 16, 1, "7 8 8 8 8 8 8 8 8 8 8 8 8 8 8 7");
    assert_layers(22, 8, 1, "2 3 3 3 3 3 3 2");
    /* DeepSeek-V3. */
    assert_layers(61, 16, 1, "4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 1");
    assert_layers(61, 8, 1, "8 8 8 8 8 8 8 5");
    /* With its further prediction: Megatron-Bridge (recipes/deepseek/deepseek_v3.py), "Et|(tt|)*30mL" too. */
    assert_layers_and_mtp(61, 1, 4, 1, "16 16 16 13");
    assert_layers_and_mtp(61, 1, 8, 1, "8 8 8 8 8 8 8 5");
    assert_layers_and_mtp(61, 1, 4, 4, "4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 1");
    assert_layers_and_mtp(61, 1, 8, 4, "1 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 0");
    assert_layers_and_mtp(5, 1, 8, 1, NULL); /* one layer a stage leaves no room for the last */
    /* 31 times 2 would be more than there are. */
    assert_layers(61, 16, 2, "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 1 1 1");
    assert_layers(6, 8, 1, "0 1 1 1 1 1 1 0");
}

static void no_split_loses_a_layer(void **state) {
    (void)state;
    for (int64_t layers = 1; layers <= 130; layers++)
        for (int64_t chunks = 1; chunks <= layers; chunks++)
            assert_layers(layers, chunks, 1, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_layouts_are_valid),
        cmocka_unit_test(experts_fold),
        cmocka_unit_test(key_value_heads_split_or_are_copied),
        cmocka_unit_test(modules_are_of_the_model),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(pipelines_need_their_micro_batches),
        cmocka_unit_test(micro_batches_go_in_groups),
        cmocka_unit_test(huge_layouts_do_not_overflow),
        cmocka_unit_test(layers_go_where_the_published_runs_put_them),
        cmocka_unit_test(no_split_loses_a_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
