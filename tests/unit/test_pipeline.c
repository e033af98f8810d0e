#include "check.h"

#include <math.h>

#include "planner/cost/pipeline.h"

enum { MAX_STAGES = 512 };

static double forward[MAX_STAGES], input[MAX_STAGES], weight[MAX_STAGES];

static struct pipeline equal_stages(enum schedule schedule, int64_t stages, int64_t chunks,
                                    int64_t micro_batches, double f, double b, double w) {
    for (int64_t i = 0; i < stages * chunks; i++) {
        forward[i] = f / (double)chunks;
        input[i] = b / (double)chunks;
        weight[i] = w / (double)chunks;
    }
    return (struct pipeline){.schedule = schedule,
                             .stages = stages,
                             .chunks = chunks,
                             .micro_batches = micro_batches,
                             .group = layout_micro_batch_group(stages, micro_batches),
                             .forward_seconds = forward,
                             .backward_input_seconds = input,
                             .backward_weight_seconds = weight};
}

/* Of all chunks; of DualPipe's two stages, each for half of the micro-batches. */
static struct pipeline_work work_of(const struct pipeline *pipeline, int64_t device) {
    bool dual = pipeline->schedule == SCHEDULE_DUALPIPE;
    int64_t step = dual ? pipeline->stages - 1 - 2 * device : pipeline->stages;
    int64_t stages = dual ? 2 : pipeline->chunks;
    struct pipeline_work work = {0};
    for (int64_t i = 0; i < stages; i++) {
        work.forward += forward[device + i * step] / (dual ? 2 : 1);
        work.backward_input += input[device + i * step] / (dual ? 2 : 1);
        work.backward_weight += weight[device + i * step] / (dual ? 2 : 1);
    }
    return work;
}

static bool do_the_same(const struct pipeline_run *left, const struct pipeline_run *right) {
    return left->work.forward == right->work.forward &&
           left->work.backward_input == right->work.backward_input &&
           left->work.backward_weight == right->work.backward_weight &&
           left->first_chunk_seconds == right->first_chunk_seconds;
}

/* The bound by runs of devices that do the same, or of one each. */
static struct pipeline_time least_of(const struct pipeline *pipeline, bool by_runs) {
    struct pipeline_run runs[MAX_STAGES], next;
    struct pipeline_devices devices = {.runs = runs};
    struct pipeline_time time;
    next.count = 0;
    for (int64_t device = 0; device < pipeline->stages; device++) {
        struct pipeline_run own = {.work = work_of(pipeline, device),
                                   .first_chunk_seconds = forward[device] + input[device] + weight[device],
                                   .count = 1};
        bool alone = !by_runs || device <= 1 || device == pipeline->stages - 1;
        if (!alone && do_the_same(&next, &own)) {
            next.count++;
            continue;
        }
        if (next.count > 0)
            pipeline_add_devices(&devices, &next);
        next = own;
    }
    pipeline_add_devices(&devices, &next);
    pipeline_least(pipeline, &devices, &time);
    return time;
}

static struct pipeline_time simulated(const struct pipeline *pipeline) {
    struct arena *arena = arena_create();
    struct pipeline_room room = {.arena = arena};
    struct pipeline_time time;
    pipeline_simulate(pipeline, &room, &time);
    arena_destroy(arena);
    assert_true(least_of(pipeline, true).seconds <= time.seconds * (1 + 1e-11)); /* but for rounding */
    assert_within(time.seconds, time.busy_seconds + time.bubble_seconds + time.hop_seconds,
                  1e-9 + 1e-9 * time.seconds);
    return time;
}

static void check_equal(const struct pipeline *pipeline) {
    struct pipeline_time closed;
    pipeline_closed_form(pipeline, &closed);
    assert_within(closed.seconds, closed.busy_seconds + closed.bubble_seconds + closed.hop_seconds, 1e-9);
    struct pipeline_time played = simulated(pipeline);
    if (fabs(closed.seconds - played.seconds) > 1e-6)
        print_message("schedule %d pp %ld vpp %ld m %ld: closed %.6f played %.6f\n", (int)pipeline->schedule,
                      (long)pipeline->stages, (long)pipeline->chunks, (long)pipeline->micro_batches,
                      closed.seconds, played.seconds);
    assert_within(closed.seconds, played.seconds, 1e-6);
}

