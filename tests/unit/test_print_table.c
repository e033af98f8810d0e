#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "common/terminal.h"
#include "planner/report/print_table.h"

static const struct print_style ascii = {false, false}, utf8 = {false, true}, coloured = {true, false};

/* What `table` prints, to be freed. */
static char *printed(const struct print_table *table, const struct print_style *style, size_t indent) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    print_table_print(table, style, indent, stream);
    fclose(stream);
    return text;
}

static void test_alignment(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{"name", false}, {"step", true}, {"note", false}};
    struct print_table *table = print_table_create(arena, columns, 3);
    print_table_add(table, (const char *const[]){"a", "1.5 s", "first"});
    print_table_add(table, (const char *const[]){"longer", "12 s", NULL});
    char *text = printed(table, &ascii, 2);
    assert_string_equal(text, "  name     step  note\n"
                              "  a       1.5 s  first\n"
                              "  longer   12 s\n");
    free(text);
}

/* Whoever builds a table may return before it is printed. */
static void test_columns_may_go(void **state) {
    struct arena *arena = *state;
    struct print_column columns[] = {{"name", false}, {"step", true}};
    struct print_table *table = print_table_create(arena, columns, 2);
    memset(columns, 0, sizeof columns);
    print_table_add(table, (const char *const[]){"a", "1.5 s"});
    char *text = printed(table, &ascii, 0);
    assert_string_equal(text, "name   step\n"
                              "a     1.5 s\n");
    free(text);
}

static void test_alignment_counts_characters(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{NULL, false}, {NULL, true}};
    struct print_table *table = print_table_create(arena, columns, 2);
    print_table_add(table, (const char *const[]){"M\u00f6bius", "1"});
    print_table_add(table, (const char *const[]){"Moebius", "2"});
    char *text = printed(table, &utf8, 0);
    assert_string_equal(text, "M\u00f6bius   1\nMoebius  2\n");
    free(text);
}

/* No line begins with the unit of the number that ends the one before. */
static void test_units_stay_with_numbers(void **state) {
    static const char *const ends[] = {"takes 9.5 %.", "costs 40.3 M$, not", "of 80 GB"};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t number = strcspn(ends[i], " ") + 1;
        size_t unit = number + strcspn(ends[i] + number, " ");
        char *text = NULL, words[2 * TERMINAL_MOST_COLUMNS];
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        memset(words, '-', TERMINAL_MOST_COLUMNS);
        /* The number just fits. */
        snprintf(words + TERMINAL_MOST_COLUMNS - unit - 1, sizeof words - TERMINAL_MOST_COLUMNS, " %s",
                 ends[i]);
        print_paragraph("", words, stream);
        fclose(stream);
        const char *second = strchr(text, '\n') + 1;
        assert_int_equal(strncmp(second, ends[i] + number, strlen(ends[i] + number)), 0);
        free(text);
    }
}

static void test_last_column_wraps(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{"key", false}, {"text", false}};
    struct print_table *table = print_table_create(arena, columns, 2);
    char words[401] = "";
    for (int i = 0; i < 80; i++)
        strcat(words, i % 10 == 9 ? "word " : "some ");
    print_table_add(table, (const char *const[]){"k", words});
    char *text = printed(table, &ascii, 0);
    size_t lines = 0, words_seen = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        lines++;
        assert_true(strlen(line) <= TERMINAL_MOST_COLUMNS);
        assert_true(line[strlen(line) - 1] != ' ');
        for (const char *w = line; (w = strstr(w, "some")); w++)
            words_seen++;
    }
    assert_int_equal(lines, 1 + 5); /* 95 columns are left: 19 words of five columns a line */
    assert_int_equal(words_seen, 72);
    free(text);
}

