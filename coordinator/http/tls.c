#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "mem.h"

struct tls {
    SSL_CTX *ctx;
    char *chain_path;
    char *key_path;
    tls_gone_fn gone;
    int user_index; /* where a session keeps its user */
};

/* Called for every session that is freed; argp is the tls that took the index. */
static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    struct tls *tls = argp;

    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    if (ptr)
        tls->gone(ptr);
}

static enum err_code tls_err(struct err *err, const char *what, const char *path)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(err, ERR_TLS, "%s %s: %s", what, path, reason ? reason : "unknown reason");
}

static enum err_code context_new(struct tls *tls, SSL_CTX **out, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    enum err_code rc = ERR_NONE;

    INVARIANT(ctx != NULL);
    INVARIANT(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Partial writes: otherwise a large answer is one write, and the guard sees no byte of it
     * leave. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    INVARIANT(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"makespand", 9) == 1);
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->chain_path) != 1)
        rc = tls_err(err, "certificate", tls->chain_path);
    else if (SSL_CTX_use_PrivateKey_file(ctx, tls->key_path, SSL_FILETYPE_PEM) != 1)
        rc = tls_err(err, "private key", tls->key_path);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        rc = tls_err(err, "private key does not fit the certificate:", tls->key_path);
    if (rc)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return rc;
}

enum err_code tls_new(const char *chain_path, const char *key_path, tls_gone_fn gone,
                      struct tls **out, struct err *err)
{
    struct tls *tls = mem_new(1, sizeof(*tls));
    enum err_code rc;

    tls->chain_path = mem_strdup(chain_path);
    tls->key_path = mem_strdup(key_path);
    tls->gone = gone;
    tls->user_index = SSL_get_ex_new_index(0, tls, NULL, NULL, on_free);
    INVARIANT(tls->user_index >= 0);
    rc = context_new(tls, &tls->ctx, err);
    if (rc)
        tls_free(tls);
    else
        *out = tls;
    return rc;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls->chain_path);
    free(tls->key_path);
    free(tls);
}

enum err_code tls_reload(struct tls *tls, struct err *err)
{
    SSL_CTX *ctx = NULL;
    enum err_code rc = context_new(tls, &ctx, err);

    if (rc)
        return rc;
    SSL_CTX_free(tls->ctx); /* sessions hold their own reference */
    tls->ctx = ctx;
    return ERR_NONE;
}

struct ssl_st *tls_session_new(struct tls *tls, void *user)
{
    SSL *session = SSL_new(tls->ctx);

    INVARIANT(session != NULL);
    SSL_set_accept_state(session);
    INVARIANT(SSL_set_ex_data(session, tls->user_index, user) == 1);
    return session;
}

void *tls_session_user(const struct tls *tls, const struct ssl_st *session)
{
    return SSL_get_ex_data(session, tls->user_index);
}

void tls_session_end(struct ssl_st *session)
{
    ERR_clear_error();
    (void)SSL_shutdown(session); /* best effort: the peer may have gone */
    ERR_clear_error();
}
