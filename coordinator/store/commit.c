#include "store/commit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/commit_inner.h"

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
    size_t queued_bytes;    /* the loop's */
    struct settler settler; /* the worker's */
};

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
        settle_some(&commit->settler, &taken, &settled);
        (void)pthread_mutex_lock(&commit->lock); /* cannot fail, see above */
        if (settled.first) {
            list_move(&commit->settled, &settled);
            commit->opts.wake(commit->opts.wake_ctx);
        }
    }
    (void)pthread_mutex_unlock(&commit->lock); /* cannot fail, see above */
    return NULL;
}

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
    commit->settler.store = opts->store;
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
    settler_fini(&commit->settler);
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
            settle_some(&commit->settler, &commit->queued, &settled);
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
