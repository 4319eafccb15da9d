#include "cmd/explain_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* So much is looked at: in a ticket prose may stand before tcpdump's lines. */
#define HEAD (64 * 1024)

const char *explain_source_name(const struct explain_source *source)
{
	return strcmp(source->path, "-") == 0 ? "standard input" : source->path;
}

static bool is_stdin(const struct explain_source *source)
{
	return strcmp(source->path, "-") == 0;
}

void explain_source_init(struct explain_source *source, const char *path)
{
	*source = (struct explain_source){.path = path, .start = -1, .spool = -1};
}

/* ---- what it is */

enum kind { KIND_CAPTURE, KIND_TEXT, KIND_UNSURE };

/* pcap in either byte order with its dialects, pcapng, gzip, zstd and lz4. */
static bool begins_like_capture(const char *bytes, size_t length)
{
	static const char magics[][5] = {
		"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d",
		"\x4d\x3c\xb2\xa1", "\xa1\xb2\xcd\x34", "\x34\xcd\xb2\xa1",
		"\x0a\x0d\x0d\x0a", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18",
	};

	for (size_t i = 0; length >= 4 && i < ARRAY_SIZE(magics); i++)
		if (memcmp(bytes, magics[i], 4) == 0)
			return true;
	return length >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

static enum kind kind_of(const char *bytes, size_t length)
{
	if (begins_like_capture(bytes, length))
		return KIND_CAPTURE;
	return tcpdump_text_recognize(bytes, length) ? KIND_TEXT : KIND_UNSURE;
}

static bool is_sure(const char *bytes, size_t length)
{
	return kind_of(bytes, length) != KIND_UNSURE;
}

/* 0 for a text, 1 for what libwiretap is to say its word on, -EBADMSG for neither. */
static int judge(const struct explain_source *source, const char *head, size_t length,
		 struct why *why)
{
	enum kind kind = kind_of(head, length);

	if (length == 0)
		return why_say(why, -EBADMSG, "cannot read %s: it is empty",
			       explain_source_name(source));
	/* Of what is made of characters the library knows nothing either. */
	if (kind == KIND_UNSURE && !memchr(head, '\0', length))
		return why_say(why, -EBADMSG,
			       "cannot read %s: neither a capture (pcap, pcapng) nor what tcpdump "
			       "prints",
			       explain_source_name(source));
	return kind != KIND_TEXT;
}

/* ---- opening */

/* What has no name of its own is opened by that of its descriptor; what is said of it speaks of
 * what the user knows. */
static int say_its_name(const struct explain_source *source, int error, const struct why *said,
			struct why *why)
{
	const char *at = *source->opened_as ? strstr(said->text, source->opened_as) : NULL;

	if (!at)
		return why_say(why, error, "%s", said->text);
	return why_say(why, error, "%.*s%s%s", (int)(at - said->text), said->text,
		       explain_source_name(source), at + strlen(source->opened_as));
}

static int open_stream(struct explain_source *source, const char *path, struct why *why)
{
	struct why said;
	int r = capture_stream_open(path, &source->stream, &said);

	return r < 0 ? say_its_name(source, r, &said, why) : 0;
}

static int open_text(struct explain_source *source, int fd, struct tcpdump_text *meaning,
		     struct why *why)
{
	source->text = explain_text_new(fd, meaning);
	if (source->text)
		return 0;
	close(fd);
	return why_set(why, -ENOMEM, "cannot read %s", explain_source_name(source));
}

/* By its descriptor, which is given away: one that flows out of a pipe, or a spool. */
static int open_nameless(struct explain_source *source, int fd, bool is_capture,
			 struct tcpdump_text *meaning, struct why *why)
{
	int r;

	if (!is_capture)
		return open_text(source, fd, meaning, why);
	snprintf(source->opened_as, sizeof(source->opened_as), "/proc/self/fd/%d", fd);
	r = open_stream(source, source->opened_as, why);
	close(fd);
	return r;
}

/* @fd: regular, and given away. */
static int open_regular(struct explain_source *source, int fd, struct tcpdump_text *meaning,
			struct why *why)
{
	CLEANUP_FREE char *head = malloc(HEAD);
	off_t from = is_stdin(source) && source->spool < 0 ? source->start : 0;
	ssize_t length = head ? pread(fd, head, HEAD, from) : (errno = ENOMEM, -1);
	int r;

	if (length < 0 || lseek(fd, from, SEEK_SET) < 0)
		r = why_set(why, -errno, "cannot read %s", explain_source_name(source));
	else
		r = judge(source, head, (size_t)length, why);
	if (r >= 0 && (r == 0 || source->spool >= 0))
		return open_nameless(source, fd, r > 0, meaning, why);
	close(fd);
	return r < 0 ? r : open_stream(source, source->path, why);
}

static int open_spool(struct explain_source *source, struct tcpdump_text *meaning, struct why *why)
{
	int fd = fcntl(source->spool, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return why_set(why, -errno, "cannot read %s", explain_source_name(source));
	return open_regular(source, fd, meaning, why);
}

static int open_flow(struct explain_source *source, struct tcpdump_text *meaning, struct why *why)
{
	size_t length;
	const char *head = explain_pipe_head(source->pipe, &length);
	int is_capture = judge(source, head, length, why), fd;

	if (is_capture < 0)
		return is_capture;
	fd = explain_pipe_flow(source->pipe);
	if (fd < 0)
		return why_set(why, fd, "cannot read %s", explain_source_name(source));
	return open_nameless(source, fd, is_capture, meaning, why);
}

static int open_pipe(struct explain_source *source, int fd, bool again,
		     struct tcpdump_text *meaning, struct why *why)
{
	int r = explain_pipe_open(fd, HEAD, is_sure, &source->pipe);

	if (r < 0)
		return why_set(why, r, "cannot read %s", explain_source_name(source));
	if (!again)
		return open_flow(source, meaning, why);
	r = explain_pipe_spool(source->pipe);
	explain_pipe_close(TAKE_PTR(source->pipe));
	if (r < 0)
		return why_set(why, r, "cannot put %s aside, to read it twice, in $TMPDIR or /tmp",
			       explain_source_name(source));
	source->spool = r;
	return open_spool(source, meaning, why);
}

int explain_source_open(struct explain_source *source, bool again, struct tcpdump_text *meaning,
			struct why *why)
{
	struct stat status = {0};
	int fd, r;

	if (source->spool >= 0)
		return open_spool(source, meaning, why);
	fd = is_stdin(source) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
			      : open(source->path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 || fstat(fd, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? -EISDIR : 0;
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return why_set(why, r, "cannot read %s", explain_source_name(source));
	}
	if (!S_ISREG(status.st_mode))
		return open_pipe(source, fd, again, meaning, why);
	if (source->start < 0)
		source->start = lseek(fd, 0, SEEK_CUR);
	return open_regular(source, fd, meaning, why);
}

int explain_source_next(struct explain_source *source, struct passing_packet *ret, struct why *why)
{
	struct why said;
	int r = capture_stream_next(source->stream, ret, &said);

	return r < 0 ? say_its_name(source, r, &said, why) : r;
}

void explain_source_close(struct explain_source *source)
{
	source->opened_as[0] = '\0';
	capture_stream_close(TAKE_PTR(source->stream));
	explain_text_free(TAKE_PTR(source->text));
	explain_pipe_close(TAKE_PTR(source->pipe));
}

void explain_source_done(struct explain_source *source)
{
	explain_source_close(source);
	if (source->spool >= 0)
		close(TAKE_FD(source->spool));
}

bool explain_source_is_file(const struct explain_source *source)
{
	struct stat status;

	return !is_stdin(source) && stat(source->path, &status) == 0 && S_ISREG(status.st_mode);
}

bool explain_source_is_pipe(const struct explain_source *source)
{
	return source->pipe || source->spool >= 0;
}
