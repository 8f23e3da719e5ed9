#include "plan/estimate.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "plan/fixlog.h"

#define FORGET_WEIGHT_PPM 125000  /* the newest sample weighs at least 1/8 */
#define STEP_LOG_PPM      693147  /* a sample further off than a factor of 2 ... */
#define STEP_DEVIATIONS   3       /* ... and than 3 deviations is moved in to there */
#define VAR_LOG_PPM_MAX   1000000 /* what a wild test may add to its mean: e^(1/2) */
#define SAMPLE_US_MAX     ((uint64_t)7 * 86400 * 1000000)

static int64_t sqrt_ppm(int64_t v_ppm)
{
    /* sqrt(v / 10^6) * 10^6 = sqrt(v * 10^6), by bisection: v is small and exactness matters. */
    uint64_t target = (uint64_t)v_ppm * 1000000u, low = 0, high = 4000000000u;

    while (low < high) {
        uint64_t mid = low + (high - low + 1) / 2;

        if (mid * mid <= target)
            low = mid;
        else
            high = mid - 1;
    }
    return (int64_t)low;
}

static int64_t clamp(int64_t v, int64_t limit)
{
    return v > limit ? limit : v < -limit ? -limit : v;
}

void estimate_add(struct estimate *est, uint64_t sample_us, bool censored)
{
    int64_t log_ppm = fixlog_ppm(sample_us < 1               ? 1
                                 : sample_us > SAMPLE_US_MAX ? SAMPLE_US_MAX
                                                             : sample_us);
    int64_t weight_ppm, limit, off;

    if (est->samples == 0) {
        /* Cut short or not: the least that it takes is all that is known so far. */
        *est = (struct estimate){ .samples = 1, .mean_log_ppm = log_ppm };
        return;
    }
    off = log_ppm - est->mean_log_ppm;
    if (censored && off <= 0)
        return; /* "at least this long" says nothing new */
    limit = STEP_DEVIATIONS * sqrt_ppm(est->var_log_ppm);
    off = clamp(off, limit > STEP_LOG_PPM ? limit : STEP_LOG_PPM);
    weight_ppm = 1000000 / ((int64_t)est->samples + 1);
    if (weight_ppm < FORGET_WEIGHT_PPM)
        weight_ppm = FORGET_WEIGHT_PPM;
    est->mean_log_ppm += off * weight_ppm / 1000000;
    est->var_log_ppm += off * off / 1000000 * weight_ppm / 1000000;
    est->var_log_ppm = est->var_log_ppm * (1000000 - weight_ppm) / 1000000;
    if (est->samples < UINT32_MAX)
        est->samples++;
}

uint64_t estimate_us(const struct estimate *est)
{
    int64_t var = est->var_log_ppm;

    if (!est->samples)
        return 0;
    return fixlog_exp(est->mean_log_ppm + (var > VAR_LOG_PPM_MAX ? VAR_LOG_PPM_MAX : var) / 2);
}

/* Means by a part of the id: open addressing over views into the ids. */
struct part {
    const char *at;
    uint32_t len;
    uint32_t known;
    uint64_t sum_us;
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

static void part_add(struct part *part, uint64_t us)
{
    part->known++;
    part->sum_us += us;
}

uint32_t estimate_fill(const char *const *ids, const struct estimate *known, uint32_t count,
                       uint64_t *costs_us)
{
    struct parts families, files;
    struct part all = { 0 };

    parts_init(&families, count);
    parts_init(&files, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!known[i].samples)
            continue;
        costs_us[i] = estimate_us(&known[i]);
        part_add(family_of(&families, ids[i]), costs_us[i]);
        part_add(file_of(&files, ids[i]), costs_us[i]);
        part_add(&all, costs_us[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct part *from;

        if (known[i].samples)
            continue;
        from = family_of(&families, ids[i]);
        if (!from->known)
            from = file_of(&files, ids[i]);
        if (!from->known)
            from = &all;
        costs_us[i] = from->known ? from->sum_us / from->known : ESTIMATE_UNKNOWN_US;
    }
    free(families.slots);
    free(files.slots);
    return all.known;
}
