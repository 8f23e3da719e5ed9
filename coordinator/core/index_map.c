#include "core/index_map.h"

#include <stdlib.h>

#include "mem.h"

void index_map_init(struct index_map *map, uint32_t count)
{
    uint32_t size = 16;

    while (size / 2 < count)
        size *= 2;
    map->keys = mem_new(size, sizeof(*map->keys));
    map->values = mem_new(size, sizeof(*map->values));
    map->mask = size - 1;
}

void index_map_fini(struct index_map *map)
{
    free(map->keys);
    free(map->values);
    map->keys = NULL;
    map->values = NULL;
}

/* Where the key is, or would be. */
static uint32_t place_of(const struct index_map *map, uint32_t key)
{
    uint32_t at = (key * 2654435761u) >> 7 & map->mask;

    while (map->values[at] && map->keys[at] != key)
        at = (at + 1) & map->mask;
    return at;
}

uint32_t index_map_get(const struct index_map *map, uint32_t key)
{
    return map->values[place_of(map, key)];
}

void index_map_set(struct index_map *map, uint32_t key, uint32_t value)
{
    uint32_t at = place_of(map, key);

    INVARIANT(value != 0);
    map->keys[at] = key;
    map->values[at] = value;
}
