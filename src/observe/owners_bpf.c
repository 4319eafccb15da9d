/*
 * By a BPF iterator over the files of tasks (bpf/task_file.bpf.c). Processes come one after the
 * other; but where the first thread has ended, the others show the same sockets each, and other
 * processes come in between: these wait until the end.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "observe/bpf/task_file.skel.h"
#include "observe/bpf/task_file_record.h"
#include "observe/bpf_allowed.h"
#include "observe/owners_table.h"

/* The most that an iterator makes at once (kernel/bpf/bpf_iter.c, bpf_seq_read(), 6.18). */
#define BLOCK 32768

struct reader {
	struct owners *owners;
	pid_t pid;			/* that the last record was of */
	int number;			/* its process in the table */
	struct task_file_record *later; /* (owned) */
	size_t later_count, later_room;
	struct task_file_record block[BLOCK / sizeof(struct task_file_record)];
};

static int add(struct reader *reader, const struct task_file_record *record)
{
	if (record->pid != reader->pid) {
		struct owners_process process = {.pid = record->pid, .uid = record->uid};

		memcpy(process.name, record->name, sizeof(process.name));
		process.name[sizeof(process.name) - 1] = '\0';
		reader->number = owners_add_process(reader->owners, &process);
		if (reader->number < 0)
			return reader->number;
		reader->pid = record->pid;
	}
	return owners_add_socket(reader->owners, reader->number, (int)record->fd, record->inode);
}

static int add_or_keep(struct reader *reader, const struct task_file_record *record)
{
	if (!record->other_thread)
		return add(reader, record);
	if (ARRAY_ROOM(reader->later, reader->later_room, reader->later_count) < 0)
		return -ENOMEM;
	reader->later[reader->later_count++] = *record;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct task_file_record *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int add_kept(struct reader *reader)
{
	int r = 0;

	if (reader->later_count)
		qsort(reader->later, reader->later_count, sizeof(*reader->later), by_pid);
	for (size_t i = 0; r == 0 && i < reader->later_count; i++)
		r = add(reader, &reader->later[i]);
	return r;
}

static int read_all(struct reader *reader, int fd)
{
	for (;;) {
		ssize_t n = read(fd, reader->block, sizeof(reader->block));
		int r = 0;

		/* EAGAIN: a million files went by, and none was a socket (MAX_ITER_OBJECTS). */
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return add_kept(reader);
		if ((size_t)n % sizeof(reader->block[0]) != 0)
			return -EBADMSG;
		for (size_t i = 0; r == 0 && i < (size_t)n / sizeof(reader->block[0]); i++)
			r = add_or_keep(reader, &reader->block[i]);
		if (r < 0)
			return r;
	}
}

static int read_records(struct owners *owners, const struct task_file *program)
{
	CLEANUP_CLOSE int fd = bpf_iter_create(bpf_link__fd(program->links.list_sockets));
	struct reader *reader;
	int r;

	if (fd < 0)
		return fd;
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->owners = owners;
	r = read_all(reader, fd);
	free(reader->later);
	free(reader);
	return r;
}

/* Whether the kernel's types tell of such a function; where they cannot be read, too. */
static bool kernel_has(const char *function)
{
	struct btf *types = btf__load_vmlinux_btf();
	bool has = !types || btf__find_by_name_kind(types, function, BTF_KIND_FUNC) >= 0;

	btf__free(types);
	return has;
}

static int load(struct task_file *program, struct why *why)
{
	int r = task_file__load(program);

	if (r >= 0)
		return 0;
	/* The first is what libbpf says when it finds no such iterator, the second the verifier. */
	if (r == -ESRCH || (r == -EINVAL && !kernel_has("bpf_sock_from_file")))
		return why_say(why, -ENOTSUP,
			       "this kernel does not tell BPF which files are sockets "
			       "(Linux 5.11 does)");
	return bpf_refused(r, why);
}

static int run(struct owners *owners, struct task_file *program, struct why *why)
{
	int r = load(program, why);

	if (r < 0)
		return r;
	r = task_file__attach(program);
	if (r < 0)
		return why_set(why, r, "this kernel has no BPF iterator over the files of tasks");
	r = read_records(owners, program);
	if (r < 0)
		return why_set(why, r, "cannot look for the owners of sockets by BPF");
	return 0;
}

int owners_read_bpf(struct owners *owners, struct why *why)
{
	struct task_file *program;
	int r = bpf_allowed(why);

	if (r < 0)
		return r;
	program = task_file__open();
	if (!program)
		return why_set(why, -errno, "cannot open the BPF program");
	r = run(owners, program, why);
	task_file__destroy(program);
	return r;
}
