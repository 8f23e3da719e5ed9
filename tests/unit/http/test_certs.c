#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "fs.h"
#include "http/certs.h"
#include "http/x509.h"

#define NOW_MS 1780000000000ull /* in 2026 */
#define DAY_MS 86400000ull

static int setup(void **state)
{
    struct err err = ERR_INIT;
    char *folder = NULL;

    if (fs_tempdir("msp-certs", &folder, &err))
        return -1;
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    struct err err = ERR_INIT;
    int rc = fs_remove_tree(*state, &err) ? -1 : 0;

    free(*state);
    return rc;
}

static void ready(const char *folder, const char *name, uint64_t now_ms, struct certs *out)
{
    const char *names[] = { name };
    struct certs_opts opts = {
        .folder = folder, .names = names, .name_count = name ? 1 : 0, .now_ms = now_ms
    };
    struct err err = ERR_INIT;

    if (certs_ready(&opts, out, &err))
        fail_msg("%s", err.text);
}

static void assert_private(const char *folder, const char *name)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;
    struct stat st = { 0 };

    assert_int_equal(str_addf(&path, &err, "%s/%s", folder, name), ERR_NONE);
    assert_int_equal(stat(str_text(&path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    str_fini(&path);
}

static void test_certs_makes_private_keys_and_a_pin(void **state)
{
    struct certs certs = { 0 };

    ready(*state, NULL, NOW_MS, &certs);
    assert_true(certs.made);
    assert_private(*state, "ca.key");
    assert_private(*state, "server.key");
    assert_int_equal(strlen(certs.pin), strlen("sha256//") + 44);
    assert_true(certs.expires_ms > NOW_MS + 390 * DAY_MS);
    certs_fini(&certs);
}

/* A second start changes nothing. */
static void test_certs_keeps_what_is_good(void **state)
{
    struct certs first = { 0 };
    struct certs second = { 0 };

    ready(*state, NULL, NOW_MS, &first);
    ready(*state, NULL, NOW_MS + DAY_MS, &second);
    assert_false(second.made);
    assert_int_equal(first.expires_ms, second.expires_ms);
    assert_string_equal(first.pin, second.pin);
    certs_fini(&first);
    certs_fini(&second);
}

/* The pin that CI holds outlives a renewal, which comes when fewer than 30 days are left. */
static void test_certs_renews_in_time_under_the_same_pin(void **state)
{
    struct certs first = { 0 };
    struct certs early = { 0 };
    struct certs renewed = { 0 };

    ready(*state, NULL, NOW_MS, &first);
    ready(*state, NULL, first.expires_ms - 31 * DAY_MS, &early);
    assert_false(early.made);
    ready(*state, NULL, first.expires_ms - 29 * DAY_MS, &renewed);
    assert_true(renewed.made);
    assert_true(renewed.expires_ms > first.expires_ms);
    assert_string_equal(first.pin, renewed.pin);
    certs_fini(&first);
    certs_fini(&early);
    certs_fini(&renewed);
}

/* A name that the certificate lacks makes a new one at once. */
static void test_certs_renews_for_a_new_name(void **state)
{
    struct certs first = { 0 };
    struct certs named = { 0 };

    ready(*state, NULL, NOW_MS, &first);
    ready(*state, "ci.example.org", NOW_MS, &named);
    assert_true(named.made);
    assert_string_equal(first.pin, named.pin);
    certs_fini(&first);
    certs_fini(&named);
}

/* The CA is renewed while copies of its old certificate still verify the server. */
static void test_certs_renews_the_ca_before_it_matters(void **state)
{
    struct certs certs = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str before = STR_MAX(X509_FILE_BYTES_MAX);
    struct str after = STR_MAX(X509_FILE_BYTES_MAX);
    struct err err = ERR_INIT;

    ready(*state, NULL, NOW_MS, &certs);
    assert_int_equal(str_addf(&path, &err, "%s/ca.pem", (const char *)*state), ERR_NONE);
    assert_int_equal(fs_read(str_text(&path), &before, &err), ERR_NONE);
    certs_fini(&certs);
    ready(*state, NULL, NOW_MS + (CERTS_CA_DAYS - CERTS_SERVER_DAYS + 1) * DAY_MS, &certs);
    assert_int_equal(fs_read(str_text(&path), &after, &err), ERR_NONE);
    assert_string_not_equal(str_text(&before), str_text(&after));
    certs_fini(&certs);
    str_fini(&path);
    str_fini(&before);
    str_fini(&after);
}

/* An operator's own certificate is used as it is and never replaced. */
static void test_certs_leaves_the_operators_own_alone(void **state)
{
    struct certs certs = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err err = ERR_INIT;

    ready(*state, NULL, NOW_MS, &certs);
    assert_int_equal(str_addf(&path, &err, "%s/ca.key", (const char *)*state), ERR_NONE);
    assert_int_equal(unlink(str_text(&path)), 0);
    certs_fini(&certs);
    ready(*state, "ci.example.org", NOW_MS + 396 * DAY_MS, &certs);
    assert_false(certs.made);
    assert_false(certs.ours);
    certs_fini(&certs);
    str_fini(&path);
}

static void path_in(const char *folder, const char *name, struct str *out)
{
    struct err err = ERR_INIT;

    str_clear(out);
    assert_int_equal(str_addf(out, &err, "%s/%s", folder, name), ERR_NONE);
}

/* A certificate by somebody else beside our CA's key is a mistake to tell, not to overwrite. */
static void test_certs_refuses_to_overwrite_a_foreign_certificate(void **state)
{
    struct certs certs = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str text = STR_MAX(X509_FILE_BYTES_MAX);
    struct str after = STR_MAX(X509_FILE_BYTES_MAX);
    struct certs_opts opts = { .folder = *state, .now_ms = NOW_MS };
    struct err err = ERR_INIT;

    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    path_in(*state, "ca.key", &path); /* another CA comes, the certificate stays */
    assert_int_equal(unlink(str_text(&path)), 0);
    path_in(*state, "ca.pem", &path);
    assert_int_equal(unlink(str_text(&path)), 0);
    path_in(*state, "server.pem", &path);
    assert_int_equal(fs_read(str_text(&path), &text, &err), ERR_NONE);
    assert_int_equal(unlink(str_text(&path)), 0);
    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    assert_int_equal(fs_replace(str_text(&path), text.at, text.len, FS_PUBLIC, &err), ERR_NONE);
    assert_int_equal(certs_ready(&opts, &certs, &err), ERR_TLS);
    assert_int_equal(fs_read(str_text(&path), &after, &err), ERR_NONE);
    assert_string_equal(str_text(&text), str_text(&after));
    str_fini(&path);
    str_fini(&text);
    str_fini(&after);
}

/* A CA's certificate that was left when its key was taken away proves nothing. */
static void test_certs_makes_the_ca_again_for_another_key(void **state)
{
    static const char *const taken[] = { "ca.key", "server.pem" };
    struct certs certs = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);

    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        path_in(*state, taken[i], &path);
        assert_int_equal(unlink(str_text(&path)), 0);
    }
    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    ready(*state, NULL, NOW_MS, &certs); /* the server's certificate is by the CA beside it */
    assert_false(certs.made);
    certs_fini(&certs);
    str_fini(&path);
}

