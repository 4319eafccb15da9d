/* In place of bpf_allowed.c where the build has no BPF (meson option bpf). */
#include "observe/bpf_allowed.h"

#include <errno.h>

int bpf_allowed(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "this contest was built without BPF: install libbpf-dev, bpftool and clang, "
		       "and run make clean all; --source=diag needs none");
}
