/* Shipped names become paths, other words stay what they are. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/catalogue.h"

/* A catalogue of one topology and two models, in front of what ships. */
static char root[] = "/tmp/test_catalogue.XXXXXX";
static const char *const files[] = {"topologies/zz-own.yaml", "topologies/notes.txt",
                                    "examples/models/zz-model.json", "examples/models/gpt.9.yaml",
                                    "zz-model/config.json"};
static const char *const made_folders[] = {"topologies", "examples", "examples/models", "zz-model"};

enum { FILES = sizeof files / sizeof *files, FOLDERS = sizeof made_folders / sizeof *made_folders };

static int make_catalogue(void **state) {
    struct arena *arena = arena_create();

    if (mkdtemp(root) == NULL)
        return -1;
    for (size_t i = 0; i < FOLDERS; i++)
        mkdir(arena_print(arena, "%s/%s", root, made_folders[i]), 0700);
    for (size_t i = 0; i < FILES; i++) {
        FILE *file = fopen(arena_print(arena, "%s/%s", root, files[i]), "w");

        if (file == NULL || fclose(file) != 0)
            return -1;
    }
    *state = arena;
    return setenv("CLUSTERPLAN_DATA", root, 1);
}

static int remove_catalogue(void **state) {
    struct arena *arena = *state;

    for (size_t i = 0; i < FILES; i++)
        unlink(arena_print(arena, "%s/%s", root, files[i]));
    for (size_t i = FOLDERS; i > 0; i--)
        rmdir(arena_print(arena, "%s/%s", root, made_folders[i - 1]));
    rmdir(root);
    arena_destroy(arena);
    return 0;
}

static bool has(const char *const *names, const char *wanted) {
    for (; *names != NULL; names++)
        if (strcmp(*names, wanted) == 0)
            return true;
    return false;
}

static void names_are_found(void **state) {
    struct error error = {0};
    const char *path = catalogue_find(CATALOGUE_TOPOLOGY, "zz-own", *state, &error);

    assert_non_null(path);
    assert_string_equal(path, arena_print(*state, "%s/topologies/zz-own.yaml", root));
    path = catalogue_find(CATALOGUE_MODEL, "zz-model", *state, &error);
    assert_string_equal(path, arena_print(*state, "%s/examples/models/zz-model.json", root));
    path = catalogue_find(CATALOGUE_MODEL, "gpt.9", *state, &error);
    assert_string_equal(path, arena_print(*state, "%s/examples/models/gpt.9.yaml", root));
    /* what ships is found too, from a build folder */
    path = catalogue_find(CATALOGUE_TOPOLOGY, "dgx-a100-80g", *state, &error);
    assert_non_null(path);
    assert_int_equal(access(path, R_OK), 0);
}

static void paths_stay_paths(void **state) {
    struct error error = {0};

    assert_string_equal(catalogue_find(CATALOGUE_TOPOLOGY, "a/b", *state, &error), "a/b");
    assert_string_equal(catalogue_find(CATALOGUE_TOPOLOGY, "gone.yaml", *state, &error), "gone.yaml");
    assert_string_equal(catalogue_find(CATALOGUE_MODEL, "config.json", *state, &error), "config.json");
    assert_int_equal(chdir(root), 0);
    assert_int_equal(chdir("topologies"), 0);
    assert_string_equal(catalogue_find(CATALOGUE_TOPOLOGY, "notes.txt", *state, &error), "notes.txt");
    assert_int_equal(chdir("/"), 0);
}

/* A folder as Hugging Face's tools write it, also where its name is one that ships. */
static void folders_of_a_model_hold_its_config(void **state) {
    struct error error = {0};
    const char *folder = arena_print(*state, "%s/zz-model", root);
    const char *config = arena_print(*state, "%s/config.json", folder);

    assert_string_equal(catalogue_find(CATALOGUE_MODEL, folder, *state, &error), config);
    assert_string_equal(catalogue_find(CATALOGUE_MODEL, arena_print(*state, "%s/", folder), *state, &error),
                        config);
    assert_string_equal(catalogue_find(CATALOGUE_TOPOLOGY, folder, *state, &error), folder);
    assert_int_equal(chdir(root), 0);
    assert_string_equal(catalogue_find(CATALOGUE_MODEL, "zz-model", *state, &error), "zz-model/config.json");
    assert_string_equal(catalogue_find(CATALOGUE_MODEL, "./topologies", *state, &error), "./topologies");
    assert_null(catalogue_find(CATALOGUE_MODEL, "topologies", *state, &error));
    assert_string_equal(error.hint, "\"topologies\" is a folder without a config.json: name a file in it by "
                                    "its path");
    assert_int_equal(chdir("/"), 0);
}

static void unknown_names_name_the_nearest(void **state) {
    struct error error = {0};

    assert_null(catalogue_find(CATALOGUE_TOPOLOGY, "zz-onw", *state, &error));
    assert_non_null(strstr(error.what, "zz-onw"));
    assert_non_null(strstr(error.hint, "zz-own"));
    assert_null(catalogue_find(CATALOGUE_TOPOLOGY, "zz-model", *state, &error)); /* of the other kind */
    assert_string_equal(error.hint, "\"zz-model\" is a model");
    assert_null(catalogue_find(CATALOGUE_TOPOLOGY, "somebody/ZZ-Own", *state, &error));
    assert_string_equal(error.hint, "did you mean \"zz-own\"?");
    assert_null(catalogue_find(CATALOGUE_TOPOLOGY, "H100", *state, &error)); /* a part of several */
    assert_non_null(strstr(error.hint, "there are dgx-h100, h100-"));
    assert_null(catalogue_find(CATALOGUE_TOPOLOGY, "", *state, &error));
    error = (struct error){0};
    assert_null(catalogue_find(CATALOGUE_MODEL, "qqqqqqqqqqqqqqqqqq", *state, &error));
    assert_non_null(strstr(error.hint, "clusterplan models"));
}

static void names_are_sorted_and_only_of_the_kind(void **state) {
    const char *const *names = catalogue_names(CATALOGUE_TOPOLOGY, *state);

    assert_true(has(names, "zz-own"));
    assert_true(has(names, "dgx-h100"));
    assert_false(has(names, "notes"));
    assert_false(has(names, "zz-model"));
    for (; names[0] != NULL && names[1] != NULL; names++)
        assert_true(strcmp(names[0], names[1]) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(paths_stay_paths),
        cmocka_unit_test(folders_of_a_model_hold_its_config),
        cmocka_unit_test(unknown_names_name_the_nearest),
        cmocka_unit_test(names_are_sorted_and_only_of_the_kind),
    };

    return cmocka_run_group_tests(tests, make_catalogue, remove_catalogue);
}
