#include "certs.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "id.h"
#include "mem.h"

#define DAY_S         86400
#define SAN_BYTES_MAX (CERTS_NAMES_MAX * (CERTS_NAME_BYTES_MAX + 8u) + 1024u)
#define BACKDATE_S    3600 /* a client's clock may be behind */

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

/* ---- OpenSSL objects to and from files ---- */

static enum err_code ssl_err(struct err *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(err, ERR_TLS, "%s: %s", what, reason ? reason : "unknown reason");
}

static enum err_code pem_open(const char *path, BIO **out, struct err *err)
{
    struct str text = STR_MAX(CERTS_FILE_BYTES_MAX);
    enum err_code rc = fs_read(path, &text, err);

    if (!rc) {
        *out = BIO_new(BIO_s_mem());
        INVARIANT(*out && BIO_write(*out, str_text(&text), (int)text.len) == (int)text.len);
    }
    str_fini(&text);
    return rc;
}

/* Nobody is there to type one at a restart; without this OpenSSL would ask on the terminal. */
static int no_password(char *out, int size, int writing, void *was_asked)
{
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)was_asked = true;
    return 0;
}

static enum err_code key_read(const char *path, EVP_PKEY **out, struct err *err)
{
    BIO *bio = NULL;
    bool is_encrypted = false;
    enum err_code rc = pem_open(path, &bio, err);

    if (!rc && !(*out = PEM_read_bio_PrivateKey(bio, NULL, no_password, &is_encrypted)))
        rc = ssl_err(err, path);
    if (rc && is_encrypted)
        rc = err_set(err, ERR_TLS,
                     "%s is encrypted, and nobody is asked for its password: put the key there "
                     "without one (openssl pkey -in KEY -out %s)",
                     path, path);
    BIO_free(bio);
    return rc;
}

static enum err_code cert_read(const char *path, X509 **out, struct err *err)
{
    BIO *bio = NULL;
    enum err_code rc = pem_open(path, &bio, err);

    if (!rc && !(*out = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        rc = ssl_err(err, path);
    BIO_free(bio);
    return rc;
}

static enum err_code bio_to_file(BIO *bio, const char *path, enum fs_mode mode, struct err *err)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);

    INVARIANT(len > 0);
    return fs_replace(path, bytes, (size_t)len, mode, err);
}

/* Reads a key or makes one (P-256) and keeps it readable by its owner only. */
static enum err_code key_ready(const char *path, EVP_PKEY **out, bool *out_made, struct err *err)
{
    EVP_PKEY *key = NULL;
    BIO *bio = NULL;
    enum err_code rc;

    if (fs_exists(path))
        return key_read(path, out, err);
    key = EVP_EC_gen("P-256");
    bio = BIO_new(BIO_s_mem());
    INVARIANT(key && bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    rc = bio_to_file(bio, path, FS_PRIVATE, err);
    BIO_free(bio);
    if (rc) {
        EVP_PKEY_free(key);
        return rc;
    }
    *out = key;
    *out_made = true;
    return ERR_NONE;
}

/* ---- certificates ---- */

struct wanted { /* what a new certificate is to say */
    const char *common_name;
    uint32_t days;
    const char *constraints, *usage, *extended, *names; /* NULL: leave out */
};

static void extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    if (!value)
        return;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    INVARIANT(ext && X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

/* Signs a certificate for key by issuer (NULL: by itself). */
static X509 *cert_make(const struct wanted *want, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                       uint64_t now_ms)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    time_t now = (time_t)(now_ms / 1000);
    unsigned char serial[16];
    BIGNUM *number;

    INVARIANT(cert && name);
    id_random(serial, sizeof(serial));
    serial[0] &= 0x7f; /* positive */
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    INVARIANT(number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)));
    BN_free(number);
    INVARIANT(X509_set_version(cert, X509_VERSION_3) == 1);
    INVARIANT(X509_time_adj_ex(X509_getm_notBefore(cert), 0, -BACKDATE_S, &now));
    INVARIANT(X509_time_adj_ex(X509_getm_notAfter(cert), (int)want->days, 0, &now));
    INVARIANT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                         (const unsigned char *)want->common_name, -1, -1, 0) == 1);
    INVARIANT(X509_set_subject_name(cert, name) == 1);
    INVARIANT(X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name) == 1);
    INVARIANT(X509_set_pubkey(cert, key) == 1);
    X509_NAME_free(name);
    extension_add(cert, issuer ? issuer : cert, NID_basic_constraints, want->constraints);
    extension_add(cert, issuer ? issuer : cert, NID_key_usage, want->usage);
    extension_add(cert, issuer ? issuer : cert, NID_ext_key_usage, want->extended);
    extension_add(cert, issuer ? issuer : cert, NID_subject_alt_name, want->names);
    extension_add(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash");
    extension_add(cert, issuer ? issuer : cert, NID_authority_key_identifier, "keyid");
    INVARIANT(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static enum err_code chain_write(const char *path, X509 *cert, X509 *issuer, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum err_code rc;

    INVARIANT(bio && PEM_write_bio_X509(bio, cert) == 1);
    INVARIANT(!issuer || PEM_write_bio_X509(bio, issuer) == 1);
    rc = bio_to_file(bio, path, FS_PUBLIC, err);
    BIO_free(bio);
    return rc;
}

static uint64_t expiry_ms(const X509 *cert)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;

    INVARIANT(epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert)) == 1);
    ASN1_TIME_free(epoch);
    return ((uint64_t)days * DAY_S + (uint64_t)seconds) * 1000u;
}

