#include "local.h"

#include <string.h>

#include "crew.h"
#include "json.h"
#include "proto.h"

size_t local_rows(struct local *local, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .name = "workers",
          .short_name = 'n',
          .env = "MAKESPAN_WORKERS",
          .value = "N|auto",
          .kind = CFG_TEXT,
          .into = &local->workers_text,
          .help = "workers on this machine; auto: as many as it has CPUs and memory for; 0: none, "
                  "plain pytest" },
        { .name = "isolate",
          .env = "MAKESPAN_ISOLATE",
          .kind = CFG_FLAG,
          .into = &local->isolate,
          .help = "run each test in a fork of its own: it may crash or spoil what it likes. Module "
                  "and session fixtures are set up once a worker and inherited. For single tests: "
                  "@pytest.mark.forked" },
    };

    _Static_assert(ARRAY_LEN(table) <= LOCAL_ROWS_MAX, "room for the rows");
    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static enum err_code check_workers(struct local *local, struct err *err)
{
    const char *text = local->workers_text;
    struct crew crew;

    resources_read("", &local->machine);
    local->workers_given = text != NULL;
    if (text && strcmp(text, "auto") != 0) {
        if (parse_u32(text, 0, PROTO_WORKERS_MAX, &local->workers, err) == ERR_NONE)
            return ERR_NONE;
        return err_set(err, ERR_USAGE, "-n is a number up to %u or auto, not '%s'",
                       PROTO_WORKERS_MAX, text);
    }
    crew_plan(&(struct crew_input){ .machine = &local->machine }, &crew);
    local->workers = crew.workers;
    return ERR_NONE;
}

enum err_code local_check(struct local *local, struct err *err)
{
    return check_workers(local, err);
}

void local_tell(const struct local *local, struct json *config)
{
    json_set_bool(config, "isolate", local->isolate);
}
