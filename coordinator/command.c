#include "command.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "fs.h"
#include "storage.h"
#include "tokens.h"

enum makespand_exit command_exit(enum err_code rc, enum makespand_exit stage)
{
    if (rc == ERR_USAGE || rc == ERR_INVALID)
        return MAKESPAND_USAGE;
    if (rc == ERR_CONFLICT)
        return MAKESPAND_IN_USE;
    return rc == ERR_TLS ? MAKESPAND_CONFIG : stage;
}

static enum makespand_exit manage_tokens(const struct options *options, struct err *err)
{
    struct store *store = NULL;
    struct str text = STR_MAX(TOKENS_TEXT_BYTES_MAX);
    enum err_code rc = storage_open_beside(options->store, options->data, &store, err);

    if (!rc)
        rc = tokens_command(store, options, clock_wall_ms(clock_system()), &text, err);
    if (!rc)
        rc = fs_write_all(STDOUT_FILENO, str_text(&text), text.len, err);
    store_close(store);
    str_fini(&text);
    return rc ? command_exit(rc, MAKESPAND_STORE) : MAKESPAND_OK;
}

static enum makespand_exit keep_up_store(const struct options *options, struct err *err)
{
    struct store *store = NULL;
    enum err_code rc = storage_open_existing(options->store, options->data, &store, err);

    if (!rc)
        rc = options->command == COMMAND_STORE_CHECK ? store_check(store, err)
                                                     : store_backup(store, options->backup, err);
    if (!rc)
        (void)printf(options->command == COMMAND_STORE_CHECK ? "the store is sound\n"
                                                             : "the copy is complete\n");
    store_close(store);
    if (rc == ERR_CONFLICT) /* the file to write exists */
        return MAKESPAND_CREATE;
    return rc ? command_exit(rc, MAKESPAND_STORE) : MAKESPAND_OK;
}

enum makespand_exit command_beside(const struct options *options, struct err *err)
{
    switch (options->command) {
    case COMMAND_TOKEN_CREATE:
    case COMMAND_TOKEN_LIST:
    case COMMAND_TOKEN_REVOKE:
        return manage_tokens(options, err);
    case COMMAND_STORE_CHECK:
    case COMMAND_STORE_BACKUP:
        return keep_up_store(options, err);
    case COMMAND_SERVE:
        break;
    }
    UNREACHABLE("enum makespand_command");
}
