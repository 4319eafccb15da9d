#include "world/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static const struct setting {
	const char *path, *name;
	long forbids; /* the value that forbids namespaces to the unprivileged */
} settings[] = {
	{"sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", 0},
	{"sys/user/max_user_namespaces", "user.max_user_namespaces", 0},
	{"sys/user/max_net_namespaces", "user.max_net_namespaces", 0},
	{"sys/kernel/apparmor_restrict_unprivileged_userns",
	 "kernel.apparmor_restrict_unprivileged_userns", 1},
};

static bool setting_read(const char *proc, const char *path, long *ret)
{
	CLEANUP_FREE char *text = NULL;
	char whole[128];

	snprintf(whole, sizeof(whole), "%s/%s", proc, path);
	if (file_read(whole, 4096, &text, NULL) < 0)
		return false;
	*ret = strtol(text, NULL, 10);
	return true;
}

/* Containers forbid unshare(2) by a filter; nothing under /proc/sys tells that. */
static bool seccomp_filtered(const char *proc)
{
	CLEANUP_FREE char *text = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/self/status", proc);
	if (file_read(path, 65536, &text, NULL) < 0)
		return false;
	return strstr(text, "\nSeccomp:\t2") != NULL;
}

int userns_blame(const char *proc, int error, struct why *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *setting = &settings[i];
		long value;

		if (setting_read(proc, setting->path, &value) && value == setting->forbids)
			return why_say(why, error,
				       "this system forbids user namespaces to you by %s=%ld: "
				       "run it with sudo",
				       setting->name, value);
	}
	if (error == -ENOSPC || error == -EUSERS)
		return why_say(why, error,
			       "too many namespaces are in use here (user.max_user_namespaces, "
			       "user.max_net_namespaces, or nested too deep): run it with sudo");
	if (error == -EINVAL)
		return why_set(why, error,
			       "cannot make a user namespace: the process has several threads, or "
			       "this kernel has none");
	if (seccomp_filtered(proc))
		return why_set(why, error,
			       "a seccomp filter (this looks like a container) forbids namespaces: "
			       "run it outside, or privileged with sudo");
	return why_set(why, error, "cannot make a user namespace: run it with sudo");
}

static int write_text(const char *path, const char *text)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd_write_all(fd, text, strlen(text));
}

/* user_namespaces(7): one id may be mapped by its owner, the group only with setgroups denied. */
static int map_ids(uid_t uid, gid_t gid)
{
	char text[64];
	int r;

	r = write_text("/proc/self/setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return r;
	snprintf(text, sizeof(text), "0 %u 1", uid);
	r = write_text("/proc/self/uid_map", text);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "0 %u 1", gid);
	return write_text("/proc/self/gid_map", text);
}

static int enter(struct why *why)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int error, r;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
		r = map_ids(uid, gid);
		return r < 0 ? userns_blame("/proc", r, why) : 0;
	}
	error = -errno;
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	return userns_blame("/proc", error, why);
}

int userns_enter(struct why *why)
{
	pid_t parent = getppid();
	int signal = 0;
	int r;

	prctl(PR_GET_PDEATHSIG, &signal);
	r = enter(why);
	/* commit_creds() clears it where it sees more rights than before (kernel/cred.c, 6.18). */
	if (signal) {
		prctl(PR_SET_PDEATHSIG, signal);
		if (getppid() != parent)
			raise(signal);
	}
	return r;
}
