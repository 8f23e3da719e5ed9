#include "offload.h"

#include <pthread.h>
#include <stdlib.h>

#include "loop.h"
#include "mem.h"

struct task {
    offload_fn work, done;
    void *ctx;
};

/* A ring: [delivered, worked) is finished, [worked, taken) waits. Counters only grow. */
struct offload {
    struct task tasks[OFFLOAD_QUEUE_MAX];
    uint64_t taken, worked, delivered; /* under lock, delivered the loop's own */
    bool ending;                       /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t thread;
    struct loop_source *bell;
};

static void *run(void *arg)
{
    struct offload *o = arg;

    (void)pthread_mutex_lock(&o->lock); /* cannot fail for a mutex that is used rightly */
    for (;;) {
        struct task task;

        while (o->worked == o->taken && !o->ending)
            (void)pthread_cond_wait(&o->more, &o->lock);
        if (o->worked == o->taken)
            break;
        task = o->tasks[o->worked % OFFLOAD_QUEUE_MAX];
        (void)pthread_mutex_unlock(&o->lock);
        task.work(task.ctx);
        (void)pthread_mutex_lock(&o->lock);
        o->worked++;
        loop_ring(o->bell);
    }
    (void)pthread_mutex_unlock(&o->lock);
    return NULL;
}

static void deliver(void *arg)
{
    struct offload *o = arg;
    uint64_t worked;

    (void)pthread_mutex_lock(&o->lock);
    worked = o->worked;
    (void)pthread_mutex_unlock(&o->lock);
    while (o->delivered < worked) {
        struct task task = o->tasks[o->delivered % OFFLOAD_QUEUE_MAX];

        o->delivered++; /* done may run the next one */
        task.done(task.ctx);
    }
}

struct offload *offload_new(struct loop *loop)
{
    struct offload *o = mem_new(1, sizeof(*o));

    INVARIANT(pthread_mutex_init(&o->lock, NULL) == 0);
    INVARIANT(pthread_cond_init(&o->more, NULL) == 0);
    o->bell = loop_bell(loop, deliver, o);
    INVARIANT(pthread_create(&o->thread, NULL, run, o) == 0);
    return o;
}

void offload_free(struct offload *o)
{
    if (!o)
        return;
    (void)pthread_mutex_lock(&o->lock);
    o->ending = true;
    (void)pthread_cond_signal(&o->more);
    (void)pthread_mutex_unlock(&o->lock);
    INVARIANT(pthread_join(o->thread, NULL) == 0);
    deliver(o);
    loop_source_free(o->bell);
    (void)pthread_cond_destroy(&o->more);
    (void)pthread_mutex_destroy(&o->lock);
    free(o);
}

bool offload_run(struct offload *o, offload_fn work, offload_fn done, void *ctx)
{
    if (o->taken - o->delivered == OFFLOAD_QUEUE_MAX) /* the loop's own view is enough */
        return false;
    (void)pthread_mutex_lock(&o->lock);
    o->tasks[o->taken++ % OFFLOAD_QUEUE_MAX] =
        (struct task){ .work = work, .done = done, .ctx = ctx };
    (void)pthread_cond_signal(&o->more);
    (void)pthread_mutex_unlock(&o->lock);
    return true;
}
