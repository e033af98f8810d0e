/* cmocka with the headers it wants before it, and doubles compared. */
#ifndef CLUSTERPLAN_TESTS_CHECK_H
#define CLUSTERPLAN_TESTS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Exactly the same double; cmocka's own comparison goes through float. */
#define assert_same_double(found, wanted)                                                                    \
    do {                                                                                                     \
        double found_ = (found), wanted_ = (wanted);                                                         \
        if (found_ < wanted_ || found_ > wanted_)                                                            \
            fail_msg("%s is %.17g, not %.17g", #found, found_, wanted_);                                     \
    } while (0)

/* Within `share` of what is wanted. */
#define assert_near(found, wanted, share)                                                                    \
    do {                                                                                                     \
        double near_ = (found), wanted_ = (wanted);                                                          \
        if (!(fabs(near_ - wanted_) <= (share)*fabs(wanted_)))                                               \
            fail_msg("%s is %.12g, not within %g of %.12g", #found, near_, (double)(share), wanted_);        \
    } while (0)

/* No further off than `distance`. */
#define assert_within(found, wanted, distance)                                                               \
    do {                                                                                                     \
        double near_ = (found), wanted_ = (wanted);                                                          \
        if (!(fabs(near_ - wanted_) <= (distance)))                                                          \
            fail_msg("%s is %.12g, not %.12g +-%g", #found, near_, wanted_, (double)(distance));             \
    } while (0)

#endif
