#include "observe/bpf_allowed.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* libbpf would print: what it has to say is not for our users. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

/* The first of what is needed that the process does not have in its user namespace; NULL: none. */
static const char *lacking_capability(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	uint64_t effective;

	if (syscall(SYS_capget, &header, data) < 0)
		return NULL;
	effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	if (effective & 1ULL << CAP_SYS_ADMIN)
		return NULL;
	if (!(effective & 1ULL << CAP_BPF))
		return "CAP_BPF";
	return effective & 1ULL << CAP_PERFMON ? NULL : "CAP_PERFMON";
}

int bpf_refused(int error, struct why *why)
{
	const char *capability = lacking_capability();

	if (error != -EPERM && error != -EACCES)
		return why_set(why, error, "cannot load a BPF program");
	if (capability)
		return why_say(why, error,
			       "BPF is not allowed here: the capability %s is missing "
			       "(CAP_BPF and CAP_PERFMON are needed, or root)",
			       capability);
	return why_say(why, error,
		       "BPF is not allowed here, in spite of the capabilities: "
		       "inside a user namespace or a container, or by lockdown");
}

/* "r0 = 0; exit" of a kind that needs both capabilities (bpf_prog_load(), is_perfmon_prog_type(),
 * 6.18). */
static int load_nothing(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_TRACEPOINT, NULL, "GPL", nothing, ARRAY_SIZE(nothing),
			     NULL);
}

int bpf_allowed(struct why *why)
{
	int fd;

	libbpf_set_print(say_nothing);
	fd = load_nothing();
	if (fd < 0)
		return bpf_refused(fd, why);
	close(fd);
	if (access(KERNEL_BTF, R_OK) < 0)
		return why_set(why, -errno,
			       "this kernel does not tell its types (CONFIG_DEBUG_INFO_BTF): %s",
			       KERNEL_BTF);
	return 0;
}
