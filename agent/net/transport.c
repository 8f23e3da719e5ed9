#include "transport.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gz.h"
#include "id.h"
#include "mem.h"

#define CONNECT_TIMEOUT_MS  5000L
#define CONNECTION_IDLE_S   15L /* an idle connection is not used again after that */
#define CONNECTIONS_KEPT    4L
#define PACK_FROM_BYTES     2048u /* smaller bodies are not worth packing */
#define HEADER_BYTES_MAX    8192u
#define DATE_BYTES          64u
#define RETRY_AFTER_S_MAX   3600u
#define UNIX_SECONDS_DIGITS 10

struct exchange {
    struct transport *transport;
    struct exchange *next, **link; /* of transport->exchanges */
    CURL *easy;
    struct curl_slist *headers;
    struct str body, answer;
    char why[CURL_ERROR_SIZE];
    char date[DATE_BYTES];
    uint32_t retry_after_ms;
    bool too_large;
    transport_done_fn done;
    void *ctx;
};

struct transport {
    struct event_base *base;
    char *url, *ca_file, *pin;
    CURLM *multi;
    struct event *timer;
    struct exchange *exchanges;
};

/* What libcurl says in numbers, in our codes. What is not listed is trouble on the way. */
static enum err_code code_of(CURLcode code, const char *why)
{
    static const CURLcode tls[] = {
        CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
        CURLE_SSL_CERTPROBLEM,          CURLE_SSL_CIPHER,
        CURLE_SSL_CACERT_BADFILE,       CURLE_SSL_ISSUER_ERROR,
        CURLE_SSL_INVALIDCERTSTATUS,    CURLE_SSL_ENGINE_INITFAILED,
        CURLE_USE_SSL_FAILED,
    };

    for (size_t i = 0; i < ARRAY_LEN(tls); i++)
        if (code == tls[i])
            return ERR_TLS;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_TIMEOUT;
    /* A handshake that the other side broke off is a server that went away; one that failed is a
     * matter of protocol and will fail again. */
    if (code == CURLE_SSL_CONNECT_ERROR && !strstr(why, "eof") && !strstr(why, "SYSCALL") &&
        !strstr(why, "reset"))
        return ERR_TLS;
    return ERR_UNREACHABLE;
}

enum { TLS_NOT_YET_VALID = 9, TLS_EXPIRED = 10 }; /* OpenSSL's X509_V_ERR_CERT_... */

/* A coordinator that made its own certificate is believed by what it prints about it only. */
static const char *way_out(const struct exchange *x, CURLcode code)
{
    const struct transport *t = x->transport;
    long distrusted = 0; /* why, in the TLS library's numbers; 1 before the issuer was asked for */

    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        INVARIANT(!curl_easy_getinfo(x->easy, CURLINFO_SSL_VERIFYRESULT, &distrusted));
        if (distrusted <= 1) /* then it was the name */
            return "; makespand has to be started with --name and this name of it";
        if (distrusted == TLS_NOT_YET_VALID || distrusted == TLS_EXPIRED)
            return "; it has to be renewed there, or this machine's clock is wrong";
    } else if (code != CURLE_SSL_PINNEDPUBKEYNOTMATCH) {
        return "";
    }
    return t->ca_file || t->pin ? "; MAKESPAN_CA is another coordinator's: set it to what this one "
                                  "prints at its start"
                                : "; set MAKESPAN_CA to what makespand printed at its start";
}

static void exchange_free(struct exchange *x)
{
    if (x->easy) {
        curl_multi_remove_handle(x->transport->multi, x->easy);
        curl_easy_cleanup(x->easy);
    }
    for (struct curl_slist *h = x->headers; h; h = h->next)
        secret_wipe(h->data, strlen(h->data)); /* one of them holds the token */
    curl_slist_free_all(x->headers);
    str_fini(&x->body);
    str_fini(&x->answer);
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
    free(x);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    struct err ignored = ERR_INIT;

    if (str_add(&x->answer, bytes, size * count, &ignored)) {
        x->too_large = true;
        return 0; /* ends the transfer */
    }
    return size * count;
}

