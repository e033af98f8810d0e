/* Whether what a program prints arrives. */
#ifndef CLUSTERPLAN_STANDARD_OUTPUT_H
#define CLUSTERPLAN_STANDARD_OUTPUT_H

#include <stdbool.h>

/* Asked first of all: where it is closed, the next file opened would take its place. False, and said on
 * stderr in the name of `program`, where it is. Closed standard input and error are held by /dev/null: what
 * is said on stderr must not go into a file that is written. */
bool standard_output_is_open(const char *program);

/* Asked at the end, after the last print: false, and said on stderr, where not all was written, as on a full
 * disk. A reader that has seen enough (`| head`) is worth no message: by default SIGPIPE ends the program
 * before this, and EPIPE is seen where the parent process ignores that signal. */
bool standard_output_arrived(const char *program);

#endif
