#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "str.h"

#define LINE_BYTES_MAX 8192u

struct reader {
    struct trace *t;
    size_t test_cap, scope_cap, id_cap, us_cap[TRACE_RUNS], setup_cap[TRACE_RUNS];
    char **scope_ids;
    size_t scope_id_cap;
    uint32_t file, scope;
};

NORETURN static void give_up(const char *path, const char *why)
{
    (void)fprintf(stderr, "plan_sim: %s: %s\n", path, why);
    exit(2);
}

static char *join(const char *a, const char *b)
{
    size_t len = strlen(a) + strlen(b) + 3;
    char *text = mem_new(len, 1);

    (void)snprintf(text, len, "%s%s%s", a, *b ? "::" : "", b);
    return text;
}

/* The scope of that id; a scope that the file names again is the same one. */
static uint32_t scope_at(struct reader *r, char *take_id, uint32_t parent, const uint64_t us[2])
{
    struct trace *t = r->t;
    uint32_t s = t->scope_count;

    for (uint32_t i = s; i-- > 0;)
        if (!strcmp(r->scope_ids[i], take_id)) {
            free(take_id);
            s = i;
            break;
        }
    if (s == t->scope_count) {
        t->scope_count++;
        t->scopes = mem_grow(t->scopes, &r->scope_cap, s + 1, sizeof(*t->scopes));
        r->scope_ids = mem_grow(r->scope_ids, &r->scope_id_cap, s + 1, sizeof(char *));
        t->scopes[s] = (struct pool_scope){ .parent = parent };
        r->scope_ids[s] = take_id;
        for (uint32_t k = 0; k < TRACE_RUNS; k++) {
            t->setup_us[k] = mem_grow(t->setup_us[k], &r->setup_cap[k], s + 1, sizeof(uint64_t));
            t->setup_us[k][s] = 0;
        }
    }
    for (uint32_t k = 0; k < TRACE_RUNS; k++)
        if (us[k])
            t->setup_us[k][s] = us[k];
    return s;
}

static void add_test(struct reader *r, const char *name, const uint64_t us[2])
{
    struct trace *t = r->t;
    uint32_t i = t->test_count++;

    t->tests = mem_grow(t->tests, &r->test_cap, i + 1, sizeof(*t->tests));
    t->ids = mem_grow(t->ids, &r->id_cap, i + 1, sizeof(*t->ids));
    t->tests[i] = (struct pool_test){
        .scope = r->scope, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1
    };
    t->ids[i] = join(r->scope_ids[r->scope], name);
    for (uint32_t k = 0; k < TRACE_RUNS; k++) {
        t->us[k] = mem_grow(t->us[k], &r->us_cap[k], i + 1, sizeof(uint64_t));
        t->us[k][i] = us[k];
    }
}

static void read_line(struct reader *r, const char *path, char *line)
{
    static const uint64_t none[TRACE_RUNS] = { 0 };
    uint64_t us[TRACE_RUNS];
    char *rest = line + 1;

    if (*line == '#')
        return;
    for (uint32_t k = 0; k < TRACE_RUNS; k++)
        us[k] = strtoull(rest, &rest, 10);
    if (*rest++ != ' ')
        give_up(path, "a line is not as its head says");
    if (*line == 'F') {
        r->file = r->scope = scope_at(r, mem_strdup(rest), POOL_NONE, none);
    } else if (*line == 'S') {
        char *id = join(r->scope_ids[r->file], rest);

        r->scope = scope_at(r, id, *rest ? r->file : POOL_NONE, us);
    } else if (*line == 'T') {
        add_test(r, rest, us);
    } else {
        give_up(path, "a line of no known kind");
    }
}

struct trace *trace_load(const char *path)
{
    struct reader r = { .t = mem_new(1, sizeof(struct trace)) };
    const char *base = strrchr(path, '/');
    char line[LINE_BYTES_MAX];
    FILE *f = fopen(path, "r");

    if (!f)
        give_up(path, "cannot be opened");
    r.t->name = mem_strdup(base ? base + 1 : path);
    r.t->name[strcspn(r.t->name, ".")] = '\0';
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line)
            read_line(&r, path, line);
    }
    (void)fclose(f);
    r.t->highs_us = mem_new(r.t->test_count, sizeof(*r.t->highs_us));
    for (uint32_t s = 0; s < r.t->scope_count; s++)
        free(r.scope_ids[s]);
    free(r.scope_ids);
    return r.t;
}

void trace_free(struct trace *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->test_count; i++)
        free(t->ids[i]);
    for (uint32_t k = 0; k < TRACE_RUNS; k++) {
        free(t->us[k]);
        free(t->setup_us[k]);
    }
    free(t->ids);
    free(t->tests);
    free(t->highs_us);
    free(t->scopes);
    free(t->name);
    free(t);
}

uint64_t trace_setups_us(const struct trace *t, uint32_t run, uint32_t test)
{
    uint32_t last = test ? t->tests[test - 1].scope : POOL_NONE;
    uint64_t us = 0;

    for (uint32_t c = t->tests[test].scope; c != POOL_NONE; c = t->scopes[c].parent) {
        uint32_t open = last;

        while (open != POOL_NONE && open != c)
            open = t->scopes[open].parent;
        if (open == POOL_NONE)
            us += t->setup_us[run][c];
    }
    return us;
}

uint64_t trace_own_us(const struct trace *t, uint32_t run, uint32_t test)
{
    uint64_t setups_us = trace_setups_us(t, run, test);

    return t->us[run][test] > setups_us ? t->us[run][test] - setups_us : 0;
}
