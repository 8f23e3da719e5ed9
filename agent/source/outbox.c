#include "outbox.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "mem.h"

#define BODY_BYTES_MAX (64u << 20)

struct letter {
    uint64_t number;
    char *body; /* NULL: in its file */
};

struct outbox {
    char *name, *folder; /* folder NULL: nothing was spilled */
    struct letter *letters;
    size_t count, cap;
};

struct outbox *outbox_new(const char *name)
{
    struct outbox *o = mem_new(1, sizeof(*o));

    o->name = mem_strdup(name);
    return o;
}

void outbox_free(struct outbox *o)
{
    struct err ignored = ERR_INIT;

    if (!o)
        return;
    if (o->folder && o->count == 0 && fs_remove_tree(o->folder, &ignored))
        ignored.code = ERR_NONE; /* an empty folder that stays does no harm */
    for (size_t i = 0; i < o->count; i++)
        free(o->letters[i].body);
    free(o->letters);
    free(o->folder);
    free(o->name);
    free(o);
}

void outbox_add(struct outbox *o, uint64_t number, char *take_body)
{
    INVARIANT(o->count == 0 || number > o->letters[o->count - 1].number);
    o->letters = mem_grow(o->letters, &o->cap, o->count + 1, sizeof(*o->letters));
    o->letters[o->count++] = (struct letter){ .number = number, .body = take_body };
}

size_t outbox_count(const struct outbox *o)
{
    return o->count;
}

static enum err_code letter_path(const struct outbox *o, uint64_t number, struct str *out,
                                 struct err *err)
{
    return str_addf(out, err, "%s/%08llu.json", o->folder, (unsigned long long)number);
}

enum err_code outbox_first(const struct outbox *o, uint64_t *out_number, char **out_body,
                           struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct str body = STR_MAX(BODY_BYTES_MAX);
    enum err_code rc;

    INVARIANT(o->count > 0);
    if (o->letters[0].body) {
        *out_number = o->letters[0].number;
        *out_body = mem_strdup(o->letters[0].body);
        return ERR_NONE;
    }
    rc = letter_path(o, o->letters[0].number, &path, err);
    if (!rc)
        rc = fs_read(path.at, &body, err);
    if (!rc) {
        *out_number = o->letters[0].number;
        *out_body = str_take(&body);
    }
    str_fini(&path);
    str_fini(&body);
    return rc;
}

void outbox_acknowledge(struct outbox *o, uint64_t number)
{
    size_t gone = 0;

    while (gone < o->count && o->letters[gone].number <= number) {
        struct str path = STR_MAX(PATH_BYTES_MAX);
        struct err ignored = ERR_INIT;

        if (!o->letters[gone].body && !letter_path(o, o->letters[gone].number, &path, &ignored))
            (void)unlink(path.at); /* the folder is removed at the end anyway */
        str_fini(&path);
        free(o->letters[gone].body);
        gone++;
    }
    o->count -= gone;
    memmove(o->letters, o->letters + gone, o->count * sizeof(*o->letters));
}

static enum err_code make_folder(struct outbox *o, struct err *err)
{
    struct str parent = STR_MAX(PATH_BYTES_MAX);
    struct str folder = STR_MAX(PATH_BYTES_MAX);
    char *state = NULL;
    enum err_code rc = ERR_NONE;

    if (o->folder)
        return ERR_NONE;
    rc = fs_xdg("XDG_STATE_HOME", ".local/state", &state, err);
    if (!rc)
        rc = str_addf(&parent, err, "%s/outbox", state);
    if (!rc)
        rc = str_addf(&folder, err, "%s/%s", parent.at, o->name);
    if (!rc)
        rc = fs_mkdirs(folder.at, FS_PRIVATE, err);
    if (!rc) {
        o->folder = str_take(&folder);
        fs_sweep(parent.at, o->folder, OUTBOX_DAYS_KEPT);
    }
    str_fini(&parent);
    str_fini(&folder);
    free(state);
    return rc;
}

enum err_code outbox_spill(struct outbox *o, struct err *err)
{
    enum err_code rc = o->count ? make_folder(o, err) : ERR_NONE;

    for (size_t i = 0; i < o->count && !rc; i++) {
        struct letter *l = &o->letters[i];
        struct str path = STR_MAX(PATH_BYTES_MAX);

        if (!l->body)
            continue;
        rc = letter_path(o, l->number, &path, err);
        if (!rc)
            rc = fs_replace(path.at, l->body, strlen(l->body), FS_PRIVATE, err);
        if (!rc) {
            free(l->body);
            l->body = NULL;
        }
        str_fini(&path);
    }
    return rc;
}

const char *outbox_folder(const struct outbox *o)
{
    return o->folder;
}
