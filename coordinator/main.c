/* makespand: wires the coordinator's layers together and serves. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "clock.h"
#include "command.h"
#include "folder.h"
#include "fs.h"
#include "greeting.h"
#include "http/access.h"
#include "http/certs.h"
#include "http/http_server.h"
#include "http/loop.h"
#include "machine.h"
#include "notify.h"
#include "options.h"
#include "service/service.h"
#include "storage.h"
#include "tokens.h"

#define CERTS_CHECK_MS  (6u * 3600u * 1000u)
#define DAY_MS          86400000ull
#define DRAIN_CHECK_MS  20u
#define DRAIN_MS_MAX    10000u
#define HOST_NAME_BYTES 254

struct makespand {
    const struct clock *clock;
    const struct options *options;
    struct certs certs;
    struct loop *loop;
    struct http_server *http;
    struct access_log *access; /* NULL: none */
    struct loop_source *signals[3], *certs_timer, *drain_timer, *tick, *settled;
    struct store *store;
    struct service *service;
    struct api *api;
    char address[HTTP_ADDRESS_BYTES]; /* the first one bound */
    char token[TOKEN_TEXT_BYTES];     /* the first one, made by this start; else "" */
    uint64_t drain_since_ms;          /* 0: serving */
    bool has_agent;                   /* its program can be handed out */
    int lock_fd;
};

/* ---- certificates ---- */

static enum err_code certs_check(struct makespand *m, struct err *err)
{
    struct certs_opts opts = { .folder = m->options->data,
                               .names = m->options->names.items,
                               .name_count = m->options->names.count,
                               .now_ms = clock_wall_ms(m->clock) };
    struct certs certs = { 0 };
    enum err_code rc = certs_ready(&opts, &certs, err);

    if (rc)
        return rc;
    certs_fini(&m->certs);
    m->certs = certs;
    if (certs.expires_ms < opts.now_ms + CERTS_RENEW_DAYS * DAY_MS)
        log_warn("certificate_expires_soon file=%s", certs.chain_path); /* the operator's own */
    return ERR_NONE;
}

static void reload(struct makespand *m)
{
    struct err err = ERR_INIT;

    if (http_server_reload(m->http, &err))
        log_error("certificate_reload_failed why=\"%s\"", err.text);
    else
        log_info("certificate_loaded pin=%s", m->certs.pin);
}

static void on_certs_timer(void *ctx)
{
    struct makespand *m = ctx;
    struct err err = ERR_INIT;

    if (certs_check(m, &err))
        log_error("certificate_check_failed why=\"%s\"", err.text);
    else if (m->certs.made)
        reload(m);
}

static void on_hup(void *ctx)
{
    struct makespand *m = ctx;
    struct err err = ERR_INIT;

    if (certs_check(m, &err))
        log_error("certificate_check_failed why=\"%s\"", err.text);
    else
        reload(m);
    if (m->access && access_reopen(m->access, &err))
        log_error("access_log_not_reopened why=\"%s\"", err.text);
}

/* ---- stopping ---- */

static void on_drain_timer(void *ctx)
{
    struct makespand *m = ctx;
    struct http_stats stats;

    http_server_stats(m->http, &stats);
    if ((stats.calls == 0 && stats.sending == 0) ||
        clock_mono_ms(m->clock) - m->drain_since_ms > DRAIN_MS_MAX)
        loop_stop(m->loop);
}

static void on_term(void *ctx)
{
    struct makespand *m = ctx;

    if (m->drain_since_ms) {
        log_warn("stopping_at_once");
        loop_stop(m->loop);
        return;
    }
    log_info("stopping");
    notify(NOTIFY_STOPPING);
    m->drain_since_ms = clock_mono_ms(m->clock);
    api_set_ready(m->api, false);
    http_server_stop(m->http);
    service_release_held(m->service);
    m->drain_timer = loop_every(m->loop, DRAIN_CHECK_MS, on_drain_timer, m);
}

/* ---- starting ---- */

static void on_settled(void *ctx)
{
    struct makespand *m = ctx;

    service_poll(m->service);
}

/* From any thread. */
static void wake(void *ctx)
{
    struct makespand *m = ctx;

    loop_ring(m->settled);
}

