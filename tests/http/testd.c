/* A server of http_server.h alone, for the tests beside this file: it echoes, holds, and tells its
 * counters. testd FOLDER GRACE_MS IDLE_MS CONNECTIONS_MAX BODY_BYTES_MAX BUFFERED_BYTES_MAX */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/certs.h"
#include "http/http_server.h"
#include "http/loop.h"
#include "mem.h"

#define HELD_MAX      5000u
#define BIG_BYTES_MAX (256u << 20)
#define TEXT_BYTES    1024

struct held;

struct testd {
    struct loop *loop;
    struct http_server *server;
    struct held *held[HELD_MAX];
    uint32_t held_count;
    uint32_t gone_count;
};

struct held {
    struct testd *testd;
    struct http_call *call;
};

static void say(struct http_call *call, const char *text)
{
    char *body = mem_strdup(text);

    http_answer(call, 200, "application/json", &body, strlen(text));
}

static void on_gone(void *ctx)
{
    struct held *held = ctx;
    struct testd *t = held->testd;
    char *nothing = NULL;
    uint32_t i = 0;

    while (t->held[i] != held)
        i++;
    t->held[i] = t->held[--t->held_count];
    t->gone_count++;
    http_answer(held->call, 0, NULL, &nothing, 0);
    free(held);
}

static void hold(struct testd *t, struct http_call *call)
{
    struct held *held = mem_new(1, sizeof(*held));

    INVARIANT(t->held_count < HELD_MAX);
    *held = (struct held){ .testd = t, .call = call };
    t->held[t->held_count++] = held;
    http_call_on_gone(call, on_gone, held);
}

static void release(struct testd *t)
{
    while (t->held_count) {
        struct held *held = t->held[--t->held_count];

        http_call_on_gone(held->call, NULL, NULL);
        say(held->call, "{\"held\":true}");
        free(held);
    }
}

static void tell_stats(struct testd *t, struct http_call *call)
{
    struct http_stats s;
    char text[TEXT_BYTES];

    http_server_stats(t->server, &s);
    (void)snprintf(text, sizeof(text),
                   "{\"requests\":%llu,\"refused_framing\":%llu,\"cut_slow\":%llu,\"cut_memory\":%"
                   "llu,\"accepted\":%llu,"
                   "\"connections\":%u,\"calls\":%u,\"sending\":%u,"
                   "\"buffered_bytes\":%llu,\"held\":%u,\"gone\":%u}",
                   (unsigned long long)s.requests, (unsigned long long)s.refused_framing,
                   (unsigned long long)s.cut_slow, (unsigned long long)s.cut_memory,
                   (unsigned long long)s.accepted, s.connections, s.calls, s.sending,
                   (unsigned long long)s.buffered_bytes, t->held_count, t->gone_count);
    say(call, text);
}

static void big(struct http_call *call)
{
    struct err err = ERR_INIT;
    uint32_t bytes = 0;
    char *body;

    INVARIANT(!parse_u32(http_call_query(call), 1, BIG_BYTES_MAX, &bytes, &err));
    body = mem_new(bytes, 1);
    memset(body, 'x', bytes);
    http_answer(call, 200, "application/octet-stream", &body, bytes);
}

static void on_request(void *ctx, struct http_call *call)
{
    struct testd *t = ctx;
    const char *path = http_call_path(call);
    char text[TEXT_BYTES];

    if (strcmp(path, "/hold") == 0) {
        hold(t, call);
    } else if (strcmp(path, "/release") == 0) {
        release(t);
        say(call, "{}");
    } else if (strcmp(path, "/stats") == 0) {
        tell_stats(t, call);
    } else if (strcmp(path, "/big") == 0) {
        big(call);
    } else {
        (void)snprintf(text, sizeof(text), "{\"path\":\"%.500s\",\"bytes\":%zu}", path,
                       http_call_body(call).len);
        say(call, text);
    }
}

static void on_hup(void *ctx)
{
    struct testd *t = ctx;
    struct err err = ERR_INIT;

    INVARIANT(!http_server_reload(t->server, &err));
}

static void on_term(void *ctx)
{
    struct testd *t = ctx;

    loop_stop(t->loop);
}

static uint32_t number(const char *text)
{
    struct err err = ERR_INIT;
    uint32_t v = 0;

    INVARIANT(!parse_u32(text, 0, UINT32_MAX, &v, &err));
    return v;
}

int main(int argc, char **argv)
{
    static struct testd t;
    struct err err = ERR_INIT;
    struct certs certs = { 0 };
    char address[HTTP_ADDRESS_BYTES] = "";
    struct http_opts opts = { .clock = clock_system(), .handler = on_request, .ctx = &t };
    struct loop_source *hup;
    struct loop_source *term;

    INVARIANT(argc == 7);
    INVARIANT(!certs_ready(
        &(struct certs_opts){ .folder = argv[1], .now_ms = clock_wall_ms(clock_system()) }, &certs,
        &err));
    INVARIANT(!loop_new(&t.loop, &err));
    opts.loop = t.loop;
    opts.chain_path = certs.chain_path;
    opts.key_path = certs.key_path;
    opts.grace_ms = number(argv[2]);
    opts.idle_ms = number(argv[3]);
    opts.connections_max = number(argv[4]);
    opts.body_bytes_max = number(argv[5]);
    opts.buffered_bytes_max = number(argv[6]);
    INVARIANT(!http_server_new(&opts, &t.server, &err));
    INVARIANT(!http_server_listen(t.server, "127.0.0.1:0", address, &err));
    hup = loop_on_signal(t.loop, SIGHUP, on_hup, &t);
    term = loop_on_signal(t.loop, SIGTERM, on_term, &t);
    (void)printf("%s\n", address);
    (void)fflush(stdout);
    loop_run(t.loop);
    http_server_free(t.server);
    loop_source_free(hup);
    loop_source_free(term);
    loop_free(t.loop);
    certs_fini(&certs);
    return 0;
}
