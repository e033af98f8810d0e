/* cmocka with the headers it wants before it, and doubles compared exactly. */
#ifndef CLUSTERPLAN_TESTS_CHECK_H
#define CLUSTERPLAN_TESTS_CHECK_H

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

#endif
