/* Rails: the card of a rank, slow rails, ports. */
#include "check.h"

#include <string.h>

#include "probe/rails.h"
#include "probe/task.h"

/* Two NUMA nodes with two cards of a fabric each, one of them down, and a plain card. */
static struct node_summary make_node(void) {
    struct node_summary node = {.part_count = 6};
    for (int i = 0; i < 4; i++) {
        node.parts[i] =
            (struct node_summary_part){.kind = PART_NIC, .numa = i / 2, .up = i == 3 ? 0 : 1, .fabric = 1};
        snprintf(node.parts[i].name, sizeof node.parts[i].name, "mlx5_%d", i);
    }
    node.parts[4] = (struct node_summary_part){.kind = PART_NIC, .name = "eno1", .up = 1};
    node.parts[5] = (struct node_summary_part){
        .kind = PART_GPU, .pci = "0000:07:00.0", .near = "mlx5_1 (same PCI switch)"};
    return node;
}

static void assert_nic(const struct node_summary *node, const struct node_place *places, size_t count,
                       size_t local, const char *expected) {
    struct rails_rank ranks[8];
    char nic[RAILS_TEXT];
    for (size_t i = 0; i < count; i++)
        ranks[i] = (struct rails_rank){&places[i], i == 3 ? "0000:07:00.0" : ""};
    rails_find_nic(node, ranks, count, local, nic);
    assert_string_equal(nic, expected);
}

static void test_nearest_card(void **state) {
    (void)state;
    struct node_summary node = make_node();
    struct node_place places[] = {{0, 0, ""}, {0, 0, ""},   {1, 1, ""}, {1, 1, ""},
                                  {0, 0, ""}, {-1, -1, ""}, {2, 2, ""}};
    assert_nic(&node, places, 7, 0, "mlx5_0 (same NUMA node)");
    assert_nic(&node, places, 7, 1, "mlx5_1 (same NUMA node)");
    assert_nic(&node, places, 7, 2, "mlx5_2 (same NUMA node)");  /* the other one is down */
    assert_nic(&node, places, 7, 3, "mlx5_1 (same PCI switch)"); /* its GPU's */
    assert_nic(&node, places, 7, 4, "mlx5_0 (same NUMA node)");  /* ranks take turns */
    assert_nic(&node, places, 7, 5, "");                         /* not bound: nothing is known */
    assert_nic(&node, places, 7, 6, "mlx5_0 (across NUMA nodes)");
    strcpy(places[0].told, "mlx5_2:1");
    assert_nic(&node, places, 7, 0, "mlx5_2:1 (as told)");
    node.part_count = 0;
    assert_nic(&node, places, 7, 1, "");
}

static void test_plain_cards(void **state) {
    (void)state;
    struct node_summary node = make_node();
    struct node_place places[] = {{0, 0, ""}};
    for (int i = 0; i < 4; i++)
        node.parts[i].up = 0;
    assert_nic(&node, places, 1, 0, "eno1 (same NUMA node)");
}

enum { HOSTS = 5, RAILS = 3 };

struct ring {
    struct records records;
    struct record items[HOSTS * RAILS * 2 * RAILS_LOOKS];
    int32_t host_of[HOSTS * RAILS], local_of[HOSTS * RAILS];
};

/* Neighbours around a ring of hosts, both ways, so many looks at each; rails of host 2 as told. */
static void fill(struct ring *ring, size_t hosts, int32_t slow_rail, double sends, double receives,
                 int looks) {
    memset(ring, 0, sizeof *ring);
    ring->records.items = ring->items;
    for (int32_t rank = 0; rank < HOSTS * RAILS; rank++) {
        ring->host_of[rank] = rank / RAILS;
        ring->local_of[rank] = rank % RAILS;
    }
    for (size_t host = 0; host < (hosts == 2 ? 1 : hosts); host++) {
        for (int32_t rail = 0; rail < RAILS; rail++) {
            for (int back = 0; back < 2 * looks; back++) {
                size_t next = (host + 1) % hosts, from = back % 2 ? next : host, to = back % 2 ? host : next;
                double rate = 10e9;
                if (rail == slow_rail)
                    rate *= from == 1 ? sends : to == 1 ? receives : 1;
                ring->items[ring->records.count++] =
                    (struct record){.phase = PHASE_RAIL,
                                    .kind = TASK_STREAM,
                                    .from = (int32_t)from * RAILS + rail,
                                    .to = (int32_t)to * RAILS + rail,
                                    .summary = {.count = 9, .median = 0.9 * rate, .upper_quartile = rate}};
            }
        }
    }
}

