/* Session files: what is read, what is refused and where. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "planner/answers/session.h"

struct fixture {
    struct arena *arena;
    char folder[64];
    const char *path;
};

static int create(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    setenv("CLUSTERPLAN_DATA", SOURCE_DIR, 1);
    strcpy(fixture->folder, "/tmp/clusterplan-session-XXXXXX");
    if (!mkdtemp(fixture->folder)) {
        free(fixture);
        return -1;
    }
    fixture->arena = arena_create();
    fixture->path = arena_print(fixture->arena, "%s/session.yaml", fixture->folder);
    *state = fixture;
    return 0;
}

static int destroy(void **state) {
    struct fixture *fixture = *state;
    unlink(fixture->path);
    rmdir(fixture->folder);
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static bool read_text(struct fixture *fixture, const char *text, struct session *session,
                      struct error *error) {
    *error = (struct error){0};
    write_file(fixture->path, text);
    return session_read(fixture->path, fixture->arena, session, error);
}

static void test_everything(void **state) {
    struct session session;
    struct error error;
    if (!read_text(
            *state,
            "session:\n"
            "  model: gpt-4\n"
            "  clusters: [dgx-a100-80g, {cluster: dgx-h100, precision: fp8, devices: 8192}]\n"
            "  training: {tokens: 13T, sequence: 8192, global_batch: 60M tokens, stack: megatron-2022}\n"
            "  want: {deadline: 90 d, budget: 63 M$, step_time: 30 s, headroom: 8 GB,\n"
            "         devices: 8..32768, spare: 2, objective: time}\n"
            "  search: {tp: [1, 2, 4, 8], micro_batch: 1}\n",
            &session, &error))
        fail_msg("%s", error.what);
    assert_int_equal(session.cluster_count, 2);
    assert_false(session.clusters[0].precision_given);
    assert_int_equal(session.clusters[1].precision, PRECISION_FP8);
    assert_int_equal(session.clusters[1].devices_to, 8192);
    assert_same_double(session.asked.tokens, 13e12);
    assert_same_double(session.asked.global_batch_tokens, 60e6);
    assert_string_equal(session.asked.stack->name, "megatron-2022");
    assert_same_double(session.wish.deadline_seconds, 90 * 86400);
    assert_same_double(session.wish.budget, 63e6);
    assert_same_double(session.wish.step_seconds, 30);
    assert_same_double(session.wish.headroom_bytes, 8e9);
    assert_int_equal(session.wish.devices_from, 8);
    assert_int_equal(session.wish.devices_to, 32768);
    assert_int_equal(session.wish.spare_nodes, 2);
    assert_int_equal(session.wish.objective, OBJECTIVE_TIME);
    assert_int_equal(session.asked.layout.keys[LAYOUT_TP].count, 4);
    assert_int_equal(session.asked.layout.keys[LAYOUT_MICRO_BATCH].values[0], 1);
}

/* A session and flags that say the same are the same problem. */
static void test_same_as_flags(void **state) {
    struct fixture *fixture = *state;
    const struct problem_flags flags = {.model = "llama-3-8b",
                                        .cluster = "dgx-h100",
                                        .devices = "64",
                                        .global_batch = "4M tokens",
                                        .tokens = "1T",
                                        .precision = "fp8",
                                        .layout = "tp=2"};
    struct problem from_flags, from_session;
    struct session session;
    struct wish wish;
    struct error error = {0};
    assert_true(read_text(fixture,
                          "session:\n"
                          "  model: llama-3-8b\n"
                          "  clusters: [dgx-h100]\n"
                          "  training: {tokens: 1T, global_batch: 4M tokens, precision: fp8}\n"
                          "  want: {devices: 64}\n"
                          "  search: {tp: 2}\n",
                          &session, &error));
    assert_true(session_pose(&session, 0, fixture->arena, &from_session, &wish, &error));
    assert_true(problem_read(&flags, fixture->arena, &from_flags, &error));
    problem_set_devices(&from_session, 64, 64);
    problem_set_devices(&from_flags, 64, 64);
    assert_memory_equal(&from_session.search.request, &from_flags.search.request,
                        sizeof from_flags.search.request);
    assert_int_equal(from_session.search.training.global_batch, from_flags.search.training.global_batch);
    assert_int_equal(from_session.search.training.precision, from_flags.search.training.precision);
    assert_same_double(from_session.search.training.tokens, from_flags.search.training.tokens);
    assert_int_equal(from_session.devices_from, 64);
}