static void test_certs_keeps_the_ca_when_the_key_is_another_one(void **state)
{
    struct certs certs = { 0 };
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str key = STR_MAX(X509_FILE_BYTES_MAX);
    struct str other = STR_MAX(X509_FILE_BYTES_MAX);
    struct certs_opts opts = { .folder = *state, .now_ms = NOW_MS };
    struct err err = ERR_INIT;

    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    path_in(*state, "server.key", &path);
    assert_int_equal(fs_read(str_text(&path), &other, &err), ERR_NONE);
    path_in(*state, "ca.key", &path);
    assert_int_equal(fs_read(str_text(&path), &key, &err), ERR_NONE);
    assert_int_equal(fs_replace(str_text(&path), other.at, other.len, FS_PRIVATE, &err), ERR_NONE);
    assert_int_equal(certs_ready(&opts, &certs, &err), ERR_TLS);
    assert_int_equal(fs_replace(str_text(&path), key.at, key.len, FS_PRIVATE, &err), ERR_NONE);
    ready(*state, NULL, NOW_MS, &certs);
    assert_false(certs.made);
    certs_fini(&certs);
    str_fini(&path);
    str_fini(&key);
    str_fini(&other);
}

/* A password would have to be typed at each start. */
static void test_certs_refuses_an_encrypted_key(void **state)
{
    struct certs_opts opts = { .folder = *state, .now_ms = NOW_MS };
    struct certs certs = { 0 };
    struct err err = ERR_INIT;
    struct str path = STR_MAX(PATH_BYTES_MAX);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file;

    ready(*state, NULL, NOW_MS, &certs);
    certs_fini(&certs);
    path_in(*state, "server.key", &path);
    file = fopen(str_text(&path), "w");
    assert_non_null(key);
    assert_non_null(file);
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_256_cbc(), "sesame", 6, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
    assert_int_equal(certs_ready(&opts, &certs, &err), ERR_TLS);
    assert_non_null(strstr(err.text, "server.key is encrypted"));
    str_fini(&path);
}

static void test_certs_check_name_refuses_what_is_no_host(void **state)
{
    static const char *const bad[] = { "",     "a b",  "a..b",      ".a",  "a,DNS:b",
                                       "a\nb", "-\"-", "1.2.3.4:5", "a/b", "email:x@y" };
    static const char *const good[] = { "a",        "a.b",     "*.ci.example.org", "10.0.0.7",
                                        "fd00::17", "x-y.z1.", "under_score" };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(certs_check_name(bad[i], &err), ERR_INVALID);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(certs_check_name(good[i], &err), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_certs_makes_private_keys_and_a_pin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs_keeps_what_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs_renews_in_time_under_the_same_pin, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_certs_renews_for_a_new_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs_renews_the_ca_before_it_matters, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_certs_leaves_the_operators_own_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs_refuses_to_overwrite_a_foreign_certificate,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_certs_keeps_the_ca_when_the_key_is_another_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_certs_makes_the_ca_again_for_another_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_certs_refuses_an_encrypted_key, setup, teardown),
        cmocka_unit_test(test_certs_check_name_refuses_what_is_no_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
