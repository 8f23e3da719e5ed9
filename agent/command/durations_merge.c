#include "durations_merge.h"

#include <stdlib.h>
#include <string.h>

#include "durations.h"
#include "fs.h"
#include "mem.h"
#include "reading.h"

struct merging {
    struct durations_file **files; /* the ids are theirs */
    struct merged {
        struct duration duration;
        uint32_t order;
    } * items;
    size_t count, cap;
};

static int by_id_then_order(const void *left, const void *right)
{
    const struct merged *a = left, *b = right;
    int order = strcmp(a->duration.id, b->duration.id);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static enum err_code read_file(struct merging *m, const char *path, uint32_t order, struct err *err)
{
    struct str bytes = STR_MAX(DURATIONS_BYTES_MAX);
    struct durations durations;
    enum err_code rc = fs_read_given(path, &bytes, err);

    if (!rc && (rc = durations_parse(str_text(&bytes), bytes.len, &m->files[order], err)))
        rc = err_wrap(err, "%s", path);
    str_fini(&bytes);
    if (rc)
        return rc;
    durations = durations_of(m->files[order]);
    m->items = mem_grow(m->items, &m->cap, m->count + durations.count, sizeof(*m->items));
    for (uint32_t i = 0; i < durations.count; i++)
        m->items[m->count++] = (struct merged){ .duration = durations.items[i], .order = order };
    return ERR_NONE;
}

static enum err_code write_merged(const struct merging *m, const char *out, struct err *err)
{
    struct duration *items = mem_new(m->count, sizeof(*items));
    struct durations all = { .items = items };
    struct str text = STR_MAX(DURATIONS_BYTES_MAX);
    enum err_code rc;

    for (size_t i = 0; i < m->count; i++) {
        if (all.count && !strcmp(items[all.count - 1].id, m->items[i].duration.id))
            all.count--;
        items[all.count++] = m->items[i].duration;
    }
    rc = durations_print(&all, &text, err);
    if (!rc)
        rc = reading_write(out, str_text(&text), text.len, err);
    str_fini(&text);
    free(items);
    return rc;
}

enum err_code durations_merge(const char *out, char *const *files, int file_count, struct err *err)
{
    struct merging m = { .files = mem_new((size_t)file_count, sizeof(*m.files)) };
    enum err_code rc = ERR_NONE;

    for (int i = 0; !rc && i < file_count; i++)
        rc = read_file(&m, files[i], (uint32_t)i, err);
    if (!rc) {
        INVARIANT(m.items); /* every file was read, if none had anything in it */
        qsort(m.items, m.count, sizeof(*m.items), by_id_then_order);
        rc = write_merged(&m, out, err);
    }
    for (int i = 0; i < file_count; i++)
        durations_free(m.files[i]);
    free(m.files);
    free(m.items);
    return rc;
}
