#include "tests/unit/arena_fixture.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/yaml_tree.h"

static struct yaml_document document;
static struct error error;

static const struct yaml_node *read_good(const char *text) {
    if (!yaml_read_text("t.yaml", text, arena, &document, &error))
        fail_msg("\"%.60s\": %s", text, error.what);
    return document.root;
}

static void assert_refused(const char *text, unsigned line, unsigned column, const char *what) {
    if (yaml_read_text("t.yaml", text, arena, &document, &error))
        fail_msg("\"%.60s\" was read", text);
    assert_string_equal(error.what, what);
    assert_string_equal(error.file, "t.yaml");
    assert_int_equal(error.line, line);
    assert_int_equal(error.column, column);
}

static const char *text_at(const struct yaml_node *node, const char *key) {
    const struct yaml_node *member = yaml_get(node, key);

    assert_non_null(member);
    assert_int_equal(member->kind, YAML_SCALAR);
    return member->text;
}

static void a_tree_keeps_order_and_places(void **state) {
    const struct yaml_node *root =
        read_good("# a comment\nname: x\nlist: [1, two, {k: v}]\nmap:\n  b: 80 GB\n");
    const struct yaml_node *list = yaml_get(root, "list");

    (void)state;
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->child_count, 3);
    assert_string_equal(root->children->key->text, "name");
    assert_int_equal(root->children->key->line, 2);
    assert_int_equal(root->children->key->column, 1);
    assert_int_equal(root->children->column, 7);
    assert_int_equal(list->kind, YAML_SEQUENCE);
    assert_int_equal(list->child_count, 3);
    assert_string_equal(list->children->text, "1");
    assert_string_equal(list->children->next->text, "two");
    assert_int_equal(list->children->next->line, 3);
    assert_int_equal(list->children->next->column, 11);
    assert_string_equal(text_at(list->children->next->next, "k"), "v");
    assert_null(list->children->next->next->next);
    assert_null(list->children->key);
    assert_string_equal(text_at(yaml_get(root, "map"), "b"), "80 GB");
    assert_null(yaml_get(root, "missing"));
    assert_null(yaml_get(list, "missing"));
    assert_null(yaml_get(NULL, "missing"));
}

static void quotes_tell_texts_from_numbers_and_nulls(void **state) {
    const struct yaml_node *root =
        read_good("- 5\n- '5'\n- \"5\"\n- ~\n- null\n- NULL\n- ''\n-\n- 'null'\n- |\n  null\n");
    static const bool quoted[] = {false, true, true, false, false, false, true, false, true, true};
    static const bool null[] = {false, false, false, true, true, true, false, true, false, false};
    const struct yaml_node *node = root->children;

    (void)state;
    for (size_t i = 0; i < sizeof quoted; i++, node = node->next) {
        assert_int_equal(node->quoted, quoted[i]);
        assert_int_equal(yaml_is_null(node), null[i]);
    }
    assert_true(yaml_is_null(yaml_get(read_good("a:\nb: 1\n"), "a")));
    assert_false(yaml_is_null(yaml_get(read_good("a: []\n"), "a")));
}

static void json_is_read_as_it_comes(void **state) {
    const struct yaml_node *root =
        read_good("{\n\t\"architectures\": [\"LlamaForCausalLM\"],\n\t\"path\":\"a\\/b\\u00e9\\n\",\n"
                  "\t\"rms_norm_eps\": 1e-05,\n\t\"rope_scaling\": null,\r\n\t\"tie\":false,\"empty\":{}, "
                  "\"n\": -1}\n");

    (void)state;
    assert_string_equal(text_at(root, "path"), "a/b\xc3\xa9\n");
    assert_string_equal(text_at(root, "rms_norm_eps"), "1e-05");
    assert_string_equal(text_at(root, "tie"), "false");
    assert_string_equal(text_at(root, "n"), "-1");
    assert_true(yaml_is_null(yaml_get(root, "rope_scaling")));
    assert_int_equal(yaml_get(root, "empty")->child_count, 0);
    assert_string_equal(yaml_get(root, "architectures")->children->text, "LlamaForCausalLM");
}

