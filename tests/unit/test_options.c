#include "tests/unit/check.h"

#include <string.h>

#include "common/options.h"

enum { MOST_ARGUMENTS = 12, MOST_OPERANDS = 2 };

/* What one call of options_parse gave. */
struct parsed {
    bool good;
    const char *devices, *output;
    bool exhaustive;
    const char *operands[MOST_OPERANDS];
    size_t operand_count;
    struct error error;
};

/* Parses arguments that end with NULL. */
static struct parsed parse(const char *const *arguments) {
    static struct parsed parsed;
    static char copies[MOST_ARGUMENTS][200];
    const struct option_entry options[] = {
        {.name = "devices", .argument = "N", .help = "how many", .value = &parsed.devices},
        {.name = "output", .letter = 'o', .argument = "FILE", .help = "where to", .value = &parsed.output},
        {.name = "exhaustive", .letter = 'x', .help = "all of them", .flag = &parsed.exhaustive},
        {.name = "nodes", .help = "--devices N"}, /* a guess */
        {.name = NULL},
    };
    char *argv[MOST_ARGUMENTS + 1] = {NULL};
    int argc = 0;

    memset(&parsed, 0, sizeof parsed);
    argv[argc++] = strcpy(copies[0], "program");
    for (; *arguments != NULL; arguments++, argc++)
        argv[argc] = strcpy(copies[argc], *arguments);
    parsed.good = options_parse(argc, argv, options, parsed.operands, MOST_OPERANDS, &parsed.operand_count,
                                &parsed.error);
    return parsed;
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void takes_every_form(void **state) {
    struct parsed parsed;

    (void)state;
    parsed = PARSE("--devices", "8", "-o", "a.yaml", "--exhaustive");
    assert_true(parsed.good && parsed.exhaustive);
    assert_string_equal(parsed.devices, "8");
    assert_string_equal(parsed.output, "a.yaml");
    parsed = PARSE("--devices=8..64", "-oa.yaml", "-x");
    assert_true(parsed.good && parsed.exhaustive);
    assert_string_equal(parsed.devices, "8..64");
    assert_string_equal(parsed.output, "a.yaml");
    parsed = PARSE("--devices", "-5", "--output=--x=y");
    assert_true(parsed.good && !parsed.exhaustive);
    assert_string_equal(parsed.devices, "-5");
    assert_string_equal(parsed.output, "--x=y");
}

static void operands_stand_anywhere(void **state) {
    struct parsed parsed = PARSE("one", "--devices", "8", "two");

    (void)state;
    assert_true(parsed.good);
    assert_int_equal(parsed.operand_count, 2);
    assert_string_equal(parsed.operands[0], "one");
    assert_string_equal(parsed.operands[1], "two");
    parsed = PARSE("-x", "--", "--devices", "-");
    assert_true(parsed.good);
    assert_int_equal(parsed.operand_count, 2);
    assert_string_equal(parsed.operands[0], "--devices");
    assert_string_equal(parsed.operands[1], "-");
}

static void no_arguments_are_fine(void **state) {
    struct parsed parsed = parse((const char *const[]){NULL});

    (void)state;
    assert_true(parsed.good);
    assert_int_equal(parsed.operand_count, 0);
    assert_null(parsed.devices);
}

static void assert_refused(struct parsed parsed, const char *what, const char *hint) {
    assert_false(parsed.good);
    assert_string_equal(parsed.error.what, what);
    assert_string_equal(parsed.error.hint, hint);
}

static void refuses_mistakes(void **state) {
    (void)state;
    assert_refused(PARSE("--devcies", "8"), "unknown option \"--devcies\"", "did you mean --devices?");
    assert_refused(PARSE("--devcies=8"), "unknown option \"--devcies=8\"", "did you mean --devices?");
    assert_refused(PARSE("--qq"), "unknown option \"--qq\"", "--help lists the options");
    assert_refused(PARSE("-q"), "unknown option \"-q\"", "--help lists the options");
    assert_refused(PARSE("-xo"), "unknown option \"-xo\"", "--help lists the options");
    assert_refused(PARSE("---"), "unknown option \"---\"", "--help lists the options");
    assert_refused(PARSE("--=5"), "unknown option \"--=5\"", "--help lists the options");
    assert_refused(PARSE("--devices"), "--devices needs an argument: --devices N", "");
    assert_refused(PARSE("--devices", "--output", "a"), "--devices needs an argument: --devices N", "");
    assert_refused(PARSE("-o"), "--output needs an argument: --output FILE", "");
    assert_refused(PARSE("--devices="), "the argument of --devices is empty", "");
    assert_refused(PARSE("--devices", ""), "the argument of --devices is empty", "");
    assert_refused(PARSE("--devices", "8", "--devices=9"), "--devices is given twice", "");
    assert_refused(PARSE("--exhaustive=yes"), "--exhaustive takes no argument", "");
    assert_refused(PARSE("a", "b", "c"), "unexpected argument \"c\"", "--help says how it is called");
    assert_refused(PARSE("a", "b", ""), "unexpected argument \"\"", "--help says how it is called");
    assert_refused(PARSE("a", "b", "\xe2\x80\x94nodes"), "unexpected argument \"\xe2\x80\x94nodes\"",
                   "an option begins with two plain hyphens, \"--\"");
    assert_refused(PARSE("--nodes", "2"), "unknown option \"--nodes\"", "--devices N");
    assert_refused(PARSE("--nodse", "2"), "unknown option \"--nodse\"", "--help lists the options");
}

static void help_is_aligned_and_wrapped(void **state) {
    static char text[2000];
    const char *value = NULL;
    bool flag = false;
    const struct option_entry options[] = {
        {.name = "output",
         .letter = 'o',
         .argument = "FILE",
         .help =
             "where the cluster file goes; it is written beside it first and then renamed, so that a full "
             "disk leaves what was there",
         .value = &value},
        {.name = "exhaustive", .help = "no bound\nsecond line", .flag = &flag},
        {.name = "a-longer-name-that-is-a-guess", .help = "--exhaustive"},
        {.name = NULL},
    };
    FILE *stream = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_non_null(stream);
    options_help(options, stream);
    fclose(stream);
    assert_string_equal(text, "  -o, --output FILE  where the cluster file goes; it is written beside it "
                              "first and then renamed, so\n"
                              "                     that a full disk leaves what was there\n"
                              "      --exhaustive   no bound\n"
                              "                     second line\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form),
        cmocka_unit_test(operands_stand_anywhere),
        cmocka_unit_test(no_arguments_are_fine),
        cmocka_unit_test(refuses_mistakes),
        cmocka_unit_test(help_is_aligned_and_wrapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
