/* Order statistics and fits give back the constants that made the times, with noise and outliers too. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "probe/fit.h"
#include "probe/group_sizes.h"
#include "probe/summary.h"

/* Uniform in -1 .. 1 (a fixed linear congruential sequence: Numerical Recipes' constants). */
static double noise(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return (double)*state / 2147483648.0 - 1;
}

static void test_summary(void **state) {
    (void)state;
    double values[] = {5, 1, 4, 2, 3};
    struct summary summary;
    summary_make(values, 5, &summary);
    assert_int_equal(summary.count, 5);
    assert_near(summary.minimum, 1, 0);
    assert_near(summary.lower_quartile, 2, 0);
    assert_near(summary.median, 3, 0);
    assert_near(summary.maximum, 5, 0);
    assert_near(summary_spread(&summary), 2, 0);
    double even[] = {1, 2, 4, 10};
    assert_near(summary_median(even, 4), 3, 0);
    summary_make(values, 0, &summary);
    assert_int_equal(summary.count, 0);
    assert_true(summary.median <= 0);
}

static void test_settled(void **state) {
    (void)state;
    double values[400];
    for (size_t i = 0; i < 400; i++)
        values[i] = 1 + 0.1 * (double)i / 400; /* 1.0 to 1.1: the median is known to 0.5 % or so */
    assert_true(summary_settled(values, 400, 0.02));
    assert_false(summary_settled(values, 400, 0.001));
    assert_false(summary_settled(values, 9, 0.5));
    for (size_t i = 0; i < 20; i++)
        values[i] = i < 10 ? 1 : 2;
    assert_false(summary_settled(values, 20, 0.02));
}

static void test_bus_volume(void **state) {
    (void)state;
    assert_near(fit_bus_volume(COLLECTIVE_ALL_REDUCE, 8, 4), 12, 0);
    assert_near(fit_bus_volume(COLLECTIVE_ALL_GATHER, 8, 4), 6, 0);
    assert_near(fit_bus_volume(COLLECTIVE_SEND_RECEIVE, 8, 4), 8, 0);
}

/* The constants of an A100 node's all-gather as fitted to nccl-tests: 7.9 us, 0.91 us, 256 GB/s, 0.646, 12.5.
 * The prediction is what counts, and it is checked at sizes that were not fitted. */
static void test_collective(void **state) {
    (void)state;
    const struct collective_constants truth = {.known = true,
                                               .latency_seconds = 7.9e-6,
                                               .latency_per_member_seconds = 0.91e-6,
                                               .bandwidth_bytes_per_second = 256e9,
                                               .small_group_loss = 0.65,
                                               .ramp_seconds = 12.5e-6};
    struct fit_collective_point points[100] = {{0}};
    size_t count = 0;
    uint32_t random = 7;
    for (int members = 2; members <= 8; members *= 2) {
        for (double bytes = 1024; bytes <= 1e9; bytes *= 4) {
            double volume = fit_bus_volume(COLLECTIVE_ALL_GATHER, bytes, members);
            double seconds = fit_collective_seconds(&truth, members, volume) * (1 + 0.02 * noise(&random));
            points[count++] = (struct fit_collective_point){members, bytes, volume, seconds};
        }
    }
    points[5].seconds *= 4;
    struct collective_constants fitted;
    double median_error;
    assert_true(fit_collective(points, count, &fitted, &median_error));
    assert_true(fitted.known && median_error < 0.02);
    assert_near(fitted.bandwidth_bytes_per_second, 256e9, 0.05);
    for (int members = 3; members <= 7; members++) {
        for (double volume = 3e3; volume < 1e9; volume *= 7) {
            assert_near(fit_collective_seconds(&fitted, members, volume),
                        fit_collective_seconds(&truth, members, volume), 0.05);
        }
    }
}

/* An all-gather of two processes in shared memory, as measured: 8 MB leave the cache, and no curve goes
 * through them. The best goes through the others, but long messages aren't to come out at any bandwidth for
 * that. */
