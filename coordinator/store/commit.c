#include "store/commit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* Everything travels through one list, so that changes, resumes and jobs keep their order. */
enum entry_kind { ENTRY_CHANGE, ENTRY_RESUME, ENTRY_JOB };

struct entry {
    struct entry *next;
    enum entry_kind kind;
    struct commit_item *item; /* ENTRY_CHANGE */
    char run[ID_TEXT_BYTES];  /* ENTRY_RESUME */
    struct commit_job job;    /* ENTRY_JOB */
    size_t bytes;             /* what it counts for in queued_bytes */
    enum err_code rc;         /* set by the worker */
    struct err *err;          /* owned; NULL while rc is ERR_NONE */
};

struct list {
    struct entry *first;
    struct entry **end; /* where the next one goes */
};

struct commit {
    struct commit_opts opts;
    pthread_t thread;
    pthread_mutex_t lock; /* over the two lists, busy and stopping */
    pthread_cond_t work;  /* something was queued, or stopping */
    pthread_cond_t idle;  /* the worker has settled all that it took */
    struct list queued;
    struct list settled;
    bool busy; /* the worker holds entries that are in neither list */
    bool stopping;
    size_t queued_bytes;            /* the loop's */
    char (*stopped)[ID_TEXT_BYTES]; /* the worker's: runs whose changes are refused */
    size_t stopped_count, stopped_cap;
};

static void list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct list *list, struct entry *entry)
{
    entry->next = NULL;
    *list->end = entry;
    list->end = &entry->next;
}

/* Moves all of from behind to; from is empty afterwards. */
static void list_move(struct list *to, struct list *from)
{
    if (!from->first)
        return;
    *to->end = from->first;
    to->end = from->end;
    list_init(from);
}

static struct entry *list_pop(struct list *list)
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

static void entry_free(struct entry *entry)
{
    commit_item_free(entry->item);
    free(entry->err);
    free(entry);
}

/* ---- the worker: on the commit thread, or inside commit_poll ---- */

static size_t stopped_find(const struct commit *commit, const char *run)
{
    size_t i = 0;

    while (i < commit->stopped_count && strcmp(commit->stopped[i], run) != 0)
        i++;
    return i;
}

static void stopped_add(struct commit *commit, const char *run)
{
    if (stopped_find(commit, run) < commit->stopped_count)
        return;
    commit->stopped = mem_grow(commit->stopped, &commit->stopped_cap, commit->stopped_count + 1,
                               sizeof(*commit->stopped));
    memcpy(commit->stopped[commit->stopped_count++], run, ID_TEXT_BYTES);
}

static void stopped_remove(struct commit *commit, const char *run)
{
    size_t at = stopped_find(commit, run);

    if (at < commit->stopped_count)
        memmove(commit->stopped[at], commit->stopped[--commit->stopped_count], ID_TEXT_BYTES);
}

static void entry_fail(struct entry *entry, const struct err *err)
{
    entry->rc = err->code;
    entry->err = mem_dup(err, sizeof(*err));
}

static enum err_code append(struct commit *commit, struct entry *const *entries, size_t count,
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
    rc = store_append(commit->opts.store, changes, count, err);
    free(changes);
    free(rows);
    return rc;
}

/* The group has failed: each of its runs alone, so that the bad one is known. */
static void retry_by_run(struct commit *commit, struct entry *const *entries, size_t count)
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
        if (append(commit, mine, mine_count, &err)) {
            stopped_add(commit, run);
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
static void settle_group(struct commit *commit, struct list *taken, struct list *settled)
{
    struct entry **group = mem_new(COMMIT_GROUP_ITEMS_MAX, sizeof(struct entry *));
    size_t count = 0;
    size_t bytes = 0;
    struct err err = ERR_INIT;

    while (taken->first && taken->first->kind == ENTRY_CHANGE && count < COMMIT_GROUP_ITEMS_MAX &&
           (count == 0 || taken->first->bytes <= COMMIT_GROUP_BYTES_MAX - bytes)) {
        struct entry *entry = list_pop(taken);

        list_add(settled, entry);
        if (stopped_find(commit, entry->item->run) < commit->stopped_count) {
            refuse(entry);
            continue;
        }
        group[count++] = entry;
        bytes += entry->bytes < COMMIT_GROUP_BYTES_MAX - bytes ? entry->bytes
                                                               : COMMIT_GROUP_BYTES_MAX - bytes;
    }
    if (count > 0 && append(commit, group, count, &err))
        retry_by_run(commit, group, count);
    free(group);
}

/* One step: a group of changes, a resume, or a job. */
static void settle_some(struct commit *commit, struct list *taken, struct list *settled)
{
    struct entry *entry = taken->first;
    struct err err = ERR_INIT;

    switch (entry->kind) {
    case ENTRY_CHANGE:
        settle_group(commit, taken, settled);
        return;
    case ENTRY_RESUME:
        stopped_remove(commit, entry->run);
        entry_free(list_pop(taken));
        return;
    case ENTRY_JOB:
        if (entry->job.work(entry->job.ctx, commit->opts.store, &err))
            entry_fail(entry, &err);
        list_add(settled, list_pop(taken));
        return;
    }
    UNREACHABLE("enum entry_kind");
}

static void *worker(void *arg)
{
    struct commit *commit = arg;
    struct list taken;

    list_init(&taken);
    (void)pthread_mutex_lock(&commit->lock); /* cannot fail for a mutex that is used rightly */
    for (;;) {
        struct list settled;

        list_init(&settled);
        list_move(&taken, &commit->queued);
        if (!taken.first) {
            commit->busy = false;
            (void)pthread_cond_broadcast(&commit->idle); /* cannot fail */
            if (commit->stopping)
                break;
            (void)pthread_cond_wait(&commit->work, &commit->lock); /* cannot fail, see above */
            continue;
        }
        commit->busy = true;
        (void)pthread_mutex_unlock(&commit->lock); /* cannot fail, see above */
        settle_some(commit, &taken, &settled);
        (void)pthread_mutex_lock(&commit->lock); /* cannot fail, see above */
        if (settled.first) {
            list_move(&commit->settled, &settled);
            commit->opts.wake(commit->opts.wake_ctx);
        }
    }
    (void)pthread_mutex_unlock(&commit->lock); /* cannot fail, see above */
    return NULL;
}

/* ---- the loop's side ---- */

/* Signals are the loop's business. */
static void start_thread(struct commit *commit)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all); /* cannot fail */
    INVARIANT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    INVARIANT(pthread_create(&commit->thread, NULL, worker, commit) == 0);
    INVARIANT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct commit *commit_new(const struct commit_opts *opts)
{
    struct commit *commit = mem_new(1, sizeof(*commit));

    commit->opts = *opts;
    list_init(&commit->queued);
    list_init(&commit->settled);
    INVARIANT(pthread_mutex_init(&commit->lock, NULL) == 0);
    INVARIANT(pthread_cond_init(&commit->work, NULL) == 0);
    INVARIANT(pthread_cond_init(&commit->idle, NULL) == 0);
    if (opts->mode == COMMIT_THREAD)
        start_thread(commit);
    return commit;
}

