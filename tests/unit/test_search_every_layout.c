/* The search against every layout one by one. */
#include "check.h"

#include <math.h>

#include "planner/search/search_space.h"
#include "search_setting.h"

static bool is_equal(const struct search_problem *problem, int64_t chunks) {
    return problem->model->layers % chunks == 0 || (problem->model->layers + 2) % chunks == 0;
}

/* Equal chunks, or as many as there can be where none are equal. */
static bool may_interleave(const struct search_problem *problem, int64_t pp, int64_t vpp) {
    bool any = false;
    for (int64_t chunks = 2 * pp; chunks <= problem->model->layers + 2; chunks += pp)
        any = any || is_equal(problem, chunks);
    return is_equal(problem, pp * vpp) ||
           (!any && problem->training.stack->own_chunks && vpp == problem->model->layers / pp);
}

/* Calls `try` for all layouts of tp, pp, cp and dp, and of the ends' layers, moving nothing out or what the
 * stack moves; full recompute of all layers, or, where activations stay, of some. */
static void for_every_variant(const struct search_problem *problem, const struct layout *split,
                              void (*try)(const struct search_problem *, const struct layout *, void *),
                              void *data) {
    struct layout layout = *split;
    for (int64_t rest = 0; rest < 64 * 8 * SCHEDULE_COUNT * 3 * 2 * 4 * 2; rest++) {
        layout.micro_batch = rest % 64 + 1;
        layout.vpp = rest / 64 % 8 + 1;
        layout.schedule = (enum schedule)(rest / (64 * 8) % SCHEDULE_COUNT);
        layout.recompute = (enum recompute)(rest / (64 * 8 * SCHEDULE_COUNT) % 3);
        layout.recompute_modules = layout.recompute == RECOMPUTE_SELECTIVE ? RECOMPUTE_BIT(MLP) : 0;
        layout.sequence_parallel = rest / (64 * 8 * SCHEDULE_COUNT * 3) % 2 != 0;
        layout.zero = rest / (64 * 8 * SCHEDULE_COUNT * 3 * 2) % 4;
        layout.order = (enum rank_order)(rest / (64 * 8 * SCHEDULE_COUNT * 3 * 2 * 4));
        if (!layout_valid(&layout, problem->model, problem->training.sequence, problem->training.global_batch,
                          NULL, 0))
            continue;
        if (problem->request.keys[LAYOUT_SCHEDULE].count == 0 &&
            !(problem->training.stack->schedules & 1U << layout.schedule))
            continue;
        if ((layout.vpp > 1 && !layout_has_own_ends(&layout) &&
             !may_interleave(problem, layout.pp, layout.vpp)) ||
            (layout.order > 0 && (layout.pp == 1 || layout.dp == 1)) || (layout.zero > 1 && layout.pp > 1) ||
            (layout.zero > 0 && layout.dp * layout.cp == 1 && layout_expert_dp(&layout) == 1))
            continue; /* the same layout as another one, or one that no framework runs */
        for (int64_t place = 0; place < OFFLOAD_COUNT * SMALL_LAYERS; place++) {
            enum offload offload = (enum offload)(place % OFFLOAD_COUNT);
            int64_t layers = place / OFFLOAD_COUNT;
            bool moves = problem->cluster->node.host_memory_bytes > 0 &&
                         (problem->training.stack->offloads & 1U << offload) != 0;
            layout.offload = offload;
            layout.recompute_layers = layers;
            if ((offload != OFFLOAD_NONE && !moves) ||
                (layers > 0 && (layout.recompute != RECOMPUTE_FULL || offload_activations(offload) ||
                                layers >= layout_most_chunk_layers(&layout, problem->model))))
                continue;
            try(problem, &layout, data);
        }
        layout.offload = OFFLOAD_NONE;
        layout.recompute_layers = 0;
    }
}

