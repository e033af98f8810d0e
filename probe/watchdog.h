/* A last resort against calls that never return: after so many seconds the process says what it was in, and
 * ends, whereupon mpirun ends the job. What was measured is in the journal by then. */
#ifndef CLUSTERPLAN_PROBE_WATCHDOG_H
#define CLUSTERPLAN_PROBE_WATCHDOG_H

/* `doing` ("all_reduce among 8 ranks on h1 h2") is copied, up to 200 bytes. Arming again starts anew. */
void watchdog_arm(double seconds, const char *doing);
void watchdog_disarm(void);

/* The next time to be up first calls `way_out` (safe in a signal handler), and `grace_seconds` later ends the
 * process as above. Until disarmed. */
void watchdog_try_first(void (*way_out)(void), double grace_seconds);

/* From now on an interrupted or terminated process says `last_words` (copied) before it ends. Blocking calls
 * of MPI leave no other way. NULL: nothing more to say. */
void watchdog_last_words(const char *last_words);

#endif