void commit_free(struct commit *commit)
{
    if (!commit)
        return;
    commit_flush(commit);
    if (commit->opts.mode == COMMIT_THREAD) {
        (void)pthread_mutex_lock(&commit->lock); /* cannot fail for a mutex that is used rightly */
        commit->stopping = true;
        (void)pthread_cond_signal(&commit->work);  /* cannot fail */
        (void)pthread_mutex_unlock(&commit->lock); /* as above */
        INVARIANT(pthread_join(commit->thread, NULL) == 0);
    }
    (void)pthread_cond_destroy(&commit->idle); /* nobody waits any more */
    (void)pthread_cond_destroy(&commit->work);
    (void)pthread_mutex_destroy(&commit->lock);
    free(commit->stopped);
    free(commit);
}

static void enqueue(struct commit *commit, struct entry *entry)
{
    commit->queued_bytes += entry->bytes;
    (void)pthread_mutex_lock(&commit->lock); /* cannot fail for a mutex that is used rightly */
    list_add(&commit->queued, entry);
    (void)pthread_cond_signal(&commit->work);  /* cannot fail */
    (void)pthread_mutex_unlock(&commit->lock); /* as above */
    if (commit->opts.mode == COMMIT_INLINE)
        commit->opts.wake(commit->opts.wake_ctx);
}

void commit_take(struct commit *commit, struct commit_item **take_item)
{
    struct entry *entry = mem_new(1, sizeof(*entry));

    entry->kind = ENTRY_CHANGE;
    entry->item = *take_item;
    entry->bytes = sizeof(*entry) + sizeof(*entry->item) + entry->item->len;
    *take_item = NULL;
    enqueue(commit, entry);
}

void commit_resume(struct commit *commit, const char *run)
{
    struct entry *entry = mem_new(1, sizeof(*entry));
    size_t len = strlen(run);

    INVARIANT(len < sizeof(entry->run));
    entry->kind = ENTRY_RESUME;
    memcpy(entry->run, run, len + 1);
    enqueue(commit, entry);
}

void commit_do(struct commit *commit, const struct commit_job *job)
{
    struct entry *entry = mem_new(1, sizeof(*entry));

    entry->kind = ENTRY_JOB;
    entry->job = *job;
    entry->bytes = sizeof(*entry);
    enqueue(commit, entry);
}

static void deliver(struct entry *entry)
{
    const struct commit_item *item = entry->item;
    struct err none = ERR_INIT;
    const struct err *err = entry->err ? entry->err : &none;

    if (entry->kind == ENTRY_CHANGE && item->done)
        item->done(item->ctx, item->run, item->number, entry->rc, err);
    else if (entry->kind == ENTRY_JOB && entry->job.done)
        entry->job.done(entry->job.ctx, entry->rc, err);
}

size_t commit_poll(struct commit *commit)
{
    struct list settled;
    struct entry *entry;
    size_t count = 0;

    list_init(&settled);
    (void)pthread_mutex_lock(&commit->lock); /* cannot fail for a mutex that is used rightly */
    list_move(&settled, &commit->settled);
    if (commit->opts.mode == COMMIT_INLINE)
        while (commit->queued.first)
            settle_some(commit, &commit->queued, &settled);
    (void)pthread_mutex_unlock(&commit->lock); /* as above */
    while ((entry = list_pop(&settled))) {
        commit->queued_bytes -= entry->bytes;
        deliver(entry);
        entry_free(entry);
        count++;
    }
    return count;
}

void commit_flush(struct commit *commit)
{
    do {
        (void)pthread_mutex_lock(&commit->lock); /* cannot fail for a mutex that is used rightly */
        while (commit->opts.mode == COMMIT_THREAD && (commit->busy || commit->queued.first))
            (void)pthread_cond_wait(&commit->idle, &commit->lock); /* cannot fail, see above */
        (void)pthread_mutex_unlock(&commit->lock);                 /* as above */
    } while (commit_poll(commit) > 0);
}

size_t commit_queued_bytes(const struct commit *commit)
{
    return commit->queued_bytes;
}