static void test_collective_out_of_the_cache(void **state) {
    (void)state;
    static const double seconds[][2] = {
        {1024, 2.777e-6}, {16384, 13.7e-6}, {131072, 39.27e-6}, {1048576, 109.7e-6}, {8388608, 12.25e-3}};
    struct fit_collective_point points[5];
    double fastest = 0;
    for (size_t i = 0; i < 5; i++) {
        double volume = fit_bus_volume(COLLECTIVE_ALL_GATHER, seconds[i][0], 2);
        points[i] = (struct fit_collective_point){2, seconds[i][0], volume, seconds[i][1]};
        fastest = fmax(fastest, volume / seconds[i][1]);
    }
    struct collective_constants fitted;
    double median_error;
    assert_true(fit_collective(points, 5, &fitted, &median_error));
    assert_true(fitted.bandwidth_bytes_per_second <= 2 * fastest * (1 + 1e-9));
    assert_true(median_error < 0.5);
}

/* Times that switch from one line to another, as from one algorithm to the next: what was measured comes out
 * again, and between the sizes and groups what lies between; beyond them the nearest counts. */
static void test_corrections(void **state) {
    (void)state;
    struct fit_collective_point points[30];
    struct collective_correction corrections[30];
    struct collective_constants fitted;
    size_t count = 0;
    double median_error;
    for (int members = 2; members <= 8; members *= 4) {
        for (double bytes = 1024; bytes < 1e7; bytes *= 4) {
            double volume = fit_bus_volume(COLLECTIVE_ALL_GATHER, bytes, members);
            double seconds =
                bytes <= 65536 ? 30e-6 * members + volume / 1e9 : 200e-6 * members + volume / 4e9;
            points[count++] = (struct fit_collective_point){members, bytes, volume, seconds};
        }
    }
    points[count] = points[0]; /* a second look at the same */
    points[count++].seconds *= 1.02;
    assert_true(fit_collective(points, count, &fitted, &median_error));
    fitted.corrections = corrections;
    fitted.correction_count = fit_corrections(points, count, &fitted, corrections);
    assert_int_equal(fitted.correction_count, count - 1);
    size_t first;
    assert_true(collective_corrections_sorted(corrections, fitted.correction_count, &first));
    for (size_t p = 0; p < count; p++) {
        assert_near(fit_corrected_seconds(&fitted, points[p].members, points[p].message_bytes,
                                          points[p].volume_bytes),
                    points[p].seconds, 0.011);
    }
    double between = fit_bus_volume(COLLECTIVE_ALL_GATHER, 32768, 8);
    assert_near(fit_corrected_seconds(&fitted, 8, 32768, between), 240e-6 + between / 1e9, 0.1);
    between = fit_bus_volume(COLLECTIVE_ALL_GATHER, 4096, 4);
    assert_near(fit_corrected_seconds(&fitted, 4, 4096, between), 120e-6 + between / 1e9, 0.15);
    double last = corrections[fitted.correction_count - 1].factor;
    assert_near(fit_corrected_seconds(&fitted, 64, 1e9, 1e9) / fit_collective_seconds(&fitted, 64, 1e9), last,
                1e-9);
    fitted.correction_count = 0;
    assert_near(fit_corrected_seconds(&fitted, 3, 4096, 4096), fit_collective_seconds(&fitted, 3, 4096),
                1e-12);
}

enum { RECORDED_MAX = 63 * 11, RECORDED_SIZES = 8 };

/* What groups of 2, 3, 4 ... hosts took on a tree that SimGrid 3.32 simulates with Open MPI's choice of
 * algorithms: in tests/captured/collectives. */
struct recording {
    const char *file;
    size_t most_members, sizes; /* of a group; a group's messages */
    double median_error;        /* what is promised of groups that were not measured */
    struct fit_collective_point points[RECORDED_MAX];
    size_t count;
};

