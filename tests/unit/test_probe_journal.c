/* The journal that keeps what was measured. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "probe/records.h"
#include "probe/task.h"

static const struct identity us = {{"us", "an MPI, version 1", "none", "rank 0: A=1; rank 1: A=2"}},
                             others = {{"others", "an MPI, version 1", "none", "none"}};
#define HEAD                                                                                                 \
    "clusterprobe journal 5\nranks: us\nMPI: an MPI, version 1\nbinding of ranks to cores: none\n"           \
    "setting of MPI: rank 0: A=1; rank 1: A=2\n"

/* One journal has one writer, and is a file. */
static void test_journal_of_two(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX", fresh[sizeof path + 4];
    struct error error;
    struct records first, second;
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    assert_true(records_open(&first, path, &us, 3, false, &error));
    assert_false(records_open(&second, path, &us, 3, false, &error));
    assert_non_null(strstr(error.what, "another clusterprobe writes"));
    assert_false(records_open(&second, path, &us, 3, true, &error));
    assert_int_not_equal(access(fresh, F_OK), 0);
    records_close(&first, true);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(records_open(&second, path, &us, 3, true, &error));
    assert_non_null(strstr(error.what, "it is no file"));
    assert_int_not_equal(access(fresh, F_OK), 0);
    unlink(path);
}

static void test_journal(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records first, second;
    assert_true(mkstemp(path) >= 0);
    const struct record record = {.phase = PHASE_SWEEP,
                                  .kind = TASK_STREAM,
                                  .from = 1,
                                  .to = 2,
                                  .members = 1,
                                  .level = -1,
                                  .bytes = 4194304,
                                  .summary = {7, 0.1, 0.2, 1.0 / 3, 0.4, 0.5},
                                  .sent_bytes = 65536};
    assert_true(records_open(&first, path, &us, 3, false, &error));
    assert_null(records_find(&first, &record));
    assert_true(records_add(&first, &record, &error));
    fputs("3 3 1 2", first.journal); /* a crash in the middle of a line */
    records_close(&first, false);
    assert_true(records_open(&second, path, &us, 3, true, &error));
    const struct record *found = records_find(&second, &record);
    assert_non_null(found);
    assert_memory_equal(found, &record, sizeof record);
    struct record other = record;
    other.bytes = 8;
    assert_null(records_find(&second, &other));
    records_close(&second, false);
    assert_false(records_open(&second, path, &others, 3, true, &error));
    assert_non_null(strstr(error.what, "is of other hosts"));
    assert_true(records_open(&second, path, &us, 3, true, &error)); /* and it is still there */
    assert_int_equal(second.count, 1);
    records_close(&second, false);
    /* An edited line: a rank that isn't there, an operation that is none, no number. */
    const char *const edited[] = {"3 6 0 3 0 0 1 0 8 1 1 1 1 1 1 0", "6 9 0 0 9 0 2 0 8 1 1 1 1 1 1 0",
                                  "3 6 0 1 0 0 1 0 8 1 nan nan nan nan nan 0",
                                  "2 6 0 1 0 0 1 2147483647 8 1 1 1 1 1 1 0",
                                  "nothing\n3 6 0 1 0 0 1 0 8 1 1 1 1 1 1 0"};
    for (size_t i = 0; i < sizeof edited / sizeof *edited; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, HEAD "3 6 0 1 0 0 1 0 8 1 1 1 1 1 1 0\n%s\n", edited[i]);
        fclose(file);
        assert_false(records_open(&second, path, &us, 3, true, &error));
        assert_non_null(strstr(error.what, ": line 7 is no figure"));
    }
    unlink(path);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The same ranks under another MPI, with other cores or settings measure something else. */
static void test_journal_of_another_mpi(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records records;
    assert_true(mkstemp(path) >= 0);
    static const struct {
        struct identity now;
        const char *words;
    } runs[] = {
        {{{"us", "MPICH", "none", "rank 0: A=1; rank 1: A=2"}},
         "was measured with another MPI: an MPI, version 1; this run: MPICH"},
        {{{"us", "an MPI, version 1", "rank 0: 1 core", "rank 0: A=1; rank 1: A=2"}},
         "was measured with another binding of ranks to cores: none; this run: rank 0: 1 core"},
        {{{"us", "an MPI, version 1", "none", "rank 0: A=1; rank 1: A=3"}},
         "was measured with another setting of MPI: rank 1: A=2; this run: rank 1: A=3"},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        write_text(path, HEAD "3 6 0 1 0 0 1 0 8 1 1 1 1 1 1 0\n");
        assert_false(records_open(&records, path, &runs[i].now, 3, true, &error));
        assert_non_null(strstr(error.what, runs[i].words));
        assert_non_null(strstr(error.hint, "the mpirun line of the first run"));
    }
    assert_true(records_open(&records, path, &us, 3, true, &error)); /* it is still there */
    assert_int_equal(records.count, 1);
    records_close(&records, false);
    /* A head that a crash cut short. */
    write_text(path, "clusterprobe journal 5\nranks: us\n");
    assert_false(records_open(&records, path, &us, 3, true, &error));
    assert_non_null(strstr(error.what, "another MPI: nothing; this run: an MPI"));
    unlink(path);
}

