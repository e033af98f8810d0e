/* An MPI that takes addresses of GPUs, for LD_PRELOAD: those of the stand-in are memory of the process. */
int __attribute__((visibility("default"))) MPIX_Query_cuda_support(void);

int MPIX_Query_cuda_support(void) {
    return 1;
}
