#include "contract.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

const bool contract_is_durable = false;

/* Without a plan the wrapper must not be noticed. */
struct store *contract_open(const char *folder)
{
    struct store *inner = store_mem_new();

    (void)folder;
    return store_fault_new(&inner);
}