/* Figures are only lost on purpose: a journal that holds some is removed by hand. */
static void test_journal_not_resumed(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records records;
    assert_true(mkstemp(path) >= 0);
    write_text(path, HEAD "3 6 0 1 0 0 1 0 8 1 1 1 1 1 1 0\n");
    assert_false(records_open(&records, path, &us, 3, false, &error));
    assert_non_null(strstr(error.what, "holds what an earlier run measured"));
    assert_non_null(strstr(error.hint, "--resume"));
    assert_true(records_open(&records, path, &us, 3, true, &error)); /* it is still there */
    assert_int_equal(records.count, 1);
    records_close(&records, false);
    write_text(path, HEAD); /* the run ended before it measured */
    assert_true(records_open(&records, path, &us, 3, false, &error));
    records_close(&records, true);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void test_journal_of_another_format(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records records;
    assert_true(mkstemp(path) >= 0);
    static const char *const texts[][2] = {
        {"clusterprobe journal 4\nus\n", "is a journal of format 4, of another version of clusterprobe"},
        {"clusterprobe journal 30\nus\n", "is a journal of format 30"},
        {"clusterprobe journal 5 4\nus\n", "is no journal of clusterprobe"},
        {"a letter\nus\n", "is no journal of clusterprobe"},
        {"", "is no journal of clusterprobe"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(path, texts[i][0]);
        assert_false(records_open(&records, path, &us, 3, true, &error));
        assert_non_null(strstr(error.what, texts[i][1]));
        assert_non_null(strstr(error.hint, "to begin anew, remove it"));
    }
    unlink(path);
}

/* A thousand hosts' figures are taken over one by one, and as many that aren't there asked for. */
static void test_journal_of_many(void **state) {
    (void)state;
    enum { RANKS = 600 };
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records first, second;
    struct record record = {
        .phase = PHASE_PAIRS, .kind = TASK_LATENCY, .members = RANKS / 2, .bytes = 8, .summary = {1}};
    assert_true(mkstemp(path) >= 0);
    assert_true(records_open(&first, path, &us, RANKS, false, &error));
    for (record.from = 0; record.from < RANKS; record.from++) {
        for (record.to = 0; record.to < RANKS; record.to++) {
            record.summary.median = record.from + record.to;
            assert_true(records_add(&first, &record, &error));
        }
    }
    records_close(&first, false);
    double begin = clock_seconds();
    assert_true(records_open(&second, path, &us, RANKS, true, &error));
    assert_int_equal(second.count, RANKS * RANKS);
    for (record.from = 0; record.from < RANKS; record.from++) {
        for (record.to = 0; record.to < RANKS; record.to++) {
            record.level = 0;
            const struct record *found = records_find(&second, &record);
            assert_non_null(found);
            assert_same_double(found->summary.median, record.from + record.to);
            record.level = 1;
            assert_null(records_find(&second, &record));
        }
    }
    assert_true(clock_seconds() - begin < 20); /* two as a rule; hours by looking through all */
    records_close(&second, true);
}

/* Of looks at the same collective the quickest stays, also in the journal. */
static void test_looks_at_a_collective(void **state) {
    (void)state;
    char path[] = "/tmp/journal-XXXXXX";
    struct error error;
    struct records records;
    assert_true(mkstemp(path) >= 0);
    struct record look = {
        .phase = PHASE_COLLECTIVE, .kind = TASK_COLLECTIVE, .members = 2, .bytes = 1024, .summary = {3}};
    const double seconds[] = {5, 4, 6};
    assert_true(records_open(&records, path, &us, 3, false, &error));
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        look.summary.lower_quartile = seconds[i];
        assert_true(records_add(&records, &look, &error));
    }
    look.members = 3;
    assert_true(records_add(&records, &look, &error));
    records_close(&records, false);
    assert_true(records_open(&records, path, &us, 3, true, &error));
    assert_int_equal(records.count, 2);
    look.members = 2;
    assert_same_double(records_find(&records, &look)->summary.lower_quartile, 4);
    records_close(&records, false);
    /* Both looks are lines. */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, HEAD "6 9 0 0 0 0 2 0 1024 3 5 5 5 5 5 0\n"
                       "6 9 0 0 0 0 2 0 1024 3 4 4 4 4 4 0\nnothing\n");
    fclose(file);
    assert_false(records_open(&records, path, &us, 3, true, &error));
    assert_non_null(strstr(error.what, ": line 8 is no figure"));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_of_two),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_journal_of_another_mpi),
        cmocka_unit_test(test_journal_not_resumed),
        cmocka_unit_test(test_journal_of_another_format),
        cmocka_unit_test(test_journal_of_many),
        cmocka_unit_test(test_looks_at_a_collective),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
