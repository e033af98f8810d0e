/* What a clusterprobe of another version does in a job: it says its version and its host's name, and learns
 * that the job is not to be. That much is the same in all versions (probe/placement.c). */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    enum { VERSION_BYTES = 32, NAME_BYTES = 256, EXIT_USAGE = 2 };
    char hello[VERSION_BYTES + NAME_BYTES] = "another";
    int good = 0;
    MPI_Init(&argc, &argv);
    snprintf(hello + VERSION_BYTES, NAME_BYTES, "%s", "elsewhere");
    MPI_Gather(hello, (int)sizeof hello, MPI_BYTE, NULL, 0, MPI_BYTE, 0, MPI_COMM_WORLD);
    MPI_Bcast(&good, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return good ? EXIT_SUCCESS : EXIT_USAGE;
}
