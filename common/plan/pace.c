#include "plan/pace.h"

#include "plan/fixlog.h"

#define AVERAGE_PPM     1000000u
#define SPEED_PPM_MIN   50000u
#define SPEED_PPM_MAX   20000000u
#define OUTLIER_FACTOR  2u
#define OUTLIER_LOG_PPM 693147    /* ln 2 */
#define TELLING_LOG_PPM 200000    /* what a test is off by more than a fifth is its own affair */
#define WINDOW_US       100000u   /* of an agent: what is older counts half, and half again */
#define EVIDENCE_US     100000u   /* so much work weighs as much as what is believed without */
#define FLEET_US        20000000u /* the same for all machines together */
#define MACHINE_TESTS   10        /* so many tests say as much about a machine as that it is one */
#define START_TESTS     20        /* its start says as much as so many: two thirds are believed */
#define START_LOG_PPM   1000000   /* but no more than a factor of e */
#define CLASS_TESTS     4         /* and so many of a size about that size */

static uint32_t leaning_ppm(uint64_t predicted_us, uint64_t took_us, uint64_t evidence_us,
                            uint32_t believed_ppm)
{
    wide_uint work = (wide_uint)predicted_us * AVERAGE_PPM + (wide_uint)evidence_us * believed_ppm;
    wide_uint ppm = work / ((wide_uint)took_us + evidence_us + 1);

    return ppm < SPEED_PPM_MIN   ? SPEED_PPM_MIN
           : ppm > SPEED_PPM_MAX ? SPEED_PPM_MAX
                                 : (uint32_t)ppm;
}

static uint64_t damped_us(uint64_t took_us, uint64_t predicted_us, uint32_t speed_ppm)
{
    uint64_t due_us = (uint64_t)((wide_uint)predicted_us * AVERAGE_PPM / speed_ppm);

    return took_us > due_us * OUTLIER_FACTOR   ? due_us * OUTLIER_FACTOR
           : took_us < due_us / OUTLIER_FACTOR ? due_us / OUTLIER_FACTOR
                                               : took_us;
}

void pace_add(struct pace *pace, uint64_t predicted_us, uint64_t took_us)
{
    pace->took_us += damped_us(took_us, predicted_us, pace_speed_ppm(pace));
    pace->predicted_us += predicted_us;
    if (pace->took_us > WINDOW_US) {
        pace->predicted_us /= 2;
        pace->took_us /= 2;
    }
}

uint32_t pace_speed_ppm(const struct pace *pace)
{
    return leaning_ppm(pace->predicted_us, pace->took_us, EVIDENCE_US,
                       pace->told_ppm ? pace->told_ppm : AVERAGE_PPM);
}

static uint32_t class_of(uint64_t predicted_us)
{
    uint32_t class = 0;

    for (; predicted_us > 1 && class + 1 < PACE_CLASSES; predicted_us /= 4)
        class ++;
    return class;
}

static int64_t clip(int64_t log_ppm, int64_t max_ppm)
{
    return log_ppm > max_ppm ? max_ppm : log_ppm < -max_ppm ? -max_ppm : log_ppm;
}

void pace_start(struct pace_machine *machine, uint64_t predicted_us, uint64_t took_us)
{
    if (machine->count || !predicted_us || !took_us)
        return;
    machine->count = START_TESTS;
    machine->mean_log_ppm = clip(fixlog_ppm(took_us) - fixlog_ppm(predicted_us), START_LOG_PPM);
}

void pace_learn(struct pace_fleet *fleet, struct pace_machine *machine, uint64_t predicted_us,
                uint64_t took_us)
{
    uint32_t class = class_of(predicted_us);
    int64_t off_ppm = fixlog_ppm(took_us) - fixlog_ppm(predicted_us) - fleet->mean_log_ppm[class];
    uint32_t all_ppm = leaning_ppm(fleet->predicted_us, fleet->took_us, FLEET_US, AVERAGE_PPM);

    machine->count++;
    machine->mean_log_ppm +=
        clip(off_ppm - machine->mean_log_ppm, TELLING_LOG_PPM) / (int64_t)machine->count;
    fleet->count[class]++;
    fleet->mean_log_ppm[class] +=
        clip(off_ppm, OUTLIER_LOG_PPM) / ((int64_t)fleet->count[class] + CLASS_TESTS);
    fleet->took_us += damped_us(took_us, predicted_us, all_ppm);
    fleet->predicted_us += predicted_us;
}

uint32_t pace_fleet_ppm(const struct pace_fleet *fleet)
{
    uint64_t soon_ppm = leaning_ppm(fleet->predicted_us, fleet->took_us, EVIDENCE_US, AVERAGE_PPM);
    uint64_t late_ppm = leaning_ppm(fleet->predicted_us, fleet->took_us, FLEET_US, AVERAGE_PPM);

    return (uint32_t)(soon_ppm * AVERAGE_PPM / late_ppm);
}

uint32_t pace_machine_ppm(const struct pace_fleet *fleet, const struct pace_machine *machine)
{
    int64_t count = machine->count;
    int64_t off_ppm = machine->mean_log_ppm * count / (count + MACHINE_TESTS);
    uint64_t ppm = leaning_ppm(fleet->predicted_us, fleet->took_us, FLEET_US, AVERAGE_PPM);

    ppm = fixlog_exp(fixlog_ppm(ppm) - off_ppm);
    return ppm < SPEED_PPM_MIN   ? SPEED_PPM_MIN
           : ppm > SPEED_PPM_MAX ? SPEED_PPM_MAX
                                 : (uint32_t)ppm;
}
