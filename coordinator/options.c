#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "mem.h"

#define YEAR_MS (366ull * 86400u * 1000u)

static const char serve_usage[] =
    "makespand [serve] [options]\n"
    "makespand token create [--project P] [--role agent|read|admin] [options]\n"
    "makespand token list\n"
    "makespand token revoke HASH\n"
    "makespand store check\n"
    "makespand store backup FILE";
static const char serve_about[] =
    "The coordinator of Makespan. Without any option it makes a data folder, a certificate and a "
    "first token, serves on every address, and prints the lines to paste into CI.";
static const char serve_tail[] =
    "Signals:\n"
    "  TERM, INT  accept nothing more, answer who waits, write everything down, end;\n"
    "             a second one ends at once\n"
    "  HUP        read the certificate again (open connections keep theirs),\n"
    "             open the access log again\n"
    "\n"
    "Exit codes:\n"
    "  0   ended as asked\n"
    "  64  the command line or the environment makes no sense\n"
    "  69  the port or the data folder is in use by another program\n"
    "  70  a bug in makespand\n"
    "  73  the data folder or a file in it cannot be made\n"
    "  74  the store cannot be read or written\n"
    "  78  the certificate or its key cannot be used\n";
static const char token_about[] =
    "Makes, lists and revokes the tokens that agents and people show. A token is shown once, when "
    "it is made; the data folder keeps only its hash. Works while makespand serves.";

static const char store_about[] = "Checks the store against itself, or copies one moment of it "
                                  "into a new file that makespand can "
                                  "be started with. Works while makespand serves.";

struct texts { /* read as text, then turned into what they mean */
    const char *data, *log_format, *log_level;
};

static size_t common_rows(struct options *o, struct texts *t, struct cfg_option *rows)
{
    const struct cfg_option common[] = {
        { .name = "data",
          .env = "MAKESPAND_DATA",
          .value = "DIR",
          .help = "Folder of certificates, keys and store. Default: "
                  "$XDG_DATA_HOME/makespan/coordinator, or ~/.local/share/makespan/coordinator.",
          .kind = CFG_TEXT,
          .into = &t->data },
        { .name = "store",
          .env = "MAKESPAND_STORE",
          .value = "URL",
          .help = "sqlite:PATH. Default: makespan.db in the data folder.",
          .kind = CFG_TEXT,
          .into = &o->store },
        { .name = "log-format",
          .env = "MAKESPAND_LOG_FORMAT",
          .value = "text|json",
          .help = "How events are written.",
          .kind = CFG_TEXT,
          .into = &t->log_format },
        { .name = "log-level",
          .env = "MAKESPAND_LOG_LEVEL",
          .value = "LEVEL",
          .help = "debug, info, warn or error. Default: info.",
          .kind = CFG_TEXT,
          .into = &t->log_level },
    };

    memcpy(rows, common, sizeof(common));
    return ARRAY_LEN(common);
}