static void read_recording(enum collective_operation operation, struct recording *recording) {
    char line[128], name[32], path[256];
    snprintf(path, sizeof path, "%s/tests/captured/collectives/%s", SOURCE_DIR, recording->file);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    recording->count = 0;
    while (fgets(line, sizeof line, file) != NULL && recording->count < RECORDED_MAX) {
        struct fit_collective_point *point = &recording->points[recording->count];
        if (sscanf(line, "%31[a-z_],%d,%lf,%lf", name, &point->members, &point->message_bytes,
                   &point->seconds) == 4 &&
            strcmp(name, collective_names[operation]) == 0) {
            point->volume_bytes = fit_bus_volume(operation, point->message_bytes, point->members);
            recording->count++;
        }
    }
    fclose(file);
    assert_int_equal(recording->count, (recording->most_members - 1) * recording->sizes);
}

/* All of them, and those that the probe lists. */
static bool is_in_fitted_group(const struct recording *recording, const struct fit_collective_point *point) {
    struct group_size sizes[GROUP_SIZES_MAX];
    size_t members = (size_t)point->members;
    size_t listed = group_sizes_list(recording->most_members, recording->most_members, sizes);
    bool found = members == recording->most_members;
    for (size_t i = 0; i < listed; i++)
        found = found || sizes[i].members == members;
    return found;
}

/* Powers of four times 1 KiB, of the groups that the probe measures. */
static size_t take_fitted(const struct recording *recording, struct fit_collective_point *fitted) {
    size_t count = 0;
    for (size_t p = 0; p < recording->count; p++) {
        const struct fit_collective_point *point = &recording->points[p];
        if (is_in_fitted_group(recording, point) && (int)log2(point->message_bytes) % 2 == 0)
            fitted[count++] = *point;
    }
    return count;
}

static void check_other_groups(enum collective_operation operation, struct recording *recording) {
    static struct fit_collective_point fitted[RECORDED_MAX];
    static struct collective_correction corrections[RECORDED_MAX];
    static double errors[RECORDED_MAX];
    struct collective_constants constants;
    double median_error;
    size_t held_out = 0;
    read_recording(operation, recording);
    size_t count = take_fitted(recording, fitted);
    fit_clip(fitted, count);
    assert_true(fit_collective(fitted, count, &constants, &median_error));
    constants.corrections = corrections;
    constants.correction_count = fit_corrections(fitted, count, &constants, corrections);
    for (size_t p = 0; p < recording->count; p++) {
        const struct fit_collective_point *point = &recording->points[p];
        if (!is_in_fitted_group(recording, point)) {
            double seconds =
                fit_corrected_seconds(&constants, point->members, point->message_bytes, point->volume_bytes);
            errors[held_out++] = fabs(seconds / point->seconds - 1);
        }
    }
    assert_int_equal(held_out, recording->count - count / RECORDED_SIZES * recording->sizes);
    double error = summary_median(errors, held_out);
    if (error > recording->median_error) {
        fail_msg("%s: %s in groups that no fit saw are predicted within %.0f %% in the median, %zu times",
                 recording->file, collective_names[operation], 100 * error, held_out);
    }
}

/* Groups that were not measured, in the median of each operation: 23 of 32 hosts, four switches of eight, as
 * many uplinks; and 64 hosts, four switches of 16, which share 4 uplinks. */
static void test_other_groups(void **state) {
    static struct recording plain = {
        .file = "fat-tree-32.csv", .most_members = 23, .sizes = 11, .median_error = 0.1};
    static struct recording narrow = {
        .file = "fat-tree-64-4-to-1.csv", .most_members = 64, .sizes = RECORDED_SIZES, .median_error = 0.15};
    (void)state;
    for (int operation = 0; operation < COLLECTIVE_SEND_RECEIVE; operation++) {
        check_other_groups((enum collective_operation)operation, &plain);
        check_other_groups((enum collective_operation)operation, &narrow);
    }
}