static void known_results(void **state) {
    (void)state;
    struct pipeline_time time;
    /* arXiv 2104.04473: bubble (p-1)/m of the ideal time, 1/v of that when interleaved. */
    struct pipeline pipeline = equal_stages(SCHEDULE_1F1B, 4, 1, 8, 1, 1, 1);
    pipeline_closed_form(&pipeline, &time);
    assert_within(time.bubble_seconds / time.busy_seconds, 3.0 / 8, 1e-12);
    pipeline = equal_stages(SCHEDULE_INTERLEAVED, 4, 2, 8, 1, 1, 1);
    assert_within(simulated(&pipeline).bubble_seconds / 24, 3.0 / 16, 1e-12);
    /* arXiv 2401.10241, Table 2: (p-1)(F+B-W), and nothing with F = B = W. */
    pipeline = equal_stages(SCHEDULE_ZB_1P, 4, 1, 12, 3, 4, 2);
    assert_within(simulated(&pipeline).bubble_seconds, 3 * 5, 1e-12);
    pipeline = equal_stages(SCHEDULE_ZB_2P, 4, 1, 12, 1, 1, 1);
    assert_within(simulated(&pipeline).bubble_seconds, 0, 1e-12);
    /* arXiv 2412.19437, Table 2: (p/2-1)(F&B + B - 3W) with B the whole backward. */
    pipeline = equal_stages(SCHEDULE_DUALPIPE, 8, 1, 20, 1, 1, 1);
    assert_within(simulated(&pipeline).bubble_seconds, 3 * (3 + 2 - 3), 1e-12);
}

static void closed_form_is_the_simulation(void **state) {
    (void)state;
    static const double work[][3] = {{1, 1, 1},       {1.5, 2, 1},     {1, 1.3, 0.9},   {2, 4, 2},
                                     {0.4, 0.3, 1.2}, {1.2, 0.3, 0.5}, {0.3, 1.2, 1.1}, {0.5, 0.25, 0.7}};
    for (size_t k = 0; k < sizeof work / sizeof work[0]; k++) {
        double f = work[k][0], b = work[k][1], w = work[k][2];
        for (int64_t stages = 1; stages <= 16; stages++) {
            for (int64_t m = 1; m <= 40; m += m < 6 ? 1 : 7) {
                struct pipeline pipeline = equal_stages(SCHEDULE_1F1B, stages, 1, m, f, b, w);
                check_equal(&pipeline);
                pipeline.schedule = SCHEDULE_GPIPE;
                check_equal(&pipeline);
                for (int64_t chunks = 2; chunks <= 5 && m >= stages; chunks++) {
                    pipeline = equal_stages(SCHEDULE_INTERLEAVED, stages, chunks, m, f, b, w);
                    check_equal(&pipeline);
                }
            }
            for (int64_t m = 1; m <= 4 * stages; m += m < stages ? 1 : 3) {
                struct pipeline pipeline = equal_stages(SCHEDULE_ZB_1P, stages, 1, m, f, b, w);
                check_equal(&pipeline);
                pipeline.schedule = SCHEDULE_ZB_2P;
                check_equal(&pipeline);
            }
        }
    }
}

static void dualpipe_is_the_simulation(void **state) {
    (void)state;
    for (int64_t stages = 2; stages <= 16; stages += 2) {
        for (int64_t m = 2 * stages; m <= 5 * stages; m += 2) {
            struct pipeline pipeline = equal_stages(SCHEDULE_DUALPIPE, stages, 1, m, 1, 1, 1);
            check_equal(&pipeline);
        }
    }
}

/* A slow last stage sets the pace: m of its passes, and the way there and back through the others. */
static void uneven_stages(void **state) {
    (void)state;
    struct pipeline pipeline = equal_stages(SCHEDULE_1F1B, 4, 1, 16, 1, 1, 1);
    forward[3] = 2;
    struct pipeline_time closed;
    pipeline_closed_form(&pipeline, &closed);
    assert_int_equal(closed.stage, 3);
    assert_within(closed.seconds, 16 * 4 + 3 * 3, 1e-12);
    assert_within(simulated(&pipeline).seconds, 16 * 4 + 3 * 3, 1e-12);
}

static void hops_cost_time(void **state) {
    (void)state;
    struct pipeline pipeline = equal_stages(SCHEDULE_1F1B, 4, 1, 16, 1, 1, 1);
    double without = simulated(&pipeline).seconds;
    pipeline.hop_seconds = 0.25;
    struct pipeline_time closed, played = simulated(&pipeline);
    pipeline_closed_form(&pipeline, &closed);
    assert_true(played.seconds >= without + 2 * 16 * 0.25);
    assert_true(fabs(closed.seconds / played.seconds - 1) < 0.05);
    pipeline = equal_stages(SCHEDULE_1F1B, 1, 1, 16, 1, 1, 1);
    pipeline.hop_seconds = 0.25;
    assert_within(simulated(&pipeline).seconds, 48, 1e-12);
}

