#include "planner/training.h"

#include <stddef.h>

const char *const attention_kernel_names[] = {"flash", "unfused", NULL};
const char *const selective_names[] = {"default", "attention", "activations", "experts", NULL};
const char *const gradient_format_names[] = {"default", "16-bit", "fp32", NULL};

/* Where nothing is known of a run's routing: what a router balanced by a loss or a bias comes to. Assumed;
 * balance by force is 1, routers left alone go to 1.2 and beyond (docs/accuracy.md). */
static const double DEFAULT_IMBALANCE = 1.05;
/* Beyond it a device would hold most tokens of the largest groups there are. */
enum { MOST_IMBALANCE = 1000 };

bool training_has_dropout(const struct training *training, const struct model *model) {
    return model->linear_bias && !training->stack->fully_sharded;
}

enum dispatcher training_dispatcher(const struct training *training) {
    return training->routing.dispatcher != DISPATCHER_DEFAULT ? training->routing.dispatcher
                                                              : training->stack->dispatcher;
}

double training_imbalance(const struct training *training) {
    return training->routing.imbalance > 0 ? training->routing.imbalance : DEFAULT_IMBALANCE;
}

enum selective training_selective(const struct training *training, const struct model *model) {
    if (training->selective != SELECTIVE_DEFAULT)
        return training->selective;
    return training->stack->transformer_engine && training->attention == ATTENTION_FLASH &&
                   model->experts.count > 0
               ? SELECTIVE_ACTIVATIONS
               : SELECTIVE_ATTENTION;
}

double training_gradient_bytes(const struct training *training) {
    static const double HALF_BYTES = 2, SINGLE_BYTES = 4;
    if (training->gradients != GRADIENTS_DEFAULT)
        return training->gradients == GRADIENTS_HALF ? HALF_BYTES : SINGLE_BYTES;
    return stack_gradient_bytes(training->stack, training->precision);
}

bool routing_read(const struct fields_reader *reader, const struct yaml_node *node, struct routing *routing) {
    static const struct field fields[] = {
        {.key = "dispatcher",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct routing, dispatcher),
         .choices = dispatcher_names},
        {.key = "overlap", .type = FIELD_BOOL, .offset = offsetof(struct routing, overlap)},
        {.key = "imbalance",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct routing, imbalance),
         .unit = UNIT_NONE,
         .minimum = 1,
         .maximum = MOST_IMBALANCE},
        {.key = NULL}};
    return fields_read(reader, node, fields, "routing", routing);
}
