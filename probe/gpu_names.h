/* Names of accelerators by PCI identity, for machines on which no vendor library tells them. */
#ifndef CLUSTERPLAN_PROBE_GPU_NAMES_H
#define CLUSTERPLAN_PROBE_GPU_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* NULL when unknown. Names are those the vendors' own tools print. */
const char *gpu_name(uint16_t vendor, uint16_t device);

/* Memory of the part; 0 when unknown. */
double gpu_memory_bytes(uint16_t vendor, uint16_t device);

/* Whether a PCI function of this class is an accelerator: a display or 3D controller, or a processing
 * accelerator, of a vendor of such parts. Graphics of mainboards are not. */
bool gpu_is_one(uint16_t vendor, uint16_t pci_class);

#endif
