/* Cluster files: what is written reads back the same, and what can't be written leaves the old file. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster_fixture.h"

static void written_reads_back_the_same(void **state) {
    struct scratch *scratch = *state;
    struct cluster wanted, found;
    struct error error = {0};

    fill(&wanted);
    must(cluster_write(&wanted, scratch->path, &error), &error);
    must(cluster_read(scratch->path, scratch->arena, &found, &error), &error);
    same_cluster(&found, &wanted);
    assert_string_equal(found.file, scratch->path);
    /* and once more, from what was read */
    must(cluster_write(&found, scratch->path, &error), &error);
    must(cluster_read(scratch->path, scratch->arena, &found, &error), &error);
    same_cluster(&found, &wanted);
}

/* /dev/full takes nothing: the old file stays as it was. */
static void full_disk_leaves_the_old_file(void **state) {
    struct scratch *scratch = *state;
    struct cluster cluster, found;
    struct error error = {0};
    struct stat status;

    fill(&cluster);
    assert_false(cluster_write(&cluster, "/dev/full", &error));
    assert_non_null(strstr(error.what, strerror(ENOSPC)));
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode)); /* not replaced by a file */

    must(cluster_write(&cluster, scratch->path, &error), &error);
    cluster.hosts[0].note = "\xff\xfe"; /* can't be written */
    assert_false(cluster_write(&cluster, scratch->path, &error));
    assert_non_null(strstr(error.what, "UTF-8"));
    cluster.hosts[0].note = "slow: 33 % of the others\nsecond line \xc3\xa9";
    must(cluster_read(scratch->path, scratch->arena, &found, &error), &error);
    same_cluster(&found, &cluster);
}

static void unwritable_paths(void **state) {
    struct scratch *scratch = *state;
    struct cluster cluster;
    struct error error = {0};

    fill(&cluster);
    assert_false(cluster_write(&cluster, "/nowhere/at/all.yaml", &error));
    assert_non_null(strstr(error.what, strerror(ENOENT)));
    assert_false(cluster_write(&cluster, scratch->folder, &error));
    assert_non_null(strstr(error.what, strerror(EISDIR)));
    cluster.device.price_per_second = nan("");
    assert_false(cluster_write(&cluster, scratch->path, &error));
    assert_non_null(strstr(error.what, "isn't a number"));
}

static void symbolic_link_stays(void **state) {
    struct scratch *scratch = *state;
    char *link_path = arena_print(scratch->arena, "%s/link.yaml", scratch->folder);
    struct cluster cluster;
    struct error error = {0};
    struct stat status;

    fill(&cluster);
    write_file(scratch->path, "old\n");
    assert_int_equal(symlink(scratch->path, link_path), 0);
    must(cluster_write(&cluster, link_path, &error), &error);
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    must(cluster_read(scratch->path, scratch->arena, &cluster, &error), &error);
    unlink(link_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(written_reads_back_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_leaves_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(unwritable_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_link_stays, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
