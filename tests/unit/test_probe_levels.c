/* Levels out of made-up matrices in which the truth is known: racks, switches in racks, slow hosts, noise. */
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/arena.h"
#include "probe/levels.h"

struct world {
    size_t hosts;
    float *distance, *spread;
    uint32_t random;
};

/* Uniform in 0 .. 1 (Numerical Recipes' linear congruential generator). */
static double uniform(struct world *world) {
    world->random = world->random * 1664525U + 1013904223U;
    return ((double)world->random + 0.5) / 4294967296.0;
}

/* Standard normal (Box and Muller). */
static double normal(struct world *world) {
    double radius = sqrt(-2 * log(uniform(world)));
    return radius * cos(6.283185307179586 * uniform(world));
}

static void set_pair(struct world *world, size_t i, size_t j, double distance, double noise) {
    double noisy = distance * (1 + noise * normal(world));
    world->distance[i * world->hosts + j] = world->distance[j * world->hosts + i] = (float)noisy;
    world->spread[i * world->hosts + j] = world->spread[j * world->hosts + i] =
        (float)(1.35 * noise * distance);
}

/* Hosts in racks of `rack` and switches of `pod`; 0: no such level. Distances 2, 3 and 5 us. */
static struct world make_world(size_t hosts, size_t rack, size_t pod, double noise, uint32_t seed) {
    struct world world = {hosts, calloc(hosts * hosts, sizeof(float)), calloc(hosts * hosts, sizeof(float)),
                          seed * 2654435761U + 1};
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts; j++) {
            double distance = rack == 0 || i / rack == j / rack ? 2e-6
                              : pod == 0 || i / pod != j / pod  ? 5e-6
                                                                : 3e-6;
            set_pair(&world, i, j, distance, noise);
        }
    }
    return world;
}

static void find(const struct world *world, struct arena *arena, struct levels *levels) {
    struct levels_matrix matrix = {world->hosts, world->distance, world->spread};
    levels_find(&matrix, arena, levels);
}

static void free_world(struct world *world) {
    free(world->distance);
    free(world->spread);
}

static void assert_groups(const struct levels_level *level, size_t hosts, size_t size) {
    assert_int_equal(level->group_count, (hosts + size - 1) / size);
    for (size_t i = 0; i < hosts; i++)
        assert_int_equal(level->group_of[i], i / size);
}

/* Every seed must give the racks and nothing else. */
static void check_racks(size_t hosts, size_t rack, double noise) {
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct arena *arena = arena_create();
        struct world world = make_world(hosts, rack, 0, noise, seed);
        struct levels levels;
        find(&world, arena, &levels);
        if (levels.count != 2) {
            fail_msg("%zu hosts in racks of %zu, noise %g, seed %u: %zu levels", hosts, rack, noise, seed,
                     levels.count);
        }
        assert_groups(&levels.level[0], hosts, rack);
        assert_near(levels.level[0].distance, 2e-6, 2 * noise);
        assert_near(levels.level[1].distance, 5e-6, 2 * noise);
        free_world(&world);
        arena_destroy(arena);
    }
}

static void test_racks(void **state) {
    (void)state;
    check_racks(4, 2, 0.03);
    check_racks(8, 4, 0.1);
    check_racks(12, 4, 0.1);
    check_racks(96, 32, 0.1);
    check_racks(100, 32, 0.05); /* the last rack has four */
}

static void test_none_invented(void **state) {
    (void)state;
    const size_t sizes[] = {2, 3, 4, 5, 6, 8, 16, 64};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (uint32_t seed = 1; seed <= 20; seed++) {
            struct arena *arena = arena_create();
            struct world world = make_world(sizes[s], 0, 0, 0.1, seed);
            struct levels levels;
            find(&world, arena, &levels);
            if (levels.count != 1)
                fail_msg("%zu equal hosts, seed %u: %zu levels", sizes[s], seed, levels.count);
            free_world(&world);
            arena_destroy(arena);
        }
    }
}

