/* Where every machine runs everything, each gets its own lane of the manifest, at once. */
#include "core/decide.h"
#include "core/decide_inner.h"

static bool is_mine(const struct run *run, uint32_t session, uint32_t test)
{
    return lanes_lane(run->lanes, test) == run->sessions[session]->index;
}

void decide_lane(const struct run *run, uint32_t session, struct index_list *out)
{
    for (uint32_t i = 0; i < run->test_count && out->count < DECIDE_SHARD_TESTS_MAX; i++) {
        if (!is_mine(run, session, i) || session_lacks(run->sessions[session], i) ||
            !pool_may_take(run->pool, session, i) || (out->count && pool_is_alone(run->pool, i)))
            continue;
        index_list_add(out, i);
        if (pool_is_alone(run->pool, i))
            return;
    }
}

bool decide_lane_over(const struct run *run, uint32_t session)
{
    for (uint32_t i = 0; i < run->test_count; i++)
        if (is_mine(run, session, i) && run->tests[i].place != TEST_DONE &&
            !session_lacks(run->sessions[session], i))
            return false;
    return true;
}