static void on_tick(void *ctx)
{
    struct makespand *m = ctx;

    loop_arm(m->tick, service_tick(m->service));
}

static enum err_code runs_start(struct makespand *m, struct err *err)
{
    struct service_opts opts = { .clock = m->clock,
                                 .keep_ms = m->options->keep_days * DAY_MS,
                                 .commit_mode = COMMIT_THREAD,
                                 .wake = wake,
                                 .wake_ctx = m };
    enum err_code rc = storage_open(m->options->store, m->options->data, &m->store, err);

    if (rc)
        return rc;
    m->settled = loop_bell(m->loop, on_settled, m);
    m->tick = loop_timer(m->loop, on_tick, m);
    opts.store = m->store;
    m->service = service_new(&opts);
    rc = service_start(m->service, err);
    if (!rc)
        on_tick(m);
    return rc;
}

static enum err_code listen_all(struct makespand *m, struct err *err)
{
    static const char *const fallback[] = { OPTIONS_LISTEN_DEFAULT };
    const struct cfg_list *asked = &m->options->listen;
    const char *const *items = asked->count ? asked->items : fallback;
    size_t count = asked->count ? asked->count : ARRAY_LEN(fallback);
    char address[HTTP_ADDRESS_BYTES];
    enum err_code rc = ERR_NONE;

    for (size_t i = 0; !rc && i < count; i++) {
        rc = http_server_listen(m->http, items[i], i ? address : m->address, err);
        if (!rc)
            log_info("listening address=%s", i ? address : m->address);
    }
    return rc;
}

static void on_seen(void *ctx, const struct http_seen *seen)
{
    struct makespand *m = ctx;

    api_seen(m->api, seen);
    if (m->access)
        access_note(m->access, seen);
}

static enum err_code network_start(struct makespand *m, struct err *err)
{
    struct str agent = STR_MAX(PATH_BYTES_MAX);
    struct api_opts api = { .service = m->service, .loop = m->loop };
    struct http_opts http = { .loop = m->loop,
                              .clock = m->clock,
                              .chain_path = m->certs.chain_path,
                              .key_path = m->certs.key_path,
                              .body_bytes_max = PROTO_BODY_BYTES_MAX,
                              .handler = api_handle,
                              .seen = on_seen,
                              .seen_ctx = m };
    enum err_code rc = machine_agent_path(m->options->agent_dir, &agent, &m->has_agent, err);

    if (!rc) {
        api.agent_path = str_text(&agent);
        m->api = api_new(&api);
        http.ctx = m->api;
        http.connections_max =
            machine_connections_max(m->options->connections_max, HTTP_CONNECTIONS_MAX);
        rc = http_server_new(&http, &m->http, err);
    }
    str_fini(&agent);
    if (!rc)
        rc = listen_all(m, err);
    if (rc)
        return rc;
    api_set_ready(m->api, true);
    m->signals[0] = loop_on_signal(m->loop, SIGTERM, on_term, m);
    m->signals[1] = loop_on_signal(m->loop, SIGINT, on_term, m);
    m->signals[2] = loop_on_signal(m->loop, SIGHUP, on_hup, m);
    m->certs_timer = loop_every(m->loop, CERTS_CHECK_MS, on_certs_timer, m);
    return ERR_NONE;
}

/* A token that nobody has seen must not be the only one. */
static enum err_code show(struct makespand *m, const struct str *text, struct err *err)
{
    struct err kept = ERR_INIT;

    if (fs_write_all(STDOUT_FILENO, str_text(text), text->len, err) == ERR_NONE)
        return ERR_NONE;
    if (!*m->token)
        return err_wrap(err, "standard output");
    if (tokens_take_back(m->store, m->token, &kept))
        return err_wrap(err, "the first token could not be shown, and is kept nevertheless (revoke "
                             "it, then 'makespand token create'): standard output");
    return err_wrap(err, "the first token could not be shown, so it was not kept: start again with "
                         "standard output open: standard output");
}

