#include "durations.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_text.h"
#include "manifest.h"
#include "mem.h"

struct durations_file {
    struct json *doc; /* the ids are its */
    struct duration *items;
    uint32_t count;
};

static enum err_code read_one(struct durations_file *file, const char *id, const struct json *value,
                              struct err *err)
{
    double seconds = 0;

    if (id[0] == '\0' || strlen(id) > MANIFEST_ID_BYTES_MAX)
        return err_set(err, ERR_INVALID, "durations: '%.100s': an id has 1 to %u bytes", id,
                       MANIFEST_ID_BYTES_MAX);
    if (!json_number(value, &seconds))
        return err_set(err, ERR_INVALID, "durations: '%.500s': the time is not a number", id);
    if (!(seconds >= 0) || seconds > (double)DURATION_US_MAX / 1e6)
        return err_set(err, ERR_INVALID, "durations: '%.500s': %g is not a time in seconds", id,
                       seconds);
    file->items[file->count++] =
        (struct duration){ .id = id, .us = (uint64_t)llround(seconds * 1e6), .seconds = seconds };
    return ERR_NONE;
}

static enum err_code read_object(struct durations_file *file, struct err *err)
{
    struct json_member member;
    enum err_code rc = ERR_NONE;

    for (bool more = json_first(file->doc, &member); !rc && more;
         more = json_next(file->doc, &member))
        rc = read_one(file, member.key, member.value, err);
    return rc;
}

static enum err_code read_list(struct durations_file *file, struct err *err)
{
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < json_size(file->doc); i++) {
        const struct json *pair = json_at(file->doc, i);
        const char *id = NULL;

        if (json_is_array(pair) && json_size(pair) == 2)
            id = json_text(json_at(pair, 0));
        if (!id)
            rc = err_set(err, ERR_INVALID, "durations: item %zu is not a pair [id, seconds]", i);
        else
            rc = read_one(file, id, json_at(pair, 1), err);
    }
    return rc;
}

static int by_id(const void *left, const void *right)
{
    return strcmp(((const struct duration *)left)->id, ((const struct duration *)right)->id);
}

/* Stable by hand: qsort is not, and of two equal ids the last has to win. */
static void merge_sort(struct duration *items, struct duration *spare, uint32_t count)
{
    uint32_t half = count / 2;
    uint32_t a = 0;
    uint32_t b = half;

    if (count < 2)
        return;
    merge_sort(items, spare, half);
    merge_sort(items + half, spare, count - half);
    for (uint32_t i = 0; i < count; i++)
        spare[i] =
            b == count || (a < half && by_id(&items[a], &items[b]) <= 0) ? items[a++] : items[b++];
    memcpy(items, spare, count * sizeof(*items));
}

static void sort_items(struct durations_file *file)
{
    struct duration *spare = mem_new(file->count, sizeof(*spare));
    uint32_t kept = 0;

    merge_sort(file->items, spare, file->count);
    for (uint32_t i = 0; i < file->count; i++) {
        if (kept > 0 && by_id(&file->items[kept - 1], &file->items[i]) == 0)
            kept--;
        file->items[kept++] = file->items[i];
    }
    file->count = kept;
    free(spare);
}

enum err_code durations_parse(const char *bytes, size_t len, struct durations_file **out,
                              struct err *err)
{
    struct durations_file *file = mem_new(1, sizeof(*file));
    enum err_code rc;

    if (len > DURATIONS_BYTES_MAX) {
        rc = err_set(err, ERR_TOO_LARGE, "durations: %zu bytes, at most %u are read", len,
                     DURATIONS_BYTES_MAX);
        goto out;
    }
    rc = json_parse(bytes, len, &file->doc, err);
    if (rc) {
        rc = err_wrap(err, "durations");
        goto out;
    }
    if (json_size(file->doc) > DURATIONS_MAX) {
        rc = err_set(err, ERR_TOO_LARGE, "durations: %zu ids, at most %u are read",
                     json_size(file->doc), DURATIONS_MAX);
        goto out;
    }
    file->items = mem_new(json_size(file->doc), sizeof(*file->items));
    rc = json_is_object(file->doc) ? read_object(file, err) : read_list(file, err);
    if (rc)
        goto out;
    sort_items(file);
    *out = file;
    file = NULL;
out:
    durations_free(file);
    return rc;
}

struct durations durations_of(const struct durations_file *file)
{
    return (struct durations){ .items = file->items, .count = file->count };
}

void durations_free(struct durations_file *file)
{
    if (!file)
        return;
    json_free(file->doc);
    free(file->items);
    free(file);
}

/* ---- writing ---- */

/* Seconds with as many decimals as the microseconds have, and at least one. */
static enum err_code print_us(uint64_t us, struct str *out, struct err *err)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(us / 1000000),
                       (unsigned long long)(us % 1000000));

    while (text[len - 1] == '0' && text[len - 2] != '.')
        len--;
    return str_add(out, text, (size_t)len, err);
}

enum err_code durations_print(const struct durations *durations, struct str *out, struct err *err)
{
    enum err_code rc = str_addz(out, "{", err);

    for (uint32_t i = 0; !rc && i < durations->count; i++) {
        rc = str_addz(out, i > 0 ? ",\n" : "\n", err);
        if (!rc)
            rc = str_addz(out, "    ", err);
        if (!rc)
            rc = json_add_text(out, durations->items[i].id, err);
        if (!rc)
            rc = str_addz(out, ": ", err);
        if (!rc)
            rc = print_us(durations->items[i].us, out, err);
    }
    return rc ? rc : str_addz(out, durations->count > 0 ? "\n}" : "}", err);
}
