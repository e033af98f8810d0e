/* The two forms of a document hold the same, however its texts and numbers look. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/yaml_tree.h"
#include "planner/report/print_data.h"

/* What a reader of YAML 1.1 or 1.2 might take for something else than the text it is. */
static const char *const texts[] = {
    "",        " ",         "a: b",       "- item", "# no comment", "yes",        "No",         "null",
    "~",       "0x1F",      "1e3",        "1_000",  "2026-11-22",   "12:30:45",   ".inf",       ".NaN",
    "<<",      "=",         "*anchor",    "&a",     "!tag",         "%directive", "@at",        "`tick`",
    "[1, 2]",  "{a: 1}",    "\"quoted\"", "it's",   "a\\b",         "tab\t",      "two\nlines", "\nfirst",
    "end\n\n", "trailing ", "|",          "> fold", "Zürich",       "模型",       "🙂",       "---",
    "...",     "key: ",     "? what",     "a #b",   "\x7f",         "\xc2\x85",   "-",          "true",
};

/* Numbers that print_data_number makes integers of, and others. */
static const double numbers[] = {0,     -1,      0.41,  1.0 / 3, 1e15,  9007199254740992.0,
                                 1e20,  1.25e20, 1e-7,  1e30,    -1e22, 123456789012345.6,
                                 1e300, 5e-324,  1e100, 2.5};

static json_t *document(void) {
    json_t *root = json_object(), *list = json_array(), *figures = json_array(), *flags = json_array();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_array_append_new(list, print_data_text(texts[i]));
        json_object_set_new(root, texts[i], json_integer((json_int_t)i));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_array_append_new(figures, print_data_number(numbers[i]));
    json_array_append_new(figures, print_data_number(NAN));
    json_array_append_new(figures, print_data_number(INFINITY));
    json_array_append_new(flags, json_true());
    json_array_append_new(flags, json_false());
    json_array_append_new(flags, json_array());
    json_array_append_new(flags, json_object());
    json_array_append_new(flags, print_data_text(NULL));
    json_object_set_new(root, "texts", list);
    json_object_set_new(root, "figures", figures);
    json_object_set_new(root, "flags", flags);
    return root;
}

/* As it is printed; the caller frees it. */
static char *printed(enum print_format format) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    print_data(document(), format, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void assert_same(const struct yaml_node *yaml, json_t *json) {
    const struct yaml_node *child = yaml->kind == YAML_SCALAR ? NULL : yaml->children;
    if (!json) { /* an analyser doesn't know that fail_msg ends the test */
        fail_msg("line %u of YAML has more than JSON", yaml->line);
        return;
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        assert_int_equal(yaml->kind, YAML_MAPPING);
        assert_int_equal(yaml->child_count, json_object_size(json));
        for (; child; child = child->next)
            assert_same(child, json_object_get(json, child->key->text));
        break;
    case JSON_ARRAY:
        assert_int_equal(yaml->kind, YAML_SEQUENCE);
        assert_int_equal(yaml->child_count, json_array_size(json));
        for (size_t i = 0; child; child = child->next, i++)
            assert_same(child, json_array_get(json, i));
        break;
    case JSON_STRING:
        assert_int_equal(yaml->kind, YAML_SCALAR);
        assert_string_equal(yaml->text, json_string_value(json));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        assert_false(yaml->quoted);
        assert_same_double(strtod(yaml->text, NULL), json_number_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        assert_false(yaml->quoted);
        assert_string_equal(yaml->text, json_is_true(json) ? "true" : "false");
        break;
    case JSON_NULL:
        assert_true(yaml_is_null(yaml));
        break;
    }
}

static void yaml_says_what_json_says(void **state) {
    struct arena *arena = arena_create();
    struct yaml_document read;
    struct error error = {0};
    json_error_t json_error;
    char *yaml = printed(FORMAT_YAML), *json = printed(FORMAT_JSON);
    json_t *root = json_loads(json, 0, &json_error);
    (void)state;
    if (!root)
        fail_msg("%s", json_error.text);
    if (!yaml_read_text("printed", yaml, arena, &read, &error))
        fail_msg("%s", error.what);
    assert_same(read.root, root);
    json_decref(root);
    free(yaml);
    free(json);
    arena_destroy(arena);
}

/* A text that looks like a number, a date or a word of YAML stands in quotes. */
static void texts_stay_texts(void **state) {
    static const char *const ambiguous[] = {"yes",   "No",    "null",       "~",    "1e3",
                                            "1_000", ".inf",  "2026-11-22", ".NaN", "12:30:45",
                                            "0x1F",  "false", "0o17",       "-",    ""};
    struct arena *arena = arena_create();
    (void)state;
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++) {
        struct yaml_document read;
        struct error error = {0};
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        json_t *list = json_array();
        json_array_append_new(list, print_data_text(ambiguous[i]));
        print_data(list, FORMAT_YAML, stream);
        assert_int_equal(fclose(stream), 0);
        assert_true(yaml_read_text("printed", text, arena, &read, &error));
        if (!read.root->children->quoted)
            fail_msg("\"%s\" is printed as %s", ambiguous[i], text);
        free(text);
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_says_what_json_says),
        cmocka_unit_test(texts_stay_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