/* Calls `try` for all layouts of the space, from all numbers there are. */
static void for_every_layout(const struct search_problem *problem,
                             void (*try)(const struct search_problem *, const struct layout *, void *),
                             void *data) {
    int64_t most = problem->devices;
    struct layout layout = {.ep = 1, .etp = 1};
    struct arena *arena = arena_create();
    struct cost_context *context =
        cost_context_create(arena, problem->model, problem->cluster, &problem->training);
    const struct stage_ends *ends;
    layout.overlap =
        (struct layout_overlap){problem->training.stack->overlap_tp, problem->training.stack->overlap_dp,
                                problem->training.stack->overlap_pp};
    for (layout.tp = 1; layout.tp <= most; layout.tp++)
        for (layout.pp = 1; layout.pp <= most; layout.pp++)
            for (layout.cp = 1; layout.cp <= most; layout.cp++) {
                if (most % (layout.tp * layout.pp * layout.cp) != 0)
                    continue;
                layout.dp = most / (layout.tp * layout.pp * layout.cp);
                layout.first_stage_layers = layout.last_stage_layers = 0;
                for_every_variant(problem, &layout, try, data);
                size_t count = search_balanced_ends(problem, context, layout.tp, layout.pp, &ends);
                for (size_t i = 0; i < count; i++) {
                    layout.first_stage_layers = ends[i].first;
                    layout.last_stage_layers = ends[i].last;
                    for_every_variant(problem, &layout, try, data);
                }
            }
    arena_destroy(arena);
}

struct best {
    int64_t layouts, feasible;
    double seconds;
    struct arena *arena;
    struct cost_context *context;
};

static void try_layout(const struct search_problem *problem, const struct layout *layout, void *data) {
    struct best *best = data;
    struct memory_use use;
    struct step_cost cost;
    best->layouts++;
    memory_estimate(problem->model, problem->cluster, &problem->training, layout, &use, NULL);
    if (!memory_fits(&use))
        return;
    best->feasible++;
    cost_evaluate(best->context, layout, PIPELINE_SIMULATED, &cost, NULL);
    best->seconds = fmin(best->seconds, cost.seconds);
}

/* The space is what one gets by trying all numbers, and no layout of it is faster than the best plan, each
 * simulated. */
static void test_best_of_every_layout(void **state) {
    static const double memories[] = {1.2e9, 2e9, 80e9, 1e9, 2e9}, hosts[] = {0, 1e12, 0, 2e11, 0};
    static const int64_t layers[] = {SMALL_LAYERS, SMALL_LAYERS, SMALL_LAYERS, SMALL_LAYERS, 7};
    (void)state;
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result result;
        struct error error = {0};
        struct best best = {.seconds = HUGE_VAL, .arena = arena};
        make_small(&setting, memories[i]);
        setting.model.layers = layers[i];
        setting.cluster.node.host_memory_bytes = hosts[i];
        setting.cluster.node.host_link_bytes_per_second = 200e9;
        if (i > 0 && i < 3) /* also those that the stack lacks */
            for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++)
                setting.problem.request.keys[LAYOUT_SCHEDULE]
                    .values[setting.problem.request.keys[LAYOUT_SCHEDULE].count++] = schedule;
        best.context =
            cost_context_create(arena, &setting.model, &setting.cluster, &setting.problem.training);
        for_every_layout(&setting.problem, try_layout, &best);
        setting.problem.exhaustive = setting.problem.simulates_all = true;
        assert_true(search_run(&setting.problem, arena, &result, &error));
        print_message("    %lld layouts, %lld fit, best %.4g s, offload %s\n", (long long)best.layouts,
                      (long long)best.feasible, best.seconds, offload_names[result.plans[0].layout.offload]);
        assert_true(result.plan_count > 0);
        assert_int_equal(result.looked.layouts, best.layouts);
        assert_int_equal(result.looked.feasible, best.feasible);
        assert_true(result.plans[0].step.seconds <= best.seconds);
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_of_every_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
