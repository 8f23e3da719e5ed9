#include "http_date.h"

#include <stdbool.h>
#include <string.h>

#define DATE_LEN 29u

/* Two or four digits at fixed places; false when there are none. */
static bool number(const char *at, unsigned digits, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(at[i] - '0');
    }
    *out = v;
    return true;
}

static bool month_of(const char *at, uint64_t *out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (uint64_t i = 0; i < 12; i++) {
        if (memcmp(at, names + 3 * i, 3) == 0) {
            *out = i + 1;
            return true;
        }
    }
    return false;
}

/* Days from 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is a
 * year's last. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
    uint64_t y = year - (month <= 2);
    uint64_t m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

enum err_code http_date_parse(const char *text, uint64_t *out_s, struct err *err)
{
    uint64_t day = 0;
    uint64_t month = 0;
    uint64_t year = 0;
    uint64_t hour = 0;
    uint64_t minute = 0;
    uint64_t second = 0;

    if (strlen(text) != DATE_LEN || memcmp(text + 3, ", ", 2) != 0 ||
        memcmp(text + 25, " GMT", 4) != 0 || !number(text + 5, 2, &day) ||
        !month_of(text + 8, &month) || !number(text + 12, 4, &year) ||
        !number(text + 17, 2, &hour) || !number(text + 20, 2, &minute) ||
        !number(text + 23, 2, &second) || year < 1970 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return err_set(err, ERR_INVALID, "'%.40s' is not a date", text);
    *out_s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return ERR_NONE;
}
