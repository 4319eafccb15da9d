/* In place of socket_source_bpf.c where the build has no BPF (meson option bpf). */
#include "observe/bpf_allowed.h"
#include "observe/socket_sources.h"

static int bpf_open(int netns_fd, void **ret, struct why *why)
{
	(void)netns_fd;
	(void)ret;
	return bpf_allowed(why);
}

static int bpf_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		    void (*again)(void *context), void *context, struct socket_walk *ret,
		    struct why *why)
{
	(void)source;
	(void)filter;
	(void)visit;
	(void)again;
	(void)context;
	(void)ret;
	return bpf_allowed(why);
}

static void bpf_close(void *source)
{
	(void)source;
}

const struct socket_source socket_source_bpf = {
	.name = "bpf",
	.summary = "a BPF iterator (not in this build)",
	.probe = bpf_allowed,
	.open = bpf_open,
	.walk = bpf_walk,
	.close = bpf_close,
};