static size_t judge(struct ring *ring, size_t hosts, struct rails_slow slow[RAILS_SLOW_MAX]) {
    struct arena *arena = arena_create();
    size_t count;
    rails_judge(&ring->records, ring->host_of, ring->local_of, hosts, arena, slow, &count);
    arena_destroy(arena);
    return count;
}

static void test_slow_rail_is_found(void **state) {
    (void)state;
    struct ring ring;
    struct rails_slow slow[RAILS_SLOW_MAX];
    fill(&ring, HOSTS, -1, 1, 1, RAILS_LOOKS);
    assert_int_equal(judge(&ring, HOSTS, slow), 0);
    fill(&ring, HOSTS, 2, 0.5, 1, RAILS_LOOKS);
    assert_int_equal(judge(&ring, HOSTS, slow), 1);
    assert_int_equal(slow[0].host, 1);
    assert_int_equal(slow[0].rail, 2);
    assert_true(slow[0].sends);
    assert_true(slow[0].factor > 0.49 && slow[0].factor < 0.51);
    fill(&ring, HOSTS, 0, 1, 0.6, RAILS_LOOKS);
    assert_int_equal(judge(&ring, HOSTS, slow), 1);
    assert_false(slow[0].sends);
    /* A tenth less is none. */
    fill(&ring, HOSTS, 0, 0.9, 0.9, RAILS_LOOKS);
    assert_int_equal(judge(&ring, HOSTS, slow), 0);
}

/* A rail that looked slow is looked at again, beside the fastest; one good look clears it. */
static void test_suspects(void **state) {
    (void)state;
    struct ring ring;
    struct rails_slow slow[RAILS_SLOW_MAX];
    struct rails_suspect suspects[RAILS_SLOW_MAX];
    struct arena *arena = arena_create();
    fill(&ring, HOSTS, 2, 0.5, 1, 1);
    assert_int_equal(judge(&ring, HOSTS, slow), 0);
    assert_int_equal(rails_suspects(&ring.records, ring.host_of, arena, suspects), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(suspects[i].from, 1 * RAILS + 2);
        assert_int_equal(suspects[i].looks, 1);
        assert_int_equal(suspects[i].to / RAILS, suspects[i].beside_to / RAILS);
        assert_int_equal(suspects[i].beside_from / RAILS, 1);
        assert_int_not_equal(suspects[i].beside_from, suspects[i].from);
    }
    fill(&ring, HOSTS, 2, 0.5, 1, RAILS_LOOKS);
    assert_int_equal(rails_suspects(&ring.records, ring.host_of, arena, suspects), 0);
    assert_int_equal(judge(&ring, HOSTS, slow), 1);
    for (size_t r = 0; r < ring.records.count; r++) {
        if (ring.items[r].from == 1 * RAILS + 2) {
            ring.items[r].summary.upper_quartile = 9e9;
            break;
        }
    }
    assert_int_equal(judge(&ring, HOSTS, slow), 0);
    arena_destroy(arena);
}

/* With two hosts either end may be to blame. */
static void test_two_hosts(void **state) {
    (void)state;
    struct ring ring;
    struct rails_slow slow[RAILS_SLOW_MAX];
    fill(&ring, 2, 1, 0.5, 1, RAILS_LOOKS);
    assert_int_equal(judge(&ring, 2, slow), 2);
    assert_false(slow[0].sends);
    assert_true(slow[1].sends);
    ring.records.count = 0;
    assert_int_equal(judge(&ring, 2, slow), 0);
}

static void test_ports(void **state) {
    (void)state;
    assert_int_equal(rails_ports(10, 0, 4, 4, 8), 1);  /* never measured together */
    assert_int_equal(rails_ports(10, 19, 0, 4, 8), 2); /* four ranks, two cards */
    assert_int_equal(rails_ports(10, 10, 0, 4, 8), 1); /* all share one */
    assert_int_equal(rails_ports(3, 12, 1, 4, 8), 1); /* hwloc knows better: one rank doesn't fill the card */
    assert_int_equal(rails_ports(10, 40, 8, 4, 8), 4); /* no more than there are ranks */
    assert_int_equal(rails_ports(10, 30, 3, 3, 8), 2); /* 8 devices can't share 3 ports */
    assert_int_equal(rails_ports(10, 60, 6, 6, 3), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_card),       cmocka_unit_test(test_plain_cards),
        cmocka_unit_test(test_slow_rail_is_found), cmocka_unit_test(test_suspects),
        cmocka_unit_test(test_two_hosts),          cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