/* The value of a header line if it has this name; NULL otherwise. Not NUL-terminated. */
static const char *header_value(const char *line, size_t len, const char *name, size_t *out_len)
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return NULL;
    line += name_len;
    len -= name_len;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && strchr("\r\n \t", line[len - 1]))
        len--;
    *out_len = len;
    return line;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t len = 0;
    const char *value = header_value(bytes, size * count, "date:", &len);
    char text[UNIX_SECONDS_DIGITS + 1];
    uint32_t seconds = 0;
    struct err ignored = ERR_INIT;

    if (value && len < sizeof(x->date)) {
        memcpy(x->date, value, len);
        x->date[len] = '\0';
    }
    value = header_value(bytes, size * count, "retry-after:", &len);
    if (value && len < sizeof(text)) {
        memcpy(text, value, len);
        text[len] = '\0';
        if (!parse_u32(text, 0, RETRY_AFTER_S_MAX, &seconds, &ignored))
            x->retry_after_ms = 1000 * seconds;
    }
    return size * count;
}

static uint64_t info_us(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(easy, info, &us) == CURLE_OK && us > 0 ? (uint64_t)us : 0;
}

static const char *info_text(CURL *easy, CURLINFO info)
{
    char *text = NULL;

    return curl_easy_getinfo(easy, info, &text) == CURLE_OK && text ? text : "";
}

/* Tells the caller how it ended, and frees the exchange before that: the callback may do anything
 * but free the transport. */
static void finish(struct exchange *x, CURLcode code)
{
    struct exchange own = *x;
    struct err err = ERR_INIT;
    long status = 0;
    char address[64];
    char type[128];
    struct transport_answer answer = {
        .retry_after_ms = x->retry_after_ms,
        .date = own.date,
        .dns_us = info_us(x->easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_us = info_us(x->easy, CURLINFO_CONNECT_TIME_T),
        .tls_us = info_us(x->easy, CURLINFO_APPCONNECT_TIME_T),
        .total_us = info_us(x->easy, CURLINFO_TOTAL_TIME_T),
        .address = address,
        .content_type = type,
    };

    (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)snprintf(address, sizeof(address), "%s", info_text(x->easy, CURLINFO_PRIMARY_IP));
    (void)snprintf(type, sizeof(type), "%s", info_text(x->easy, CURLINFO_CONTENT_TYPE));
    if (x->too_large)
        err_set(&err, ERR_TOO_LARGE, "answer of more than %zu bytes", x->answer.max);
    else if (code != CURLE_OK)
        err_set(&err, code_of(code, x->why), "%s: %s%s", x->transport->url,
                x->why[0] ? x->why : curl_easy_strerror(code), way_out(x, code));
    else
        answer.status = (uint32_t)status;
    answer.body = (struct view){ .at = str_text(&own.answer), .len = own.answer.len };
    x->answer = (struct str)STR_MAX(1); /* own has it now */
    exchange_free(x);
    own.done(own.ctx, &answer, &err);
    str_fini(&own.answer);
}

static void read_finished(struct transport *t)
{
    CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(t->multi, &left)) != NULL) {
        struct exchange *x = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        INVARIANT(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK);
        finish(x, message->data.result);
    }
}

static void act(struct transport *t, curl_socket_t fd, int what)
{
    int running = 0;

    INVARIANT(curl_multi_socket_action(t->multi, fd, what, &running) == CURLM_OK);
    read_finished(t);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    act(ctx, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

/* libcurl wants to know when fd can be read or written; the event is kept with the socket. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct transport *t = ctx;
    struct event *ev = socket_ctx;
    short flags = EV_PERSIST;

    (void)easy;
    if (ev)
        event_free(ev);
    if (what == CURL_POLL_REMOVE) {
        (void)curl_multi_assign(t->multi, fd, NULL); /* unknown already when the socket is closed */
        return 0;
    }
    flags = (short)(flags | (what & CURL_POLL_IN ? EV_READ : 0) |
                    (what & CURL_POLL_OUT ? EV_WRITE : 0));
    ev = event_new(t->base, fd, flags, on_socket, t);
    INVARIANT(ev && event_add(ev, NULL) == 0);
    INVARIANT(curl_multi_assign(t->multi, fd, ev) == CURLM_OK);
    return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct transport *t = ctx;
    struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

    (void)multi;
    if (timeout_ms < 0)
        (void)evtimer_del(t->timer);
    else
        (void)evtimer_add(t->timer, &tv);
    return 0;
}

