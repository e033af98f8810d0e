#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <math.h>

#include "planner/print_data.h"

static char *printed(json_t *document, enum print_format format) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    print_data(document, format, stream);
    fclose(stream);
    return text;
}

static void assert_yaml(json_t *document, const char *expected) {
    char *text = printed(document, FORMAT_YAML);
    assert_string_equal(text, expected);
    free(text);
}

static void test_a_document_in_both_forms(void **state) {
    (void)state;
    json_t *document =
        json_pack("{s:[{s:s, s:{s:i, s:b}, s:f, s:n}], s:[], s:{}}", "plans", "cluster", "dgx-a100-80g",
                  "layout", "tp", 8, "offload", 0, "mfu", 0.41, "cost", "empty", "none");
    json_incref(document);
    assert_yaml(document, "plans:\n"
                          "- cluster: dgx-a100-80g\n"
                          "  layout:\n"
                          "    tp: 8\n"
                          "    offload: false\n"
                          "  mfu: 0.41\n"
                          "  cost: null\n"
                          "empty: []\n"
                          "none: {}\n");
    char *text = printed(document, FORMAT_JSON);
    assert_string_equal(text, "{\n"
                              "  \"plans\": [\n"
                              "    {\n"
                              "      \"cluster\": \"dgx-a100-80g\",\n"
                              "      \"layout\": {\n"
                              "        \"tp\": 8,\n"
                              "        \"offload\": false\n"
                              "      },\n"
                              "      \"mfu\": 0.41,\n"
                              "      \"cost\": null\n"
                              "    }\n"
                              "  ],\n"
                              "  \"empty\": [],\n"
                              "  \"none\": {}\n"
                              "}\n");
    free(text);
}

static void test_strings_stay_strings(void **state) {
    (void)state;
    assert_yaml(
        json_pack("[s,s,s,s,s,s,s,s,s]", "true", "No", "90", "1e6", "2024-01-02", "0x10", "~", "", "1f1b"),
        "- 'true'\n- 'No'\n- '90'\n- '1e6'\n- '2024-01-02'\n- '0x10'\n- '~'\n- ''\n- 1f1b\n");
    assert_yaml(json_pack("[s,s,s]", "a: b", "- c", "# d"), "- 'a: b'\n- '- c'\n- '# d'\n");
}

static void test_numbers(void **state) {
    (void)state;
    json_t *list = json_array();
    const double numbers[] = {1830000000000, 0.1, 1e22, 3e-7, -2.5, NAN, INFINITY};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_array_append_new(list, print_data_number(numbers[i]));
    }
    json_incref(list);
    assert_yaml(list, "- 1830000000000\n- 0.1\n- 1.0e+22\n- 3.0e-07\n- -2.5\n- null\n- null\n");
    char *text = printed(list, FORMAT_JSON);
    json_t *read = json_loads(text, 0, NULL);
    assert_non_null(read);
    for (size_t i = 0; i < 5; i++) {
        assert_true(json_number_value(json_array_get(read, i)) == numbers[i]);
    }
    json_decref(read);
    free(text);
}

static void test_text_that_is_no_utf8(void **state) {
    (void)state;
    assert_yaml(json_pack("[o,o]", print_data_text("a\xff z"), print_data_text(NULL)), "- a? z\n- null\n");
}

static void test_format_names(void **state) {
    (void)state;
    enum print_format format = FORMAT_JSON;
    struct error error = {0};
    assert_true(print_format_parse(NULL, &format, &error));
    assert_int_equal(format, FORMAT_TABLE);
    assert_true(print_format_parse("yaml", &format, &error));
    assert_int_equal(format, FORMAT_YAML);
    assert_false(print_format_parse("jsno", &format, &error));
    assert_string_equal(error.what, "--format takes table, yaml or json, not \"jsno\"");
    assert_string_equal(error.hint, "did you mean \"json\"?");
}

static void test_a_full_device_is_seen(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full) {
        skip();
    }
    print_data(json_pack("{s:i}", "a", 1), FORMAT_YAML, full);
    assert_true(fflush(full) != 0 || ferror(full));
    fclose(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_document_in_both_forms),
        cmocka_unit_test(test_strings_stay_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_that_is_no_utf8),
        cmocka_unit_test(test_format_names),
        cmocka_unit_test(test_a_full_device_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
