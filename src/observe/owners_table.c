/*
 * Open addressing by inode. Most sockets have one owner; what is to be known of a shared one stands
 * apart, so that a slot is 16 bytes.
 */
#include "observe/owners_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define FIRST_BITS 8

struct slot {
	uint32_t inode;	  /* 0: free */
	uint32_t process; /* its lowest pid */
	int fd;
	uint32_t shared; /* 0, or one more than the place of a struct shared */
};

struct shared {
	uint32_t last; /* process that was counted last: it may have the socket twice */
	uint32_t more;
};

struct owners {
	struct slot *slots; /* (owned) 1 << bits */
	unsigned bits;
	size_t count;
	struct owners_process *processes; /* (owned) */
	size_t process_count, process_room;
	struct shared *shared; /* (owned) */
	size_t shared_count, shared_room;
};

struct owners *owners_new(void)
{
	struct owners *owners = calloc(1, sizeof(*owners));

	if (!owners)
		return NULL;
	owners->bits = FIRST_BITS;
	owners->slots = calloc(1U << FIRST_BITS, sizeof(*owners->slots));
	if (!owners->slots) {
		free(owners);
		return NULL;
	}
	return owners;
}

void owners_free(struct owners *owners)
{
	if (!owners)
		return;
	free(owners->slots);
	free(owners->processes);
	free(owners->shared);
	free(owners);
}

/* The slot of the inode, or the free one where it belongs; there is always a free one. Inodes come
 * one after the other (get_next_ino()): multiplied by the golden ratio these lie evenly. */
static struct slot *find(struct slot *slots, unsigned bits, uint32_t inode)
{
	uint32_t at = inode * 0x9e3779b9U >> (32 - bits);

	while (slots[at].inode && slots[at].inode != inode)
		at = (at + 1) & ((1U << bits) - 1);
	return &slots[at];
}

/* Doubles the slots when seven of eight are taken. */
static int make_room(struct owners *owners)
{
	size_t capacity = (size_t)1 << owners->bits;
	struct slot *slots;

	if (owners->count < capacity / 8 * 7)
		return 0;
	if (owners->bits == 31)
		return -ENOMEM;
	slots = calloc(2 * capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < capacity; i++) {
		const struct slot *old = &owners->slots[i];

		if (old->inode)
			*find(slots, owners->bits + 1, old->inode) = *old;
	}
	free(owners->slots);
	owners->slots = slots;
	owners->bits++;
	return 0;
}

int owners_add_process(struct owners *owners, const struct owners_process *process)
{
	if (ARRAY_ROOM(owners->processes, owners->process_room, owners->process_count) < 0)
		return -ENOMEM;
	owners->processes[owners->process_count] = *process;
	return (int)owners->process_count++;
}

/* One more process has the socket: this one, which may have been counted. */
static int share(struct owners *owners, struct slot *slot, uint32_t process)
{
	struct shared *shared;

	if (slot->shared == 0) {
		if (ARRAY_ROOM(owners->shared, owners->shared_room, owners->shared_count) < 0)
			return -ENOMEM;
		owners->shared[owners->shared_count] = (struct shared){.last = slot->process};
		slot->shared = (uint32_t)++owners->shared_count;
	}
	shared = &owners->shared[slot->shared - 1];
	if (shared->last == process)
		return 0;
	shared->last = process;
	shared->more++;
	return 0;
}

int owners_add_socket(struct owners *owners, int process, int fd, uint32_t inode)
{
	uint32_t number = (uint32_t)process;
	struct slot *slot;

	if (inode == 0)
		return 0;
	if (make_room(owners) < 0)
		return -ENOMEM;
	slot = find(owners->slots, owners->bits, inode);
	if (slot->inode == 0) {
		*slot = (struct slot){.inode = inode, .process = number, .fd = fd};
		owners->count++;
		return 0;
	}
	if (slot->process == number) {
		if (fd < slot->fd)
			slot->fd = fd;
		return 0;
	}
	if (share(owners, slot, number) < 0)
		return -ENOMEM;
	if (owners->processes[number].pid < owners->processes[slot->process].pid) {
		slot->process = number;
		slot->fd = fd;
	}
	return 0;
}

bool owners_find(const struct owners *owners, uint32_t inode, struct owner *ret)
{
	const struct slot *slot = find(owners->slots, owners->bits, inode);
	const struct owners_process *process;

	if (slot->inode == 0)
		return false;
	process = &owners->processes[slot->process];
	*ret = (struct owner){
		.pid = process->pid,
		.uid = process->uid,
		.fd = slot->fd,
		.more = slot->shared ? owners->shared[slot->shared - 1].more : 0,
	};
	memcpy(ret->name, process->name, sizeof(ret->name));
	return true;
}

size_t owners_count(const struct owners *owners)
{
	return owners->count;
}
