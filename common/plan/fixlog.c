#include "plan/fixlog.h"

#define ONE_BITS 32                     /* fixed point with 32 bits behind the point */
#define LN2      (wide_uint)2977044472u /* ln(2) * 2^32 */
#define MILLION  1000000u
#define EXP_MAX  ((uint64_t)1 << 62)

int64_t fixlog_ppm(uint64_t v)
{
    uint32_t whole = 0;
    uint64_t frac = 0, x;

    if (v < 2)
        return 0;
    while (v >> whole > 1)
        whole++;
    /* x in [1, 2) with 62 bits behind the point; each squaring gives one bit of its log2. */
    x = v << (62 - (whole > 62 ? 62 : whole)) >> (whole > 62 ? 1 : 0);
    for (uint32_t bit = 0; bit < ONE_BITS; bit++) {
        wide_uint square = (wide_uint)x * x >> 62;

        frac <<= 1;
        if (square >> 63) {
            frac |= 1;
            square >>= 1;
        }
        x = (uint64_t)square;
    }
    return (
        int64_t)((((wide_uint)whole << ONE_BITS | frac) * LN2 * MILLION + ((wide_uint)1 << 63)) >>
                 64);
}

uint64_t fixlog_exp(int64_t log_ppm)
{
    wide_uint log2_fix, term, sum;
    uint32_t whole;
    uint64_t rest;

    if (log_ppm <= 0)
        return 1;
    if (log_ppm > 42 * (int64_t)MILLION)
        return EXP_MAX;
    log2_fix = ((wide_uint)(uint64_t)log_ppm << 60) / (LN2 * MILLION >> 4); /* 32 bits */
    whole = (uint32_t)(log2_fix >> ONE_BITS);
    /* e^(rest * ln 2) by its series, rest in [0, 1), 60 bits behind the point. */
    rest = (uint64_t)((log2_fix & UINT32_MAX) * LN2 >> 4);
    term = sum = (wide_uint)1 << 60;
    for (uint32_t i = 1; term; i++) {
        term = (term * rest >> 60) / i;
        sum += term;
    }
    if (whole >= 60)
        return (uint64_t)(sum << (whole - 60));
    return (uint64_t)((sum + ((wide_uint)1 << (59 - whole))) >> (60 - whole));
}
