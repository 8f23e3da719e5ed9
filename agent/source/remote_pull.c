/* Getting orders. One pull is held by the coordinator nearly all the time; when this machine's need
 * changes, a newer one supersedes it. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/habits.h"
#include "remote_inner.h"

#define DRY_MS_MAX 3600000u /* further ahead nothing is planned */

static void send_pull(struct remote *r);

static uint32_t pulls_under_way(const struct remote *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < REMOTE_PULLS; i++)
        n += r->pulls[i].call != NULL;
    return n;
}

bool remote_pull_held(const struct remote *r)
{
    return pulls_under_way(r) > 0;
}

void remote_pull_stop(struct remote *r)
{
    for (uint32_t i = 0; i < REMOTE_PULLS; i++) {
        if (r->pulls[i].call)
            client_cancel(r->pulls[i].call);
        r->pulls[i].call = NULL;
    }
    (void)event_del(r->pull_timer);
    (void)event_del(r->dry_timer);
}

void remote_pull_start(struct remote *r)
{
    remote_arm(r->pull_timer, 0);
}

static uint64_t lead_us(const struct remote *r)
{
    return r->lead_us ? r->lead_us : REMOTE_LEAD_US;
}

static uint64_t dry_us(const struct remote *r)
{
    uint64_t now_us = clock_mono_us(r->opts.clock);

    return r->dry_at_us > now_us ? r->dry_at_us - now_us : 0;
}

/* What is left lasts no longer than it takes to get more. */
static bool is_dry(const struct remote *r)
{
    return dry_us(r) <= HABIT_LEADS_AHEAD * lead_us(r);
}

void remote_on_dry_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct remote *r = ctx;

    (void)fd;
    (void)what;
    if (r->state == REMOTE_RUNNING && !r->gone.code && r->pull_tries == 0 && !r->asked_dry &&
        !evtimer_pending(r->pull_timer, NULL))
        send_pull(r);
}

void remote_took(struct remote *r, uint64_t took_us)
{
    r->lead_us = r->lead_us ? (3 * r->lead_us + took_us) / 4 : took_us;
}

void remote_on_pull_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct remote *r = ctx;

    (void)fd;
    (void)what;
    if (r->state == REMOTE_RUNNING && !r->gone.code)
        send_pull(r);
}

/* ---- what runs ---- */

void remote_started(struct source *s, const char *id, uint32_t k)
{
    struct remote *r = (struct remote *)s;
    uint32_t position =
        r->manifest ? manifest_find(r->manifest, id, remote_run_k(r, id, k)) : UINT32_MAX;

    if (position == UINT32_MAX || r->running_count >= PROTO_WORKERS_MAX)
        return;
    for (uint32_t i = 0; i < r->running_count; i++)
        if (r->running[i] == position) /* once more, its last try did not count */
            return;
    r->running = mem_grow(r->running, &r->running_cap, r->running_count + 1u, sizeof(*r->running));
    r->running[r->running_count++] = position;
    remote_results_running(r);
}

struct test_ref *remote_running(const struct remote *r)
{
    struct test_ref *running = mem_new(r->running_count, sizeof(*running));

    for (uint32_t i = 0; i < r->running_count; i++) {
        const struct manifest_test *t = &r->manifest->tests[r->running[i]];

        running[i].id = (char *)(uintptr_t)t->id; /* only read */
        running[i].k = t->k;
    }
    return running;
}

void remote_not_running(struct remote *r, const struct test_ref *ref)
{
    uint32_t position = r->manifest ? manifest_find(r->manifest, ref->id, ref->k) : UINT32_MAX;

    for (uint32_t i = 0; i < r->running_count; i++) {
        if (r->running[i] == position) {
            r->running[i] = r->running[--r->running_count];
            return;
        }
    }
}

/* ---- orders ---- */

/* What comes while this machine is going away goes back at once. */
static void give_back(struct remote *r, const struct order *order)
{
    struct test_ref *refs = mem_new(order->test_count, sizeof(*refs));

    for (uint32_t i = 0; i < order->test_count; i++)
        refs[i] = order->tests[i].ref;
    remote_release(&r->source, refs, order->test_count);
    free(refs);
}

static void obey(struct remote *r, const struct order *order)
{
    const struct source_events *events = r->source.events;
    void *ctx = r->source.ctx;

    switch (order->kind) {
    case ORDER_SHARD:
        r->held += order->test_count;
        if (order->scope_count && events->scoped)
            events->scoped(ctx, order->scopes, order->scope_count);
        if (order->found_count)
            events->found(ctx, order->found, order->found_count);
        if (r->draining || r->want_leave)
            give_back(r, order);
        else
            events->granted(ctx, order->fence, order->tests, order->test_count);
        break;
    case ORDER_RECALL:
        events->recalled(ctx, order->tests, order->test_count);
        break;
    case ORDER_ABANDON:
        events->abandoned(ctx, order->tests, order->test_count);
        break;
    case ORDER_CANCEL:
        events->cancelled(ctx, order->text ? order->text : "the run was cancelled");
        break;
    case ORDER_END:
        r->state = REMOTE_ENDED;
        remote_pull_stop(r);
        events->ended(ctx, order->text ? order->text : "");
        break;
    }
}

/* Orders come again until they are acknowledged, so what was seen is passed over. An event may end
 * our part in the run. */
static void obey_all(struct remote *r, const struct pull_answer *answer)
{
    for (uint32_t i = 0; i < answer->order_count && r->state == REMOTE_RUNNING; i++) {
        if (answer->orders[i].number <= r->order_seen)
            continue;
        r->order_seen = answer->orders[i].number;
        for (uint32_t k = 0; k < answer->orders[i].test_count; k++)
            remote_own_k(r, &answer->orders[i].tests[k].ref);
        obey(r, &answer->orders[i]);
    }
}

