/* What is read is written, and what is written is read as the same. */
#include <string.h>

#include "durations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct durations *a, const struct durations *b)
{
    INVARIANT(a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        INVARIANT(a->items[i].us == b->items[i].us);
        INVARIANT(strcmp(a->items[i].id, b->items[i].id) == 0);
        INVARIANT(i == 0 || strcmp(a->items[i - 1].id, a->items[i].id) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct durations_file *file = NULL;
    struct durations_file *again = NULL;
    struct str text = STR_MAX(64u << 20);
    struct err err = ERR_INIT;

    if (!durations_parse((const char *)data, size, &file, &err)) {
        struct durations first = durations_of(file);
        struct durations second;

        INVARIANT(!durations_print(&first, &text, &err));
        INVARIANT(!durations_parse(text.at, text.len, &again, &err));
        second = durations_of(again);
        same(&first, &second);
    }
    durations_free(file);
    durations_free(again);
    str_fini(&text);
    return 0;
}
