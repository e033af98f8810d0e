/* Classes of nodes: what counts as equal, and how a difference is told. */
#include "check.h"

#include <string.h>

#include "probe/node.h"

static struct node_summary make_node(void) {
    struct node_summary node = {.cpu = "Some Processor",
                                .packages = 2,
                                .cores = 64,
                                .threads = 128,
                                .numa_nodes = 2,
                                .memory_bytes = 512e9,
                                .l3_bytes = 256e6,
                                .part_count = 3};
    node.parts[0] = (struct node_summary_part){.kind = PART_GPU,
                                               .name = "NVIDIA H100 80GB HBM3",
                                               .pci = "0000:07:00.0",
                                               .near = "mlx5_0 (same PCI switch)"};
    node.parts[1] = (struct node_summary_part){
        .kind = PART_NIC, .name = "mlx5_0", .up = 1, .rate_bytes_per_second = 50e9, .fabric = 1};
    node.parts[2] =
        (struct node_summary_part){.kind = PART_NIC, .name = "eno1", .up = 1, .rate_bytes_per_second = 125e6};
    return node;
}

static void test_equal(void **state) {
    (void)state;
    struct node_summary one = make_node(), other = make_node();
    assert_true(node_equal(&one, &other));
    strcpy(other.parts[0].pci, "0000:08:00.0"); /* addresses don't count */
    other.memory_bytes *= 0.99;
    assert_true(node_equal(&one, &other));
}

static void assert_difference(const struct node_summary *node, const char *expected) {
    struct node_summary usual = make_node();
    char text[256];
    node_difference(node, &usual, text, sizeof text);
    assert_string_equal(text, expected);
    assert_false(node_equal(node, &usual));
}

static void test_differences(void **state) {
    (void)state;
    struct node_summary node = make_node();
    node.cores = 32;
    node.memory_bytes = 256e9;
    assert_difference(&node, "cores 32, not 64; memory in GB 256, not 512");
    node = make_node();
    node.part_count = 2;
    assert_difference(&node, "NICs 1, not 2");
    node = make_node();
    node.parts[1].up = 0;
    assert_difference(&node, "link of mlx5_0 down");
    node = make_node();
    node.parts[1].rate_bytes_per_second = 25e9;
    strcpy(node.parts[0].near, "mlx5_0 (across NUMA nodes)");
    assert_difference(&node, "0000:07:00.0 in another place; mlx5_0 at 25 GB/s, not 50 GB/s");
    node = make_node();
    node.parts[0].links = 11;
    strcpy(node.parts[2].name, "eno2");
    strcpy(node.parts[2].pci, "0000:01:00.0");
    assert_difference(&node, "0000:07:00.0 with 11 NVLinks, not 0; eno2 at 0000:01:00.0, not eno1");
    node = make_node();
    node.parts[0].mig = 1;
    assert_difference(&node, "0000:07:00.0 shared otherwise among jobs");
    node = make_node();
    strcpy(node.cpu, "Another");
    assert_difference(&node, "processor Another, not Some Processor");
}

static void test_difference_fits_its_room(void **state) {
    (void)state;
    struct node_summary node = make_node(), usual = make_node();
    char text[28];
    node.cores = 1;
    node.threads = 1;
    node.packages = 1;
    node_difference(&node, &usual, text, sizeof text);
    assert_string_equal(text, "packages 1, not 2; ...");
}

static void test_parts(void **state) {
    (void)state;
    struct node_summary node = make_node();
    const char *name;
    double rate;
    assert_int_equal(node_gpus(&node, &name), 1);
    assert_string_equal(name, "NVIDIA H100 80GB HBM3");
    assert_int_equal(node_fast_nics(&node, &rate), 1);
    assert_true(rate >= 50e9 && rate <= 50e9);
    node.parts[1].up = 0; /* then the slow one is the fastest that is up */
    assert_int_equal(node_fast_nics(&node, &rate), 1);
    assert_true(rate <= 125e6);
    node.part_count = 0;
    assert_int_equal(node_gpus(&node, &name), 0);
    assert_null(name);
    assert_int_equal(node_fast_nics(&node, &rate), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_difference_fits_its_room),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
