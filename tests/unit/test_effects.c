/* Runs that differ in one thing (tests/effects.tsv): what it does to a step, predicted against measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "published_runs.h"

/* A line of the table: what, the file or files, ids before and after, and by how much the factor may be off.
 */
struct effect {
    char what[128], files[128], before[64], after[64];
    double percent;
};

static const struct validated_run *run_of(const char *file, size_t length, const char *id) {
    for (size_t i = 0; i < published.run_count; i++) {
        const struct validated_run *run = &published.runs[i];

        if (strlen(run->file) == length && strncmp(run->file, file, length) == 0 &&
            strcmp(run->run->id, id) == 0 && run->why == NULL)
            return run;
    }
    fail_msg("no prediction of %s of %.*s", id, (int)length, file);
    return NULL;
}

static void check_effect(const struct effect *effect) {
    size_t first = strcspn(effect->files, " ");
    const char *last = effect->files[first] == ' ' ? effect->files + first + 1 : effect->files;
    const struct validated_run *before = run_of(effect->files, first, effect->before);
    const struct validated_run *after = run_of(last, strlen(last), effect->after);
    double measured = after->run->measured.step_seconds / before->run->measured.step_seconds;
    double predicted = after->predicted_step / before->predicted_step;

    if (fabs(predicted / measured - 1) > effect->percent / 100)
        fail_msg("%s: a step takes %.3f times as long, predicted %.3f", effect->what, measured, predicted);
}

static void effects_are_predicted(void **state) {
    FILE *table = fopen(SOURCE_DIR "/tests/effects.tsv", "r");
    char line[512];
    size_t effects = 0;

    (void)state;
    assert_non_null(table);
    while (fgets(line, sizeof line, table) != NULL) {
        struct effect effect;

        if (line[0] == '#')
            continue;
        assert_int_equal(sscanf(line, "%127[^\t]\t%127[^\t]\t%63[^\t]\t%63[^\t]\t%lf", effect.what,
                                effect.files, effect.before, effect.after, &effect.percent),
                         5);
        check_effect(&effect);
        effects++;
    }
    assert_int_equal(fclose(table), 0);
    assert_int_equal(effects, 21);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(effects_are_predicted)};

    return cmocka_run_group_tests(tests, setup_published, teardown);
}