/* 1F1B and GPipe pass by pass: what each device has to do in its order, as soon as what it needs is there. */
enum { MOST_STAGES = 8, MOST_CHUNKS = 4, MOST_ROWS = 64 };

struct played {
    const struct pipeline *pipeline;
    int64_t rows;
    double forward_done[MOST_STAGES * MOST_CHUNKS][MOST_ROWS], /* negative: not yet */
        backward_done[MOST_STAGES * MOST_CHUNKS][MOST_ROWS];
    double free_at[MOST_STAGES];
    int64_t next[MOST_STAGES];
};

/* Of the passes of a kind on a device the k-th. False where its input is missing. */
static bool run(struct played *played, int64_t device, bool is_forward, int64_t k) {
    const struct pipeline *pipeline = played->pipeline;
    int64_t stages = pipeline->stages, chunks = pipeline->chunks, last = stages * chunks - 1;
    int64_t group = chunks > 1 ? pipeline->group : 1, round = k / (group * chunks), first = round * group;
    if (first + group > pipeline->micro_batches)
        group = pipeline->micro_batches - first;
    int64_t of_round = k - first * chunks, row = first + of_round % group, chunk = of_round / group;
    int64_t stage = (is_forward ? chunk : chunks - 1 - chunk) * stages + device;
    double ready = 0, seconds = forward[stage];
    bool received = is_forward ? stage > 0 : stage < last;
    if (is_forward && stage > 0)
        ready = played->forward_done[stage - 1][row];
    if (!is_forward) {
        ready = stage == last ? played->forward_done[last][row] : played->backward_done[stage + 1][row];
        seconds = input[stage] + weight[stage];
    }
    if (ready < 0)
        return false;
    played->free_at[device] =
        fmax(played->free_at[device], ready) + seconds + (received ? pipeline->hop_seconds : 0);
    (is_forward ? played->forward_done : played->backward_done)[stage][row] = played->free_at[device];
    return true;
}

/* The next pass of a device: forward passes ahead, then one of each, then backward passes. */
static bool run_next(struct played *played, int64_t device) {
    const struct pipeline *pipeline = played->pipeline;
    int64_t chunks = pipeline->chunks, passes = played->rows * chunks, i = played->next[device];
    int64_t ahead = (pipeline->stages - 1 - device) * (chunks > 1 ? 2 : 1) + (chunks - 1) * pipeline->group;
    if (ahead > passes || pipeline->schedule == SCHEDULE_GPIPE)
        ahead = passes;
    if (i == 2 * passes)
        return false;
    bool in_turn = i >= ahead && i < 2 * passes - ahead, is_forward = i < ahead;
    int64_t k = is_forward ? i : i - passes;
    if (in_turn) {
        is_forward = (i - ahead) % 2 == 0;
        k = is_forward ? ahead + (i - ahead) / 2 : (i - ahead) / 2;
    }
    if (!run(played, device, is_forward, k))
        return false;
    played->next[device]++;
    return true;
}

static double played_one_by_one(const struct pipeline *pipeline) {
    static struct played played;
    int64_t stages = pipeline->stages, rows = pipeline->micro_batches;
    double seconds = 0;
    played = (struct played){.pipeline = pipeline};
    played.rows = rows;
    for (int64_t stage = 0; stage < stages * pipeline->chunks; stage++)
        for (int64_t row = 0; row < played.rows; row++)
            played.forward_done[stage][row] = played.backward_done[stage][row] = -1;
    for (bool moved = true; moved;) {
        moved = false;
        for (int64_t device = 0; device < stages; device++)
            while (run_next(&played, device))
                moved = true;
    }
    for (int64_t device = 0; device < stages; device++) {
        assert_int_equal(played.next[device], 2 * played.rows * pipeline->chunks);
        seconds = fmax(seconds, played.free_at[device]);
    }
    return seconds;
}

static double share_of(uint64_t *random) {
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (double)(*random >> 40) / (1 << 24);
}

/* The simulation passes by periods that repeat, and GPipe's is a formula: with stages of any length, few and
 * many micro-batches. */
