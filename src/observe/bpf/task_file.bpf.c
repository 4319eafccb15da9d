/*
 * Every socket that a process has a descriptor of (iter/task_file, Linux 5.8; bpf_sock_from_file(),
 * 5.11). The iterator goes through the threads in the order of their numbers, and leaves out those
 * that share the descriptors of the first thread (kernel/bpf/task_iter.c, task_seq_get_next(),
 * 6.18).
 */
#include "observe/bpf/kernel.h"

#include "observe/bpf/task_file_record.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t euid;
};

struct files_struct;

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *real_cred;
	struct files_struct *files;
	char comm[16];
};

struct file;

/* kernel/bpf/task_iter.c */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* The number in the PID namespace of who reads, which may not be the first one. 0: it has none any
 * more. To the verifier the address is a number: that of Linux 6.1 lets nobody add to a pointer
 * what it does not know the bounds of. */
static __always_inline int number_of(const struct task_struct *task)
{
	const struct pid *readers = bpf_get_current_task_btf()->thread_pid;
	__u64 pid = 0;
	int number = 0;

	bpf_core_read(&pid, sizeof(pid), &task->thread_pid);
	if (readers && pid)
		bpf_probe_read_kernel(
			&number, sizeof(number),
			(void *)(pid + bpf_core_field_offset(struct pid, numbers) +
				 (__u64)readers->level * bpf_core_type_size(struct upid) +
				 bpf_core_field_offset(struct upid, nr)));
	return number;
}

SEC("iter/task_file")
int list_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_file_record record = {};
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct socket_alloc *socket;
	unsigned long inode = 0;

	if (!task || !file)
		return 0;
	socket = (struct socket_alloc *)bpf_sock_from_file(file);
	if (!socket)
		return 0;
	leader = task->group_leader;
	record.other_thread = task->pid != task->tgid;
	/* What a thread has of its own is not to be seen in /proc/PID/fd either. */
	if (record.other_thread && leader->files)
		return 0;
	record.pid = number_of(leader);
	if (!record.pid)
		return 0;
	/* The socket is the first member of both. */
	bpf_core_read(&inode, sizeof(inode), &socket->vfs_inode.i_ino);
	record.inode = (__u32)inode;
	record.fd = ctx->fd;
	record.uid = leader->real_cred->euid.val;
	bpf_core_read(record.name, sizeof(record.name), &leader->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
