#include "contract.h"

#include <stdlib.h>

#include "fs.h"
#include "mem.h"

int place_set_up(void **state)
{
    struct place *place = mem_new(1, sizeof(*place));
    struct err err = ERR_INIT;

    assert_int_equal(fs_tempdir("contract", &place->folder, &err), ERR_NONE);
    place->store = contract_open(place->folder);
    *state = place;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;

    store_close(place->store);
    assert_int_equal(fs_remove_tree(place->folder, &err), ERR_NONE);
    free(place->folder);
    free(place);
    return 0;
}

void place_reopen(struct place *place)
{
    if (!contract_is_durable)
        return;
    store_close(place->store);
    place->store = contract_open(place->folder);
}