static void flow_is_passes_one_by_one(void **state) {
    static const double spreads[] = {0, 1e-6, 1e-3, 0.1, 1};
    uint64_t random = 7;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        int64_t stages = 2 + (int64_t)(share_of(&random) * (MOST_STAGES - 1));
        int64_t chunks = 1 + (int64_t)(share_of(&random) * MOST_CHUNKS);
        int64_t micro_batches =
            (chunks > 1 ? stages : 1) + (int64_t)(share_of(&random) * (MOST_ROWS - MOST_STAGES));
        enum schedule plain = trial % 7 < 3 ? SCHEDULE_GPIPE : SCHEDULE_1F1B;
        enum schedule schedule = chunks > 1 ? SCHEDULE_INTERLEAVED : plain;
        struct pipeline pipeline = equal_stages(schedule, stages, chunks, micro_batches, 1, 1.5, 0.7);
        double spread = spreads[trial % 5];
        for (int64_t i = 0; i < stages * chunks; i++) {
            forward[i] += spread * share_of(&random);
            input[i] += trial % 2 == 0 ? spread * share_of(&random) : 0;
        }
        forward[stages * chunks - 1] += trial % 3 == 0 ? share_of(&random) : 0;
        pipeline.hop_seconds = trial % 4 == 0 ? 0.2 * share_of(&random) : 0;
        double seconds = played_one_by_one(&pipeline);
        assert_within(simulated(&pipeline).seconds, seconds, 1e-11 * seconds);
    }
}

/* However slow a transfer is, the closed form has as many of them as the simulation: an end of the pipeline
 * waits for one device, not for two. */
static void hops_are_counted(void **state) {
    static const enum schedule schedules[] = {SCHEDULE_1F1B, SCHEDULE_GPIPE, SCHEDULE_ZB_1P};
    (void)state;
    for (size_t schedule = 0; schedule < sizeof schedules / sizeof *schedules; schedule++)
        for (int64_t stages = 2; stages <= 6; stages++)
            for (int64_t micro_batches = 1; micro_batches <= 16; micro_batches++) {
                struct pipeline pipeline =
                    equal_stages(schedules[schedule], stages, 1, micro_batches, 1, 1, 1);
                struct pipeline_time closed;
                pipeline.hop_seconds = 5;
                pipeline_closed_form(&pipeline, &closed);
                assert_within(closed.hop_seconds,
                              simulated(&pipeline).seconds - closed.busy_seconds - closed.bubble_seconds,
                              1e-9);
            }
    struct pipeline interleaved = equal_stages(SCHEDULE_INTERLEAVED, 2, 3, 8, 1, 1, 1);
    interleaved.hop_seconds = 0.1;
    struct pipeline_time closed;
    pipeline_closed_form(&interleaved, &closed);
    assert_within(closed.seconds, simulated(&interleaved).seconds, 1e-9);
}

/* More micro-batches than can be played one by one take as long each as those that are. */
static void any_number_of_micro_batches(void **state) {
    static const enum schedule schedules[] = {SCHEDULE_GPIPE, SCHEDULE_ZB_1P, SCHEDULE_ZB_2P,
                                              SCHEDULE_DUALPIPE, SCHEDULE_1F1B};
    (void)state;
    uint64_t random = 99;
    for (int trial = 0; trial < 20; trial++) {
        struct pipeline pipeline = equal_stages(schedules[trial % 5], 6, 1, 0, 1, 1, 1);
        pipeline.hop_seconds = trial < 10 ? 0 : 0.01;
        for (int64_t i = 0; i < 6; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            forward[i] = 0.5 + (double)(random >> 40) / 16777216.0;
            weight[i] = 0.7 * forward[i];
        }
        pipeline.micro_batches = 30000;
        double fewer = simulated(&pipeline).seconds;
        pipeline.micro_batches = 36000;
        double more = simulated(&pipeline).seconds;
        pipeline.micro_batches = 120000;
        assert_within(simulated(&pipeline).seconds, more + 14 * (more - fewer), 1e-9 * more);
        pipeline.micro_batches = 60000000000;
        assert_true(simulated(&pipeline).bubble_seconds >= 0);
    }
}

