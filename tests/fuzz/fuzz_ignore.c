/* A .gitignore: whatever stands in it, a path is ignored or not, in time. First line: the path. */
#include <stdlib.h>
#include <string.h>

#include "watch/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *end = size ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - (const char *)data) : 0;
    struct ignore *ignore;
    char *path;

    if (!end || len > 200 || memchr(data, '\0', len))
        return 0;
    path = calloc(len + 1, 1);
    if (!path)
        return 0;
    memcpy(path, data, len);
    ignore = ignore_new();
    ignore_add(ignore, end + 1, size - len - 1);
    /* What is no file's is no rule's business to keep: a rule for folders never ignores a file. */
    if (ignore_has(ignore, path, IGNORE_FILE) && !ignore_has(ignore, path, IGNORE_FOLDER))
        INVARIANT(memchr(data, '!', size) != NULL);
    ignore_free(ignore);
    free(path);
    return 0;
}