static size_t serve_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option serve[] = {
        { .name = "listen",
          .env = "MAKESPAND_LISTEN",
          .value = "ADDR",
          .help = "HOST:PORT, [IPV6]:PORT or :PORT; may be given again. Port 0 takes a free one "
                  "and prints it. Default: [::]:8443, which is every address, IPv4 too.",
          .kind = CFG_LIST,
          .into = &o->listen },
        { .name = "name",
          .env = "MAKESPAND_NAME",
          .value = "HOST",
          .help = "Host name or address for the certificate, besides localhost and this machine's "
                  "name; may be given again. The first one stands in the lines for CI.",
          .kind = CFG_LIST,
          .into = &o->names },
        { .name = "agent-dir",
          .env = "MAKESPAND_AGENT_DIR",
          .value = "DIR",
          .help = "Folder of the agent's program that GET /agent/linux-x86_64 hands out. Default: "
                  "beside makespand.",
          .kind = CFG_TEXT,
          .into = &o->agent_dir },
        { .name = "keep",
          .env = "MAKESPAND_KEEP_DAYS",
          .value = "DAYS",
          .help = "Runs that ended longer ago are removed, with their reports; what was learned of "
                  "durations stays. 0 keeps them for ever. Default: 90.",
          .kind = CFG_U32,
          .into = &o->keep_days,
          .max = 36500 },
        { .name = "max-connections",
          .env = "MAKESPAND_MAX_CONNECTIONS",
          .value = "N",
          .help = "Further clients wait. Default: 10000, or what the limit on open files leaves.",
          .kind = CFG_U32,
          .into = &o->connections_max,
          .min = 1,
          .max = 1000000 },
        { .name = "access-log",
          .env = "MAKESPAND_ACCESS_LOG",
          .value = "FILE",
          .help = "Writes a line for each request, as --log-format says; - is standard error. HUP "
                  "opens the file again. Default: none.",
          .kind = CFG_TEXT,
          .into = &o->access_log },
        { .name = "ready-fd",
          .env = "MAKESPAND_READY_FD",
          .value = "N",
          .help = "Descriptor to write the line \"makespand: listening on URL\" to, and to close, "
                  "once requests are served.",
          .kind = CFG_U32,
          .into = &o->ready_fd,
          .max = 1000000 },
    };

    memcpy(rows, serve, sizeof(serve));
    return ARRAY_LEN(serve);
}

static size_t token_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option token[] = {
        { .name = "project",
          .value = "P",
          .help = "Only project of the token. Default: every project.",
          .kind = CFG_TEXT,
          .into = &o->project },
        { .name = "role",
          .value = "ROLE",
          .help = "agent (joins and reads), read, or admin (everything). Default: agent.",
          .kind = CFG_TEXT,
          .into = &o->role },
        { .name = "label",
          .value = "TEXT",
          .help = "What the list calls it.",
          .kind = CFG_TEXT,
          .into = &o->label },
        { .name = "expires",
          .value = "TIME",
          .help = "30s, 5m, 12h. Default: never.",
          .kind = CFG_DURATION,
          .into = &o->expires_ms,
          .max = YEAR_MS },
    };

    memcpy(rows, token, sizeof(token));
    return ARRAY_LEN(token);
}

static enum err_code log_form_of(const char *text, enum log_form *out, struct err *err)
{
    if (!text || strcmp(text, "text") == 0)
        *out = LOG_TEXT;
    else if (strcmp(text, "json") == 0)
        *out = LOG_JSON;
    else
        return err_set(err, ERR_USAGE, "--log-format %s: it is text or json", text);
    return ERR_NONE;
}

static enum err_code log_level_of(const char *text, enum log_level *out, struct err *err)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };

    for (size_t i = 0; text && i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum log_level)i;
            return ERR_NONE;
        }
    return text ? err_set(err, ERR_USAGE, "--log-level %s: it is debug, info, warn or error", text)
                : ERR_NONE;
}

static enum err_code data_of(const char *text, char **out, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    char *base = NULL;
    enum err_code rc = ERR_NONE;

    if (text && !*text) /* "$DATA" of a shell that does not know it would mean the root folder */
        return err_set(err, ERR_USAGE, "--data: the name of the folder is empty");
    if (text) {
        *out = mem_strdup(text);
        return ERR_NONE;
    }
    rc = fs_xdg("XDG_DATA_HOME", ".local/share", &base, err);
    if (!rc)
        rc = str_addf(&path, err, "%s/coordinator", base);
    if (!rc)
        *out = str_take(&path);
    else
        rc = err_set(err, ERR_USAGE, "no data folder: give --data DIR, or set HOME");
    str_fini(&path);
    free(base);
    return rc;
}

static enum makespand_command verb_of(const char *word) /* COMMAND_SERVE: no verb of token */
{
    static const char *const verbs[] = { "create", "list", "revoke" };

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(word, verbs[i]) == 0)
            return (enum makespand_command)(COMMAND_TOKEN_CREATE + i);
    return COMMAND_SERVE;
}

static enum err_code token_of(const struct cfg_list *words, struct options *o, struct err *err)
{
    size_t want = 2;

