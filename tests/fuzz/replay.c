/* replay.c - runs a fuzz target over every file of the folders given, as an ordinary test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"

#define INPUT_BYTES_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err_code replay_file(const char *folder, const char *name, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str bytes = STR_MAX(INPUT_BYTES_MAX);
    uint8_t *exact = NULL;
    enum err_code rc = str_addf(&path, err, "%s/%s", folder, name);

    if (!rc)
        rc = fs_read(str_text(&path), &bytes, err);
    if (!rc) {
        exact = malloc(bytes.len ? bytes.len : 1); /* so that a sanitizer sees the end */
        INVARIANT(exact);
        if (bytes.len)
            memcpy(exact, bytes.at, bytes.len);
        (void)LLVMFuzzerTestOneInput(exact, bytes.len);
    }
    free(exact);
    str_fini(&bytes);
    str_fini(&path);
    return rc;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct err err = ERR_INIT;
    unsigned count = 0;

    if (!dir) {
        (void)fprintf(stderr, "replay: no folder %s\n", folder);
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay_file(folder, entry->d_name, &err)) {
            (void)fprintf(stderr, "replay: %s\n", err.text);
            (void)closedir(dir);
            return 1;
        }
        count++;
    }
    (void)closedir(dir);
    printf("%s: %u files\n", folder, count);
    return count == 0; /* an empty corpus tests nothing */
}

int main(int argc, char **argv)
{
    int status = argc < 2;

    for (int i = 1; i < argc; i++)
        status |= replay_folder(argv[i]);
    return status;
}