static void json_that_yaml_cannot_hold_says_so(void **state) {
    (void)state;
    assert_refused("{\"a\": \"\\ud83d\\ude00\"}", 1, 10,
                   "not YAML: found invalid Unicode character escape code, while parsing a quoted scalar");
    assert_non_null(strstr(error.hint, "surrogate pair"));
}

static void an_alias_is_what_it_names(void **state) {
    const struct yaml_node *root = read_good("a: &x {k: [1, 2]}\nb: *x\nc: &x 5\nd: *x\n");
    const struct yaml_node *b = yaml_get(root, "b");

    (void)state;
    assert_int_equal(root->child_count, 4);
    assert_int_equal(b->kind, YAML_MAPPING);
    assert_int_equal(yaml_get(b, "k")->child_count, 2);
    assert_string_equal(b->key->text, "b");
    assert_int_equal(b->line, 2);
    assert_string_equal(text_at(root, "d"), "5");
}

static void refuses_broken_yaml(void **state) {
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", 3, 1, "the key \"a\" is given twice");
    assert_string_equal(error.hint, "it stands in line 1 already");
    assert_string_equal(error.source_line, "a: 3");
    assert_refused("x: {a: 1, b: {c: 1, 'c': 2}}", 1, 21, "the key \"c\" is given twice");
    assert_refused("a: [1\nb: 2", 2, 2,
                   "not YAML: did not find expected ',' or ']', while parsing a flow sequence");
    assert_refused("a: b: c", 1, 5, "not YAML: mapping values are not allowed in this context");
    assert_string_equal(error.hint, "a text that holds \": \" needs quotes");
    assert_refused("a: \"open", 1, 9,
                   "not YAML: found unexpected end of stream, while scanning a quoted scalar");
    assert_refused(
        "a:\n\tb: 1", 2, 1,
        "not YAML: found character that cannot start any token, while scanning for the next token");
    assert_refused(
        "a: @x", 1, 4,
        "not YAML: found character that cannot start any token, while scanning for the next token");
    assert_refused("--- \na: 1\n---\nb: 2\n", 3, 1, "a second document in the file");
    assert_refused("a: !!str 5", 1, 4, "tags (!...) aren't supported");
    assert_refused("a: !x {b: 1}", 1, 4, "tags (!...) aren't supported");
    assert_refused("a: !x [b]", 1, 4, "tags (!...) aren't supported");
    assert_refused("<<: {a: 1}", 1, 1, "merge keys aren't supported");
    assert_refused("? [a]\n: b", 1, 3, "a key must be a plain word");
    assert_refused("{a: &x 1, *x : 2, *y : 3}", 1, 19, "no anchor &y before this alias");
    assert_refused("&x [*x]", 1, 5, "*x stands inside what it names");
    assert_refused("[*x]", 1, 2, "no anchor &x before this alias");
    assert_refused("[1, \"\\0\"]", 1, 5, "a NUL character in a text");
    assert_refused("a: 1\nb: \xff\n", 2, 0, "not UTF-8 text: invalid leading UTF-8 octet");
    assert_refused("a: \x01\n", 1, 0, "not UTF-8 text: control characters are not allowed");
    assert_refused("", 0, 0, "the file is empty");
    assert_refused("# only this\n\n", 0, 0, "the file holds nothing but comments and blanks");
    assert_refused("---\n...\n---\n...\n", 3, 1, "a second document in the file");
}

/* Lines are counted as libyaml counts them, so that the line shown is the one meant. */
static void the_line_shown_is_the_one_meant(void **state) {
    (void)state;
    assert_refused("a: 1\r\nb: 2\r# \xc2\x85# \xe2\x80\xa8"
                   "b: 3\n",
                   5, 1, "the key \"b\" is given twice");
    assert_string_equal(error.source_line, "b: 3");
}

static char *repeated(const char *piece, size_t count) {
    size_t length = strlen(piece);
    char *text = arena_allocate(arena, count * length + 1, 1);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, piece, length);
    return text;
}

static void nesting_is_bounded(void **state) {
    (void)state;
    read_good(arena_print(arena, "%s1%s", repeated("[", 64), repeated("]", 64)));
    assert_refused(arena_print(arena, "%s1%s", repeated("[", 65), repeated("]", 65)), 1, 65,
                   "nested more than 64 deep");
    assert_refused(repeated("[", 100000), 1, 65, "nested more than 64 deep");
    assert_refused(repeated("{a: ", 100000), 1, 257, "nested more than 64 deep");
    assert_refused(repeated("- ", 100000), 1, 129, "nested more than 64 deep");
}

