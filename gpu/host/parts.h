#ifndef HOST_PARTS_H
#define HOST_PARTS_H

#include "op.h"

// host_parts is the gradient of a convolution's weights with each thread taking
// a part of the images by itself, and a sum at the end. oneDNN splits the work
// alike, but its threads wait for one another in busy loops: where another
// program takes a core for a moment, all of them stand still, and the gradient
// takes a hundred times as long.
typedef struct host_parts host_parts;

// host_parts_new returns NULL where oneDNN has no such operation. parts is at
// most the number of images.
host_parts *host_parts_new(const host_spec *spec, int parts);
void host_parts_free(host_parts *p);
size_t host_parts_work(const host_parts *p); // bytes of working memory

// dw and db (NULL without bias) are plain. Returns 0 or oneDNN's status.
int host_parts_run(host_parts *p, void *dw, void *db, void *x, void *dy, void *work);

#endif
