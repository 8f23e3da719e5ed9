#include "certs.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"
#include "x509.h"

#define DAY_MS        (86400ull * 1000)
#define SAN_BYTES_MAX (CERTS_NAMES_MAX * (CERTS_NAME_BYTES_MAX + 8u) + 1024u)

_Static_assert(CERTS_PIN_BYTES == X509_PIN_BYTES, "a pin is copied as it is");

/* ---- names ---- */

static bool is_address(const char *text)
{
    unsigned char raw[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

enum err_code certs_check_name(const char *text, struct err *err)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *at = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    size_t label;

    if (is_address(text))
        return ERR_NONE;
    if (strlen(text) > CERTS_NAME_BYTES_MAX)
        return err_set(err, ERR_INVALID, "a host name is longer than %u", CERTS_NAME_BYTES_MAX);
    do {
        label = strspn(at, letters);
        if (label == 0 || label > 63)
            return err_set(err, ERR_INVALID, "'%s' is no host name or address", text);
        at += label;
    } while (*at == '.' && *++at);
    return *at ? err_set(err, ERR_INVALID, "'%s' is no host name or address", text) : ERR_NONE;
}

static enum err_code san_add(struct str *san, const char *name, struct err *err)
{
    return str_addf(san, err, "%s%s:%s", san->len ? "," : "", is_address(name) ? "IP" : "DNS",
                    name);
}

/* The extension's text: localhost's names, the machine's, and what the operator gave. */
static enum err_code san_text(const struct certs_opts *opts, struct str *san, struct err *err)
{
    static const char *const local[] = { "localhost", "127.0.0.1", "::1" };
    char host[CERTS_NAME_BYTES_MAX + 1] = "";
    enum err_code rc = ERR_NONE;
    struct err ignored = ERR_INIT;

    for (size_t i = 0; !rc && i < ARRAY_LEN(local); i++)
        rc = san_add(san, local[i], err);
    if (!rc && gethostname(host, sizeof(host) - 1) == 0 && strcmp(host, "localhost") != 0 &&
        certs_check_name(host, &ignored) == ERR_NONE)
        rc = san_add(san, host, err);
    for (size_t i = 0; !rc && i < opts->name_count; i++) {
        rc = certs_check_name(opts->names[i], err);
        if (!rc)
            rc = san_add(san, opts->names[i], err);
    }
    return rc;
}

/* ---- judging one ---- */

/* A certificate that this CA did not sign is the operator's, and is not to be overwritten. */
static enum err_code check_signer(X509 *cert, X509 *ca, const char *path, struct err *err)
{
    bool signed_by_ca = X509_verify(cert, X509_get0_pubkey(ca)) == 1;

    ERR_clear_error();
    return signed_by_ca
               ? ERR_NONE
               : err_set(err, ERR_TLS,
                         "%s is not by the CA beside it: to use a certificate of your own, "
                         "move ca.key and ca.pem away",
                         path);
}

/* True when the certificate lives long enough, is for this key, and has every name. */
static bool still_good(X509 *cert, EVP_PKEY *key, const char *san, uint64_t now_ms)
{
    uint64_t soon_ms = now_ms + CERTS_RENEW_DAYS * DAY_MS;
    X509_EXTENSION *want = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
    X509_EXTENSION *have = at < 0 ? NULL : X509_get_ext(cert, at);
    bool good;

    INVARIANT(want != NULL);
    good = have && x509_expiry_ms(cert) > soon_ms && X509_check_private_key(cert, key) == 1 &&
           ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(have), X509_EXTENSION_get_data(want)) == 0;
    X509_EXTENSION_free(want);
    ERR_clear_error();
    return good;
}

/* ---- the two certificates ---- */

/* The CA's certificate outlives those it signs: it is made again, for the same key, while copies of
 * the old one are still good for longer than a server's certificate lives. */
