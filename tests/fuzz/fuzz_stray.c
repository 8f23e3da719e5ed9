/* Command lines, environments and stacks of processes that tests have made: anything may be there.
 */
#include <stdlib.h>
#include <string.h>

#include "core/death.h"
#include "core/stray.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = { .at = (const char *)data, .len = size };
    struct str trimmed = STR_MAX(1u << 20);
    char command[STRAY_COMMAND_BYTES];
    uint32_t worker = STRAY_NO_WORKER;
    char *test = NULL;

    stray_read_command(bytes, command);
    INVARIANT(strlen(command) < sizeof(command) &&
              utf8_valid_len(command, strlen(command)) == strlen(command));
    stray_read_environment(bytes, &test, &worker);
    INVARIANT(!test || (test[0] && utf8_valid_len(test, strlen(test)) == strlen(test)));
    INVARIANT(worker == STRAY_NO_WORKER || worker <= 999999);
    death_trim_stacks(bytes, &trimmed);
    INVARIANT(trimmed.len <= 2 * size + 32);
    str_fini(&trimmed);
    free(test);
    return 0;
}
