#include "sharded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "json.h"
#include "record.h"

struct cfg_option sharded_row(struct sharded *sharded)
{
    return (struct cfg_option){
        .name = "sharded-collection",
        .env = "MAKESPAN_SHARDED_COLLECTION",
        .value = "FILE",
        .bare = "",
        .kind = CFG_TEXT,
        .into = &sharded->text,
        .help = "Of several machines: import only the files whose tests this one runs. Which tests "
                "the other files hold is taken from a record of earlier collections, kept in FILE "
                "(the user's cache when none is given), and checked where they run; without a "
                "coordinator whole files are dealt out. Plugins that look at all collected tests "
                "at once see a part."
    };
}

/* One record for each folder, as for durations. */
static enum err_code find_record(struct sharded *sharded, struct err *err)
{
    char cwd[PATH_BYTES_MAX];

    if (sharded->text[0])
        return fs_absolute(sharded->text, &sharded->known, err);
    if (!getcwd(cwd, sizeof(cwd)))
        return err_errno(err, errno, "the working directory");
    return record_path("ids", cwd, &sharded->known, err);
}

enum err_code sharded_open(struct sharded *sharded, const struct target *target,
                           const struct share *split, struct str *out_note, struct err *err)
{
    const char *durations;

    if (!sharded->text)
        return ERR_NONE;
    if (target->url)
        return find_record(sharded, err);
    if (!split)
        return str_addz(out_note, "--sharded-collection: one machine alone collects everything",
                        err);
    if (split->split.algorithm != SPLIT_MAKESPAN)
        return err_set(err, ERR_USAGE,
                       "--sharded-collection deals out whole files; --algorithm %s splits tests: "
                       "leave one of them out",
                       split->algorithm);
    sharded->index = split->split.index;
    sharded->total = split->split.total;
    durations = split->durations_path ? split->durations_path : SHARE_DURATIONS;
    return split->file ? fs_absolute(durations, &sharded->durations, err) : ERR_NONE;
}

void sharded_fini(struct sharded *sharded)
{
    free(sharded->known);
    free(sharded->durations);
    sharded->known = sharded->durations = NULL;
}

void sharded_tell(const struct sharded *sharded, struct json *config)
{
    json_set_bool(config, "sharded", sharded->known || sharded->total > 0);
    json_set_text(config, "known_ids", sharded->known);
    json_set_u64(config, "share_index", sharded->index);
    json_set_u64(config, "share_total", sharded->total);
    json_set_text(config, "share_durations", sharded->durations);
}

void sharded_forget(const struct sharded *sharded)
{
    if (sharded->known)
        (void)unlink(sharded->known); /* there may be none */
}
