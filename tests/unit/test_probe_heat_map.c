/* The map of pairs: what a character says, what it stands for where the terminal is narrow, and files that
 * are none. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/heat_map.h"

enum { HOSTS_MAX = 300 };

static char path[64], names[HOSTS_MAX][64];
static struct cluster_host hosts[HOSTS_MAX];

static void write_csv(const char *text) {
    strcpy(path, "heat_map_XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text) && close(file) == 0);
}

/* Hosts named by `before`, their number and `after`, of all pairs 100 MB/s but 40 MB/s from `slow_from` to
 * `slow_to`. */
static struct cluster make_cluster(size_t count, const char *before, const char *after, size_t slow_from,
                                   size_t slow_to) {
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    fputs("phase,what,from_host,from_rank,to_host,to_rank,at_once,bytes,count,minimum,lower_quartile,median,"
          "upper_quartile,maximum,transport\n",
          stream);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s%zu%s", before, i, after);
        hosts[i] = (struct cluster_host){.name = names[i]};
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            const char *rate = i == slow_from && j == slow_to ? "4e7" : "1e8";
            if (i != j) {
                fprintf(stream, "pairs,bandwidth,%s,0,%s,0,1,4194304,9,1,1,%s,1,1,mpi\n", names[i], names[j],
                        rate);
            }
        }
    }
    fclose(stream);
    write_csv(text);
    free(text);
    return (struct cluster){.hosts = hosts, .host_count = count};
}

/* What is printed at a width; the longest line. NULL: an error. */
static char *print(const struct cluster *cluster, const char *columns, size_t *longest) {
    char *text;
    size_t size;
    struct error error;
    struct arena *arena = arena_create();
    FILE *stream = open_memstream(&text, &size);
    setenv("COLUMNS", columns, 1);
    bool good = heat_map_print(cluster, path, arena, stream, &error);
    fclose(stream);
    arena_destroy(arena);
    unlink(path);
    *longest = 0;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n");
        *longest = length > *longest ? length : *longest;
    }
    if (!good) {
        free(text);
        return NULL;
    }
    return text;
}

static void test_a_pair_a_character(void **state) {
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(4, "h", "", 1, 2);
    char *text = print(&cluster, "80", &longest);
    assert_non_null(text);
    assert_non_null(strstr(text, ". is 100 MB/s"));
    assert_non_null(strstr(text, "\n     0\n0 h0 -...\n1 h1 .-6.\n2 h2 ..-.\n3 h3 ...-\n"));
    free(text);
}

static void test_narrow_terminal(void **state) {
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(64, "n", "", 5, 40);
    char *text = print(&cluster, "80", &longest);
    assert_non_null(text);
    assert_non_null(
        strstr(text, "\n       0         10        20        30        40        50        60\n"));
    assert_true(longest <= 80);
    free(text);
    cluster = make_cluster(64, "n", "", 5, 40);
    text = print(&cluster, "40", &longest);
    assert_non_null(text);
    assert_true(longest <= 40);
    const char *row = strstr(text, "\n 4 n4  ");
    assert_non_null(row); /* hosts 4 and 5; 40 and 41 are column 20 */
    assert_int_equal(strcspn(row + strlen("\n 4 n4  "), "6"), 20);
    free(text);
}

static void test_long_names(void **state) {
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(3, "node", ".a-long-domain.example", 0, 1);
    char *text = print(&cluster, "80", &longest);
    assert_non_null(text);
    assert_non_null(strstr(text, "\n0 ~0.a-long-domain -6.\n1 ~1.a-long-domain .-."));
    free(text);
}

static void test_many_hosts(void **state) {
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(300, "n", "", 299, 0);
    char *text = print(&cluster, "100", &longest);
    assert_non_null(text);
    assert_true(longest <= 100);
    assert_non_null(strstr(text, "of 4 hosts with 4"));
    assert_non_null(strstr(text, "\n296 n296 6..."));
    free(text);
}

/* Hosts of a file edited by hand: no room is taken for pairs that the CSV doesn't have. */
static void test_more_hosts_than_pairs(void **state) {
    enum { HOSTS = 400000 };
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(2, "h", "", 0, 1);
    struct cluster_host *many = calloc(HOSTS, sizeof *many);
    assert_non_null(many);
    for (size_t i = 0; i < HOSTS; i++)
        many[i].name = i < 2 ? names[i] : "idle";
    cluster.hosts = many;
    cluster.host_count = HOSTS;
    char *text = print(&cluster, "100", &longest);
    assert_non_null(text);
    assert_true(longest <= 100);
    assert_non_null(strstr(text, "of 4546 hosts with 4546"));
    assert_non_null(strstr(text, "\n     0 h0   6  "));
    free(text);
    free(many);
}

static void test_no_matrix(void **state) {
    (void)state;
    size_t longest;
    struct cluster cluster = make_cluster(2, "h", "", 0, 1);
    unlink(path);
    char *text = print(&cluster, "80", &longest);
    assert_non_null(text);
    assert_non_null(strstr(text, "no map of pairs: there is no file heat_map_"));
    free(text);
    write_csv("garbage\n");
    assert_null(print(&cluster, "80", &longest));
    write_csv("");
    assert_null(print(&cluster, "80", &longest));
    /* Time was up before any pair was measured; and rows that no run writes. */
    write_csv(
        "phase,what,from_host,from_rank\npairs,bandwidth\npairs,bandwidth,h0,0,no,0,1,1,1,1,1,5,1,1,mpi\n"
        "pairs,bandwidth,h0,0,h1,0,1,1,1,1,1,inf,1,1,mpi\n");
    text = print(&cluster, "80", &longest);
    assert_string_equal(text, "");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pair_a_character),
        cmocka_unit_test(test_narrow_terminal),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_many_hosts),
        cmocka_unit_test(test_more_hosts_than_pairs),
        cmocka_unit_test(test_no_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
