#include "plan/bucket.h"

void bucket_init(struct bucket_queue *q)
{
    *q = (struct bucket_queue){ .used = { 0 } };
    for (uint32_t b = 0; b < BUCKET_COUNT; b++)
        q->head[b] = q->tail[b] = BUCKET_NONE;
}

/* Position of the highest bit that is set; v is not 0. */
static uint32_t top_bit(uint64_t v)
{
    uint32_t bit = 0;

    for (uint32_t step = 32; step; step /= 2)
        if (v >> step) {
            v >>= step;
            bit += step;
        }
    return bit;
}

uint16_t bucket_of(uint64_t size_us)
{
    uint32_t exponent;

    if (size_us < 16)
        return (uint16_t)size_us;
    exponent = top_bit(size_us);
    return (uint16_t)((exponent - 3) * 16 + ((size_us >> (exponent - 4)) & 15));
}

void bucket_add(struct bucket_queue *q, struct bucket_link *links, uint32_t i, uint64_t size_us)
{
    uint16_t b = bucket_of(size_us);

    links[i] = (struct bucket_link){ .prev = q->tail[b], .next = BUCKET_NONE, .bucket = b };
    if (q->tail[b] == BUCKET_NONE)
        q->head[b] = i;
    else
        links[q->tail[b]].next = i;
    q->tail[b] = i;
    q->used[b / 64] |= (uint64_t)1 << b % 64;
}

void bucket_remove(struct bucket_queue *q, struct bucket_link *links, uint32_t i)
{
    struct bucket_link l = links[i];

    if (l.prev == BUCKET_NONE)
        q->head[l.bucket] = l.next;
    else
        links[l.prev].next = l.next;
    if (l.next == BUCKET_NONE)
        q->tail[l.bucket] = l.prev;
    else
        links[l.next].prev = l.prev;
    if (q->head[l.bucket] == BUCKET_NONE)
        q->used[l.bucket / 64] &= ~((uint64_t)1 << l.bucket % 64);
}

uint32_t bucket_below(const struct bucket_queue *q, uint32_t bucket)
{
    uint32_t word = bucket / 64;
    uint64_t bits = bucket % 64 ? q->used[word] & (((uint64_t)1 << bucket % 64) - 1) : 0;

    for (;;) {
        if (bits)
            return q->head[word * 64 + top_bit(bits)];
        if (!word)
            return BUCKET_NONE;
        bits = q->used[--word];
    }
}

uint32_t bucket_first(const struct bucket_queue *q)
{
    return bucket_below(q, BUCKET_COUNT);
}

uint32_t bucket_next(const struct bucket_queue *q, const struct bucket_link *links, uint32_t i)
{
    return links[i].next != BUCKET_NONE ? links[i].next : bucket_below(q, links[i].bucket);
}