/* ---- pulls ---- */

static void on_pull_failed(struct remote *r, uint32_t asked_ms, const struct err *err)
{
    struct client_trouble trouble = { .tries = ++r->pull_tries, .asked_ms = asked_ms };
    uint32_t wait_ms = 0;

    if (err->code == ERR_SESSION_GONE)
        remote_gone(r, err);
    else if (!client_pause(r->client, err, trouble, &wait_ms))
        remote_fail(r, err);
    else if (pulls_under_way(r) == 0)
        remote_arm(r->pull_timer, wait_ms);
}

static void on_pull(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote_pull *pull = ctx;
    struct remote *r = pull->remote;
    struct pull_answer orders = { 0 };
    struct err err = *why;
    bool quick = clock_mono_ms(r->opts.clock) - pull->sent_ms < REMOTE_PULL_GAP_MS;

    pull->call = NULL;
    if (r->state != REMOTE_RUNNING)
        return;
    if (!err.code)
        err.code = pull_answer_decode(answer->body.at, answer->body.len, &orders, &err);
    if (err.code) {
        on_pull_failed(r, answer->retry_after_ms, &err);
        return;
    }
    r->pull_tries = 0;
    r->beat_ms = orders.beat_ms;
    if (orders.speed_ppm && r->source.events->paced)
        r->source.events->paced(r->source.ctx, orders.speed_ppm);
    obey_all(r, &orders);
    if (r->state == REMOTE_RUNNING && (orders.order_count || pulls_under_way(r) == 0))
        remote_arm(r->pull_timer, orders.order_count || !quick ? 0 : REMOTE_PULL_GAP_MS);
    pull_answer_fini(&orders);
}

/* A place for the next pull: a free one, else that of the older one, which is of no use any more.
 */
static struct remote_pull *place(struct remote *r)
{
    struct remote_pull *oldest = &r->pulls[0];

    for (uint32_t i = 0; i < REMOTE_PULLS; i++) {
        if (!r->pulls[i].call)
            return &r->pulls[i];
        if (r->pulls[i].sent_ms < oldest->sent_ms)
            oldest = &r->pulls[i];
    }
    client_cancel(oldest->call);
    oldest->call = NULL;
    return oldest;
}

static void send_pull(struct remote *r)
{
    struct remote_pull *pull = place(r);
    struct test_ref *running = remote_running(r);
    struct pull_request request = { .session = r->session,
                                    .request = ++r->request,
                                    .order_seen = r->order_seen,
                                    .free_workers = r->free_workers,
                                    .backlog_us = r->backlog_us,
                                    .dry_us = dry_us(r) + 1,
                                    .lead_us = r->lead_us,
                                    .wait_ms = PROTO_WAIT_MS_MAX,
                                    .running = running,
                                    .running_count = r->running_count };

    if (r->draining)
        request.free_workers = 0; /* whatever it is good for: it goes away */
    r->asked_free = r->free_workers;
    r->asked_backlog_us = r->backlog_us;
    r->asked_dry = is_dry(r);
    pull->sent_ms = clock_mono_ms(r->opts.clock);
    r->pulled_ms = pull->sent_ms;
    remote_sent(r);
    pull->call =
        client_post(r->client, CLIENT_TRY, "pull", pull_request_encode(&request),
                    PROTO_WAIT_MS_MAX + REMOTE_SLACK_MS, (struct client_reply){ on_pull, pull });
    free(running);
}

/* So long until the next pull may go out. */
static uint32_t gap_ms(const struct remote *r)
{
    uint64_t gone_ms = clock_mono_ms(r->opts.clock) - r->pulled_ms;

    return gone_ms < REMOTE_PULL_GAP_MS ? (uint32_t)(REMOTE_PULL_GAP_MS - gone_ms) : 0;
}

/* The coordinator should know at once when a worker falls idle, and when half of what was told is
 * done: predictions may be off by any factor. So a backlog of a minute costs about ten pulls. */
static bool need_changed(const struct remote *r)
{
    return r->free_workers > r->asked_free ||
           (r->asked_backlog_us > 0 && r->backlog_us <= r->asked_backlog_us / 2);
}

/* When the predictions hold, more is asked for a little before a worker needs it. */
static void watch_dry(struct remote *r, uint64_t dry_in_us)
{
    uint64_t ahead_us = HABIT_LEADS_AHEAD * lead_us(r);
    uint64_t wait_ms = dry_in_us > ahead_us ? (dry_in_us - ahead_us) / 1000 : 0;

    if (wait_ms > 0)
        r->asked_dry = false;
    if (r->asked_dry)
        return;
    if (wait_ms < gap_ms(r))
        wait_ms = gap_ms(r);
    remote_arm(r->dry_timer, wait_ms < DRY_MS_MAX ? (uint32_t)wait_ms : DRY_MS_MAX);
}

void remote_idle(struct source *s, uint32_t free_workers, struct need need)
{
    struct remote *r = (struct remote *)s;

    r->free_workers = free_workers;
    r->backlog_us = need.backlog_us;
    r->dry_at_us = clock_mono_us(r->opts.clock) + need.dry_us;
    if (r->state != REMOTE_RUNNING || r->gone.code || r->pull_tries > 0)
        return;
    if (!r->draining && need_changed(r) && !evtimer_pending(r->pull_timer, NULL))
        remote_arm(r->pull_timer, gap_ms(r));
    if (!r->draining)
        watch_dry(r, need.dry_us);
    /* Nothing runs here: what was measured last must not wait for company. */
    if (free_workers >= r->opts.workers)
        remote_results_now(r);
}
