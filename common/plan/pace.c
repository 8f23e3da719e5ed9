#include "plan/pace.h"

#define OUTLIER_FACTOR 2u
#define SPEED_PPM_MIN  50000u
#define SPEED_PPM_MAX  20000000u

static uint32_t leaning_ppm(const struct pace *pace, uint32_t on_ppm)
{
    wide_uint work =
        (wide_uint)pace->predicted_us * 1000000 + (wide_uint)pace->evidence_us * on_ppm;
    wide_uint ppm = work / (pace->took_us + pace->evidence_us + 1);

    return ppm < SPEED_PPM_MIN   ? SPEED_PPM_MIN
           : ppm > SPEED_PPM_MAX ? SPEED_PPM_MAX
                                 : (uint32_t)ppm;
}

void pace_add(struct pace *pace, uint64_t predicted_us, uint64_t took_us)
{
    uint64_t due_us = (uint64_t)((wide_uint)predicted_us * 1000000 / leaning_ppm(pace, 1000000));

    if (took_us > due_us * OUTLIER_FACTOR)
        took_us = due_us * OUTLIER_FACTOR;
    else if (took_us < due_us / OUTLIER_FACTOR)
        took_us = due_us / OUTLIER_FACTOR;
    pace->predicted_us += predicted_us;
    pace->took_us += took_us;
    if (pace->took_us > pace->window_us) {
        pace->predicted_us /= 2;
        pace->took_us /= 2;
    }
}

uint32_t pace_speed_ppm(const struct pace *own, const struct pace *all)
{
    return leaning_ppm(own, all ? leaning_ppm(all, 1000000) : 1000000);
}
