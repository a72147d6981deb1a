//go:build cgo && nodnnl

// A program without oneDNN.

#include "op.h"

const host_library *const host_onednn = NULL;

int host_onednn_start(void) { return 0; }

int host_isa(void) { return HOST_ISA_BASE; }

const char *host_isa_name(void) { return ""; }
