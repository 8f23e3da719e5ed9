#include "target.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "id.h"
#include "mem.h"

#define URL_BYTES_MAX   2000u
#define PROJECT_DEFAULT "default"
#define SUITE_DEFAULT   "default"

static const char *from_environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

/* "https://host:port", checked as far as a mistake can be told in words; slashes behind are cut. */
static enum err_code resolve_url(const char *url, struct target *t, struct err *err)
{
    size_t len;

    if (!url)
        return ERR_NONE;
    len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    if (len > URL_BYTES_MAX)
        return err_set(err, ERR_USAGE, "url of %zu bytes is over %u", len, URL_BYTES_MAX);
    if (strncmp(url, "https://", 8) != 0 || len <= 8)
        return err_set(err, ERR_USAGE, "url '%s' does not begin with https://HOST", url);
    for (size_t i = 8; i < len; i++)
        if (url[i] <= ' ' || url[i] == '@' || url[i] == '?' || url[i] == '#' || url[i] == 0x7f)
            return err_set(err, ERR_USAGE,
                           "the url may hold host, port and path only, no user and no query");
    t->url = view_dup((struct view){ .at = url, .len = len });
    return ERR_NONE;
}

static enum err_code resolve_ca(const char *ca, struct target *t, struct err *err)
{
    if (!ca)
        return ERR_NONE;
    if (strncmp(ca, "sha256//", 8) == 0) {
        if (strspn(ca + 8, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") !=
                44 ||
            strlen(ca) != 8 + 44)
            return err_set(err, ERR_USAGE,
                           "ca '%s' is not a pin: sha256// and 44 characters of base64", ca);
        t->pin = mem_strdup(ca);
        return ERR_NONE;
    }
    if (!fs_exists(ca))
        return err_set(err, ERR_USAGE, "ca '%s' is neither a file nor a sha256// pin", ca);
    t->ca_file = mem_strdup(ca);
    return ERR_NONE;
}

/* A token is one word of printable characters: it goes into a header as it is. */
static enum err_code check_token(const char *token, const char *where, struct err *err)
{
    if (*token == '\0')
        return err_set(err, ERR_USAGE, "the token in %s is empty", where);
    if (strlen(token) > PROTO_TOKEN_BYTES_MAX)
        return err_set(err, ERR_USAGE, "the token in %s is over %u bytes", where,
                       PROTO_TOKEN_BYTES_MAX);
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || (unsigned char)*p >= 0x7f)
            return err_set(err, ERR_USAGE, "the token in %s holds a space or an unusual character",
                           where);
    return ERR_NONE;
}

static enum err_code resolve_token(const char *file, struct target *t, struct err *err)
{
    struct str bytes = STR_MAX(PROTO_TOKEN_BYTES_MAX);
    const char *env = getenv("MAKESPAN_TOKEN");
    enum err_code rc;

    if (!file) {
        if (!env || !*env)
            return err_set(err, ERR_TOKEN,
                           "no token: set MAKESPAN_TOKEN or name a file with --token-file");
        if (check_token(env, "MAKESPAN_TOKEN", err))
            return err->code;
        t->token = mem_strdup(env);
        return ERR_NONE;
    }
    rc = fs_read_given(file, &bytes, err);
    while (!rc && bytes.len > 0 && strchr(" \t\r\n", bytes.at[bytes.len - 1]))
        bytes.at[--bytes.len] = '\0';
    if (!rc)
        rc = check_token(str_text(&bytes), file, err);
    if (!rc)
        t->token = mem_strdup(str_text(&bytes));
    if (bytes.at)
        secret_wipe(bytes.at, bytes.len);
    str_fini(&bytes);
    return rc;
}

static bool label_fits(struct view key, const char *value)
{
    return key.len <= PROTO_KEY_BYTES_MAX && strlen(value) <= PROTO_KEY_BYTES_MAX;
}

static void add_label(struct target *t, struct view key, const char *value)
{
    for (uint32_t i = 0; i < t->label_count; i++)
        if (view_eq(key, t->labels[i].key))
            return; /* who came first stays: options before the CI */
    t->labels[t->label_count++] =
        (struct label){ .key = view_dup(key), .value = mem_strdup(value) };
}

/* Nobody asked for these: what does not fit is left out. */
static void add_ci_labels(struct target *t)
{
    const struct {
        const char *key, *value;
    } known[] = { { "ci", t->ci.name }, { "job", t->ci.job },     { "ref", t->ci.ref },
                  { "sha", t->ci.sha }, { "event", t->ci.event }, { "link", t->ci.link } };

    for (size_t i = 0; i < ARRAY_LEN(known) && t->label_count < PROTO_LABELS_MAX; i++)
        if (known[i].value && label_fits(view_of(known[i].key), known[i].value))
            add_label(t, view_of(known[i].key), known[i].value);
}