static void pin_of(X509 *cert, char out[CERTS_PIN_BYTES])
{
    unsigned char *der = NULL;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned char text[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    INVARIANT(len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1);
    OPENSSL_free(der);
    (void)EVP_EncodeBlock(text, digest, sizeof(digest));
    (void)snprintf(out, CERTS_PIN_BYTES, "sha256//%s", (const char *)text);
}

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
    uint64_t soon_ms = now_ms + (uint64_t)CERTS_RENEW_DAYS * DAY_S * 1000u;
    X509_EXTENSION *want = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
    X509_EXTENSION *have = at < 0 ? NULL : X509_get_ext(cert, at);
    bool good;

    INVARIANT(want != NULL);
    good = have && expiry_ms(cert) > soon_ms && X509_check_private_key(cert, key) == 1 &&
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
    struct wanted want = { .common_name = "Makespan CA",
                           .days = CERTS_CA_DAYS,
                           .constraints = "critical,CA:TRUE,pathlen:0",
                           .usage = "critical,keyCertSign,cRLSign" };
    X509 *ca = NULL;
    bool is_by_key = false;
    uint64_t least_ms = opts->now_ms + (uint64_t)CERTS_SERVER_DAYS * DAY_S * 1000u;
    enum err_code rc = str_addf(&key_path, err, "%s/ca.key", opts->folder);

    if (!rc)
        rc = key_ready(str_text(&key_path), out_key, &certs->made, err);
    if (!rc && fs_exists(certs->ca_path))
        rc = cert_read(certs->ca_path, &ca, err);
    if (!rc && ca) {
        is_by_key = X509_check_private_key(ca, *out_key) == 1;
        ERR_clear_error();
    }
    if (!rc && ca && !is_by_key && fs_exists(certs->chain_path))
        rc = err_set(err, ERR_TLS,
                     "%s is not the key of %s: put the right one back, or move both and server.pem "
                     "away to have new ones made",
                     str_text(&key_path), certs->ca_path);
    if (!rc && (!is_by_key || expiry_ms(ca) < least_ms)) {
        X509_free(ca);
        ca = cert_make(&want, *out_key, NULL, *out_key, opts->now_ms);
        rc = chain_write(certs->ca_path, ca, NULL, err);
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
    struct wanted want = { .common_name = "makespand",
                           .days = CERTS_SERVER_DAYS,
                           .constraints = "critical,CA:FALSE",
                           .usage = "critical,digitalSignature",
                           .extended = "serverAuth" };
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum err_code rc = san_text(opts, &san, err);

    if (!rc)
        rc = key_ready(certs->key_path, &key, &certs->made, err);
    if (!rc && fs_exists(certs->chain_path))
        rc = cert_read(certs->chain_path, &cert, err);
    if (!rc && cert)
        rc = check_signer(cert, ca, certs->chain_path, err);
    if (rc)
        goto out;
    if (!cert || !still_good(cert, key, str_text(&san), opts->now_ms)) {
        X509_free(cert);
        want.names = str_text(&san);
        cert = cert_make(&want, key, ca, ca_key, opts->now_ms);
        certs->made = true;
        rc = chain_write(certs->chain_path, cert, ca, err);
        if (rc)
            goto out;
    }
    certs->expires_ms = expiry_ms(cert);
    pin_of(cert, certs->pin);
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    str_fini(&san);
    return rc;
}

static enum err_code operators_own(struct certs *certs, struct err *err)
{
    X509 *cert = NULL;
    enum err_code rc = cert_read(certs->chain_path, &cert, err);

    if (rc)
        return rc;
    certs->expires_ms = expiry_ms(cert);
    pin_of(cert, certs->pin);
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