    o->command = words->count > 1 ? verb_of(words->items[1]) : COMMAND_SERVE;
    if (o->command == COMMAND_SERVE)
        return err_set(err, ERR_USAGE, "token needs one of create, list, revoke");
    if (o->command == COMMAND_TOKEN_REVOKE) {
        want = 3;
        o->revoke = words->count > 2 ? words->items[2] : NULL;
    }
    if (words->count != want)
        return err_set(err, ERR_USAGE, "token %s takes %s", words->items[1],
                       want == 3 ? "the hash that token list shows" : "no further word");
    return ERR_NONE;
}

static enum err_code store_of(const struct cfg_list *words, struct options *o, struct err *err)
{
    const char *verb = words->count > 1 ? words->items[1] : "";

    if (strcmp(verb, "check") == 0 && words->count == 2) {
        o->command = COMMAND_STORE_CHECK;
        return ERR_NONE;
    }
    if (strcmp(verb, "backup") == 0 && words->count == 3) {
        o->command = COMMAND_STORE_BACKUP;
        o->backup = words->items[2];
        return ERR_NONE;
    }
    return err_set(err, ERR_USAGE, "store needs 'check', or 'backup' and the file to write");
}

/* The command's words: none or "serve", or "token" or "store" and what to do with it. */
static enum err_code command_of(const struct cfg_list *words, struct options *o, struct err *err)
{
    if (words->count == 0 || strcmp(words->items[0], "serve") == 0) {
        if (words->count > 1)
            return err_set(err, ERR_USAGE, "'%s': serve takes no such word", words->items[1]);
        o->command = COMMAND_SERVE;
        return ERR_NONE;
    }
    if (strcmp(words->items[0], "token") == 0)
        return token_of(words, o, err);
    if (strcmp(words->items[0], "store") == 0)
        return store_of(words, o, err);
    return err_set(err, ERR_USAGE, "no command '%s': it is serve, token or store", words->items[0]);
}

/* Which options there are follows from the command, so that is looked for first. */
static bool is_token(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "token") == 0 && (i == 1 || i + 1 == argc || verb_of(argv[i + 1])))
            return true;
    return false;
}

static bool is_store(int argc, char *const *argv)
{
    return argc > 1 && strcmp(argv[1], "store") == 0;
}

enum err_code options_read(int argc, char *const *argv, struct options *out, char **out_help,
                           struct err *err)
{
    struct options o = { .ready_fd = UINT32_MAX,
                         .keep_days = OPTIONS_KEEP_DAYS_DEFAULT,
                         .log_level = LOG_INFO };
    struct texts texts = { 0 };
    struct cfg_list words = { 0 };
    struct cfg_option rows[16];
    struct cfg_command command = { .usage = serve_usage, .options = rows, .words = &words };
    bool token = is_token(argc, argv);
    bool upkeep = is_store(argc, argv);
    bool help = false;
    int rest = 0;
    enum err_code rc;

    command.about = token ? token_about : upkeep ? store_about : serve_about;
    command.tail = token || upkeep ? NULL : serve_tail;
    if (!upkeep)
        command.option_count = token ? token_rows(&o, rows) : serve_rows(&o, rows);
    command.option_count += common_rows(&o, &texts, rows + command.option_count);
    INVARIANT(command.option_count <= ARRAY_LEN(rows));
    rc = cfg_parse(&command, argc, argv, &rest, &help, err);
    if (!rc && help) {
        *out_help = cfg_help(&command);
        goto out;
    }
    if (!rc && rest < argc)
        rc = err_set(err, ERR_USAGE, "'%s': no such word here", argv[rest]);
    if (!rc)
        rc = command_of(&words, &o, err);
    if (!rc)
        rc = log_form_of(texts.log_format, &o.log_form, err);
    if (!rc)
        rc = log_level_of(texts.log_level, &o.log_level, err);
    if (!rc)
        rc = data_of(texts.data, &o.data, err);
    if (!rc) {
        *out = o;
        o = (struct options){ 0 };
    }
out:
    options_fini(&o);
    free(words.items);
    return rc;
}

void options_fini(struct options *options)
{
    free(options->data);
    free(options->listen.items);
    free(options->names.items);
    *options = (struct options){ 0 };
}
