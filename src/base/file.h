/* Files that appear whole or not at all: written beside their place, then renamed into it. */
#ifndef CONTEST_BASE_FILE_H
#define CONTEST_BASE_FILE_H

#include <stdio.h>
#include <sys/types.h>

struct new_file;

/*
 * Begins a file that is to appear as @path. Returns 0 and the handle in *ret (owned), or -errno.
 * The file has no name before new_file_commit() where the file system knows O_TMPFILE, so that
 * nothing is left behind however the process ends; elsewhere it is a hidden file beside @path.
 */
int new_file_open(const char *path, struct new_file **ret);

/* The descriptor and the stream to write to (borrowed; the stream is made at the first call). */
int new_file_fd(struct new_file *file);
FILE *new_file_stream(struct new_file *file);

/*
 * Flushes, syncs to what the kernel calls written, and gives the file its name, replacing an
 * older one. Frees the handle in every case. Returns 0 or -errno (-ENOSPC when the disk is full);
 * on failure the older file stays as it was.
 */
int new_file_commit(struct new_file *file);

/* Drops what was written and frees the handle; NULL is allowed. */
void new_file_discard(struct new_file *file);

/* Whole file into memory (owned by the caller, NUL-terminated), at most @limit bytes: -EFBIG. */
int file_read(const char *path, size_t limit, char **ret_text, size_t *ret_length);

/* The same from a descriptor, from where it stands. */
int fd_read(int fd, size_t limit, char **ret_text, size_t *ret_length);

/* All of @length bytes, whatever write(2) does in between. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t length);

/* mkdir -p. 0 or -errno. */
int directory_make(const char *path, mode_t mode);

#endif
