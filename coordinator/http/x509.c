#include "x509.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "fs.h"
#include "id.h"

#define DAY_S      86400
#define BACKDATE_S 3600 /* a client's clock may be behind */

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
    struct str text = STR_MAX(X509_FILE_BYTES_MAX);
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

enum err_code x509_read(const char *path, X509 **out, struct err *err)
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

enum err_code x509_key_ready(const char *path, EVP_PKEY **out, bool *out_made, struct err *err)
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

X509 *x509_make(const struct x509_wanted *want, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
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

enum err_code x509_write(const char *path, X509 *cert, X509 *issuer, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum err_code rc;

    INVARIANT(bio && PEM_write_bio_X509(bio, cert) == 1);
    INVARIANT(!issuer || PEM_write_bio_X509(bio, issuer) == 1);
    rc = bio_to_file(bio, path, FS_PUBLIC, err);
    BIO_free(bio);
    return rc;
}

uint64_t x509_expiry_ms(const X509 *cert)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;

    INVARIANT(epoch && ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(cert)) == 1);
    ASN1_TIME_free(epoch);
    return ((uint64_t)days * DAY_S + (uint64_t)seconds) * 1000u;
}

void x509_pin(X509 *cert, char out[X509_PIN_BYTES])
{
    unsigned char *der = NULL;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned char text[4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    INVARIANT(len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1);
    OPENSSL_free(der);
    (void)EVP_EncodeBlock(text, digest, sizeof(digest));
    (void)snprintf(out, X509_PIN_BYTES, "sha256//%s", (const char *)text);
}
