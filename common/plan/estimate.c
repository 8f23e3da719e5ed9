#include "plan/estimate.h"

#include "plan/fixlog.h"

#define FORGET_WEIGHT_PPM 125000  /* the newest sample weighs at least 1/8 */
#define STEP_LOG_PPM      693147  /* a sample further off than a factor of 2 ... */
#define STEP_DEVIATIONS   3       /* ... and than 3 deviations is moved in to there */
#define VAR_LOG_PPM_MAX   1000000 /* what a wild test may add to its mean: e^(1/2) */
#define HIGH_SAMPLES      3       /* with fewer, a factor of 3 is nothing unusual ... */
#define HIGH_LOG_PPM_FEW  700000
#define HIGH_LOG_PPM_MIN  300000 /* ... and later one of 1.6 */
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

uint64_t estimate_us_at(const struct estimate *est, int64_t mean_log_ppm)
{
    int64_t var = est->var_log_ppm;

    return fixlog_exp(mean_log_ppm + (var > VAR_LOG_PPM_MAX ? VAR_LOG_PPM_MAX : var) / 2);
}

/* Few samples do not show how far they scatter. */
uint64_t estimate_high_us(const struct estimate *est)
{
    int64_t least_ppm = est->samples < HIGH_SAMPLES ? HIGH_LOG_PPM_FEW : HIGH_LOG_PPM_MIN;
    int64_t deviation_ppm = sqrt_ppm(est->var_log_ppm);

    if (est->samples == 0)
        return 0;
    return fixlog_exp(est->mean_log_ppm +
                      (deviation_ppm > least_ppm ? deviation_ppm : least_ppm) * 1645 / 1000);
}

uint64_t estimate_us(const struct estimate *est)
{
    return est->samples ? estimate_us_at(est, est->mean_log_ppm) : 0;
}
