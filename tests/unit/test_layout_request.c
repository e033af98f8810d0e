/* Layouts as users write them. */
#include "tests/unit/check.h"

#include <string.h>

#include "common/yaml_tree.h"
#include "planner/inputs/layout.h"

static void assert_choices(const struct layout_request *request, enum layout_key key, size_t count,
                           const int64_t *values) {
    assert_int_equal(request->keys[key].count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(request->keys[key].values[i], values[i]);
}

static void keys_have_values_or_choices(void **state) {
    struct layout_request request = {0};
    struct error error = {0};
    (void)state;
    assert_true(layout_request_parse(" tp=8,2,4,2 pp=16  recompute=full,none schedule=interleaved zero=0 "
                                     "overlap.tp=true sequence_parallel=false order=tp-cp-pp-dp\t",
                                     &request, &error));
    assert_choices(&request, LAYOUT_TP, 3, (int64_t[]){2, 4, 8});
    assert_choices(&request, LAYOUT_PP, 1, (int64_t[]){16});
    assert_choices(&request, LAYOUT_RECOMPUTE, 2, (int64_t[]){RECOMPUTE_NONE, RECOMPUTE_FULL});
    assert_choices(&request, LAYOUT_SCHEDULE, 1, (int64_t[]){SCHEDULE_INTERLEAVED});
    assert_choices(&request, LAYOUT_ZERO, 1, (int64_t[]){0});
    assert_choices(&request, LAYOUT_OVERLAP_TP, 1, (int64_t[]){1});
    assert_choices(&request, LAYOUT_SEQUENCE_PARALLEL, 1, (int64_t[]){0});
    assert_choices(&request, LAYOUT_ORDER, 1, (int64_t[]){ORDER_TP_CP_PP_DP});
    assert_int_equal(request.keys[LAYOUT_DP].count, 0);
    assert_true(layout_request_parse("recompute_modules=moe_act+layernorm,mlp", &request, &error));
    assert_choices(&request, LAYOUT_RECOMPUTE_MODULES, 2,
                   (int64_t[]){RECOMPUTE_BIT(LAYERNORM) | RECOMPUTE_BIT(MOE_ACTIVATION), RECOMPUTE_BIT(MLP)});
    assert_true(layout_request_allows(&request, LAYOUT_TP, 4));
    assert_false(layout_request_allows(&request, LAYOUT_TP, 1));
    assert_true(layout_request_allows(&request, LAYOUT_DP, 12345));
    memset(&request, 0, sizeof request);
    assert_true(layout_request_parse("", &request, &error));
    assert_true(layout_request_parse("recompute_modules=mlp", &request, &error));
    assert_choices(&request, LAYOUT_RECOMPUTE, 1, (int64_t[]){RECOMPUTE_SELECTIVE});
}

/* As pasted from a report. */
static void a_layout_goes_over_several_lines(void **state) {
    struct layout_request request = {0};
    struct error error = {0};
    (void)state;
    assert_true(layout_request_parse("tp=8 pp=2\r\n  recompute=full\n", &request, &error));
    assert_choices(&request, LAYOUT_PP, 1, (int64_t[]){2});
    assert_choices(&request, LAYOUT_RECOMPUTE, 1, (int64_t[]){RECOMPUTE_FULL});
    assert_false(layout_request_parse("dp=8\n  micro_batch=1 zero=1,4", &request, &error));
    assert_int_equal(error.line, 2);
    assert_int_equal(error.column, 24);
    assert_string_equal(error.source_line, "  micro_batch=1 zero=1,4");
}

static void mistakes_are_pointed_at(void **state) {
    static const struct {
        const char *text;
        unsigned column;
        const char *part; /* of the message or the hint */
    } mistakes[] = {
        {"tp=8 micro_bach=1", 6, "did you mean 'micro_batch'"},
        {"tp=8 tp=4", 6, "'tp' is given twice"},
        {"tp", 1, "'tp' is not key=value"},
        {"tp=8 pp=", 9, "'pp' lacks a value"},
        {"tp=8,,4", 6, "'tp' lacks a value"},
        {"tp=0", 4, ""},
        {"tp=-8", 4, ""},
        {"tp=1.5", 4, ""},
        {"tp=99999999999999999999999", 4, ""},
        {"tp=nan", 4, ""},
        {"zero=4", 6, ""},
        {"recompute=all", 11, ""},
        {"recompute_modules=moe+mla_up", 19, "did you mean \"mla_up_proj\"?"},
        {"recompute_modules=moe+", 19, "it takes: core_attn, layernorm"},
        {"recompute_modules=mlp,moe,mlp+moe,moe_act,layernorm,core_attn,mla_up_proj,operations,shared_"
         "experts",
         86, "more than 8 choices"},
        {"tp=8 sequence_parallel=2", 24, ""},
        {"=", 1, "'' is not a key of a layout"},
        {"vpp=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33", 92,
         "more than 32 choices"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct layout_request request = {0};
        struct error error = {0};
        assert_false(layout_request_parse(mistakes[i].text, &request, &error));
        assert_int_equal(error.line, 1);
        assert_int_equal(error.column, mistakes[i].column);
        assert_string_equal(error.file, "--layout");
        assert_true(strstr(error.what, mistakes[i].part) != NULL ||
                    strstr(error.hint, mistakes[i].part) != NULL);
    }
}

static bool read_yaml(const char *text, struct layout_request *request, struct error *error) {
    struct arena *arena = arena_create();
    struct yaml_document document;
    assert_true(yaml_read_text("runs.yaml", text, arena, &document, error));
    const struct fields_reader reader = {&document, arena, error};
    const bool read = layout_request_read(&reader, document.root, request);
    arena_destroy(arena);
    return read;
}

static void files_hold_values_lists_and_overlap(void **state) {
    struct layout_request request = {0};
    struct error error = {0};
    (void)state;
    assert_true(read_yaml("{tp: [4, 8], pp: 16, zero_group: 8, recompute: selective, offload: true,\n"
                          " overlap: {tp: false, dp: [true, false]}}\n",
                          &request, &error));
    assert_choices(&request, LAYOUT_TP, 2, (int64_t[]){4, 8});
    assert_choices(&request, LAYOUT_ZERO_GROUP, 1, (int64_t[]){8});
    assert_choices(&request, LAYOUT_RECOMPUTE, 1, (int64_t[]){RECOMPUTE_SELECTIVE});
    assert_choices(&request, LAYOUT_OFFLOAD, 1, (int64_t[]){OFFLOAD_OPTIMIZER});
    assert_choices(&request, LAYOUT_OVERLAP_TP, 1, (int64_t[]){0});
    assert_choices(&request, LAYOUT_OVERLAP_DP, 2, (int64_t[]){0, 1});
    assert_int_equal(request.keys[LAYOUT_OVERLAP_PP].count, 0);
}

static void mistakes_in_files_are_refused(void **state) {
    static const char *const texts[] = {
        "[1]",     "{tp: {a: 1}}",          "{tp: []}",      "{overlap: true}",
        "{tq: 1}", "{overlap: {xx: true}}", "{tp: [1, two]}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct layout_request request = {0};
        struct error error = {0};
        assert_false(read_yaml(texts[i], &request, &error));
        assert_int_equal(error.line, 1);
    }
}

/* What layout_format writes reads back as the same layout. */
static void formatted_layouts_read_back(void **state) {
    const struct layout layout = {.tp = 8,
                                  .pp = 16,
                                  .vpp = 2,
                                  .cp = 2,
                                  .ep = 16,
                                  .etp = 1,
                                  .dp = 12,
                                  .micro_batch = 1,
                                  .sequence_parallel = true,
                                  .zero = 1,
                                  .zero_group = 8,
                                  .recompute = RECOMPUTE_SELECTIVE,
                                  .recompute_layers = 2,
                                  .recompute_modules = RECOMPUTE_BIT(MLP) | RECOMPUTE_BIT(MOE),
                                  .first_stage_layers = 6,
                                  .last_stage_layers = 4,
                                  .schedule = SCHEDULE_INTERLEAVED,
                                  .order = ORDER_TP_CP_PP_DP,
                                  .overlap = {.tp = true, .dp = true},
                                  .offload = OFFLOAD_OPTIMIZER};
    char text[512], plain[128], small[8];
    struct layout_request request = {0};
    struct error error = {0};
    (void)state;
    layout_format(&layout, text, sizeof text);
    assert_string_equal(
        text, "tp=8 pp=16 vpp=2 cp=2 ep=16 etp=1 dp=12 micro_batch=1 sequence_parallel=true "
              "zero=1 zero_group=8 recompute=selective recompute_layers=2 recompute_modules=mlp+moe "
              "first_stage_layers=6 last_stage_layers=4 "
              "schedule=interleaved order=tp-cp-pp-dp "
              "overlap.tp=true overlap.dp=true overlap.pp=false offload=optimizer");
    assert_true(layout_request_parse(text, &request, &error));
    for (enum layout_key key = LAYOUT_TP; key < LAYOUT_KEY_COUNT; key++)
        assert_choices(&request, key, 1, (int64_t[]){layout_get(&layout, key)});
    const struct layout one = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 1, .micro_batch = 4};
    assert_string_equal(layout_format(&one, plain, sizeof plain),
                        "tp=1 pp=1 dp=1 micro_batch=4 zero=0 recompute=none");
    assert_string_equal(layout_format(&layout, small, sizeof small), "tp=8 pp");
}

/* One --layout takes all. */
static void a_flag_keeps_what_was_asked(void **state) {
    struct layout_request request = {0};
    struct error error = {0};
    struct arena *arena = arena_create();
    (void)state;
    assert_string_equal(layout_request_flag(&request, LAYOUT_OFFLOAD, OFFLOAD_NONE, arena),
                        "--layout offload=none");
    assert_true(layout_request_parse("overlap.tp=true tp=8,4 offload=optimizer", &request, &error));
    assert_string_equal(layout_request_flag(&request, LAYOUT_OFFLOAD, OFFLOAD_NONE, arena),
                        "--layout \"tp=4,8 overlap.tp=true offload=none\"");
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_values_or_choices),
        cmocka_unit_test(a_layout_goes_over_several_lines),
        cmocka_unit_test(mistakes_are_pointed_at),
        cmocka_unit_test(files_hold_values_lists_and_overlap),
        cmocka_unit_test(mistakes_in_files_are_refused),
        cmocka_unit_test(formatted_layouts_read_back),
        cmocka_unit_test(a_flag_keeps_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