static enum err_code resolve_labels(const struct cfg_list *given, struct target *t, struct err *err)
{
    if (given->count > PROTO_LABELS_MAX)
        return err_set(err, ERR_USAGE, "%zu labels are over %u", given->count, PROTO_LABELS_MAX);
    t->labels = mem_new(PROTO_LABELS_MAX, sizeof(*t->labels));
    for (size_t i = 0; i < given->count; i++) {
        struct view key = { .at = given->items[i], .len = strcspn(given->items[i], "=") };
        const char *equals = key.at + key.len;

        if (key.len == 0 || *equals == '\0')
            return err_set(err, ERR_USAGE, "label '%s' is not KEY=VALUE", key.at);
        if (!label_fits(key, equals + 1))
            return err_set(err, ERR_USAGE,
                           "label '%.40s...': its name or its value is over %u bytes", key.at,
                           PROTO_KEY_BYTES_MAX);
        add_label(t, key, equals + 1);
    }
    add_ci_labels(t);
    return ERR_NONE;
}

static enum err_code check_name(const char *what, const char *name, size_t max, struct err *err)
{
    if (name && strlen(name) > max)
        return err_set(err, ERR_USAGE, "%s of %zu bytes is over %zu", what, strlen(name), max);
    return ERR_NONE;
}

static enum err_code resolve_names(const struct options *o, const char *command_digest,
                                   struct target *t, struct err *err)
{
    char random[ID_TEXT_BYTES];

    id_new(random);
    t->project = copy(o->project ? o->project : t->ci.project ? t->ci.project : PROJECT_DEFAULT);
    t->suite = copy(o->suite ? o->suite : SUITE_DEFAULT);
    t->suite_given = o->suite != NULL;
    t->instance = copy(o->instance ? o->instance : t->ci.instance ? t->ci.instance : random);
    t->run_prefix = ci_run_prefix(&t->ci);
    if (o->run_key)
        t->run_key = mem_strdup(o->run_key);
    else if (command_digest)
        t->run_key = ci_run_key(&t->ci, t->suite, command_digest);
    if (check_name("project", t->project, PROTO_NAME_BYTES_MAX, err) ||
        check_name("suite", t->suite, PROTO_NAME_BYTES_MAX, err) ||
        check_name("run-key", t->run_key, PROTO_KEY_BYTES_MAX, err) ||
        check_name("instance", t->instance, PROTO_KEY_BYTES_MAX, err))
        return err->code;
    if (t->url && command_digest && !t->run_key)
        return err_set(err, ERR_USAGE,
                       "no run key: this is no CI job that we know, so pass --run-key or set "
                       "MAKESPAN_RUN_KEY to the same text on all machines of the run");
    return ERR_NONE;
}

static enum err_code resolve_slot(const struct options *o, struct target *t, struct err *err)
{
    /* An index of ours and a total of the CI's would not fit together. */
    bool own = o->index != PROTO_SLOT_NONE || o->total;

    t->index = own ? o->index : t->ci.index;
    t->total = own ? o->total : t->ci.total;
    t->attempt = o->attempt ? o->attempt : t->ci.attempt;
    if (t->total && t->index != PROTO_SLOT_NONE && t->index >= t->total)
        return err_set(err, ERR_USAGE, "index %u is not under total %u; the first is 0", t->index,
                       t->total);
    return ERR_NONE;
}

enum err_code target_resolve(const struct options *o, const char *command_digest,
                             struct target *out, struct err *err)
{
    struct target t = { .patience_ms = o->patience_ms };
    enum err_code rc;

    ci_read(from_environment, NULL, &t.ci);
    rc = resolve_url(o->url, &t, err);
    if (!rc)
        rc = resolve_ca(o->ca, &t, err);
    if (!rc && t.url)
        rc = resolve_token(o->token_file, &t, err);
    if (!rc)
        rc = resolve_names(o, command_digest, &t, err);
    if (!rc)
        rc = resolve_slot(o, &t, err);
    if (!rc)
        rc = resolve_labels(&o->labels, &t, err);
    t.output_json = strcmp(o->output, "json") == 0;
    if (!rc && !t.output_json && strcmp(o->output, "text") != 0)
        rc = err_set(err, ERR_USAGE, "output '%s' is neither text nor json", o->output);
    if (rc) {
        target_fini(&t);
        return rc;
    }
    *out = t;
    return ERR_NONE;
}

void target_fini(struct target *t)
{
    if (t->token)
        secret_wipe(t->token, strlen(t->token));
    free(t->token);
    free(t->url);
    free(t->ca_file);
    free(t->pin);
    free(t->project);
    free(t->suite);
    free(t->run_key);
    free(t->run_prefix);
    free(t->instance);
    for (uint32_t i = 0; i < t->label_count; i++) {
        free(t->labels[i].key);
        free(t->labels[i].value);
    }
    free(t->labels);
    ci_fini(&t->ci);
    *t = (struct target){ .index = PROTO_SLOT_NONE };
}
