#include "share.h"

#include "fs.h"

size_t share_rows(struct share *share, bool store, struct cfg_option *rows)
{
    size_t n = 0;

    rows[n++] = (struct cfg_option){
        .section = "Without a coordinator",
        .name = "durations",
        .env = "MAKESPAN_DURATIONS",
        .value = "FILE",
        .help =
            "The durations that every machine plans with, the same file for all (" SHARE_DURATIONS
            " when there is one).",
        .kind = CFG_TEXT,
        .into = &share->durations_path,
    };
    rows[n++] = (struct cfg_option){
        .name = "algorithm",
        .env = "MAKESPAN_ALGORITHM",
        .value = "NAME",
        .help =
            "makespan (default), or exactly as others split: duration_based_chunks, least_duration "
            "(pytest-split), hash (pytest-shard), stride, filename, random (pytest-test-groups).",
        .kind = CFG_TEXT,
        .into = &share->algorithm,
    };
    rows[n++] = (struct cfg_option){
        .name = "seed",
        .value = "N",
        .help = "Of the algorithm random; the same on all machines (0).",
        .kind = CFG_TEXT,
        .into = &share->seed_text,
    };
    if (store)
        rows[n++] = (struct cfg_option){
            .name = "store-durations",
            .value = "FILE",
            .help = "Write what the tests took here; 'makespan durations merge' makes one file of "
                    "those of all machines.",
            .kind = CFG_TEXT,
            .into = &share->store_path,
        };
    return n;
}

static enum err_code read_durations(struct share *share, struct str *out_note, struct err *err)
{
    const char *path = share->durations_path ? share->durations_path : SHARE_DURATIONS;
    struct str bytes = STR_MAX(DURATIONS_BYTES_MAX);
    enum err_code rc;

    if (!fs_exists(path))
        return share->durations_path
                   ? str_addf(out_note, err,
                              "%s does not exist: the plan is made without durations", path)
                   : ERR_NONE;
    rc = fs_read_given(path, &bytes, err);
    if (!rc)
        rc = durations_parse(str_text(&bytes), bytes.len, &share->file, err);
    if (rc)
        rc = err_wrap(err, "%s", path);
    else
        share->durations = durations_of(share->file);
    str_fini(&bytes);
    return rc;
}

enum err_code share_open(struct share *share, uint32_t index, uint32_t total, struct str *out_note,
                         struct err *err)
{
    enum err_code rc = ERR_NONE;

    if (total < 1 || total > SHARE_MACHINES_MAX || index >= total)
        return err_set(err, ERR_USAGE, "index %u of %u: the index is from 0 and below the total",
                       index, total);
    share->split = (struct split_opts){ .index = index, .total = total };
    if (share->algorithm)
        rc = split_algorithm_parse(share->algorithm, &share->split.algorithm, err);
    if (!rc && share->seed_text &&
        (rc = parse_u64(share->seed_text, 0, UINT64_MAX, &share->split.seed, err)) != ERR_NONE)
        rc = err_wrap(err, "option --seed");
    if (!rc)
        rc = read_durations(share, out_note, err);
    if (!rc)
        share->split.durations = &share->durations;
    return rc;
}

void share_fini(struct share *share)
{
    durations_free(share->file);
}
