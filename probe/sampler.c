#include "probe/sampler.h"

#include "common/clock.h"
#include "probe/summary.h"

enum {
    SAMPLES_MIN = 2, /* even over budget: one figure alone says nothing of its spread */
    FIRST_CHECK = 16 /* samples before the first look whether the median is settled; then doubled */
};
static const double PRECISION = 0.02; /* of the median */

void sampler_start(struct sampler *sampler, const struct task *task) {
    sampler->count = 0;
    sampler->check_at = FIRST_CHECK;
    sampler->limit =
        task->samples_max > 0 && task->samples_max < SAMPLER_MAX ? (size_t)task->samples_max : SAMPLER_MAX;
    sampler->end = clock_seconds() + task->seconds;
}

bool sampler_add(struct sampler *sampler, double value) {
    bool spent = clock_seconds() > sampler->end;
    sampler->values[sampler->count++] = value;
    if (sampler->count == sampler->limit || (sampler->count >= SAMPLES_MIN && spent))
        return true;
    if (sampler->count < sampler->check_at)
        return false;
    sampler->check_at *= 2;
    struct summary summary;
    summary_make(sampler->values, sampler->count, &summary);
    return summary_settled(sampler->values, sampler->count, PRECISION);
}
