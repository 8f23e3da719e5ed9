/* estimate_fill.c - what to plan with for every test of a manifest. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/estimate.h"
#include "plan/fixlog.h"

/* Measured over seven suites recorded twice (tests/data/traces): a time wanders by half a
 * millisecond or so whatever its length. With these the second run of each is predicted as well as
 * without, and of the noisy ones better. */
#define JITTER_US        (uint64_t)500
#define DOUBT_PPM_MAX    250000 /* a first sample is never distrusted beyond this */
#define ANYWHERE_SAMPLES 2      /* what is so anywhere weighs as much as two samples */
#define SPREAD_PPM_MIN   500000 /* tests of a family look more alike than they are */
#define ALIKE_MIN        4u     /* fewer tell nothing of the others */
#define SAMPLES_MAX      1000
#define MILLI_PPM        1000

/* Means by a part of the id: open addressing over views into the ids. */
struct part {
    const char *at;
    uint32_t len;
    uint32_t known;
    uint64_t sum_us;
    int64_t sum_log, sum_square; /* of ln(us), in thousandths, and of its squares */
};
struct parts {
    struct part *slots;
    uint32_t mask;
};

static void parts_init(struct parts *p, uint32_t count)
{
    uint32_t slots = 16;

    while (slots / 2 < count)
        slots *= 2;
    p->slots = mem_new(slots, sizeof(*p->slots));
    p->mask = slots - 1;
}

static struct part *parts_at(const struct parts *p, const char *at, uint32_t len)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    uint32_t i;

    for (uint32_t k = 0; k < len; k++)
        hash = (hash ^ (unsigned char)at[k]) * 1099511628211u;
    for (i = (uint32_t)(hash ^ hash >> 32) & p->mask; p->slots[i].at; i = (i + 1) & p->mask)
        if (p->slots[i].len == len && !memcmp(p->slots[i].at, at, len))
            return &p->slots[i];
    p->slots[i].at = at;
    p->slots[i].len = len;
    return &p->slots[i];
}

static struct part *family_of(const struct parts *p, const char *id)
{
    return parts_at(p, id, (uint32_t)strcspn(id, "["));
}

static struct part *file_of(const struct parts *p, const char *id)
{
    const char *end = strstr(id, "::");

    return parts_at(p, id, end ? (uint32_t)(end - id) : (uint32_t)strlen(id));
}

static void part_add(struct part *part, uint64_t us, int64_t log_ppm)
{
    int64_t log = log_ppm / MILLI_PPM;

    part->known++;
    part->sum_us += us;
    part->sum_log += log;
    part->sum_square += log * log;
}

/* How far a test's mean may be off, as a variance: what its samples say, and until there are some,
 * what times of tests do anywhere. */
static int64_t doubt_ppm(const struct estimate *est)
{
    uint64_t us = fixlog_exp(est->mean_log_ppm);
    int64_t anywhere =
        us < JITTER_US ? DOUBT_PPM_MAX : (int64_t)(JITTER_US * JITTER_US * 1000000 / us / us);

    if (anywhere > DOUBT_PPM_MAX)
        anywhere = DOUBT_PPM_MAX;
    return (anywhere * ANYWHERE_SAMPLES + est->var_log_ppm * (int64_t)est->samples) /
           (ANYWHERE_SAMPLES + (int64_t)est->samples);
}

/* The mean of a test that is one of many alike: doubt / n against how unlike they are. */
static int64_t drawn_in(const struct estimate *est, const struct part *part)
{
    int64_t mean = part->sum_log / part->known, doubt = doubt_ppm(est);
    int64_t spread_ppm = part->sum_square / part->known - mean * mean; /* (10^3)^2 = 10^6 */
    int64_t samples = est->samples < SAMPLES_MAX ? est->samples : SAMPLES_MAX;

    if (part->known < ALIKE_MIN)
        return est->mean_log_ppm;
    if (spread_ppm < SPREAD_PPM_MIN)
        spread_ppm = SPREAD_PPM_MIN;
    return est->mean_log_ppm +
           (mean * MILLI_PPM - est->mean_log_ppm) * doubt / (doubt + samples * spread_ppm);
}

uint32_t estimate_fill(const char *const *ids, const struct estimate *known, uint32_t count,
                       uint64_t *costs_us)
{
    struct parts families, files;
    struct part all = { 0 };

    parts_init(&families, count);
    parts_init(&files, count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t us = estimate_us(&known[i]);

        if (!known[i].samples)
            continue;
        part_add(family_of(&families, ids[i]), us, known[i].mean_log_ppm);
        part_add(file_of(&files, ids[i]), us, known[i].mean_log_ppm);
        part_add(&all, us, known[i].mean_log_ppm);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct part *family = family_of(&families, ids[i]), *file = file_of(&files, ids[i]);
        uint32_t enough = known[i].samples ? ALIKE_MIN : 1; /* a part must hold more than itself */
        const struct part *from = family->known >= enough ? family
                                  : file->known >= enough ? file
                                                          : &all;

        if (known[i].samples)
            costs_us[i] = estimate_us_at(&known[i], drawn_in(&known[i], from));
        else
            costs_us[i] = from->known ? from->sum_us / from->known : ESTIMATE_UNKNOWN_US;
    }
    free(families.slots);
    free(files.slots);
    return all.known;
}