static void test_switches_in_racks(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct world world = make_world(64, 8, 32, 0.04, 3);
    struct levels levels;
    find(&world, arena, &levels);
    assert_int_equal(levels.count, 3);
    assert_groups(&levels.level[0], 64, 8);
    assert_groups(&levels.level[1], 64, 32);
    assert_near(levels.level[1].distance, 3e-6, 0.03);
    assert_int_equal(levels_joining(&levels, 0, 7), 0);
    assert_int_equal(levels_joining(&levels, 0, 8), 1);
    assert_int_equal(levels_joining(&levels, 0, 63), 2);
    free_world(&world);
    arena_destroy(arena);
}

/* A host that is slow to everyone makes no level of its own, stays in its rack and is named. */
static void check_slow_host(size_t hosts, size_t rack, double added) {
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct arena *arena = arena_create();
        struct world world = make_world(hosts, rack, 0, 0.05, seed);
        size_t slow = seed % hosts;
        for (size_t j = 0; j < hosts; j++) {
            if (j != slow) {
                double distance = (double)world.distance[slow * hosts + j] + added;
                world.distance[slow * hosts + j] = world.distance[j * hosts + slow] = (float)distance;
            }
        }
        struct levels levels;
        find(&world, arena, &levels);
        if (levels.count != (rack == 0 ? 1U : 2U)) {
            fail_msg("%zu hosts in racks of %zu, host %zu slow, seed %u: %zu levels", hosts, rack, slow, seed,
                     levels.count);
        }
        if (rack != 0)
            assert_groups(&levels.level[0], hosts, rack);
        for (size_t i = 0; i < hosts; i++)
            if (i == slow)
                assert_near(levels.offset[i], added, 0.15);
            else
                assert_true(levels.offset[i] <= 0);
        free_world(&world);
        arena_destroy(arena);
    }
}

static void test_slow_host(void **state) {
    (void)state;
    check_slow_host(8, 0, 6e-6);
    check_slow_host(8, 4, 6e-6);
    check_slow_host(12, 4, 3e-6);
    check_slow_host(64, 16, 10e-6);
}

static void test_sampled_pairs(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct world world = make_world(256, 16, 0, 0.05, 9);
    for (size_t i = 0; i < 256; i++) {
        for (size_t j = i + 1; j < 256; j++) {
            size_t apart = j - i;
            bool neighbour = (apart & (apart - 1)) == 0;
            if (!neighbour && uniform(&world) > 0.1)
                world.distance[i * 256 + j] = world.distance[j * 256 + i] = NAN;
        }
    }
    struct levels levels;
    find(&world, arena, &levels);
    assert_int_equal(levels.count, 2);
    assert_groups(&levels.level[0], 256, 16);
    free_world(&world);
    arena_destroy(arena);
}

static void test_degenerate(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct levels levels;
    struct world alone = make_world(1, 0, 0, 0, 1);
    find(&alone, arena, &levels);
    assert_int_equal(levels.count, 1);
    struct world unknown = make_world(6, 0, 0, 0, 1);
    for (size_t i = 0; i < 36; i++)
        unknown.distance[i] = NAN;
    find(&unknown, arena, &levels);
    assert_int_equal(levels.count, 1);
    assert_int_equal(levels.level[0].group_count, 1);
    free_world(&alone);
    free_world(&unknown);
    arena_destroy(arena);
}

/* 4,096 hosts: racks of 32 in pods of 512. The bound is ten times what it takes, since machines are busy. */
static void test_large(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct world world = make_world(4096, 32, 512, 0.03, 5);
    struct levels levels;
    clock_t begin = clock();
    find(&world, arena, &levels);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_message("4096 hosts: %.2f s of processor time\n", seconds);
    assert_int_equal(levels.count, 3);
    assert_groups(&levels.level[0], 4096, 32);
    assert_groups(&levels.level[1], 4096, 512);
    assert_true(seconds < 20);
    free_world(&world);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_racks),         cmocka_unit_test(test_none_invented),
        cmocka_unit_test(test_slow_host),     cmocka_unit_test(test_switches_in_racks),
        cmocka_unit_test(test_sampled_pairs), cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
