#include "id.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_random(void *out, size_t len)
{
    INVARIANT(len <= 4096 && RAND_bytes(out, (int)len) == 1);
}

uint64_t id_random_u64(void)
{
    uint64_t v = 0;

    id_random(&v, sizeof(v));
    return v;
}

static void random_text(char *out, size_t len)
{
    unsigned char raw[64];

    INVARIANT(len <= sizeof(raw));
    id_random(raw, len);
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[raw[i] & 31];
    out[len] = '\0';
}

void id_new(char out[ID_TEXT_BYTES])
{
    random_text(out, ID_TEXT_BYTES - 1);
}

void token_new(const char *prefix, char out[TOKEN_TEXT_BYTES])
{
    size_t n = strlen(prefix);

    INVARIANT(n <= 8);
    memcpy(out, prefix, n);
    random_text(out + n, 52);
}

bool secret_eq(const char *a, const char *b)
{
    size_t len = strlen(a);

    return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

void secret_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}