static enum err_code ca_ready(const struct certs_opts *opts, struct certs *certs, X509 **out,
                              EVP_PKEY **out_key, struct err *err)
{
    struct str key_path = STR_MAX(PATH_BYTES_MAX);
    struct x509_wanted want = { .common_name = "Makespan CA",
                                .days = CERTS_CA_DAYS,
                                .constraints = "critical,CA:TRUE,pathlen:0",
                                .usage = "critical,keyCertSign,cRLSign" };
    X509 *ca = NULL;
    bool is_by_key = false;
    uint64_t least_ms = opts->now_ms + CERTS_SERVER_DAYS * DAY_MS;
    enum err_code rc = str_addf(&key_path, err, "%s/ca.key", opts->folder);

    if (!rc)
        rc = x509_key_ready(str_text(&key_path), out_key, &certs->made, err);
    if (!rc && fs_exists(certs->ca_path))
        rc = x509_read(certs->ca_path, &ca, err);
    if (!rc && ca) {
        is_by_key = X509_check_private_key(ca, *out_key) == 1;
        ERR_clear_error();
    }
    if (!rc && ca && !is_by_key && fs_exists(certs->chain_path))
        rc = err_set(err, ERR_TLS,
                     "%s is not the key of %s: put the right one back, or move both and server.pem "
                     "away to have new ones made",
                     str_text(&key_path), certs->ca_path);
    if (!rc && (!is_by_key || x509_expiry_ms(ca) < least_ms)) {
        X509_free(ca);
        ca = x509_make(&want, *out_key, NULL, *out_key, opts->now_ms);
        rc = x509_write(certs->ca_path, ca, NULL, err);
        certs->made = true;
    }
    if (!rc)
        *out = ca;
    else
        X509_free(ca);
    str_fini(&key_path);
    return rc;
}

static enum err_code server_ready(const struct certs_opts *opts, struct certs *certs, X509 *ca,
                                  EVP_PKEY *ca_key, struct err *err)
{
    struct str san = STR_MAX(SAN_BYTES_MAX);
    struct x509_wanted want = { .common_name = "makespand",
                                .days = CERTS_SERVER_DAYS,
                                .constraints = "critical,CA:FALSE",
                                .usage = "critical,digitalSignature",
                                .extended = "serverAuth" };
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum err_code rc = san_text(opts, &san, err);

    if (!rc)
        rc = x509_key_ready(certs->key_path, &key, &certs->made, err);
    if (!rc && fs_exists(certs->chain_path))
        rc = x509_read(certs->chain_path, &cert, err);
    if (!rc && cert)
        rc = check_signer(cert, ca, certs->chain_path, err);
    if (rc)
        goto out;
    if (!cert || !still_good(cert, key, str_text(&san), opts->now_ms)) {
        X509_free(cert);
        want.names = str_text(&san);
        cert = x509_make(&want, key, ca, ca_key, opts->now_ms);
        certs->made = true;
        rc = x509_write(certs->chain_path, cert, ca, err);
        if (rc)
            goto out;
    }
    certs->expires_ms = x509_expiry_ms(cert);
    x509_pin(cert, certs->pin);
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    str_fini(&san);
    return rc;
}

static enum err_code operators_own(struct certs *certs, struct err *err)
{
    X509 *cert = NULL;
    enum err_code rc = x509_read(certs->chain_path, &cert, err);

    if (rc)
        return rc;
    certs->expires_ms = x509_expiry_ms(cert);
    x509_pin(cert, certs->pin);
    X509_free(cert);
    return ERR_NONE;
}

static char *path_of(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_new(size, 1);

    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

enum err_code certs_ready(const struct certs_opts *opts, struct certs *out, struct err *err)
{
    struct certs certs = { .ca_path = path_of(opts->folder, "ca.pem"),
                           .chain_path = path_of(opts->folder, "server.pem"),
                           .key_path = path_of(opts->folder, "server.key") };
    char *ca_key_path = path_of(opts->folder, "ca.key");
    EVP_PKEY *ca_key = NULL;
    X509 *ca = NULL;
    enum err_code rc;

    certs.ours = fs_exists(ca_key_path) || !fs_exists(certs.chain_path);
    if (opts->name_count > CERTS_NAMES_MAX) {
        rc = err_set(err, ERR_INVALID, "%zu names for the certificate, the limit is %u",
                     opts->name_count, CERTS_NAMES_MAX);
    } else if (!certs.ours) {
        rc = operators_own(&certs, err);
    } else {
        rc = ca_ready(opts, &certs, &ca, &ca_key, err);
        if (!rc)
            rc = server_ready(opts, &certs, ca, ca_key, err);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    free(ca_key_path);
    if (rc)
        certs_fini(&certs);
    else
        *out = certs;
    return rc;
}

void certs_fini(struct certs *certs)
{
    free(certs->ca_path);
    free(certs->chain_path);
    free(certs->key_path);
    *certs = (struct certs){ 0 };
}
