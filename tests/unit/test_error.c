#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static const char *printed(const struct error *error) {
    static char text[4096];
    FILE *stream = fmemopen(text, sizeof text, "w");

    assert_non_null(stream);
    error_print_wrapped(error, stream);
    fclose(stream);
    return text;
}

static void says_what_and_returns_false(void **state) {
    struct error error;

    (void)state;
    assert_false(error_set(&error, "%d devices don't fill %s", 3, "a node"));
    assert_string_equal(printed(&error), "error: 3 devices don't fill a node\n");
    assert_false(error_hint(&error, "take %d", 8));
    assert_string_equal(printed(&error), "error: 3 devices don't fill a node\nhint: take 8\n");
}

static void a_second_error_leaves_nothing_of_the_first(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "one");
    strcpy(error.file, "a.yaml");
    error.line = 3;
    error_hint(&error, "old advice");
    error_set(&error, "two");
    assert_string_equal(printed(&error), "error: two\n");
}

static void points_at_the_column(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "unknown key \"memry\"");
    strcpy(error.file, "a.yaml");
    strcpy(error.source_line, "device: {memry: 80 GB}");
    error.line = 7;
    error.column = 10;
    assert_string_equal(printed(&error), "a.yaml:7:10: error: unknown key \"memry\"\n"
                                         "  device: {memry: 80 GB}\n"
                                         "           ^\n");
    error.column = 0;
    assert_string_equal(printed(&error), "a.yaml:7: error: unknown key \"memry\"\n"
                                         "  device: {memry: 80 GB}\n");
}

static void a_column_counts_characters_not_bytes(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "bad");
    strcpy(error.file, "a.yaml");
    strcpy(error.source_line, "\xc2\xb5\xe2\x82\xac x"); /* µ€ x */
    error.line = 1;
    error.column = 4;
    assert_string_equal(printed(&error), "a.yaml:1:4: error: bad\n  \xc2\xb5\xe2\x82\xac x\n     ^\n");
}

/* The number counts characters, as editors do; the caret stands where the terminal shows the column. */
static void the_caret_stands_below_the_column_that_is_shown(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "bad");
    strcpy(error.file, "a.yaml");
    strcpy(error.source_line, "{\u6a21\u578b: 1, o\u0308: x}");
    error.line = 1;
    error.column = 13; /* x */
    assert_string_equal(printed(&error), "a.yaml:1:13: error: bad\n"
                                         "  {\u6a21\u578b: 1, o\u0308: x}\n"
                                         "               ^\n");
    error.source_line[0] = '\0';
    for (int i = 0; i < 120; i++)
        strcat(error.source_line, "\u6a21");
    error.column = 91; /* 60 columns of 30 characters are kept before it */
    const char *caret = strchr(printed(&error), '^');
    assert_int_equal(caret - strchr(printed(&error), '\n') - 1,
                     strlen("  ") + 3 * (96 / 2) + strlen("\n  ") + 60);
}

static void a_long_line_is_cut_around_the_caret(void **state) {
    struct error error;
    const char *text;

    (void)state;
    error_set(&error, "bad");
    strcpy(error.file, "a.yaml");
    memset(error.source_line, 'a', 500);
    error.source_line[400] = 'X';
    error.line = 1;
    error.column = 401;
    text = strchr(printed(&error), '\n') + 1;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= 100);
    assert_int_equal(strchr(text, 'X') - text, strchr(text, '^') - (strchr(text, '\n') + 1));
}

static void control_characters_never_reach_the_terminal(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "unknown key \"%s\"", "\033[31m\x07\n\x7f");
    assert_string_equal(printed(&error), "error: unknown key \"?[31m???\"\n");
    error_set(&error, "%s", "\xff\xfe\xc2\x9b\xe2\x82"); /* no UTF-8, C1 control, cut off */
    assert_string_equal(printed(&error), "error: ?????\n");
    error_set(&error, "%s", "\xed\xa0\x80\xe0\x80\xaf\xf4\x90\x80\x80"); /* surrogate, too long, too high */
    assert_string_equal(printed(&error), "error: ??????????\n");
}