static void check_sizes(size_t count, size_t whole, const size_t *expected, size_t expected_count) {
    struct group_size sizes[GROUP_SIZES_MAX];
    size_t listed = group_sizes_list(count, whole, sizes);
    assert_int_equal(listed, expected_count);
    for (size_t i = 0; i < expected_count; i++)
        assert_int_equal(sizes[i].members, expected[i]);
}

/* Each divisor is among the sizes of groups, of many hosts too. */
static void test_group_sizes(void **state) {
    static const size_t of_2[] = {0}, of_9[] = {2, 4, 8, 3, 6, 5, 7};
    static const size_t of_35[] = {2, 4, 8, 16, 32, 3, 6, 12, 24, 5, 7, 9, 18, 10, 20, 14, 28};
    struct group_size sizes[GROUP_SIZES_MAX];
    (void)state;
    check_sizes(1, 1, of_2, 0);
    check_sizes(2, 2, of_2, 0);
    check_sizes(9, 9, of_9, 7);
    check_sizes(35, 36, of_35, 17); /* a host is slow */
    for (size_t count = 2; count < 5000; count += 7) {
        size_t listed = group_sizes_list(count, count, sizes), divisors = 0, found = 0;
        for (size_t i = 0; i < listed; i++)
            found += count % sizes[i].members == 0 && !sizes[i].fine ? 1 : 0;
        for (size_t i = 2; i < count; i++)
            divisors += count % i == 0 ? 1 : 0;
        assert_int_equal(found, divisors);
    }
    assert_int_equal(group_sizes_held_out(9, 9), 0);
    assert_int_equal(group_sizes_held_out(10, 10), 9);
    assert_int_equal(group_sizes_held_out(64, 64), 60);
    assert_int_equal(group_sizes_held_out(18, 18), 15); /* nine divides it: measured */
}

/* As two ranks on a busy machine were measured: some sizes a thousand times too slow. */
static void test_clip(void **state) {
    const double bytes[] = {1024, 4096, 16384, 65536, 262144, 1048576};
    const double seconds[] = {2e-6, 3e-3, 4e-3, 15e-6, 50e-6, 30e-3};
    const double clipped[] = {2e-6, 16e-6, 30e-6, 15e-6, 50e-6, 400e-6};
    struct fit_collective_point points[7];
    (void)state;
    for (size_t i = 0; i < 6; i++)
        points[i] = (struct fit_collective_point){2, bytes[i], bytes[i], seconds[i]};
    points[6] = (struct fit_collective_point){3, 1048576, 1048576, 1}; /* another group */
    fit_clip(points, 7);
    for (size_t i = 0; i < 6; i++)
        assert_near(points[i].seconds, clipped[i], 1e-12);
    assert_same_double(points[6].seconds, 1);
    /* What differs by less is left as it was measured. */
    points[1].seconds = 3.9e-6;
    fit_clip(points, 6);
    assert_same_double(points[1].seconds, 3.9e-6);
}

static void test_collective_of_one_size(void **state) {
    (void)state;
    struct fit_collective_point points[10];
    for (size_t i = 0; i < 10; i++) {
        double volume = pow(8, (double)i);
        points[i] = (struct fit_collective_point){4, volume, volume, 20e-6 + volume / 1e9};
    }
    struct collective_constants fitted;
    double median_error;
    assert_true(fit_collective(points, 10, &fitted, &median_error));
    assert_near(fitted.latency_seconds, 20e-6, 0.01);
    assert_near(fitted.bandwidth_bytes_per_second, 1e9, 0.01);
    assert_true(fitted.latency_per_member_seconds <= 0 && fitted.small_group_loss <= 0);
    assert_false(fit_collective(points, 1, &fitted, &median_error));
    points[0].seconds = NAN;
    assert_false(fit_collective(points, 10, &fitted, &median_error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_bus_volume),
        cmocka_unit_test(test_collective),
        cmocka_unit_test(test_collective_out_of_the_cache),
        cmocka_unit_test(test_corrections),
        cmocka_unit_test(test_other_groups),
        cmocka_unit_test(test_group_sizes),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_collective_of_one_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
