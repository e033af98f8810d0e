/* What rank 0 asks of a rank, and what that rank reports. Plain data, sent as bytes: all ranks run the same
 * program on the same kind of machine, which is checked at the start. */
#ifndef CLUSTERPLAN_PROBE_TASK_H
#define CLUSTERPLAN_PROBE_TASK_H

#include <stdint.h>

#include "probe/summary.h"

enum task_kind {
    TASK_STOP,        /* the end of the run; `role` is the exit status; no report */
    TASK_HEARTBEAT,   /* rank 0 lives; no report */
    TASK_ROLL_CALL,   /* report that you do */
    TASK_NODE,        /* describe the machine; a struct node_summary follows the report */
    TASK_MEMORY,      /* copy in memory for `seconds`: bytes a second */
    TASK_LATENCY,     /* ping-pong of `bytes` with `peer`: seconds, half a round trip */
    TASK_STREAM,      /* messages of `bytes` from the initiator to `peer`: bytes a second */
    TASK_EXCHANGE,    /* the same both ways at once: bytes a second, the sum of both */
    TASK_GROUP,       /* form a group of `members` ranks, whose list follows */
    TASK_COLLECTIVE,  /* `operation` on `bytes` by the group that was made last: seconds */
    TASK_GPU_OPEN,    /* take GPU number `gpu`; a struct gpu_summary follows the report */
    TASK_GPU_MEMORY,  /* copy in its memory: bytes a second */
    TASK_GPU_LINK,    /* copy to the host's memory: bytes a second */
    TASK_GPU_PRODUCT, /* one matrix product: seconds */
    TASK_COMPUTE      /* small matrix products on a core for `seconds`: seconds of one */
};

/* What carries the messages. */
enum transport {
    TRANSPORT_HOST,   /* MPI, from and to host memory */
    TRANSPORT_DEVICE, /* MPI, from and to memory of GPUs */
    TRANSPORT_NCCL,
    TRANSPORT_COUNT
};

enum task_role { ROLE_INITIATOR, ROLE_RESPONDER };

struct task {
    int32_t kind, role, peer;
    int32_t operation; /* enum collective_operation */
    int32_t transport; /* enum transport */
    int32_t trial;     /* TASK_GROUP of NCCL: only whether one can be made */
    int32_t gpu;
    /* Streams that begin together: the rank that the initiators wait for, and how many they are; 0: alone. */
    int32_t together_root, together_count;
    int32_t members; /* of the group, TASK_GROUP and TASK_COLLECTIVE */
    int32_t apart;   /* each member is on another host */
    int32_t samples_max;
    int64_t bytes;
    double seconds;       /* budget for repetition */
    double stall_seconds; /* the longest that one message may take */
};

enum report_state {
    REPORT_DONE,
    REPORT_STALLED,
    REPORT_MISSING,
    REPORT_REFUSED /* what is to be measured isn't there or fails; `why` says so, and all else is well */
};
enum { REPORT_TEXT = 160 };

struct report {
    int32_t state; /* enum report_state */
    int32_t rank;
    char why[REPORT_TEXT];
    struct summary summary; /* of the initiator; a responder's is empty */
    int64_t sent_bytes;     /* of a message of a stream: less than task.bytes over a slow link */
};

enum task_tag {
    TAG_TASK = 1,
    TAG_REPORT,
    TAG_NODE,
    TAG_DATA,
    TAG_CONTROL,
    TAG_ACKNOWLEDGE,
    TAG_TOGETHER,
    TAG_GROUP,
    TAG_GPU
};

#endif
