/* docs/formats.md names every key that the readers know. */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/cluster_fields.h"
#include "planner/answers/wish.h"
#include "planner/inputs/hf_parts.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model_parts.h"
#include "planner/inputs/stack.h"
#include "planner/inputs/training.h"

static char *document;

static int read_document(void **state) {
    FILE *file = fopen(SOURCE_DIR "/docs/formats.md", "r");
    size_t size = 0;
    (void)state;
    if (file == NULL)
        return -1;
    const bool read = getdelim(&document, &size, '\0', file) > 0;
    fclose(file);
    return read ? 0 : -1;
}

static int free_document(void **state) {
    (void)state;
    free(document);
    return 0;
}

static void assert_named(const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "`%s`", key);
    if (strstr(document, quoted) == NULL)
        fail_msg("%s is missing", quoted);
}

static void assert_all_named(const struct field *fields) {
    for (; fields->key != NULL; fields++)
        assert_named(fields->key);
}

static void cluster_keys_are_described(void **state) {
    static const struct field *const tables[] = {
        cluster_fields, source_fields,      node_fields,       device_fields,     store_fields,
        peak_fields,    kernel_fields,      matmul_fields,     grouped_fields,    attention_fields,
        level_fields,   collectives_fields, collective_fields, correction_fields, product_fields,
        rate_fields,    host_fields,        class_fields,      part_fields,       time_fields};
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        assert_all_named(tables[i]);
}

static void model_keys_are_described(void **state) {
    (void)state;
    assert_all_named(model_shape_fields);
    assert_all_named(model_size_fields);
    assert_all_named(model_experts_fields);
    assert_all_named(model_mla_fields);
}

static void config_keys_are_described(void **state) {
    (void)state;
    for (size_t i = 0; hf_architectures[i].model_type != NULL; i++)
        assert_named(hf_architectures[i].model_type);
    for (size_t i = 0; hf_keys[i].field.key != NULL; i++)
        assert_named(hf_keys[i].field.key);
}

static void assert_words_named(const char *const *words) {
    for (; *words != NULL; words++)
        assert_named(*words);
}

static void layout_keys_and_stacks_are_described(void **state) {
    (void)state;
    for (size_t i = 0; layout_key_names[i] != NULL; i++)
        assert_named(strncmp(layout_key_names[i], "overlap.", 8) == 0 ? "overlap" : layout_key_names[i]);
    assert_words_named(schedule_names);
    assert_words_named(recompute_names);
    assert_words_named(recompute_module_names);
    assert_words_named(rank_order_names);
    assert_words_named(offload_names);
    for (size_t i = 0; stacks[i].name != NULL; i++)
        assert_named(stacks[i].name);
}

static void trainings_are_described(void **state) {
    static const struct field fields[] = {TRAINING_FIELDS(struct training), {.key = NULL}};
    (void)state;
    assert_all_named(fields);
    assert_words_named(attention_kernel_names);
    assert_words_named(gradient_format_names);
    assert_words_named(cuda_graphs_names);
    assert_words_named(expert_balance_names);
}

static void wishes_are_described(void **state) {
    (void)state;
    assert_words_named(wish_names);
    assert_words_named(objective_names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cluster_keys_are_described), cmocka_unit_test(model_keys_are_described),
        cmocka_unit_test(config_keys_are_described),  cmocka_unit_test(layout_keys_and_stacks_are_described),
        cmocka_unit_test(trainings_are_described),    cmocka_unit_test(wishes_are_described),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