static enum err_code greet(struct makespand *m, struct err *err)
{
    char machine[HOST_NAME_BYTES] = "localhost";
    struct greeting g = { .address = m->address,
                          .first_name = m->options->names.count ? m->options->names.items[0] : NULL,
                          .machine = machine,
                          .pin = m->certs.pin,
                          .own_certificate = !m->certs.ours,
                          .folder = m->options->data,
                          .token = *m->token ? m->token : NULL,
                          .has_agent = m->has_agent };
    struct str text = STR_MAX(GREETING_BYTES_MAX);
    enum err_code rc;
    int ready_fd = (int)m->options->ready_fd;

    (void)gethostname(machine, sizeof(machine) - 1);
    rc = greeting_text(&g, &text, err);
    if (!rc)
        rc = show(m, &text, err);
    if (!rc && m->options->ready_fd != UINT32_MAX) {
        rc = fs_write_all(ready_fd, str_text(&text), strcspn(str_text(&text), "\n") + 1, err);
        fd_close(&ready_fd);
    }
    if (text.at)
        secret_wipe(text.at, text.len);
    secret_wipe(m->token, sizeof(m->token));
    str_fini(&text);
    return rc;
}

/* Clients go first, then what still works for them, then what that stands on. */
static void makespand_fini(struct makespand *m)
{
    if (m->http)
        http_server_cut(m->http);
    api_free(m->api);
    service_free(m->service);
    http_server_free(m->http);
    store_close(m->store);
    for (size_t i = 0; i < ARRAY_LEN(m->signals); i++)
        loop_source_free(m->signals[i]);
    loop_source_free(m->certs_timer);
    loop_source_free(m->drain_timer);
    loop_source_free(m->tick);
    loop_source_free(m->settled);
    loop_free(m->loop);
    access_close(m->access);
    certs_fini(&m->certs);
    fd_close(&m->lock_fd);
}

static enum makespand_exit serve(const struct options *options, struct err *err)
{
    struct makespand m = { .clock = clock_system(), .options = options, .lock_fd = -1 };
    enum makespand_exit stage = MAKESPAND_CREATE;
    enum err_code rc = folder_open(options->data, &m.lock_fd, err);

    (void)umask(S_IRWXG | S_IRWXO); /* the store makes its files itself */
    (void)signal(SIGXFSZ, SIG_IGN); /* a file over its limit is then an error like a full disk */
    if (!rc)
        rc = certs_check(&m, err);
    if (!rc && options->access_log)
        rc = access_open(options->access_log, options->log_form, m.clock, &m.access, err);
    if (rc)
        goto out;
    stage = MAKESPAND_STORE;
    rc = loop_new(&m.loop, err);
    if (!rc)
        rc = runs_start(&m, err);
    if (rc)
        goto out;
    stage = MAKESPAND_INTERNAL;
    rc = network_start(&m, err);
    if (rc)
        goto out;
    stage = MAKESPAND_STORE;
    rc = tokens_first(m.store, clock_wall_ms(m.clock), m.token, err); /* can be shown now */
    if (rc)
        goto out;
    stage = MAKESPAND_CREATE;
    rc = greet(&m, err);
    if (!rc) {
        notify(NOTIFY_READY);
        loop_run(m.loop);
    }
out:
    makespand_fini(&m);
    return rc ? command_exit(rc, stage) : MAKESPAND_OK;
}

/* What is opened later must not become the standard output that lines for people are written to:
 * in place of a closed one stands what refuses them. */
static void hold_standard_files(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        ;
    fd_close(&fd);
}

int main(int argc, char **argv)
{
    struct options options = { 0 };
    struct err err = ERR_INIT;
    char *help = NULL;
    enum makespand_exit status = MAKESPAND_USAGE;

    hold_standard_files();
    if (options_read(argc, argv, &options, &help, &err) == ERR_NONE) {
        if (help) {
            status = fs_write_all(STDOUT_FILENO, help, strlen(help), &err) ? MAKESPAND_CREATE
                                                                           : MAKESPAND_OK;
        } else {
            log_setup(options.log_level, options.log_form);
            status = options.command == COMMAND_SERVE ? serve(&options, &err)
                                                      : command_beside(&options, &err);
        }
    }
    if (status)
        (void)fprintf(stderr, "makespand: %s\n", err.text);
    free(help);
    options_fini(&options);
    return (int)status;
}
