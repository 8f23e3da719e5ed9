#include "command.h"

enum err_code command_run(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    (void)argc;
    (void)argv;
    (void)out_exit;
    return err_set(err, ERR_INTERNAL, "run is being built");
}
