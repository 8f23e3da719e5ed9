/* bucket.h - indices queued by size, largest first, first come first served among near equals.
 *
 * An array of lists, one for each sixteenth of a power of two, with a bitmap of those in use: every
 * change is O(1), and walking from the largest down costs nothing but the walk. */
#pragma once

#include <stdbool.h>

#include "base.h"

#define BUCKET_COUNT 1024u
#define BUCKET_NONE  UINT32_MAX

/* One for each index that may be queued; an index is in one queue at a time. */
struct bucket_link {
    uint32_t prev, next;
    uint16_t bucket;
};

struct bucket_queue {
    uint32_t head[BUCKET_COUNT], tail[BUCKET_COUNT];
    uint64_t used[BUCKET_COUNT / 64];
};

void bucket_init(struct bucket_queue *q);

/* The bucket of a size: sizes in one bucket differ by less than 1/16. */
uint16_t bucket_of(uint64_t size_us);

void bucket_add(struct bucket_queue *q, struct bucket_link *links, uint32_t i, uint64_t size_us);
void bucket_remove(struct bucket_queue *q, struct bucket_link *links, uint32_t i);

/* The largest, the largest in a lower bucket, and the one after i; BUCKET_NONE at the end. */
uint32_t bucket_first(const struct bucket_queue *q);
uint32_t bucket_below(const struct bucket_queue *q, uint32_t bucket);
uint32_t bucket_next(const struct bucket_queue *q, const struct bucket_link *links, uint32_t i);
