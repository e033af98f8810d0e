#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/training_cost.h"
#include "shapes.h"

static double sum_of(const struct step_cost *cost) {
    return cost->compute + cost->recompute + cost->tp + cost->ep + cost->cp + cost->pp + cost->dp +
           cost->bubble + cost->optimizer + cost->offload;
}

static bool random_layout(const struct model *model, const struct training *training, struct layout *layout) {
    static const int64_t powers[] = {1, 2, 4, 8, 16};
    char why[256];
    *layout =
        (struct layout){.tp = powers[rand() % 4],
                        .pp = powers[rand() % 4],
                        .vpp = 1,
                        .cp = powers[rand() % 3],
                        .ep = model->experts.count > 0 ? powers[rand() % 4] : 1,
                        .etp = model->experts.count > 0 ? powers[rand() % 2] : 1,
                        .dp = powers[rand() % 5],
                        .micro_batch = powers[rand() % 3],
                        .zero = rand() % 4,
                        .recompute = (enum recompute)(rand() % 3),
                        .schedule = (enum schedule)(rand() % SCHEDULE_COUNT),
                        .order = (enum rank_order)(rand() % ORDER_COUNT),
                        .overlap = {rand() % 2, rand() % 2, rand() % 2},
                        .offload = rand() % 4 == 0 ? (enum offload)(rand() % OFFLOAD_COUNT) : OFFLOAD_NONE};
    layout->sequence_parallel = layout->tp > 1 && rand() % 2;
    if (layout->schedule == SCHEDULE_INTERLEAVED)
        layout->vpp = 2;
    return layout_valid(layout, model, training->sequence, training->global_batch, why, sizeof why);
}

static void terms_add_up(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct cluster cluster = h100_cluster();
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    int tried = 0;
    srand(1);
    for (int i = 0; i < 4000; i++) {
        struct cost_context *context = cost_context_create(arena, &models[i % 2], &cluster, &training);
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        struct step_cost closed, again, played, explained;
        cost_evaluate(context, &layout, PIPELINE_CLOSED_FORM, &closed, NULL);
        cost_evaluate(context, &layout, PIPELINE_CLOSED_FORM, &again, NULL);
        cost_evaluate(context, &layout, PIPELINE_SIMULATED, &played, NULL);
        cost_evaluate(context, &layout, PIPELINE_SIMULATED, &explained, explain_create(arena));
        assert_near(closed.seconds, sum_of(&closed), 1e-12);
        assert_near(played.seconds, sum_of(&played), 1e-12);
        assert_true(isfinite(closed.seconds) && closed.seconds > 0);
        assert_true(closed.bubble >= 0 && closed.ep >= 0 && closed.tp >= 0 && closed.dp >= 0);
        assert_memory_equal(&closed, &again, sizeof closed);
        assert_memory_equal(&played, &explained, sizeof played);
        tried++;
    }
    assert_true(tried > 200);
    arena_destroy(arena);
}

/* A cached part must never be taken for another's. */
static void cache_does_not_mix(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct cluster cluster = h100_cluster();
    struct model model = mixtral_8x22b;
    struct training training = training_of(4096, 256);
    struct cost_context *shared = cost_context_create(arena, &model, &cluster, &training);
    srand(2);
    for (int i = 0; i < 3000; i++) {
        struct layout layout;
        if (!random_layout(&model, &training, &layout))
            continue;
        struct cost_context *fresh = cost_context_create(arena, &model, &cluster, &training);
        struct step_cost one, other;
        cost_evaluate(shared, &layout, PIPELINE_CLOSED_FORM, &one, NULL);
        cost_evaluate(fresh, &layout, PIPELINE_CLOSED_FORM, &other, NULL);
        assert_memory_equal(&one, &other, sizeof one);
    }
    arena_destroy(arena);
}

