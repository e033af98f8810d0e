/* Pipelines of thousands of stages: what no play may take the memory of. */
#include "check.h"

#include "planner/cost/pipeline.h"

enum { STAGES = 10000 };

static double forward[STAGES], input[STAGES], weight[STAGES];

static struct pipeline_time time_of(enum schedule schedule, int64_t stages, int64_t micro_batches) {
    const size_t most_bytes = 256u << 20;
    struct arena *arena = arena_create();
    struct pipeline_room room = {.arena = arena};
    struct pipeline pipeline = {.schedule = schedule,
                                .stages = stages,
                                .chunks = schedule == SCHEDULE_INTERLEAVED ? STAGES / stages : 1,
                                .micro_batches = micro_batches,
                                .group = layout_micro_batch_group(stages, micro_batches),
                                .forward_seconds = forward,
                                .backward_input_seconds = input,
                                .backward_weight_seconds = weight};
    struct pipeline_time time;
    pipeline_simulate(&pipeline, &room, &time);
    assert_true(room.size <= most_bytes);
    arena_destroy(arena);
    return time;
}

static void set_stages(double slowest) {
    for (int64_t i = 0; i < STAGES; i++)
        forward[i] = input[i] = weight[i] = 1;
    forward[STAGES / 3] = slowest;
}

/* Equal stages: what the papers' tables say, whether it is played or not. */
static void memory_is_bounded(void **state) {
    static const int64_t stages[] = {64, 512, 514, 4000, STAGES};
    (void)state;
    set_stages(1);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        int64_t pp = stages[i], m = 3 * pp;
        double others = (double)pp - 1, half = (double)pp / 2 - 1;
        assert_within(time_of(SCHEDULE_1F1B, pp, m).bubble_seconds, 3 * others, 1e-6);
        assert_within(time_of(SCHEDULE_GPIPE, pp, m).bubble_seconds, 3 * others, 1e-6);
        assert_within(time_of(SCHEDULE_ZB_1P, pp, m).bubble_seconds, others, 1e-6);
        assert_within(time_of(SCHEDULE_ZB_2P, pp, m).bubble_seconds, 0, 1e-6);
        assert_within(time_of(SCHEDULE_DUALPIPE, pp, m).bubble_seconds, 2 * half, 1e-6);
    }
    /* Of all chunks a device does five times as much, and waits for as long. */
    assert_within(time_of(SCHEDULE_INTERLEAVED, 2000, 6000).bubble_seconds, 3 * 1999.0, 1e-6);
}

/* Of unequal stages too no more than a bound is promised, and never less than it. */
static void unequal_stages_wait_for_the_slowest(void **state) {
    (void)state;
    set_stages(50);
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        double slowest = schedule == SCHEDULE_DUALPIPE ? (52 + 3) / 2.0 : 52;
        struct pipeline_time time = time_of((enum schedule)schedule, STAGES, 2 * STAGES);
        assert_true(time.seconds >= 2 * STAGES * slowest && time.bubble_seconds >= 0);
        assert_true(time.seconds <= 2 * STAGES * slowest + 4 * (3 * STAGES + 49));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(unequal_stages_wait_for_the_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
