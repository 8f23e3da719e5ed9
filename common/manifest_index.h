/* manifest_index.h - private to manifest*.c: text in large blocks, positions by (id, k), sorted
 * order. */
#pragma once

#include "manifest.h"

struct manifest_arena;
struct manifest_index;

/* Text that lives as long as the arena; equal neighbours (group, flags) are kept once. */
struct manifest_arena *arena_new(void);
void arena_free(struct manifest_arena *a);
const char *arena_text(struct manifest_arena *a, struct view text);

struct manifest_index *index_new(void);
void index_free(struct manifest_index *x);

/* Position of (id, k), UINT32_MAX when it is not there. */
uint32_t index_find(const struct manifest_index *x, const struct manifest_test *tests,
                    struct view id, uint32_t k);

/* How often id was added: the k of its next occurrence. */
uint32_t index_occurrences(const struct manifest_index *x, const struct manifest_test *tests,
                           struct view id);

/* Adds the test at this position, which is in tests already; positions come in order. */
void index_add(struct manifest_index *x, const struct manifest_test *tests, uint32_t position);

/* Positions in order of (id, k), the caller's array. */
uint32_t *manifest_sorted(const struct manifest *m);
