#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "hash.h"
#include "id.h"
#include "mem.h"

#define TOKEN_FILE_BYTES_MAX PROTO_TOKEN_BYTES_MAX
#define URL_BYTES_MAX        2000u
#define PATIENCE_MS_MAX      86400000u
#define PROJECT_DEFAULT      "default"
#define SUITE_DEFAULT        "default"

static size_t server_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Coordinator",
          .name = "url",
          .env = "MAKESPAN_URL",
          .value = "URL",
          .kind = CFG_TEXT,
          .into = &o->url,
          .help = "Where the coordinator answers, https://HOST[:PORT]." },
        { .name = "token-file",
          .env = "MAKESPAN_TOKEN_FILE",
          .value = "FILE",
          .kind = CFG_TEXT,
          .into = &o->token_file,
          .help = "File that holds the project's token. Without it the token is taken from the "
                  "variable MAKESPAN_TOKEN; it is never given as an argument." },
        { .name = "ca",
          .env = "MAKESPAN_CA",
          .value = "FILE|PIN",
          .kind = CFG_TEXT,
          .into = &o->ca,
          .help = "What proves the coordinator's identity instead of the system's authorities: a "
                  "file with certificates, or a public key as sha256//BASE64." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t run_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "The run",
          .name = "project",
          .env = "MAKESPAN_PROJECT",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->project,
          .help = "The project; the CI's repository when not given, 'default' outside of a CI." },
        { .name = "suite",
          .env = "MAKESPAN_SUITE",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->suite,
          .help = "The set of tests with a history of its own, for example unit-py311; 'default' "
                  "when not given." },
        { .name = "run-key",
          .env = "MAKESPAN_RUN_KEY",
          .value = "KEY",
          .kind = CFG_TEXT,
          .into = &o->run_key,
          .help = "The name under which the machines of one run meet; made from the CI's "
                  "variables when not given." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t slot_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "This job",
          .name = "index",
          .env = "MAKESPAN_INDEX",
          .value = "I",
          .kind = CFG_U32,
          .into = &o->index,
          .max = PROTO_SLOTS_MAX - 1,
          .help = "Which of the parallel jobs this is, from 0." },
        { .name = "total",
          .env = "MAKESPAN_TOTAL",
          .value = "N",
          .kind = CFG_U32,
          .into = &o->total,
          .min = 1,
          .max = PROTO_SLOTS_MAX,
          .help = "How many parallel jobs there are." },
        { .name = "attempt",
          .env = "MAKESPAN_ATTEMPT",
          .value = "N",
          .kind = CFG_U32,
          .into = &o->attempt,
          .min = 1,
          .max = 1000000,
          .help = "Which try of the CI's run this is, from 1." },
        { .name = "instance",
          .env = "MAKESPAN_INSTANCE",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->instance,
          .help = "What tells this life of the job from another; the CI's id of the job when not "
                  "given." },
        { .name = "label",
          .env = "MAKESPAN_LABEL",
          .value = "KEY=VALUE",
          .kind = CFG_LIST,
          .into = &o->labels,
          .help = "Something to know about this machine; may be repeated." },
        { .name = "patience",
          .env = "MAKESPAN_PATIENCE",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &o->patience_ms,
          .max = PATIENCE_MS_MAX,
          .help = "How long an unreachable coordinator is waited for (default 120s)." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t output_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Output",
          .name = "output",
          .env = "MAKESPAN_OUTPUT",
          .value = "FORM",
          .kind = CFG_TEXT,
          .into = &o->output,
          .help = "text (default) or json." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

size_t options_rows(struct options *o, unsigned groups, struct cfg_option *rows)
{
    size_t n = 0;

    if (groups & OPTIONS_SERVER)
        n += server_rows(o, rows + n);
    if (groups & OPTIONS_RUN)
        n += run_rows(o, rows + n);
    if (groups & OPTIONS_SLOT)
        n += slot_rows(o, rows + n);
    if (groups & OPTIONS_OUTPUT)
        n += output_rows(o, rows + n);
    INVARIANT(n <= OPTIONS_ROWS_MAX);
    return n;
}

void options_fini(struct options *o)
{
    free(o->labels.items);
    *o = (struct options)OPTIONS_INIT;
}

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
    if (strncmp(url, "https://", 8) != 0 || len == 8)
        return err_set(err, ERR_USAGE, "url '%s' does not begin with https://HOST", url);
    for (size_t i = 8; i < len; i++)
        if (url[i] <= ' ' || url[i] == '@' || url[i] == '?' || url[i] == '#' || url[i] == 0x7f)
            return err_set(err, ERR_USAGE,
                           "the url may hold host, port and path only, no user and no query");
    t->url = mem_new(len + 1, 1);
    memcpy(t->url, url, len);
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
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || (unsigned char)*p >= 0x7f)
            return err_set(err, ERR_USAGE, "the token in %s holds a space or an unusual character",
                           where);
    return ERR_NONE;
}

static enum err_code resolve_token(const char *file, struct target *t, struct err *err)
{
    struct str bytes = STR_MAX(TOKEN_FILE_BYTES_MAX);
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
    rc = fs_read(file, &bytes, err);
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

static void add_label(struct target *t, const char *key, size_t key_len, const char *value)
{
    if (!value || t->label_count == PROTO_LABELS_MAX)
        return;
    for (uint32_t i = 0; i < t->label_count; i++)
        if (view_eq((struct view){ .at = key, .len = key_len }, t->labels[i].key))
            return; /* who came first stays: options before the CI */
    t->labels[t->label_count++] =
        (struct label){ .key = mem_dup(key, key_len + 1), .value = mem_strdup(value) };
    t->labels[t->label_count - 1].key[key_len] = '\0';
}

static enum err_code resolve_labels(const struct cfg_list *given, struct target *t, struct err *err)
{
    t->labels = mem_new(PROTO_LABELS_MAX, sizeof(*t->labels));
    for (size_t i = 0; i < given->count; i++) {
        const char *equals = strchr(given->items[i], '=');

        if (!equals || equals == given->items[i])
            return err_set(err, ERR_USAGE, "label '%s' is not KEY=VALUE", given->items[i]);
        if (strlen(equals) > PROTO_KEY_BYTES_MAX)
            return err_set(err, ERR_USAGE, "label '%.40s...' is over %u bytes", given->items[i],
                           PROTO_KEY_BYTES_MAX);
        add_label(t, given->items[i], (size_t)(equals - given->items[i]), equals + 1);
    }
    add_label(t, "ci", 2, t->ci.name);
    add_label(t, "job", 3, t->ci.job);
    add_label(t, "ref", 3, t->ci.ref);
    add_label(t, "sha", 3, t->ci.sha);
    add_label(t, "event", 5, t->ci.event);
    add_label(t, "link", 4, t->ci.link);
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

enum err_code options_resolve(const struct options *o, const char *command_digest,
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

void options_command_digest(int argc, char *const *argv, char out[HASH_HEX_BYTES])
{
    struct hash *h = hash_new();

    for (int i = 0; i < argc; i++)
        hash_add(h, argv[i], strlen(argv[i]) + 1);
    hash_end(h, out);
}