static void nesting_by_aliases_is_bounded(void **state) {
    (void)state;
    read_good("a: &a [[[1]]]\nb: [*a]\n");
    assert_refused(arena_print(arena, "- &a %s1%s\n- %s*a%s\n", repeated("[", 40), repeated("]", 40),
                               repeated("[", 24), repeated("]", 24)),
                   2, 27, "nested more than 64 deep, aliases expanded");
}

static void alias_bombs_are_refused(void **state) {
    char *bomb = arena_copy_string(arena, "- &l0 [x,x,x,x,x,x,x,x,x,x]\n");

    (void)state;
    for (int i = 1; i < 10; i++)
        bomb = arena_print(arena, "%s- &l%d [*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d,*l%d]\n", bomb, i,
                           i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_refused(bomb, 7, 16, "more than 4000000 values, aliases expanded");
}

static void the_number_of_anchors_is_bounded(void **state) {
    char *text = arena_copy_string(arena, "");

    (void)state;
    for (int i = 0; i < 101; i++)
        text = arena_print(arena, "%s- &a%d x\n", text, i);
    assert_refused(text, 101, 3, "more than 100 anchors");
}

static void a_text_over_64_mib_is_refused(void **state) {
    (void)state;
    assert_refused(repeated("#", 64 * 1024 * 1024 + 1), 0, 0,
                   "the file is larger than 64 MiB, the most that is read");
}

/* Many keys don't make the search for duplicates slow: 200,000 of them take well under a second. */
static void many_keys_are_checked_quickly(void **state) {
    enum { KEYS = 200000 };
    char *text = arena_allocate(arena, KEYS * 11 + 1, 1);
    size_t used = 0;

    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        used += (size_t)snprintf(text + used, 12, "k%06u: 1\n", i % 1000000);
    assert_int_equal(read_good(text)->child_count, KEYS);
    memcpy(text + used - 11, "k000007: 1\n", 11);
    assert_false(yaml_read_text("t.yaml", text, arena, &document, &error));
    assert_string_equal(error.what, "the key \"k000007\" is given twice");
    assert_int_equal(error.line, KEYS);
}

static void assert_file_refused(const char *path, const char *what) {
    assert_false(yaml_read_file(path, arena, &document, &error));
    assert_string_equal(error.file, path);
    assert_string_equal(error.what, what);
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");

    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
}

static void files_that_are_none_are_refused(void **state) {
    char folder[] = "/tmp/clusterplan-yaml-XXXXXX";
    char *path;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = arena_print(arena, "%s/file", folder);
    assert_file_refused(path, "can't be opened: No such file or directory");
    assert_file_refused("", "the name of a file was expected, not an empty one");
    assert_file_refused(folder, "a directory, where a file was expected");
    assert_file_refused("/dev/zero", "a device, where a file was expected");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_file_refused(path, "nothing came through the pipe");
    unlink(path);
    write_file(path, "", 0);
    assert_file_refused(path, "the file is empty");
    write_file(path,
               "\x7f"
               "ELF\0\1",
               6);
    assert_file_refused(path, "the file is binary: text was expected");
    assert_int_equal(truncate(path, 1 << 30), 0);
    assert_file_refused(path, "the file is larger than 64 MiB, the most that is read");
    write_file(path, "\xef\xbb\xbfname: x\n", 11);
    assert_true(yaml_read_file(path, arena, &document, &error));
    assert_string_equal(text_at(document.root, "name"), "x");
    assert_string_equal(document.file, path);
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_keeps_order_and_places, setup, teardown),
        cmocka_unit_test_setup_teardown(quotes_tell_texts_from_numbers_and_nulls, setup, teardown),
        cmocka_unit_test_setup_teardown(json_is_read_as_it_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(json_that_yaml_cannot_hold_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(an_alias_is_what_it_names, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_broken_yaml, setup, teardown),
        cmocka_unit_test_setup_teardown(the_line_shown_is_the_one_meant, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_by_aliases_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(alias_bombs_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_anchors_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_over_64_mib_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(many_keys_are_checked_quickly, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_are_none_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
