#include "agent_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "fs.h"
#include "mem.h"

struct agent_file {
    char *path;
    struct timespec changed;
    off_t size;
    struct http_blob *bytes; /* NULL: not read yet */
    char digest[HASH_HEX_BYTES];
};

struct agent_file *agent_file_new(const char *path)
{
    struct agent_file *file = mem_new(1, sizeof(*file));

    file->path = mem_strdup(path);
    return file;
}

void agent_file_free(struct agent_file *file)
{
    if (!file)
        return;
    http_blob_drop(file->bytes);
    free(file->path);
    free(file);
}

static enum err_code read_again(struct agent_file *file, const struct stat *now, struct err *err)
{
    struct str text = STR_MAX(AGENT_FILE_BYTES_MAX);
    enum err_code rc = fs_read(file->path, &text, err);
    size_t len = text.len;
    char *bytes;

    if (rc) {
        str_fini(&text);
        return rc;
    }
    hash_hex(str_text(&text), len, file->digest);
    bytes = str_take(&text);
    http_blob_drop(file->bytes);
    file->bytes = http_blob_new(&bytes, len);
    file->changed = now->st_mtim;
    file->size = now->st_size;
    return ERR_NONE;
}

enum err_code agent_file_get(struct agent_file *file, struct http_blob **out_bytes,
                             const char **out_digest, struct err *err)
{
    struct stat now = { 0 };

    if (stat(file->path, &now))
        return err_set(err, ERR_NOT_FOUND, "the agent's program is not beside makespand");
    if (!file->bytes || now.st_size != file->size || now.st_mtim.tv_sec != file->changed.tv_sec ||
        now.st_mtim.tv_nsec != file->changed.tv_nsec)
        if (read_again(file, &now, err))
            return err->code;
    *out_bytes = file->bytes;
    *out_digest = file->digest;
    return ERR_NONE;
}
