#include "chance.h"

#include <math.h>

double chance_uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

double chance_normal(uint64_t *state)
{
    double u = chance_uniform(state), v = chance_uniform(state);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}
