/* Memory beyond the device. What a layout moves out goes to the host's memory, class by class, as long as a
 * whole class has room there; what has none goes to the cluster's store. First comes what passes the link
 * most often for its size: activations, weights and gradients in each micro-batch, optimizer states once a
 * step (as ZeRO-Infinity places them on host and NVMe, arXiv 2104.07857, section 5.1). */
#include "common/cluster.h"
#include "planner/cost/memory_parts.h"
#include "planner/numbers.h"

/* Of a host's memory; the rest is the operating system's, the data loaders' and the job's own. Assumed. */
static const double HOST_SHARE = 0.9;

const char *const outside_names[OUTSIDE_COUNT] = {"activations", "weights", "gradients", "optimizer"};

int64_t memory_devices_of_host(const struct cluster *cluster, int64_t devices) {
    return smaller_count(cluster->node.devices, devices);
}

int64_t memory_devices_of_store(const struct cluster *cluster, int64_t devices) {
    return cluster->store.devices > 0 ? smaller_count(cluster->store.devices, devices) : devices;
}

void memory_place(const struct cluster *cluster, int64_t devices, struct memory_use *use) {
    double hosts = (double)memory_devices_of_host(cluster, devices);
    double stores = (double)memory_devices_of_store(cluster, devices);
    bool has_store = cluster->store.name != NULL;
    use->host_capacity_bytes = HOST_SHARE * cluster->node.host_memory_bytes / hosts;
    use->store_capacity_bytes = has_store ? cluster->store.capacity_bytes / stores : 0;
    use->host_bytes_per_device = use->store_bytes_per_device = 0;
    for (int i = 0; i < OUTSIDE_COUNT; i++) {
        struct outside *outside = &use->outside[i];
        bool fits = use->host_bytes_per_device + outside->bytes <= use->host_capacity_bytes;
        outside->in_store = has_store && !fits;
        if (outside->in_store)
            use->store_bytes_per_device += outside->bytes;
        else
            use->host_bytes_per_device += outside->bytes;
    }
}

bool memory_fits(const struct memory_use *use) {
    return use->per_device_bytes <= use->capacity_bytes &&
           use->host_bytes_per_device <= use->host_capacity_bytes &&
           use->store_bytes_per_device <= use->store_capacity_bytes;
}

void memory_outside(const struct memory_parts *parts, const struct stage_memory *stage,
                    struct outside outside[OUTSIDE_COUNT]) {
    enum offload offload = parts->layout->offload;
    const double bytes[OUTSIDE_COUNT] = {
        [OUTSIDE_ACTIVATIONS] = offload_activations(offload) ? stage->all_kept : 0,
        [OUTSIDE_WEIGHTS] = offload_weights(offload) ? stage->states.weights : 0,
        [OUTSIDE_GRADIENTS] = offload_gradients(offload) ? stage->states.gradients : 0,
        [OUTSIDE_OPTIMIZER] =
            offload_optimizer(offload) ? stage->states.optimizer + stage->states.update : 0};
    for (int i = 0; i < OUTSIDE_COUNT; i++)
        outside[i] = (struct outside){bytes[i], false};
}
