//go:build cgo

#include "kernels.h"

#include <stddef.h>

#define ISA base
#define LANES 4
#include "kernels_all.h"
const struct kernels *const kernels_base = &table;
