#include "contract.h"
#include "fs.h"
#include "store/store_sqlite.h"

const bool contract_is_durable = true;

struct store *contract_open(const char *folder)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct store *store = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(str_addf(&path, &err, "%s/store.db", folder), ERR_NONE);
    if (store_sqlite_open(str_text(&path), &store, &err))
        fail_msg("%s", err.text);
    str_fini(&path);
    return store;
}
