#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NORETURN static void out_of_memory(size_t bytes)
{
    (void)fprintf(stderr, "makespan: out of memory asking for %zu bytes\n", bytes);
    abort();
}

void *mem_new(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        out_of_memory(count * size);
    return p;
}

void *mem_resize(void *old, size_t count, size_t size)
{
    void *p;

    if (size && count > SIZE_MAX / size)
        out_of_memory(SIZE_MAX);
    p = realloc(old, count && size ? count * size : 1);
    if (!p)
        out_of_memory(count * size);
    return p;
}

void *mem_extend(void *old, size_t before, size_t count, size_t size)
{
    char *items = mem_resize(old, count, size);

    memset(items + before * size, 0, (count - before) * size);
    return items;
}

void *mem_grow(void *items, size_t *cap, size_t need, size_t size)
{
    size_t next = *cap;

    if (need <= *cap && items)
        return items;
    while (next < need || next < 8)
        next = next < 8 ? 8 : next + next / 2;
    *cap = next;
    return mem_resize(items, next, size);
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

void *mem_dup(const void *bytes, size_t size)
{
    void *p = mem_new(size, 1);

    if (size)
        memcpy(p, bytes, size);
    return p;
}