/* No schedule beats the work of its busiest stage, and a longer pass never shortens it. */
static void bounds(void **state) {
    (void)state;
    uint64_t random = 12345;
    for (int trial = 0; trial < 300; trial++) {
        static const enum schedule schedules[] = {SCHEDULE_1F1B,  SCHEDULE_INTERLEAVED, SCHEDULE_GPIPE,
                                                  SCHEDULE_ZB_1P, SCHEDULE_ZB_2P,       SCHEDULE_DUALPIPE};
        enum schedule schedule = schedules[trial % 6];
        int64_t chunks = schedule == SCHEDULE_INTERLEAVED ? 3 : 1;
        struct pipeline pipeline = equal_stages(schedule, 6, chunks, 18, 1, 1, 1);
        for (int64_t i = 0; i < 6 * chunks; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            forward[i] = 0.5 + (double)(random >> 40) / 16777216.0;
            weight[i] = 0.5 * forward[i];
        }
        struct pipeline_time before = simulated(&pipeline), closed;
        pipeline_closed_form(&pipeline, &closed);
        assert_true(before.bubble_seconds > -1e-9 && closed.bubble_seconds > -1e-9);
        forward[trial % 6] += 0.7;
        assert_true(simulated(&pipeline).seconds >= before.seconds - 1e-9);
        struct pipeline_time longer;
        pipeline_closed_form(&pipeline, &longer);
        assert_true(longer.seconds >= closed.seconds - 1e-9);
    }
}

enum { LEAST_TRIALS = 60000 };

/* Any of the schedules with stages of any length: from nearly equal ones to one that has nearly all, with
 * transfers that take longer than passes or nothing. */
static struct pipeline any_pipeline(uint64_t *random) {
    static const double spreads[] = {0, 0.01, 0.3, 3, 30};
    enum schedule schedule = (enum schedule)(share_of(random) * SCHEDULE_COUNT);
    int64_t stages = 2 + (int64_t)(share_of(random) * (MOST_STAGES - 1));
    int64_t chunks = schedule == SCHEDULE_INTERLEAVED ? 2 + (int64_t)(share_of(random) * 3) : 1;
    int64_t micro_batches = (chunks > 1 ? stages : 1) + (int64_t)(share_of(random) * 3 * MOST_STAGES);
    double spread = spreads[(int)(share_of(random) * 5)];
    struct pipeline pipeline = equal_stages(schedule, stages, chunks, micro_batches, 1, 1.1, 0.8);
    bool alike = share_of(random) < 0.5; /* in all their passes */
    for (int64_t i = 0; i < stages * chunks; i++) {
        double longer = spread * share_of(random) * share_of(random);
        forward[i] += longer;
        input[i] += alike ? 1.1 * longer : spread * share_of(random);
        weight[i] += alike ? 0.8 * longer : spread * share_of(random);
    }
    if (share_of(random) < 0.2)
        forward[(int64_t)(share_of(random) * (double)(stages * chunks))] *= 10;
    pipeline.hop_seconds = share_of(random) < 0.5 ? 0 : 2 * share_of(random) * share_of(random);
    return pipeline;
}

/* What the search knows of a pipeline before it costs it, at most. */
static struct pipeline_known known_of(const struct pipeline *pipeline) {
    struct pipeline_known known = {0};
    for (int64_t device = 0; device < pipeline->stages; device++) {
        double own = 0;
        for (int64_t i = device; i < pipeline->stages * pipeline->chunks; i += pipeline->stages) {
            double seconds = forward[i] + input[i] + weight[i];
            known.all += seconds;
            own += seconds;
            if (i < pipeline->stages - 1)
                known.before += seconds;
        }
        known.busiest = fmax(known.busiest, own);
        known.last = own;
    }
    if (pipeline->schedule == SCHEDULE_DUALPIPE) /* devices have halves of two stages */
        return (struct pipeline_known){known.all, known.all / (double)pipeline->stages, 0, 0};
    return known;
}

/* Neither bound is above the simulation, however unequal the stages and however few the micro-batches. */
static void least_is_no_more(void **state) {
    uint64_t random = 99;
    double nearest[SCHEDULE_COUNT] = {0}, sums[SCHEDULE_COUNT] = {0}, counts[SCHEDULE_COUNT] = {0};
    (void)state;
    for (int trial = 0; trial < LEAST_TRIALS; trial++) {
        struct pipeline pipeline = any_pipeline(&random);
        const struct pipeline_known known = known_of(&pipeline);
        double played = simulated(&pipeline).seconds;
        double least =
            pipeline_least_seconds(pipeline.schedule, pipeline.stages, pipeline.micro_batches, &known);
        struct pipeline_time close = least_of(&pipeline, true);
        if (least > played * (1 + 1e-12))
            fail_msg("%s pp %ld vpp %ld m %ld: %.9g is more than %.9g", schedule_names[pipeline.schedule],
                     (long)pipeline.stages, (long)pipeline.chunks, (long)pipeline.micro_batches, least,
                     played);
        nearest[pipeline.schedule] = fmax(nearest[pipeline.schedule], least / played);
        sums[pipeline.schedule] += close.seconds / played;
        counts[pipeline.schedule]++;
    }
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        print_message("    %s: %.0f pipelines, the closer bound on average %.3f of the simulation\n",
                      schedule_names[schedule], counts[schedule], sums[schedule] / counts[schedule]);
        assert_true(nearest[schedule] > 0.8 && sums[schedule] / counts[schedule] > 0.8);
    }
}

