#include "probe/confirm.h"

#include "common/clock.h"
#include "probe/phases.h"

static bool look_again(struct campaign *campaign, const struct confirm *confirm, size_t suspect, size_t turn,
                       struct analysis_looks *looks, struct error *error) {
    enum confirm_seen seen;
    if (!confirm->look(campaign, confirm->context, suspect, false, turn, &seen, error))
        return false;
    if (seen == CONFIRM_NOTHING) {
        confirm->verdicts[suspect] = VERDICT_UNCLEAR;
        return true;
    }
    if (seen == CONFIRM_FAST) {
        *looks = (struct analysis_looks){0};
        return true;
    }
    looks->count++;
    if (!confirm->look(campaign, confirm->context, suspect, true, turn, &seen, error))
        return false;
    looks->quiet += seen == CONFIRM_FAST ? 1 : 0;
    confirm->verdicts[suspect] = (uint8_t)analysis_judge_looks(looks);
    return true;
}

bool confirm_run(struct campaign *campaign, const struct confirm *confirm, struct error *error) {
    size_t *suspects = ARENA_ARRAY(campaign->arena, size_t, confirm->at_once + 1);
    struct analysis_looks *looks = ARENA_ARRAY(campaign->arena, struct analysis_looks, confirm->count);
    double end = clock_seconds() + confirm->share * campaign->limit_seconds;
    for (size_t turn = 0; turn < confirm->rounds_max; turn++) {
        size_t count = confirm->list(campaign, confirm->context, suspects);
        bool any_verdict = false; /* which may explain others */
        for (size_t i = 0; i < count && !any_verdict; i++) {
            if (clock_seconds() >= end || phases_time_is_up(campaign))
                return true;
            if (!look_again(campaign, confirm, suspects[i], turn, &looks[suspects[i]], error))
                return false;
            any_verdict = confirm->verdicts[suspects[i]] != VERDICT_NONE;
        }
        if (count == 0)
            return true;
    }
    return true;
}
