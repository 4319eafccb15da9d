/* What owners_read() fills, and the ways of doing so. Not for others. */
#ifndef CONTEST_OBSERVE_OWNERS_TABLE_H
#define CONTEST_OBSERVE_OWNERS_TABLE_H

#include "observe/owners.h"

struct owners_process {
	pid_t pid;
	uid_t uid;
	char name[16]; /* terminated */
};

/* NULL when memory is short. */
struct owners *owners_new(void);

/* A process, each once, in any order: its number from 0, or -ENOMEM. */
int owners_add_process(struct owners *owners, const struct owners_process *process);

/* A socket of the process that was added last, whose number is @process. 0 or -ENOMEM. */
int owners_add_socket(struct owners *owners, int process, int fd, uint32_t inode);

/* The ways. 0 or -errno with @why; the table is then half filled. */
int owners_read_proc(struct owners *owners, unsigned *ret_hidden, struct why *why);
int owners_read_bpf(struct owners *owners, struct why *why);

/* Processes and open files of the machine; 0 or -errno. */
int owners_count_files(uint64_t *ret_processes, uint64_t *ret_files);
/* Whether of so many /proc is read sooner than BPF has begun. */
bool owners_few(uint64_t processes, uint64_t files);
/* Whether /proc shows the descriptors of the first process, and so most likely those of all. */
bool owners_sees_first(void);

#endif
