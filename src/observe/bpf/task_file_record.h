/* A socket that a process holds: the form between task_file.bpf.c and its reader. */
#ifndef CONTEST_OBSERVE_BPF_TASK_FILE_RECORD_H
#define CONTEST_OBSERVE_BPF_TASK_FILE_RECORD_H

struct task_file_record {
	int pid; /* of the process, in the namespace of the reader */
	unsigned int uid;
	unsigned int inode;
	unsigned int fd : 31;
	unsigned int other_thread : 1; /* the process' first one has ended */
	char name[16];
};

#endif
