#include "manifest_lanes.h"

#include <string.h>

#define LANE "lane="

enum err_code lanes_make(const struct manifest *one, uint32_t count, struct manifest **out,
                         struct err *err)
{
    struct manifest *m = manifest_new();
    struct str flags = STR_MAX(MANIFEST_FLAGS_BYTES_MAX);
    enum err_code rc = ERR_NONE;

    for (uint32_t lane = 0; !rc && lane < count; lane++) {
        for (uint32_t i = 0; !rc && i < one->count; i++) {
            const struct manifest_test *t = &one->tests[i];

            str_clear(&flags);
            rc = str_addf(&flags, err, "%s%s" LANE "%u", t->flags, t->flags[0] ? "," : "", lane);
            if (!rc)
                rc = manifest_add(m, view_of(t->id), view_of(t->group), view_of(str_text(&flags)),
                                  err);
        }
    }
    str_fini(&flags);
    if (rc) {
        manifest_free(m);
        return err_wrap(err, "every test on each of %u machines", count);
    }
    manifest_seal(m);
    *out = m;
    return ERR_NONE;
}

struct lanes lanes_of(const struct manifest *m)
{
    const char *last = m->count ? m->tests[m->count - 1].flags : "";
    const char *word = strrchr(last, ',');
    uint32_t lane = 0;
    struct err ignored = ERR_INIT;

    word = word ? word + 1 : last;
    if (strncmp(word, LANE, strlen(LANE)) != 0 ||
        parse_u32(word + strlen(LANE), 0, MANIFEST_TESTS_MAX, &lane, &ignored) ||
        m->count % (lane + 1) != 0)
        return (struct lanes){ .count = 1, .tests = m->count };
    return (struct lanes){ .count = lane + 1, .tests = m->count / (lane + 1) };
}

uint32_t lanes_lane(struct lanes lanes, uint32_t test)
{
    return lanes.tests ? test / lanes.tests : 0;
}

uint32_t lanes_k(const struct manifest *m, struct lanes lanes, uint32_t test)
{
    return m->tests[test % lanes.tests].k;
}
