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

static bool begins_with_proc(void)
{
	uint64_t processes, files;

	return owners_count_files(&processes, &files) == 0 && owners_few(processes, files) &&
	       owners_sees_first();
}

/* What /proc hides (from those without CAP_SYS_PTRACE), BPF may still see. */
static int read_best(struct owners **ret, unsigned *ret_hidden, struct why *why)
{
	struct owners *owners = NULL;
	unsigned hidden = 0;
	int r = begins_with_proc() ? read_one_way(OWNERS_PROC, &owners, &hidden, NULL) : -EAGAIN;

	if (r < 0 || hidden) {
		if (read_one_way(OWNERS_BPF, ret, ret_hidden, NULL) == 0) {
			owners_free(owners);
			return 0;
		}
	}
	if (r < 0)
		return read_one_way(OWNERS_PROC, ret, ret_hidden, why);
	if (ret_hidden)
		*ret_hidden = hidden;
	*ret = owners;
	return 0;
}

int owners_read(enum owners_way way, struct owners **ret, unsigned *ret_hidden, struct why *why)
{
	return way == OWNERS_BEST ? read_best(ret, ret_hidden, why)
				  : read_one_way(way, ret, ret_hidden, why);
}
