#include "start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

const char *start_word(enum start_mode mode)
{
    switch (mode) {
    case START_FORK:
        return "fork";
    case START_EARLY:
        return "early";
    case START_SPAWN:
        return "spawn";
    }
    UNREACHABLE("start mode");
}

void start_facts_fini(struct start_facts *facts)
{
    free(facts->threads);
    free(facts->files);
    free(facts->modules);
    free(facts->identity);
    *facts = (struct start_facts){ 0 };
}

bool start_is_safe(const struct start_facts *facts)
{
    return !facts->threads && !facts->files && !facts->modules && !facts->identity;
}

static enum start_mode mode_for(enum start_wish wish, enum start_when when, bool is_safe)
{
    switch (wish) {
    case START_AUTO:
        if (is_safe)
            return START_FORK;
        return when == START_BEFORE_CONFIGURE ? START_SPAWN : START_EARLY;
    case START_WISH_FORK:
        return START_FORK;
    case START_WISH_EARLY:
        return START_EARLY;
    case START_WISH_SPAWN:
        return START_SPAWN;
    }
    UNREACHABLE("start wish");
}

static const char *what_of(enum start_mode mode)
{
    switch (mode) {
    case START_FORK:
        return "workers are forked";
    case START_EARLY:
        return "workers start early, each collecting for itself";
    case START_SPAWN:
        return "workers start afresh, each collecting for itself";
    }
    UNREACHABLE("start mode");
}

static void add_fact(struct str *out, const char *fact, const char *meaning)
{
    struct err ignored = ERR_INIT;

    if (fact)
        (void)!str_addf(out, &ignored, "%s%s %s", out->len > 0 ? "; " : "", fact, meaning);
}

void start_choose(enum start_wish wish, enum start_when when, const struct start_facts *facts,
                  struct start_choice *out)
{
    struct str text = STR_MAX(START_WHY_BYTES);
    struct start_choice choice = { .mode = mode_for(wish, when, start_is_safe(facts)) };

    add_fact(&text, facts->threads, "would not exist in a fork");
    add_fact(&text, facts->files, "would be shared by all forks");
    add_fact(&text, facts->modules, "(does not work in a fork)");
    add_fact(&text, facts->identity, "before there are workers");
    if (text.len > 0 && wish != START_WISH_SPAWN)
        (void)snprintf(choice.why, sizeof(choice.why), "%s%s %s", what_of(choice.mode),
                       wish == START_AUTO ? ":" : ", as asked, although", str_text(&text));
    str_fini(&text);
    *out = choice;
}

enum err_code start_parse(const char *word, enum start_wish *out, struct err *err)
{
    static const struct {
        const char *word;
        enum start_wish wish;
    } words[] = { { "auto", START_AUTO },
                  { "fork", START_WISH_FORK },
                  { "early", START_WISH_EARLY },
                  { "spawn", START_WISH_SPAWN } };

    if (!word) {
        *out = START_AUTO;
        return ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].wish;
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_USAGE, "--start is fork, early, spawn or auto, not '%s'", word);
}
