/* store/commit_settle.c - what becomes of what was queued: groups of changes in one transaction,
 * runs that are refused, jobs. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/commit_inner.h"

void list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void list_add(struct list *list, struct entry *entry)
{
    entry->next = NULL;
    *list->end = entry;
    list->end = &entry->next;
}

void list_move(struct list *to, struct list *from)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    list_init(from);
}

struct entry *list_pop(struct list *list)
{
    struct entry *entry = list->first;

    if (entry) {
        list->first = entry->next;
        if (!list->first)
            list->end = &list->first;
    }
    return entry;
}

void commit_item_free(struct commit_item *item)
{
    if (!item)
        return;
    free(item->bytes);
    free(item->project);
    free(item->suite);
    free(item->run_key);
    free(item->manifest);
    free(item);
}

void entry_free(struct entry *entry)
{
    commit_item_free(entry->item);
    free(entry->err);
    free(entry);
}

static size_t stopped_find(const struct settler *settler, const char *run)
{
    size_t i = 0;

    while (i < settler->stopped_count && strcmp(settler->stopped[i], run) != 0)
        i++;
    return i;
}

static void stopped_add(struct settler *settler, const char *run)
{
    if (stopped_find(settler, run) < settler->stopped_count)
        return;
    settler->stopped = mem_grow(settler->stopped, &settler->stopped_cap, settler->stopped_count + 1,
                                sizeof(*settler->stopped));
    memcpy(settler->stopped[settler->stopped_count++], run, ID_TEXT_BYTES);
}

static void stopped_remove(struct settler *settler, const char *run)
{
    size_t at = stopped_find(settler, run);

    if (at < settler->stopped_count)
        memmove(settler->stopped[at], settler->stopped[--settler->stopped_count], ID_TEXT_BYTES);
}

static void entry_fail(struct entry *entry, const struct err *err)
{
    entry->rc = err->code;
    entry->err = mem_dup(err, sizeof(*err));
}

static enum err_code append(struct settler *settler, struct entry *const *entries, size_t count,
                            struct err *err)
{
    struct store_change *changes = mem_new(count, sizeof(*changes));
    struct store_run *rows = mem_new(count, sizeof(*rows));
    enum err_code rc;

    for (size_t i = 0; i < count; i++) {
        const struct commit_item *item = entries[i]->item;

        changes[i] = (struct store_change){ .run = item->run,
                                            .number = item->number,
                                            .bytes = item->bytes,
                                            .len = item->len,
                                            .manifest = item->manifest,
                                            .closed_ms = item->closed_ms,
                                            .verdict = item->verdict };
        if (item->creates) {
            rows[i] = (struct store_run){ .id = item->run,
                                          .project = item->project,
                                          .suite = item->suite,
                                          .run_key = item->run_key,
                                          .epoch = item->epoch,
                                          .created_ms = item->created_ms,
                                          .manifest = "" };
            changes[i].create = &rows[i];
        }
    }
    rc = store_append(settler->store, changes, count, err);
    free(changes);
    free(rows);
    return rc;
}

/* The group has failed: each of its runs alone, so that the bad one is known. */
static void retry_by_run(struct settler *settler, struct entry *const *entries, size_t count)
{
    struct entry **mine = mem_new(count, sizeof(struct entry *));
    bool *seen = mem_new(count, sizeof(*seen));

    for (size_t first = 0; first < count; first++) {
        const char *run = entries[first]->item->run;
        struct err err = ERR_INIT;
        size_t mine_count = 0;

        if (seen[first])
            continue;
        for (size_t i = first; i < count; i++) {
            if (strcmp(entries[i]->item->run, run) == 0) {
                mine[mine_count++] = entries[i];
                seen[i] = true;
            }
        }
        if (append(settler, mine, mine_count, &err)) {
            stopped_add(settler, run);
            for (size_t i = 0; i < mine_count; i++)
                entry_fail(mine[i], &err);
        }
    }
    free(mine);
    free(seen);
}

static void refuse(struct entry *entry)
{
    struct err err = ERR_INIT;

    (void)err_set(&err, ERR_UNAVAILABLE, "run %s: an earlier change could not be stored",
                  entry->item->run);
    entry_fail(entry, &err);
}

/* Settles the changes at the head of taken, as many as go into one transaction. */
static void settle_group(struct settler *settler, struct list *taken, struct list *settled)
{
    struct entry **group = mem_new(COMMIT_GROUP_ITEMS_MAX, sizeof(struct entry *));
    size_t count = 0;
    size_t bytes = 0;
    struct err err = ERR_INIT;

    while (taken->first && taken->first->kind == ENTRY_CHANGE && count < COMMIT_GROUP_ITEMS_MAX &&
           (count == 0 || taken->first->bytes <= COMMIT_GROUP_BYTES_MAX - bytes)) {
        struct entry *entry = list_pop(taken);

        list_add(settled, entry);
        if (stopped_find(settler, entry->item->run) < settler->stopped_count) {
            refuse(entry);
            continue;
        }
        group[count++] = entry;
        bytes += entry->bytes < COMMIT_GROUP_BYTES_MAX - bytes ? entry->bytes
                                                               : COMMIT_GROUP_BYTES_MAX - bytes;
    }
    if (count > 0 && append(settler, group, count, &err))
        retry_by_run(settler, group, count);
    free(group);
}

void settle_some(struct settler *settler, struct list *taken, struct list *settled)
{
    struct entry *entry = taken->first;
    struct err err = ERR_INIT;

    switch (entry->kind) {
    case ENTRY_CHANGE:
        settle_group(settler, taken, settled);
        return;
    case ENTRY_RESUME:
        stopped_remove(settler, entry->run);
        entry_free(list_pop(taken));
        return;
    case ENTRY_JOB:
        if (entry->job.work(entry->job.ctx, settler->store, &err))
            entry_fail(entry, &err);
        list_add(settled, list_pop(taken));
        return;
    }
    UNREACHABLE("enum entry_kind");
}

void settler_fini(struct settler *settler)
{
    free(settler->stopped);
}