/* Where there is no room beside the other columns, the last one goes below them. */
static void test_last_column_goes_below(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{"count of devices", true}, {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 2);
    print_table_add(table, (const char *const[]){"8", "tp=2 sequence_parallel=false zero=1"});
    print_table_add(table, (const char *const[]){"", "same"});
    setenv("COLUMNS", "40", 1);
    char *text = printed(table, &ascii, 2);
    unsetenv("COLUMNS");
    assert_string_equal(text, "  count of devices\n"
                              "          layout\n"
                              "                 8\n"
                              "          tp=2 sequence_parallel=false\n"
                              "          zero=1\n"
                              "          same\n");
    free(text);
    text = printed(table, &ascii, 2);
    assert_string_equal(text, "  count of devices  layout\n"
                              "                 8  tp=2 sequence_parallel=false zero=1\n"
                              "                    same\n");
    free(text);
}

/* A word stays whole where it can. */
static void test_a_long_word_goes_below(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{"step", true}, {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 2);
    print_table_add(table, (const char *const[]){"9.25 min", "recompute_modules=layernorm+mlp"});
    setenv("COLUMNS", "40", 1);
    char *text = printed(table, &ascii, 0);
    assert_string_equal(text, "    step\n"
                              "        layout\n"
                              "9.25 min\n"
                              "        recompute_modules=layernorm+mlp\n");
    free(text);
    print_table_add(table, (const char *const[]){"1 s", "recompute_modules=layernorm+moe_act+mlp"});
    text = printed(table, &ascii, 0); /* too long for either */
    unsetenv("COLUMNS");
    assert_string_equal(text, "    step  layout\n"
                              "9.25 min  recompute_modules=layernorm+ml\n"
                              "          p\n"
                              "     1 s  recompute_modules=layernorm+mo\n"
                              "          e_act+mlp\n");
    free(text);
}

static void test_a_word_longer_than_the_line_is_cut(void **state) {
    struct arena *arena = *state;
    const struct print_column columns[] = {{NULL, false}};
    struct print_table *table = print_table_create(arena, columns, 1);
    char word[151];
    memset(word, 'x', 150);
    word[150] = '\0';
    print_table_add(table, (const char *const[]){word});
    char *text = printed(table, &ascii, 0);
    assert_int_equal(strcspn(text, "\n"), 100);
    assert_int_equal(strlen(text), 150 + 2);
    free(text);
}

static void test_bar(void **state) {
    struct arena *arena = *state;
    assert_string_equal(print_bar(&ascii, RED, 0, 0.5, 10, arena), "#####.....");
    assert_string_equal(print_bar(&ascii, RED, 0.5, 0.8, 10, arena), ".....###..");
    assert_string_equal(print_bar(&ascii, RED, 0.5, 0.5, 10, arena), "..........");
    assert_string_equal(print_bar(&ascii, RED, 0.2, 0.2001, 10, arena), "..#.......");
    assert_string_equal(print_bar(&ascii, RED, 1, 1.0001, 10, arena), ".........#");
    assert_string_equal(print_bar(&ascii, RED, -3, 7, 10, arena), "##########");
    assert_string_equal(print_bar(&utf8, RED, 0, 0.5, 4, arena), "\u2588\u2588\u2591\u2591");
}

static void test_colour_is_not_counted(void **state) {
    (void)state;
    assert_string_equal(print_colour(&ascii, RED), "");
    assert_string_equal(print_colour(&coloured, RED), "\x1b[31m");
    assert_int_equal(terminal_text_columns("\x1b[31mred\x1b[0m"), 3);
}

static void test_style_of_a_file_is_plain(void **state) {
    (void)state;
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_false(print_style_of(stream).colour);
    fclose(stream);
}

static int create(void **state) {
    *state = arena_create();
    return 0;
}

static int destroy(void **state) {
    arena_destroy(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_alignment, create, destroy),
        cmocka_unit_test_setup_teardown(test_columns_may_go, create, destroy),
        cmocka_unit_test_setup_teardown(test_alignment_counts_characters, create, destroy),
        cmocka_unit_test(test_units_stay_with_numbers),
        cmocka_unit_test_setup_teardown(test_last_column_wraps, create, destroy),
        cmocka_unit_test_setup_teardown(test_last_column_goes_below, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_long_word_goes_below, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_word_longer_than_the_line_is_cut, create, destroy),
        cmocka_unit_test_setup_teardown(test_bar, create, destroy),
        cmocka_unit_test(test_colour_is_not_counted),
        cmocka_unit_test(test_style_of_a_file_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