static void more_never_hurts(void **state) {
    (void)state;
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    srand(3);
    for (int i = 0; i < 2000; i++) {
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        struct cluster cluster = h100_cluster(), better = cluster;
        double factor = 1 + (double)(rand() % 100) / 50;
        int what = rand() % 6;
        cluster.node.host_memory_bytes = better.node.host_memory_bytes = 16e12;
        cluster.node.host_link_bytes_per_second = better.node.host_link_bytes_per_second = 5e9;
        cluster.node.host_memory_bytes_per_second = better.node.host_memory_bytes_per_second = 100e9;
        switch (what) {
        case 4:
            better.node.host_link_bytes_per_second *= factor;
            break;
        case 5:
            better.node.host_memory_bytes_per_second *= factor;
            break;
        case 0:
            better.levels[rand() % 2].bandwidth_bytes_per_second *= factor;
            break;
        case 1:
            better.device.memory_bytes_per_second *= factor;
            break;
        case 2:
            better.levels[rand() % 2].latency_seconds /= factor;
            break;
        default:
            better.device.kernels.matmul[PRECISION_BF16].flops_per_second *= factor;
            better.device.kernels.attention.flops_per_second *= factor;
        }
        double before = cost_on(&cluster, &models[i % 2], &training, &layout).seconds;
        double after = cost_on(&better, &models[i % 2], &training, &layout).seconds;
        char text[256];
        if (after > before * (1 + 1e-9))
            print_message("better %d by %g: %.9g to %.9g, %s\n", what, factor, before, after,
                          layout_format(&layout, text, sizeof text));
        assert_true(after <= before * (1 + 1e-9));
    }
}

/* Each device sends an activation and a gradient a chunk and micro-batch: no overlap makes a step quicker
 * than the network carries them, and where it carries them at leisure only filling the pipeline shows. */
static void interleaving_hides_no_more_than_it_computes(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 128);
    struct layout layout = dense_layout();
    layout.vpp = 12;
    layout.schedule = SCHEDULE_INTERLEAVED;
    double micro_batches = 128 / 4, bytes = 2. * 2048 * 12288 / 8;
    double transfers = 2 * micro_batches * 12;
    struct step_cost quick = cost_on(&cluster, &model, &training, &layout);
    /* A fifth of each shows for what it takes from the products beside it, and whole ones while it fills. */
    assert_true(quick.pp > 0.2 * transfers * bytes / cluster.levels[1].bandwidth_bytes_per_second);
    assert_true(quick.pp < 0.03 * quick.seconds);
    cluster.levels[1].bandwidth_bytes_per_second = 1e8;
    struct step_cost slow = cost_on(&cluster, &model, &training, &layout);
    assert_true(slow.seconds - slow.dp > transfers * bytes / 1e8);
    layout.overlap.pp = false;
    struct step_cost unhidden = cost_on(&cluster, &model, &training, &layout);
    assert_true(unhidden.pp > slow.pp);
    double host = transfers * training.stack->hop_seconds * 1.1; /* and its share of stragglers */
    assert_true(slow.pp > unhidden.pp - host - quick.compute - quick.tp);
}

