/* mem.h - allocation that does not return on failure.
 *
 * Out of memory ends the program with one clear line: everything acknowledged is durable, so a
 * restart is the recovery (docs/decisions/0002-out-of-memory.md). Sizes that come from input are
 * bounded by the caller before they reach this file. Free with free(). */
#pragma once

#include "base.h"

/* Zeroed array of count elements; never NULL, also for a count of 0. */
void *mem_new(size_t count, size_t size);

/* Resizes an array of elements; the new tail is not zeroed. */
void *mem_resize(void *old, size_t count, size_t size);

/* Likewise from before elements to count, and the new tail is zeroed. */
void *mem_extend(void *old, size_t before, size_t count, size_t size);

/* Makes room for at least need elements in *items (growing by half) and updates *cap. */
void *mem_grow(void *items, size_t *cap, size_t need, size_t size);

char *mem_strdup(const char *text);
void *mem_dup(const void *bytes, size_t size);
