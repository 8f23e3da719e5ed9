#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/route.h"
#include "fs.h"

#define FILE_BYTES_MAX  (1u << 20)
#define OPERATIONS_MAX  64u
#define OPERATION_BYTES 256

/* The file's operations as "PUT /path": a path stands at an indent of two, its methods at four. The
 * file keeps to that layout so that no YAML reader is needed here. */
struct operations {
    char text[OPERATIONS_MAX][OPERATION_BYTES];
    size_t count;
};

static void take_method(struct operations *ops, const char *path, const char *line)
{
    static const enum http_method methods[] = { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE };
    static const char *const words[] = { "    get:", "    post:", "    put:", "    delete:" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(line, words[i]) == 0) {
            assert_true(ops->count < OPERATIONS_MAX);
            (void)snprintf(ops->text[ops->count++], OPERATION_BYTES, "%s %s",
                           http_method_name(methods[i]), path);
        }
}

static void read_operations(struct operations *ops)
{
    struct str text = STR_MAX(FILE_BYTES_MAX);
    struct err err = ERR_INIT;
    char path[OPERATION_BYTES / 2] = "";
    char *next;

    assert_int_equal(fs_read("docs/openapi.yaml", &text, &err), ERR_NONE);
    for (char *line = text.at; line && *line; line = next) {
        size_t len = strcspn(line, "\n");

        next = line[len] ? line + len + 1 : NULL;
        line[len] = '\0';
        if (strncmp(line, "  /", 3) == 0) {
            assert_true(len > 3 && len < sizeof(path) && line[len - 1] == ':');
            memcpy(path, line + 2, len - 3);
            path[len - 3] = '\0';
        } else {
            take_method(ops, path, line);
        }
    }
    str_fini(&text);
}

static bool has(const struct operations *ops, const char *text)
{
    for (size_t i = 0; i < ops->count; i++)
        if (strcmp(ops->text[i], text) == 0)
            return true;
    return false;
}

/* What the file says and what the server takes are the same set. */
static void test_openapi_has_the_paths_of_the_table(void **state)
{
    static struct operations ops;
    size_t count = 0;
    const struct route *table = routes(&count);

    (void)state;
    read_operations(&ops);
    for (size_t i = 0; i < count; i++) {
        char text[OPERATION_BYTES];

        (void)snprintf(text, sizeof(text), "%s %s", http_method_name(table[i].method),
                       table[i].pattern);
        if (!has(&ops, text))
            fail_msg("docs/openapi.yaml lacks %s", text);
    }
    assert_int_equal(ops.count, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openapi_has_the_paths_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
