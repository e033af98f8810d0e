/* A library without any function that is looked for. */
extern int stub_empty;
int stub_empty = 0;
