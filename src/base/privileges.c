#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A number from the environment that is a user or group and not root. */
static bool id_from(const char *variable, id_t *ret)
{
	const char *text = getenv(variable);
	unsigned long id;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	id = strtoul(text, &end, 10);
	/* (id_t)-1 means "leave it" to setresuid(2). */
	if (errno || *end || id == 0 || id >= UINT_MAX)
		return false;
	*ret = (id_t)id;
	return true;
}

/* 0 or -errno; the kernel wants to have all three set, else what was saved can come back. */
static int become(uid_t user, gid_t group, bool leave_groups)
{
	/* EPERM: a user namespace where it is forbidden (user_namespaces(7), setgroups). */
	if (leave_groups && setgroups(1, &group) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0)
		return -errno;
	return 0;
}

static int become_caller(void)
{
	id_t user, group;
	int r;

	if (geteuid() != 0)
		return 0;
	if (getuid() != 0) /* setuid root */
		return become(getuid(), getgid(), false);
	if (!id_from("SUDO_UID", &user) || !id_from("SUDO_GID", &group))
		return 0;
	r = become(user, group, true);
	return r == -EINVAL ? 0 : r; /* nobody has that number in this user namespace */
}

/*
 * The bounding set is what an exec could give back, and only CAP_SETPCAP may empty it. Without it
 * no_new_privs is enough (security/commoncap.c, cap_bprm_creds_from_file()).
 */
static void empty_bounding_set(void)
{
	for (unsigned long capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return;
}

static int empty_sets(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	/* The ambient set empties with the permitted one. */
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int privileges_drop(struct why *why)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return why_set(why, -errno, "cannot give up privileges (no_new_privs)");
	empty_bounding_set();
	r = become_caller();
	if (r < 0)
		return why_set(why, r, "cannot become the user who called sudo");
	r = empty_sets();
	return r < 0 ? why_set(why, r, "cannot give up capabilities") : 0;
}