enum err_code transport_new(const struct transport_opts *opts, struct transport **out,
                            struct err *err)
{
    struct transport *t;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl cannot be started");
    t = mem_new(1, sizeof(*t));
    t->base = opts->base;
    t->url = mem_strdup(opts->url);
    t->ca_file = opts->ca_file ? mem_strdup(opts->ca_file) : NULL;
    t->pin = opts->pin ? mem_strdup(opts->pin) : NULL;
    t->timer = evtimer_new(t->base, on_timer, t);
    t->multi = curl_multi_init();
    INVARIANT(t->timer && t->multi);
    (void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    (void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    (void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    *out = t;
    return ERR_NONE;
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    while (t->exchanges)
        exchange_free(t->exchanges);
    curl_multi_cleanup(t->multi);
    event_free(t->timer);
    free(t->url);
    free(t->ca_file);
    free(t->pin);
    free(t);
    curl_global_cleanup();
}

static void add_header(struct exchange *x, const char *name, const char *value)
{
    struct str line = STR_MAX(HEADER_BYTES_MAX);
    struct err err = ERR_INIT;
    struct curl_slist *longer;

    INVARIANT(!str_addf(&line, &err, "%s%s", name, value));
    longer = curl_slist_append(x->headers, line.at);
    INVARIANT(longer);
    x->headers = longer;
    secret_wipe(line.at, line.len);
    str_fini(&line);
}

/* Options are numbers and texts of ours: that one is refused can only be our own bug. */
#define SET(easy, option, value) INVARIANT(curl_easy_setopt(easy, option, value) == CURLE_OK)

static void set_tls(CURL *easy, const struct transport *t)
{
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (t->pin) {
        /* The key itself is checked: a self-signed certificate proves as much as any other. */
        SET(easy, CURLOPT_PINNEDPUBLICKEY, t->pin);
        SET(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        SET(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        return;
    }
    SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (t->ca_file) {
        SET(easy, CURLOPT_CAINFO, t->ca_file);
        SET(easy, CURLOPT_CAPATH, NULL);
    }
}

static void set_common(struct exchange *x, const struct transport_request *r)
{
    CURL *easy = x->easy;
    struct str url = STR_MAX(HEADER_BYTES_MAX);
    struct err err = ERR_INIT;

    INVARIANT(!str_addf(&url, &err, "%s%s", x->transport->url, r->path));
    SET(easy, CURLOPT_URL, url.at);
    str_fini(&url);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    SET(easy, CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_S);
    SET(easy, CURLOPT_TCP_NODELAY, 1L);
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(easy, CURLOPT_USERAGENT, "makespan/" MAKESPAN_VERSION);
    SET(easy, CURLOPT_ERRORBUFFER, x->why);
    SET(easy, CURLOPT_PRIVATE, x);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, x);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, x);
    set_tls(easy, x->transport);
}

static void set_body(struct exchange *x, const struct transport_request *r)
{
    struct err err = ERR_INIT;

    add_header(x, "Content-Type: ", r->content_type);
    if (!r->body_as_it_is && r->body.len >= PACK_FROM_BYTES) {
        INVARIANT(!gz_pack(r->body.at, r->body.len, &x->body, &err));
        add_header(x, "Content-Encoding: ", "gzip");
    } else {
        INVARIANT(!str_add(&x->body, r->body.at, r->body.len, &err));
    }
    add_header(x, "Expect:", ""); /* no waiting for "100 Continue" */
    SET(x->easy, CURLOPT_POSTFIELDS, str_text(&x->body));
    SET(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.len);
}

struct exchange *transport_send(struct transport *t, const struct transport_request *r,
                                transport_done_fn done, void *ctx)
{
    struct exchange *x = mem_new(1, sizeof(*x));

    x->transport = t;
    x->done = done;
    x->ctx = ctx;
    x->body.max = SIZE_MAX / 2;
    x->answer.max = r->answer_bytes_max;
    x->easy = curl_easy_init();
    INVARIANT(x->easy);
    x->next = t->exchanges;
    x->link = &t->exchanges;
    if (x->next)
        x->next->link = &x->next;
    t->exchanges = x;
    set_common(x, r);
    if (r->token)
        add_header(x, "Authorization: Bearer ", r->token);
    if (r->content_type)
        set_body(x, r);
    SET(x->easy, CURLOPT_CUSTOMREQUEST, r->method);
    SET(x->easy, CURLOPT_HTTPHEADER, x->headers);
    INVARIANT(curl_multi_add_handle(t->multi, x->easy) == CURLM_OK);
    return x;
}

void transport_cancel(struct exchange *x)
{
    exchange_free(x);
}

char *transport_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, (int)strlen(text));
    char *copy;

    INVARIANT(escaped);
    copy = mem_strdup(escaped);
    curl_free(escaped);
    return copy;
}