/* Devices between the ends become like those before them. */
static void repeat_devices(const struct pipeline *pipeline, uint64_t *random) {
    double often = share_of(random);
    for (int64_t device = 1; device < pipeline->stages - 1; device++) {
        bool repeats = device > 1 && share_of(random) < often;
        for (int64_t i = device; repeats && i < pipeline->stages * pipeline->chunks; i += pipeline->stages) {
            forward[i] = forward[i - 1];
            input[i] = input[i - 1];
            weight[i] = weight[i - 1];
        }
    }
}

/* Of a run of equal devices only the last is looked at. */
static void least_by_runs_is_that_by_devices(void **state) {
    uint64_t random = 41;
    int64_t joined = 0;
    (void)state;
    for (int trial = 0; trial < LEAST_TRIALS; trial++) {
        struct pipeline pipeline = any_pipeline(&random);
        if (pipeline.schedule == SCHEDULE_DUALPIPE)
            continue;
        repeat_devices(&pipeline, &random);
        double by_runs = least_of(&pipeline, true).seconds;
        assert_within(by_runs, least_of(&pipeline, false).seconds, 1e-11 * by_runs);
        assert_true(trial % 10 != 0 || by_runs <= simulated(&pipeline).seconds * (1 + 1e-12));
        joined += pipeline.stages > 3;
    }
    assert_true(joined > LEAST_TRIALS / 2);
}

/* Where stages are equal and transfers free both bounds of plain schedules are the simulation itself. */
static void least_of_equal_stages(void **state) {
    static const enum schedule schedules[] = {SCHEDULE_1F1B, SCHEDULE_GPIPE};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int64_t stages = 2; stages <= 8; stages++)
            for (int64_t micro_batches = stages + 1; micro_batches <= 20; micro_batches++) {
                struct pipeline pipeline = equal_stages(schedules[i], stages, 1, micro_batches, 1, 1.3, 0.6);
                const struct pipeline_known known = known_of(&pipeline);
                double played = simulated(&pipeline).seconds;
                assert_within(least_of(&pipeline, true).seconds, played, 1e-9);
                assert_within(pipeline_least_seconds(schedules[i], stages, micro_batches, &known), played,
                              1e-9);
            }
}

/* Frames of the search stand for those with larger micro-batches. */
static void least_rises_with_the_micro_batch(void **state) {
    uint64_t random = 5;
    (void)state;
    for (int trial = 0; trial < 20000; trial++) {
        int64_t stages = 2 + (int64_t)(share_of(&random) * 20), most = 1 + (int64_t)(share_of(&random) * 100);
        double average = 1 / (double)stages, busiest = average + share_of(&random) * (1 - average);
        double last = share_of(&random) * busiest, before = share_of(&random) * (1 - last);
        enum schedule schedule = (enum schedule)(share_of(&random) * SCHEDULE_COUNT);
        double smaller = 0;
        for (int64_t micro_batches = most; micro_batches > 0; micro_batches--) {
            double size = (double)most / (double)micro_batches;
            struct pipeline_known known = {size, size * busiest, size * last, size * before};
            double seconds = pipeline_least_seconds(schedule, stages, micro_batches, &known);
            assert_true(seconds >= smaller * (1 - 1e-12));
            smaller = seconds;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_results),
        cmocka_unit_test(closed_form_is_the_simulation),
        cmocka_unit_test(dualpipe_is_the_simulation),
        cmocka_unit_test(uneven_stages),
        cmocka_unit_test(hops_cost_time),
        cmocka_unit_test(flow_is_passes_one_by_one),
        cmocka_unit_test(hops_are_counted),
        cmocka_unit_test(any_number_of_micro_batches),
        cmocka_unit_test(bounds),
        cmocka_unit_test(least_is_no_more),
        cmocka_unit_test(least_by_runs_is_that_by_devices),
        cmocka_unit_test(least_of_equal_stages),
        cmocka_unit_test(least_rises_with_the_micro_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
