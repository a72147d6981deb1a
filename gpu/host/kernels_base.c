//go:build cgo && !nodnnl

#include "kernels.h"

#include <stddef.h>

#define ISA base
#define LANES 4
#include "kernels_all.h"
const struct host_kernels *const host_kernels_base = &table;