/* What each key of a layout is there for. */
static void keys_do_what_they_say(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct step_cost base = cost_on(&cluster, &model, &training, &layout), cost;
    assert_true(base.recompute == 0 && base.cp == 0 && base.ep == 0);
    assert_true(base.tp > 0 && base.pp > 0 && base.dp > 0 && base.bubble > 0);
    /* 64 micro-batches over 8 stages: (p - 1) / m of the work; the head makes one stage longer. */
    assert_near(base.bubble / (base.compute + base.tp), 7.0 / 64, 0.1);

    layout.recompute = RECOMPUTE_FULL; /* a third of what forward and backward take, less in truth: weight
                                           gradients and flash attention's backward pass are slower */
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.recompute / cost.compute, 0.29, 0.1);
    layout.recompute = RECOMPUTE_SELECTIVE;
    assert_true(cost_on(&cluster, &model, &training, &layout).recompute < cost.recompute / 3);

    layout = dense_layout();
    layout.overlap = (struct layout_overlap){false, false, false};
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(cost.tp > base.tp && cost.dp > base.dp);
    layout.tp = 16; /* beyond the node nothing overlaps with products */
    layout.dp = 2;
    cost = cost_on(&cluster, &model, &training, &layout);
    layout.overlap.tp = true;
    assert_true(cost_on(&cluster, &model, &training, &layout).tp == cost.tp);
    cluster.levels[0].devices = 16; /* unless the innermost level goes there */
    double hidden = cost_on(&cluster, &model, &training, &layout).tp;
    layout.overlap.tp = false;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(hidden < 0.85 * cost.tp);
    cluster.levels[0].devices = 8;
    layout = dense_layout();
    layout.schedule = SCHEDULE_INTERLEAVED;
    layout.vpp = 4;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.bubble, base.bubble / 4, 0.05);
    layout = dense_layout();
    layout.offload = OFFLOAD_OPTIMIZER;
    assert_true(cost_on(&cluster, &model, &training, &layout).optimizer > base.optimizer);
    layout = dense_layout();
    layout.order = ORDER_TP_CP_PP_DP; /* neighbouring stages and gradients both cross nodes at tp 8 */
    assert_true(cost_on(&cluster, &model, &training, &layout).seconds > 0);
}

static void zero_three_pays_by_micro_batch(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    training.stack = stack_find("fsdp");
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 64, .micro_batch = 4, .zero = 3};
    double coarse = cost_on(&cluster, &model, &training, &layout).dp;
    layout.micro_batch = 1;
    assert_near(cost_on(&cluster, &model, &training, &layout).dp, 4 * coarse, 0.01);
}

/* Plans give dp x cp where all share a shard, which of experts may be more: 16 here. */
static void a_group_of_all_is_no_group(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = mixtral_8x22b;
    struct training training = training_of(4096, 64);
    struct layout layout = {
        .tp = 2, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 8, .micro_batch = 1, .zero = 3};
    struct step_cost all = cost_on(&cluster, &model, &training, &layout), group;
    layout.zero_group = 8;
    group = cost_on(&cluster, &model, &training, &layout);
    assert_true(group.seconds == all.seconds);
    layout.zero_group = 4;
    assert_true(cost_on(&cluster, &model, &training, &layout).seconds != all.seconds);
}

/* Of one layer's product the FLOPs are known: the time can't beat the peak. */
static void no_faster_than_the_peak(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    srand(4);
    for (int i = 0; i < 2000; i++) {
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        double seconds = cost_on(&cluster, &models[i % 2], &training, &layout).seconds;
        double mfu = cost_mfu(&models[i % 2], &cluster, &training, &layout, seconds);
        assert_true(mfu > 0 && mfu < 1);
    }
}

/* A device that gives no kernels is the reference device where it has its peaks, in fp8 too. */
static void no_kernels_are_the_references(void **state) {
    static const enum precision precisions[] = {PRECISION_BF16, PRECISION_FP8};
    struct training training = training_of(4096, 256);
    const struct layout layout = dense_layout();
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct cluster known = h100_cluster(), bare = known;
        bare.device.kernels =
            (struct kernel_constants){.memory_efficiency = known.device.kernels.memory_efficiency};
        training.precision = precisions[i];
        assert_near(cost_on(&bare, &gpt_3, &training, &layout).seconds,
                    cost_on(&known, &gpt_3, &training, &layout).seconds, 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_add_up),
        cmocka_unit_test(cache_does_not_mix),
        cmocka_unit_test(more_never_hurts),
        cmocka_unit_test(interleaving_hides_no_more_than_it_computes),
        cmocka_unit_test(keys_do_what_they_say),
        cmocka_unit_test(zero_three_pays_by_micro_batch),
        cmocka_unit_test(a_group_of_all_is_no_group),
        cmocka_unit_test(no_faster_than_the_peak),
        cmocka_unit_test(no_kernels_are_the_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
