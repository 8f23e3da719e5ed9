/* GET /metrics: counts and times in the text format that Prometheus reads. */
#include <stdio.h>

#include "meter.h"
#include "resources.h"

#define METRICS_TYPE      "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_BYTES_MAX (1u << 20)

/* A failed append is remembered and the rest does nothing. */
struct page {
    struct str text;
    struct err err;
    const char *name; /* of the family at hand */
};

static void family(struct page *p, const char *name, const char *type, const char *help)
{
    p->name = name;
    if (!p->err.code)
        (void)!str_addf(&p->text, &p->err, "# HELP makespand_%s %s\n# TYPE makespand_%s %s\n", name,
                        help, name, type);
}

/* label NULL: the family has one sample. */
static void sample(struct page *p, const char *label, const char *value, uint64_t n)
{
    if (p->err.code)
        return;
    if (label)
        (void)!str_addf(&p->text, &p->err, "makespand_%s{%s=\"%s\"} %llu\n", p->name, label, value,
                        (unsigned long long)n);
    else
        (void)!str_addf(&p->text, &p->err, "makespand_%s %llu\n", p->name, (unsigned long long)n);
}

static void counter(struct page *p, const char *name, const char *help, uint64_t n)
{
    family(p, name, "counter", help);
    sample(p, NULL, NULL, n);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t n)
{
    family(p, name, "gauge", help);
    sample(p, NULL, NULL, n);
}

static void put_past(struct page *p, const struct service_counts *c)
{
    counter(p, "runs_opened_total", "Epochs of runs that were opened.", c->runs_opened);
    family(p, "runs_ended_total", "counter", "Epochs that ended, by verdict.");
    for (uint32_t v = VERDICT_GREEN; v < VERDICT_COUNT; v++)
        sample(p, "verdict", verdict_name((enum verdict)v), c->runs_ended[v]);
    counter(p, "sessions_joined_total", "Agents that joined.", c->sessions_joined);
    family(p, "sessions_ended_total", "counter", "Sessions that left, or were given up as lost.");
    sample(p, "how", "left", c->sessions_left);
    sample(p, "how", "lost", c->sessions_lost);
    counter(p, "leases_total", "Tests given to agents.", c->tests_given);
    counter(p, "leases_recalled_total", "Tests asked back from agents.", c->tests_recalled);
    counter(p, "copies_total", "Running tests given to a second agent.", c->copies_given);
    family(p, "results_total", "counter", "Results of tests that counted, by outcome.");
    for (uint32_t o = OUTCOME_PASSED; o < OUTCOME_COUNT; o++)
        sample(p, "outcome", outcome_name((enum outcome)o), c->results[o]);
    counter(p, "observations_total", "Results that did not count.", c->observations);
    counter(p, "changes_total", "Decisions that were stored.", c->changes);
}

static void put_present(struct page *p, const struct service_counts *c)
{
    family(p, "runs", "gauge", "Open runs, by state.");
    sample(p, "state", "collecting", c->runs_collecting);
    sample(p, "state", "running", c->runs_running);
    family(p, "sessions", "gauge", "Agents in open runs, by state.");
    sample(p, "state", "live", c->sessions_live);
    sample(p, "state", "draining", c->sessions_draining);
    gauge(p, "workers", "Workers of these agents.", c->workers);
    family(p, "tests", "gauge", "Tests of open runs, by where they are.");
    sample(p, "place", "free", c->tests_free);
    sample(p, "place", "leased", c->tests_leased);
    sample(p, "place", "done", c->tests_done);
    gauge(p, "requests_held", "Requests that wait for news.", c->requests_held);
    gauge(p, "commit_queued_bytes", "Decisions that are not durable yet.", c->commit_bytes);
}

