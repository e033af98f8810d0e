/* What tells the figures of one run from those of another. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "probe/identity.h"

static void test_settings(void **state) {
    (void)state;
    char settings[IDENTITY_SETTINGS_BYTES];
    const char *const variables[] = {"UCX_TLS=rc,\nself",
                                     "PATH=/bin",
                                     "OMPI_MCA_ess_base_jobid=7",
                                     "OMPI_MCA_btl_tcp_if_include=eth0",
                                     "MPIR_CVAR_CH3_INTERFACE_HOSTNAME=h0",
                                     NULL};
    identity_list_settings(variables, settings);
    assert_string_equal(settings, "OMPI_MCA_btl_tcp_if_include=eth0 UCX_TLS=rc, self");
    const char *const nothing[] = {"PATH=/bin", NULL};
    identity_list_settings(nothing, settings);
    assert_string_equal(settings, "");
}

/* What doesn't fit still counts. */
static void test_long_settings(void **state) {
    (void)state;
    char settings[2][IDENTITY_SETTINGS_BYTES], variable[2][IDENTITY_SETTINGS_BYTES + 64];
    for (int i = 0; i < 2; i++) {
        memset(variable[i], 'x', sizeof variable[i]);
        snprintf(variable[i], sizeof "UCX_A=", "UCX_A=");
        variable[i][sizeof "UCX_A=" - 1] = 'x';
        variable[i][sizeof variable[i] - 2] = (char)('0' + i);
        variable[i][sizeof variable[i] - 1] = '\0';
        const char *const variables[] = {"OMPI_MCA_pml=ob1", variable[i], NULL};
        identity_list_settings(variables, settings[i]);
        assert_int_equal(strncmp(settings[i], "OMPI_MCA_pml=ob1 +", 18), 0);
    }
    assert_string_not_equal(settings[0], settings[1]);
}

static void test_ranks(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    const char *const words[] = {"a", "a", "b", "", "a"};
    const char *list = identity_list_ranks(words, 5, arena);
    assert_string_equal(list, "ranks 0 to 1: a; rank 2: b; rank 4: a");
    assert_string_equal(identity_list_ranks(words + 3, 1, arena), "none");
    assert_string_equal(list + identity_difference(list, "ranks 0 to 1: a; rank 2: c; rank 4: a"),
                        "rank 2: b; rank 4: a");
    assert_int_equal(identity_difference(list, "none"), 0);
    assert_string_equal(identity_one_line("MPICH\tVersion:\n4", arena), "MPICH Version: 4");
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_long_settings),
        cmocka_unit_test(test_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