static void test_files_beside_the_session(void **state) {
    struct fixture *fixture = *state;
    const char *beside = arena_print(fixture->arena, "%s/mine.yaml", fixture->folder);
    struct session session;
    struct problem problem;
    struct wish wish;
    struct error error;
    write_file(beside, "parameters: 7B\n");
    assert_true(read_text(fixture, "session: {model: mine.yaml, clusters: [dgx-h100]}\n", &session, &error));
    assert_true(session_pose(&session, 0, fixture->arena, &problem, &wish, &error));
    assert_true(problem.model.shape_derived);
    unlink(beside);
}

static void assert_refused(struct fixture *fixture, const char *text, unsigned line, const char *what) {
    struct session session;
    struct problem problem;
    struct wish wish;
    struct error error;
    bool good = read_text(fixture, text, &session, &error);
    for (size_t i = 0; good && i < session.cluster_count; i++)
        good = session_pose(&session, i, fixture->arena, &problem, &wish, &error);
    assert_false(good);
    assert_string_equal(error.file, fixture->path);
    assert_int_equal(error.line, line);
    if (!strstr(error.what, what))
        fail_msg("\"%s\" does not say \"%s\"", error.what, what);
}

/* Results are often kept in a folder that bears the name of what they are of. */
static void test_folder_beside_the_session(void **state) {
    struct fixture *fixture = *state;
    const char *folder = arena_print(fixture->arena, "%s/gpt-3", fixture->folder);
    struct session session;
    struct problem problem;
    struct wish wish;
    struct error error;

    assert_int_equal(mkdir(folder, 0700), 0);
    assert_true(read_text(fixture, "session: {model: gpt-3, clusters: [dgx-h100]}\n", &session, &error));
    if (!session_pose(&session, 0, fixture->arena, &problem, &wish, &error))
        fail_msg("%s", error.what);
    assert_int_equal(rmdir(folder), 0);
}

#define HEAD "session:\n  model: gpt-3\n  clusters: [dgx-h100]\n"

static void test_refused(void **state) {
    assert_refused(*state, "session:\n  model: gpt-3\n", 2, "lacks the key \"clusters\"");
    assert_refused(*state, "session:\n  model: gpt-33\n  clusters: [dgx-h100]\n", 2, "no model is named");
    assert_refused(*state, "session:\n  model: gpt-3\n  clusters:\n  - dgx-h100\n  - dgx-h1000\n", 5,
                   "dgx-h1000");
    assert_refused(*state, "session:\n  model: gpt-3\n  clusters: [there/is/none.yaml]\n", 3, "no such file");
    assert_refused(*state, "session:\n  model: gpt-3\n  clusters: []\n", 3, "a list of 1 to");
    assert_refused(*state, HEAD "  want:\n    devices: 512..8\n", 5, "runs backwards");
    assert_refused(*state, HEAD "  want:\n    devices: 12\n", 5, "no whole nodes");
    assert_refused(*state, HEAD "  want: {dedline: 90 d}\n", 4, "unknown key \"dedline\"");
    assert_refused(*state, HEAD "  want:\n    deadline: -3 d\n", 5, "deadline");
    assert_refused(*state, HEAD "  want:\n    objective: fame\n", 5, "unknown value \"fame\"");
    assert_refused(*state, HEAD "  want:\n    deadline: 90 d\n", 5, "needs the tokens");
    assert_refused(*state, HEAD "  want:\n    headroom: 100 GB\n", 5, "no more than");
    assert_refused(*state, HEAD "  training:\n    global_batch: 100 tokens\n", 5, "less than a sequence");
    assert_refused(*state, HEAD "  training: {stack: megatron-7}\n", 4, "no stack");
    assert_refused(*state, HEAD "  search: {tp: [8, 0]}\n", 4, "tp");
    assert_refused(*state,
                   "session:\n  model: gpt-3\n  clusters:\n  - dgx-h100\n  - dgx-a100-80g\n"
                   "  training: {precision: fp8}\n",
                   5, "gives no peak in fp8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything, create, destroy),
        cmocka_unit_test_setup_teardown(test_same_as_flags, create, destroy),
        cmocka_unit_test_setup_teardown(test_files_beside_the_session, create, destroy),
        cmocka_unit_test_setup_teardown(test_folder_beside_the_session, create, destroy),
        cmocka_unit_test_setup_teardown(test_refused, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
