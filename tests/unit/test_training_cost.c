#include "check.h"

#include <math.h>

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/training_cost.h"
#include "shapes.h"

static void mfu_by_hand(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 1536);
    struct layout layout = dense_layout();
    /* arXiv 2104.04473, equation 3, without recompute: 72 B s l h^2 (1 + s/6h + V/12lh). */
    double h = 12288, l = 96, s = 2048, v = 51200;
    double flops = 72 * 1536 * s * l * h * h * (1 + s / (6 * h) + v / (12 * l * h));
    double mfu = cost_mfu(&model, &cluster, &training, &layout, 100);
    assert_near(mfu, flops / (100 * 256 * 989.4e12), 0.001);
}

static void a_whole_training(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 1536);
    struct layout layout = dense_layout();
    struct training_cost cost;
    training.tokens = 300e9;
    cluster.device.price_per_second = 2.0 / 3600;
    cluster.device.power_watts = 700;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    assert_near(cost.steps, ceil(300e9 / (2048.0 * 1536)), 1e-12);
    assert_near(cost.days, cost.steps * 10 / 86400, 1e-12);
    assert_true(cost.goodput == 1);
    assert_near(cost.cost, 256 * 2 * cost.steps * 10 / 3600, 1e-12);
    assert_near(cost.energy_joules, 256 * 700 * cost.steps * 10, 1e-12);
    assert_true(cost.energy_cost == 0);
    cluster.energy_price_per_joule = 0.1 / 3.6e6;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    assert_near(cost.energy_cost, 256 * 0.7 * cost.steps * 10 / 3600 * 0.1, 1e-12);
    assert_near(cost.cost, 256 * (2 + 0.07) * cost.steps * 10 / 3600, 1e-12);

    /* 50,000 h a device: 256 devices fail every 195 h. 2.45 TB in checkpoints at 32 x 1 GB/s take 76.6 s, so
     * every 2.9 h one (Daly): two times 0.73 % of the time, and half an interval with restart each 195 h. */
    cluster.device.mtbf_seconds = 50000.0 * 3600;
    cluster.node.storage_bytes_per_second = 1e9;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    double write = 14 * 175e9 / 32e9, mtbf = 50000.0 * 3600 / 256, interval = sqrt(2 * write * mtbf);
    double lost = write / interval + interval / 2 / mtbf + (600 + write) / mtbf;
    assert_near(1 - cost.goodput, lost, 0.05);
    assert_near(cost.days, cost.steps * 10 / 86400 / cost.goodput, 1e-12);
    /* More failures, less progress. */
    double before = cost.goodput;
    for (double hours = 40000; hours > 30; hours /= 3) {
        cluster.device.mtbf_seconds = hours * 3600;
        cost_training(&model, &cluster, &training, &layout, 10, &cost);
        assert_true(cost.goodput < before && cost.goodput >= 0);
        before = cost.goodput;
    }
    /* Every 28 s one, and 11 minutes to start again: it never ends, rather than in 10^10 years. */
    cluster.device.mtbf_seconds = 2 * 3600;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    assert_true(cost.goodput == 0 && isinf(cost.days));
}

/* Share of the time that makes progress with a checkpoint every `interval`: Daly's equation 20. */
static double progress(double interval, double write, double restart, double mtbf) {
    return interval / (mtbf * exp(restart / mtbf) * (exp((interval + write) / mtbf) - 1));
}

/* The interval of equation 37 is as good as the best there is, found by trying them all. */
static void the_interval_is_the_best(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model_counts counts = {.parameters = 175e9};
    struct training training = training_of(2048, 1536);
    cluster.node.storage_bytes_per_second = 1e9;
    for (double hours = 50000; hours > 300; hours /= 3) {
        double mtbf = hours * 3600 / 1024, write = 14 * 175e9 / 128e9, best = 0;
        for (double interval = 1; interval < 20 * mtbf; interval *= 1.001)
            best = fmax(best, progress(interval, write, 600 + write, mtbf));
        cluster.device.mtbf_seconds = hours * 3600;
        double goodput = cost_goodput(&counts, &cluster, &training, 1024);
        assert_true(goodput <= best * (1 + 1e-5));
        assert_near(goodput, best, 1e-3);
    }
}

/* Llama 3 405B: 16,384 H100, 419 unexpected interruptions in 54 days, over 90 % of the time effective (arXiv
 * 2407.21783, section 3.3.4); storage of 2 TB/s (3.3.1). */
static void llama_3_made_progress(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model_counts counts = {.parameters = 405e9};
    struct training training = training_of(8192, 2048);
    cluster.device.mtbf_seconds = 16384 * 54 * 86400.0 / 419;
    cluster.node.storage_bytes_per_second = 2e12 / 2048;
    double goodput = cost_goodput(&counts, &cluster, &training, 16384);
    assert_true(goodput > 0.90 && goodput < 0.97);
    /* A host link slower than the storage is what a checkpoint waits for. */
    cluster.node.host_link_bytes_per_second = 25e9;
    assert_near(cost_goodput(&counts, &cluster, &training, 16384), goodput, 1e-12);
    cluster.node.host_link_bytes_per_second = 1e6;
    assert_true(cost_goodput(&counts, &cluster, &training, 16384) < goodput);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mfu_by_hand),
        cmocka_unit_test(a_whole_training),
        cmocka_unit_test(the_interval_is_the_best),
        cmocka_unit_test(llama_3_made_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
