#include "probe/gpu_names.h"

#include <stddef.h>

enum { VENDOR_NVIDIA = 0x10de, VENDOR_AMD = 0x1002, VENDOR_INTEL = 0x8086, VENDOR_HABANA = 0x1da3 };
/* PCI code and ID assignment specification: base class 03 display, 12 processing accelerators. */
enum { CLASS_VGA = 0x0300, BASE_DISPLAY = 0x03, BASE_ACCELERATOR = 0x12 };

struct part {
    uint16_t vendor, device;
    const char *name;
    double memory_bytes;
};

/* Identities: the PCI ID Repository (pci-ids.ucw.cz). Memory: the vendors' datasheets. */
static const struct part parts[] = {
    {VENDOR_NVIDIA, 0x15f8, "Tesla P100-PCIE-16GB", 16e9},
    {VENDOR_NVIDIA, 0x15f9, "Tesla P100-SXM2-16GB", 16e9},
    {VENDOR_NVIDIA, 0x1db1, "Tesla V100-SXM2-16GB", 16e9},
    {VENDOR_NVIDIA, 0x1db4, "Tesla V100-PCIE-16GB", 16e9},
    {VENDOR_NVIDIA, 0x1db5, "Tesla V100-SXM2-32GB", 32e9},
    {VENDOR_NVIDIA, 0x1db6, "Tesla V100-PCIE-32GB", 32e9},
    {VENDOR_NVIDIA, 0x1eb8, "Tesla T4", 16e9},
    {VENDOR_NVIDIA, 0x20b0, "NVIDIA A100-SXM4-40GB", 40e9},
    {VENDOR_NVIDIA, 0x20b2, "NVIDIA A100-SXM4-80GB", 80e9},
    {VENDOR_NVIDIA, 0x20b5, "NVIDIA A100 80GB PCIe", 80e9},
    {VENDOR_NVIDIA, 0x20f1, "NVIDIA A100-PCIE-40GB", 40e9},
    {VENDOR_NVIDIA, 0x2322, "NVIDIA H800 PCIe", 80e9},
    {VENDOR_NVIDIA, 0x2324, "NVIDIA H800", 80e9},
    {VENDOR_NVIDIA, 0x2330, "NVIDIA H100 80GB HBM3", 80e9},
    {VENDOR_NVIDIA, 0x2331, "NVIDIA H100 PCIe", 80e9},
    {VENDOR_NVIDIA, 0x2335, "NVIDIA H200", 141e9},
    {VENDOR_NVIDIA, 0x26b9, "NVIDIA L40S", 48e9},
    {VENDOR_NVIDIA, 0x27b8, "NVIDIA L4", 24e9},
    {VENDOR_NVIDIA, 0x2901, "NVIDIA B200", 180e9},
    {VENDOR_AMD, 0x738c, "AMD Instinct MI100", 32e9},
    {VENDOR_AMD, 0x7408, "AMD Instinct MI250X", 64e9}, /* of each of its two dies, which PCI shows apart */
    {VENDOR_AMD, 0x740c, "AMD Instinct MI250X/MI250", 64e9},
    {VENDOR_AMD, 0x740f, "AMD Instinct MI210", 64e9},
    {VENDOR_AMD, 0x74a0, "AMD Instinct MI300A", 128e9},
    {VENDOR_AMD, 0x74a1, "AMD Instinct MI300X", 192e9},
    {VENDOR_AMD, 0x74a5, "AMD Instinct MI325X", 256e9},
    {VENDOR_AMD, 0x75a0, "AMD Instinct MI350X", 288e9},
    {VENDOR_AMD, 0x75a3, "AMD Instinct MI355X", 288e9},
};

static const struct part *find(uint16_t vendor, uint16_t device) {
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].vendor == vendor && parts[i].device == device)
            return &parts[i];
    return NULL;
}

const char *gpu_name(uint16_t vendor, uint16_t device) {
    const struct part *part = find(vendor, device);
    return part != NULL ? part->name : NULL;
}

double gpu_memory_bytes(uint16_t vendor, uint16_t device) {
    const struct part *part = find(vendor, device);
    return part != NULL ? part->memory_bytes : 0;
}

bool gpu_is_one(uint16_t vendor, uint16_t pci_class) {
    int base = pci_class >> 8;
    if (base != BASE_DISPLAY && base != BASE_ACCELERATOR)
        return false;
    if (vendor == VENDOR_INTEL)
        return pci_class != CLASS_VGA; /* that is the processor's own graphics */
    return vendor == VENDOR_NVIDIA || vendor == VENDOR_AMD || vendor == VENDOR_HABANA;
}
