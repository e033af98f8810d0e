/* Libraries loaded at run time: there, not there, without a function, no library at all. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/library.h"

struct functions {
    double (*cosine)(double);
    void (*nonsense)(void);
};
static const struct library_symbol cosine = {"cos", offsetof(struct functions, cosine), false};

static void test_ready(void **state) {
    (void)state;
    static const char *const names[] = {"libnowhere.so.7", "libm.so.6", NULL};
    const struct library_symbol symbols[] = {cosine, {"no_such", offsetof(struct functions, nonsense), true}};
    struct functions functions;
    char why[160];
    assert_int_equal(library_load(names, symbols, 2, &functions, why, sizeof why), LIBRARY_READY);
    assert_true(functions.cosine(0) > 0.999);
    assert_null(functions.nonsense);
}

static void test_absent(void **state) {
    (void)state;
    static const char *const names[] = {"libnowhere.so.7", "libnowhere.so.6", NULL};
    struct functions functions;
    char why[160];
    assert_int_equal(library_load(names, &cosine, 1, &functions, why, sizeof why), LIBRARY_ABSENT);
    assert_string_equal(why, "no libnowhere.so.7");
}

static void test_lacks_a_function(void **state) {
    (void)state;
    static const char *const names[] = {"libm.so.6", NULL};
    const struct library_symbol symbols[] = {{"no_such", offsetof(struct functions, nonsense), false}};
    struct functions functions;
    char why[160];
    assert_int_equal(library_load(names, symbols, 1, &functions, why, sizeof why), LIBRARY_UNFIT);
    assert_string_equal(why, "libm.so.6 lacks no_such");
}

static void test_no_library(void **state) {
    (void)state;
    char path[] = "/tmp/test_probe_library_XXXXXX", why[160];
    const char *names[] = {path, NULL};
    struct functions functions;
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, "nonsense", 8) == 8);
    close(file);
    assert_int_equal(library_load(names, &cosine, 1, &functions, why, sizeof why), LIBRARY_UNFIT);
    assert_non_null(strstr(why, path));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_lacks_a_function),
        cmocka_unit_test(test_no_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
