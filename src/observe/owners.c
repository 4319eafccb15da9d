#include "observe/owners.h"

#include <errno.h>

#include "observe/owners_table.h"

static int read_one_way(enum owners_way way, struct owners **ret, unsigned *ret_hidden,
			struct why *why)
{
	struct owners *owners = owners_new();
	unsigned hidden = 0;
	int r;

	if (!owners)
		return why_set(why, -ENOMEM, "cannot look for the owners of sockets");
	r = way == OWNERS_BPF ? owners_read_bpf(owners, why)
			      : owners_read_proc(owners, &hidden, why);
	if (r < 0) {
		owners_free(owners);
		return r;
	}
	if (ret_hidden)
		*ret_hidden = hidden;
	*ret = owners;
	return 0;
}

int owners_read(enum owners_way way, struct owners **ret, unsigned *ret_hidden, struct why *why)
{
	if (way == OWNERS_BEST) {
		if (read_one_way(OWNERS_BPF, ret, ret_hidden, NULL) == 0)
			return 0;
		way = OWNERS_PROC;
	}
	return read_one_way(way, ret, ret_hidden, why);
}
