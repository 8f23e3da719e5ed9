/* index_map.h - from positions (of tests, of sessions) to a number, for the length of one decision.
 */
#pragma once

#include "base.h"

struct index_map {
    uint32_t *keys, *values; /* value 0: the place is free */
    uint32_t mask;
};

/* Room for at most count keys. */
void index_map_init(struct index_map *map, uint32_t count);
void index_map_fini(struct index_map *map);

/* The value of a key, 0 when it was never set; a value that is set must not be 0. */
uint32_t index_map_get(const struct index_map *map, uint32_t key);
void index_map_set(struct index_map *map, uint32_t key, uint32_t value);