/* U+202E would show what follows from right to left, U+2028 end the line; U+2010 and U+2065 do neither. */
static void marks_of_direction_never_reach_the_terminal(void **state) {
    struct error error = {.file = "a.yaml", .line = 1, .column = 10};

    (void)state;
    snprintf(error.what, sizeof error.what, "bad");
    error_set_source(&error, "name: \u202ex\u200f y", strlen("name: \u202ex\u200f y"));
    assert_string_equal(printed(&error), "a.yaml:1:10: error: bad\n  name: ?x? y\n           ^\n");
    error_set(&error, "%s", "\u061c\u200e\u200f\u2028\u202a\u202e\u2066\u2069");
    assert_string_equal(printed(&error), "error: ????????\n");
    assert_true(error_shows("\u2010\u2065\u05d0"));
}

/* Without a place; behind one it is a line. */
static void a_long_message_is_broken_into_lines(void **state) {
    struct error error;

    (void)state;
    error_set(&error, "%060d %060d", 1, 2);
    assert_string_equal(printed(&error),
                        "error: 000000000000000000000000000000000000000000000000000000000001\n"
                        "       000000000000000000000000000000000000000000000000000000000002\n");
    snprintf(error.file, sizeof error.file, "a.yaml");
    const char *text = printed(&error);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void what_is_shown_as_it_is_is_known(void **state) {
    (void)state;
    assert_true(error_shows(""));
    assert_true(error_shows("\u6a21.yaml"));
    assert_false(error_shows("a\nb"));
    assert_false(error_shows("\xff.yaml"));
    assert_false(error_shows("a\xe6\xa8"));
}

static void texts_longer_than_the_fields_are_cut(void **state) {
    struct error error;
    char long_text[5000];

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    error_set(&error, "%s", long_text);
    error_hint(&error, "%s", long_text);
    assert_int_equal(strlen(error.what), sizeof error.what - 1);
    assert_int_equal(strlen(error.hint), sizeof error.hint - 1);
}

static void finds_the_nearest_name(void **state) {
    static const char *const keys[] = {"layers", "hidden",      "heads",      "kv_heads",
                                       "tp",     "micro_batch", "mtp_layers", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"layer", "layers"},
        {"hiden", "hidden"},
        {"hdiden", "hidden"},
        {"LAYERS", "layers"},
        {"kv-heads", "kv_heads"},
        {"TP", "tp"},
        {"tpp", "tp"},
        {"micro_bacth", "micro_batch"},
        {"microbatch", "micro_batch"},
        {"head", "heads"},
        {"pt", NULL},
        {"x", NULL},
        {"", NULL},
        {"completely", NULL},
        {"ffn", NULL},
        {"kv_hd", NULL},
        {"batch", "micro_batch"},
        {"num_layers", "layers"}, /* not mtp_layers, which has as many letters */
        {"hidden_size", "hidden"},
        {"num_hidden_layers", NULL}, /* two words more */
        {"kv", "kv_heads"},
        {"heads_layers", NULL}, /* either */
        {"_batch", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = error_nearest(cases[i].word, keys);

        if (cases[i].nearest == NULL)
            assert_null(found);
        else
            assert_string_equal(found, cases[i].nearest);
    }
}

static void a_word_of_any_length_is_no_danger(void **state) {
    static const char *const keys[] = {"layers", NULL};
    char word[1000];

    (void)state;
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(error_nearest(word, keys));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_and_returns_false),
        cmocka_unit_test(a_second_error_leaves_nothing_of_the_first),
        cmocka_unit_test(points_at_the_column),
        cmocka_unit_test(a_column_counts_characters_not_bytes),
        cmocka_unit_test(the_caret_stands_below_the_column_that_is_shown),
        cmocka_unit_test(a_long_line_is_cut_around_the_caret),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(marks_of_direction_never_reach_the_terminal),
        cmocka_unit_test(a_long_message_is_broken_into_lines),
        cmocka_unit_test(what_is_shown_as_it_is_is_known),
        cmocka_unit_test(texts_longer_than_the_fields_are_cut),
        cmocka_unit_test(finds_the_nearest_name),
        cmocka_unit_test(a_word_of_any_length_is_no_danger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
