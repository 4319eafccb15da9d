#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct new_file {
	char *path;   /* where it is to appear (owned) */
	char *beside; /* its name until then (owned); NULL: written in place */
	FILE *stream; /* over fd once asked for (owned) */
	int fd;	      /* (owned) */
	int error;    /* the stream's first: stdio itself keeps only that there was one */
	int named;    /* beside exists on the disk */
};

static void new_file_free(struct new_file *file)
{
	if (!file)
		return;
	if (file->stream)
		fclose(file->stream);
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->beside);
	free(file);
}

/* ".NAME.PID.tmp" in the folder of @path (owned by the caller), or NULL. */
static char *name_beside(const char *path)
{
	CLEANUP_FREE char *for_dir = strdup(path);
	CLEANUP_FREE char *for_base = strdup(path);
	char *name;

	if (!for_dir || !for_base)
		return NULL;
	if (asprintf(&name, "%s/.%s.%d.tmp", dirname(for_dir), basename(for_base), getpid()) < 0)
		return NULL;
	return name;
}

/*
 * Whether something other than a file stands at @path: a pipe, a device, a terminal. To replace
 * /dev/null by a file is never what was meant, so it is written to as it stands.
 */
static bool is_device(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* What @path leads to (owned by the caller), so that a link stays a link, or NULL. */
static char *follow_links(const char *path)
{
	char *target = realpath(path, NULL);

	return target ? target : strdup(path);
}

static int open_unnamed(const char *path)
{
	CLEANUP_FREE char *for_dir = strdup(path);

	if (!for_dir) {
		errno = ENOMEM;
		return -1;
	}
	return open(dirname(for_dir), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
}

/* Beside its place. The name can be foretold, so no link that waits there may be followed. */
static int open_beside(struct new_file *file)
{
	int fd = open_unnamed(file->path);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	unlink(file->beside);
	fd = open(file->beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	file->named = fd >= 0;
	return fd;
}

int new_file_open(const char *path, struct new_file **ret)
{
	bool device = is_device(path);
	struct new_file *file = calloc(1, sizeof(*file));
	int error;

	if (!file)
		return -ENOMEM;
	file->fd = -1;
	file->path = device ? strdup(path) : follow_links(path);
	if (file->path && !device)
		file->beside = name_beside(file->path);
	if (!file->path || (!file->beside && !device)) {
		new_file_free(file);
		return -ENOMEM;
	}

	file->fd = device ? open(path, O_WRONLY | O_CLOEXEC) : open_beside(file);
	if (file->fd < 0) {
		error = -errno;
		new_file_free(file);
		return error;
	}
	*ret = file;
	return 0;
}

int new_file_fd(struct new_file *file)
{
	return file->fd;
}

static ssize_t write_stream(void *cookie, const char *data, size_t length)
{
	struct new_file *file = cookie;
	int r = fd_write_all(file->fd, data, length);

	if (r == 0)
		return (ssize_t)length;
	if (file->error == 0)
		file->error = r;
	errno = -r;
	return 0; /* what fopencookie(3) takes for an error */
}

FILE *new_file_stream(struct new_file *file)
{
	if (!file->stream)
		file->stream = fopencookie(file, "w",
					   (cookie_io_functions_t){.write = write_stream});
	return file->stream;
}

static int give_name(struct new_file *file)
{
	char self[64];

	if (file->named)
		return 0;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	unlink(file->beside);
	if (linkat(AT_FDCWD, self, AT_FDCWD, file->beside, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	file->named = 1;
	return 0;
}

int new_file_commit(struct new_file *file)
{
	int r = 0;

	/* A full disk shows at the latest here: in the stream's last bytes, or by fsync(2). */
	if (file->stream && (fflush(file->stream) != 0 || ferror(file->stream)))
		r = file->error ? file->error : -EIO;
	if (r == 0 && fsync(file->fd) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	if (r == 0 && file->beside)
		r = give_name(file);
	if (r == 0 && file->beside && rename(file->beside, file->path) < 0)
		r = -errno;
	if (r < 0 && file->named)
		unlink(file->beside);
	new_file_free(file);
	return r;
}

void new_file_discard(struct new_file *file)
{
	if (!file)
		return;
	if (file->named)
		unlink(file->beside);
	new_file_free(file);
}

int fd_read(int fd, size_t limit, char **ret_text, size_t *ret_length)
{
	CLEANUP_FREE char *text = NULL;
	size_t used = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - used < 2) {
			char *bigger;

			room = room ? room * 2 : 4096;
			bigger = realloc(text, room);
			if (!bigger)
				return -ENOMEM;
			text = bigger;
		}
		n = read(fd, text + used, room - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > limit)
			return -EFBIG;
	}
	text[used] = '\0';
	if (ret_length)
		*ret_length = used;
	*ret_text = TAKE_PTR(text);
	return 0;
}

int file_read(const char *path, size_t limit, char **ret_text, size_t *ret_length)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd_read(fd, limit, ret_text, ret_length);
}

int fd_write_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

int directory_make(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0)
		return -ENOENT;
	if (length >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, length + 1);
	for (char *at = part + 1;; at++) {
		char kept = *at;
		struct stat info;

		if (kept != '/' && kept != '\0')
			continue;
		*at = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
		*at = kept;
		if (kept == '\0')
			return stat(path, &info) < 0   ? -errno
			       : S_ISDIR(info.st_mode) ? 0
						       : -ENOTDIR;
	}
}
