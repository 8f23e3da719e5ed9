/* offload.h - work that would hold up the loop (a large body to unpack and parse) on a thread of
 * its own.
 *
 * work runs on the thread and touches nothing but what ctx owns; done runs on the loop afterwards,
 * in the order of offload_run. Functions are for the loop's thread. */
#pragma once

#include <stdbool.h>

#include "base.h"

#define OFFLOAD_QUEUE_MAX 64u

struct loop;
struct offload;

typedef void (*offload_fn)(void *ctx);

struct offload *offload_new(struct loop *loop);

/* Finishes and delivers what is queued, ends the thread. NULL is fine. */
void offload_free(struct offload *offload);

/* False when the queue is full: nothing was taken. */
MUST_USE bool offload_run(struct offload *offload, offload_fn work, offload_fn done, void *ctx);