static void put_server(struct page *p, const struct http_stats *http)
{
    gauge(p, "http_connections", "Open connections.", http->connections);
    counter(p, "http_connections_total", "Connections that were accepted.", http->accepted);
    family(
        p, "http_refused_total", "counter",
        "Requests that were malformed, and connections cut for being slow or for want of memory.");
    sample(p, "why", "malformed", http->refused_framing);
    sample(p, "why", "slow", http->cut_slow);
    sample(p, "why", "memory", http->cut_memory);
    gauge(p, "http_buffered_bytes", "Of requests that are arriving.", http->buffered_bytes);
}

/* The row behind the table is of requests that no route is for. */
static const char *route_name(const struct route *table, size_t count, uint32_t row)
{
    return row < count ? table[row].pattern : "none";
}

static const char *route_method(const struct route *table, size_t count, uint32_t row)
{
    return row < count ? http_method_name(table[row].method) : "any";
}

static void put_requests(struct page *p, const struct meter *meter)
{
    size_t count = 0;
    const struct route *table = routes(&count);

    family(p, "http_requests_total", "counter",
           "Requests by route and status; status 0: the client left before the answer.");
    for (uint32_t row = 0; row <= count; row++) {
        const struct meter_row *r = meter_row(meter, row);

        for (uint32_t s = 0; s < METER_STATUS_MAX && !p->err.code; s++)
            if (r->by_status[s])
                (void)!str_addf(&p->text, &p->err,
                                "makespand_http_requests_total"
                                "{method=\"%s\",route=\"%s\",status=\"%u\"} %llu\n",
                                route_method(table, count, row), route_name(table, count, row), s,
                                (unsigned long long)r->by_status[s]);
    }
}

static void put_histogram(struct page *p, const char *method, const char *route,
                          const struct meter_row *r)
{
    uint64_t below = 0;

    for (uint32_t b = 0; b <= METER_BUCKETS && !p->err.code; b++) {
        char edge[24] = "+Inf";

        below = b < METER_BUCKETS ? below + r->buckets[b] : r->count;
        if (b < METER_BUCKETS)
            (void)snprintf(edge, sizeof(edge), "%g", (double)meter_edges_us[b] / 1e6);
        (void)!str_addf(&p->text, &p->err,
                        "makespand_http_request_seconds_bucket"
                        "{method=\"%s\",route=\"%s\",le=\"%s\"} %llu\n",
                        method, route, edge, (unsigned long long)below);
    }
    if (!p->err.code)
        (void)!str_addf(
            &p->text, &p->err,
            "makespand_http_request_seconds_sum{method=\"%s\",route=\"%s\"} %llu.%06llu\n"
            "makespand_http_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
            method, route, (unsigned long long)(r->took_us / 1000000),
            (unsigned long long)(r->took_us % 1000000), method, route,
            (unsigned long long)r->count);
}

static void put_times(struct page *p, const struct meter *meter)
{
    size_t count = 0;
    const struct route *table = routes(&count);

    family(
        p, "http_request_seconds", "histogram",
        "From the whole request to its answer; pull, collected and verdict are held on purpose.");
    for (uint32_t row = 0; row <= count; row++)
        if (meter_row(meter, row)->count)
            put_histogram(p, route_method(table, count, row), route_name(table, count, row),
                          meter_row(meter, row));
}

void api_metrics(struct api_request *r)
{
    struct page page = { .text = STR_MAX(METRICS_BYTES_MAX), .err = ERR_INIT };
    struct service_counts counts;
    struct http_stats http = { 0 };
    char *text;

    if (service_counts(r->api->service, r->bearer, &counts, &page.err)) {
        api_fail(r, &page.err);
        return;
    }
    http_call_server_stats(r->call, &http);
    family(&page, "build_info", "gauge", "Which makespand this is.");
    sample(&page, "version", MAKESPAN_VERSION, 1);
    put_present(&page, &counts);
    put_past(&page, &counts);
    put_server(&page, &http);
    put_requests(&page, r->api->meter);
    put_times(&page, r->api->meter);
    if (page.err.code) {
        api_fail(r, &page.err);
        str_fini(&page.text);
        return;
    }
    text = str_take(&page.text);
    api_answer(r, METRICS_TYPE, &text);
}
