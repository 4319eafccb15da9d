/* Built in place of owners_bpf.c where libbpf, or a compiler for BPF, is not there. */
#include <errno.h>

#include "observe/owners_table.h"

int owners_read_bpf(struct owners *owners, struct why *why)
{
	(void)owners;
	return why_say(why, -ENOTSUP, "this contest was built without BPF");
}
