#include "tokens.h"

#include <string.h>

static const struct {
    const char *name;
    enum role role;
} roles[] = { { "agent", ROLE_AGENT }, { "read", ROLE_READ }, { "admin", ROLE_ADMIN } };

static enum err_code role_of(const char *name, enum role *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (!name || strcmp(name, roles[i].name) == 0) {
            *out = roles[i].role;
            return ERR_NONE;
        }
    return err_set(err, ERR_USAGE, "--role %s: it is agent, read or admin", name);
}

static const char *role_name(uint32_t role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (role == (uint32_t)roles[i].role)
            return roles[i].name;
    return "?";
}

static enum err_code create(struct store *store, const struct options *options, uint64_t now_ms,
                            struct str *out, struct err *err)
{
    struct auth_new want = { .project = options->project ? options->project : "",
                             .label = options->label ? options->label : "",
                             .now_ms = now_ms,
                             .expires_ms = options->expires_ms ? now_ms + options->expires_ms : 0 };
    char token[TOKEN_TEXT_BYTES] = "";
    enum err_code rc = role_of(options->role, &want.role, err);

    if (!rc)
        rc = auth_token_new(store, &want, token, err);
    if (!rc)
        rc = str_addf(out, err, "%s\n", token);
    secret_wipe(token, sizeof(token));
    return rc;
}

/* ---- list ---- */

struct listing {
    struct str *out;
    uint64_t now_ms;
};

static enum err_code list_row(void *ctx, const struct store_token *token, struct err *err)
{
    struct listing *listing = ctx;
    char created[CLOCK_TEXT_BYTES];
    char expires[CLOCK_TEXT_BYTES] = "never";

    clock_format(token->created_ms, created);
    if (token->expires_ms)
        clock_format(token->expires_ms, expires);
    return str_addf(listing->out, err, "%-14.12s %-6s %-24s %-25s %-25s %s%s\n", token->hash,
                    role_name(token->role), *token->project ? token->project : "(every)", created,
                    expires, token->label,
                    token->expires_ms && token->expires_ms <= listing->now_ms ? " (expired)" : "");
}

static enum err_code list(struct store *store, uint64_t now_ms, struct str *out, struct err *err)
{
    struct listing listing = { .out = out, .now_ms = now_ms };
    enum err_code rc = str_addf(out, err, "%-14s %-6s %-24s %-25s %-25s %s\n", "HASH", "ROLE",
                                "PROJECT", "CREATED", "EXPIRES", "LABEL");

    return rc ? rc : store_token_list(store, list_row, &listing, err);
}

/* ---- revoke ---- */

struct search {
    const char *prefix;
    char hash[HASH_HEX_BYTES];
    uint32_t found;
};

static enum err_code search_row(void *ctx, const struct store_token *token, struct err *err)
{
    struct search *search = ctx;

    (void)err;
    if (strncmp(token->hash, search->prefix, strlen(search->prefix)) == 0) {
        search->found++;
        memcpy(search->hash, token->hash, strnlen(token->hash, HASH_HEX_BYTES - 1));
    }
    return ERR_NONE;
}

static enum err_code revoke(struct store *store, const char *prefix, struct str *out,
                            struct err *err)
{
    struct search search = { .prefix = prefix };
    enum err_code rc;

    if (strlen(prefix) < TOKENS_PREFIX_MIN)
        return err_set(err, ERR_USAGE, "'%s': give at least %u digits of the hash", prefix,
                       TOKENS_PREFIX_MIN);
    rc = store_token_list(store, search_row, &search, err);
    if (!rc && search.found != 1)
        rc = err_set(err, ERR_USAGE, "'%s' names %u tokens: makespand token list shows them",
                     prefix, search.found);
    if (!rc)
        rc = store_token_revoke(store, search.hash, err);
    if (!rc)
        rc = str_addf(out, err, "revoked %.12s\n", search.hash);
    return rc;
}

enum err_code tokens_command(struct store *store, const struct options *options, uint64_t now_ms,
                             struct str *out, struct err *err)
{
    switch (options->command) {
    case COMMAND_TOKEN_CREATE:
        return create(store, options, now_ms, out, err);
    case COMMAND_TOKEN_LIST:
        return list(store, now_ms, out, err);
    case COMMAND_TOKEN_REVOKE:
        return revoke(store, options->revoke, out, err);
    case COMMAND_SERVE:
    case COMMAND_STORE_CHECK:
    case COMMAND_STORE_BACKUP:
        break;
    }
    UNREACHABLE("token command");
}

enum err_code tokens_take_back(struct store *store, const char *token, struct err *err)
{
    char hash[HASH_HEX_BYTES];

    hash_hex(token, strlen(token), hash);
    return store_token_revoke(store, hash, err);
}

enum err_code tokens_first(struct store *store, uint64_t now_ms, char out[TOKEN_TEXT_BYTES],
                           struct err *err)
{
    struct auth_new want = {
        .project = "", .label = "first", .role = ROLE_AGENT, .now_ms = now_ms
    };
    struct search any = { .prefix = "" };
    enum err_code rc = store_token_list(store, search_row, &any, err);

    return rc || any.found ? rc : auth_token_new(store, &want, out, err);
}
