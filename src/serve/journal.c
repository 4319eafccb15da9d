/*
 * Many tasks write one log. Each line is put together on the stack and written by one write(2) to a
 * descriptor with O_APPEND, so that lines never mix: a regular file is locked for the write, and a
 * pipe takes up to PIPE_BUF bytes whole. What tasks of several processes share (the numbers of
 * connections, what was lost) lies in shared memory.
 *
 * Reopening: a process that is told to reopen raises a generation in shared memory. Every process
 * compares it with its own when it writes, and the first task that finds it newer opens the path
 * anew and lays the new file over the old descriptor by dup3(2), which other tasks that are
 * writing just then do not notice.
 */
#include "serve/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

struct shared {
	_Atomic uint64_t last_id;
	_Atomic uint64_t lost; /* lines that could not be written */
	_Atomic int lost_error;
	_Atomic unsigned generation;
};

struct journal {
	enum journal_form form;
	int fd;
	char *path;		 /* (owned) NULL: standard output, never opened anew */
	struct shared *shared;	 /* (owned) mmap */
	_Atomic unsigned opened; /* the generation that fd is of; each process has its own */
};

/* ---- a line */

/* Threads may have 16 kB of stack, so a line takes little of it; PIPE_BUF is more. */
#define LINE_ROOM 1536
#define SAID_MAX  1024 /* of what a client said, escaped; the rest of the line is short */

static_assert(LINE_ROOM <= PIPE_BUF, "a line goes into a pipe whole");

struct entry {
	char text[LINE_ROOM];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct entry *entry, const char *format, ...)
{
	size_t room = sizeof(entry->text) - entry->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(entry->text + entry->used, room, format, args);
	va_end(args);
	if (length > 0)
		entry->used += (size_t)length < room ? (size_t)length : room - 1;
}

/* The moment in UTC, with microseconds: 2026-11-22T18:04:24.123456Z. */
static void put_time(struct entry *entry)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	put(entry, "%s.%06ldZ", text, now.tv_nsec / 1000);
}

static void begin(struct entry *entry, const struct journal *journal, uint64_t id,
		  const char *event)
{
	bool json = journal->form == JOURNAL_JSON;

	entry->used = 0;
	put(entry, "%s", json ? "{\"time\":\"" : "");
	put_time(entry);
	put(entry, json ? "\",\"id\":%llu,\"event\":\"%s\"" : " #%llu %s", (unsigned long long)id,
	    event);
}

/* ---- text from the network: what a terminal might obey becomes \xNN */

/* The length of the UTF-8 character at @text, which has @length bytes; 0: there is none. */
static size_t utf8_length(const unsigned char *text, size_t length, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = text[0] < 0x80   ? 1
		      : text[0] < 0xc0 ? 0
		      : text[0] < 0xe0 ? 2
		      : text[0] < 0xf0 ? 3
		      : text[0] < 0xf8 ? 4
				       : 0;
	uint32_t code = size > 1 ? text[0] & (0x7fU >> size) : text[0];

	if (size == 0 || size > length)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret = code;
	return size;
}

/* No controls, nothing that breaks lines or turns the direction of writing. */
static bool is_harmless(uint32_t code)
{
	if (code < 0xa0)
		return code >= 0x20 && code < 0x7f;
	return code != 0x61c && (code < 0x200e || code > 0x200f) &&
	       (code < 0x2028 || code > 0x202e) && (code < 0x2066 || code > 0x2069);
}

static void put_character(struct entry *entry, const unsigned char *text, size_t size, bool json)
{
	if (json && (text[0] == '"' || text[0] == '\\'))
		put(entry, "\\");
	put(entry, "%.*s", (int)size, (const char *)text);
}

static void put_escaped(struct entry *entry, const char *text, size_t length, bool json)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;
	size_t limit = entry->used + SAID_MAX;

	while (at < end) {
		uint32_t code;
		size_t size = utf8_length(at, (size_t)(end - at), &code);

		if (entry->used > limit) {
			put(entry, "...");
			return;
		}
		if (size > 0 && is_harmless(code)) {
			put_character(entry, at, size, json);
		} else {
			size = size ? size : 1;
			for (size_t i = 0; i < size; i++)
				put(entry, json ? "\\\\x%02x" : "\\x%02x", at[i]);
		}
		at += size;
	}
}

/* ---- the file */

static int open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);

	return fd < 0 ? -errno : fd;
}

/* Of several tasks that find the generation old one opens; the others go on with the old file. */
static void catch_up(struct journal *journal)
{
	unsigned newest = atomic_load(&journal->shared->generation);
	unsigned opened = atomic_load(&journal->opened);
	CLEANUP_CLOSE int fd = -1;

	if (opened == newest || !journal->path ||
	    !atomic_compare_exchange_strong(&journal->opened, &opened, newest))
		return;
	fd = open_path(journal->path);
	if (fd >= 0)
		dup3(fd, journal->fd, O_CLOEXEC);
}

static void finish(struct journal *journal, struct entry *entry)
{
	ssize_t written;

	put(entry, journal->form == JOURNAL_JSON ? "}" : "");
	/* Room for the newline: put() always leaves one byte, its NUL's. */
	entry->text[entry->used++] = '\n';
	catch_up(journal);
	do
		written = write(journal->fd, entry->text, entry->used);
	while (written < 0 && errno == EINTR);
	if (written == (ssize_t)entry->used)
		return;
	atomic_fetch_add(&journal->shared->lost, 1);
	atomic_store(&journal->shared->lost_error, written < 0 ? errno : ENOSPC);
}

/* ---- events */

uint64_t journal_accepted(struct journal *journal, const struct tcp_endpoint *peer,
			  const struct tcp_endpoint *local)
{
	char from[TCP_ENDPOINT_TEXT_MAX], to[TCP_ENDPOINT_TEXT_MAX];
	struct entry entry;
	uint64_t id;

	if (!journal)
		return 0;
	id = atomic_fetch_add(&journal->shared->last_id, 1) + 1;
	begin(&entry, journal, id, "accepted");
	put(&entry,
	    journal->form == JOURNAL_JSON ? ",\"peer\":\"%s\",\"local\":\"%s\"" : " %s at %s",
	    tcp_endpoint_format(peer, from), tcp_endpoint_format(local, to));
	finish(journal, &entry);
	return id;
}

static const char *const ending_names[] = {
	[ENDED_BY_US] = "us",
	[ENDED_BY_PEER] = "peer",
	[ENDED_RESET] = "reset",
	[ENDED_IDLE] = "idle",
};
static const char *const ending_words[] = {
	[ENDED_BY_US] = "closed by us",
	[ENDED_BY_PEER] = "closed by the peer",
	[ENDED_RESET] = "reset",
	[ENDED_IDLE] = "closed by us, idle",
};

void journal_ended(struct journal *journal, uint64_t id, enum tally_ending ending,
		   uint64_t bytes_in, uint64_t bytes_out, double seconds, int error)
{
	unsigned long long in = bytes_in, out = bytes_out;
	struct entry entry;

	if (!journal)
		return;
	begin(&entry, journal, id, "ended");
	if (journal->form == JOURNAL_JSON) {
		put(&entry, ",\"by\":\"%s\",\"bytes_in\":%llu,\"bytes_out\":%llu,\"seconds\":%.6f",
		    ending_names[ending], in, out, seconds);
		if (error)
			put(&entry, ",\"error\":\"%s\"", errno_name(error));
	} else {
		put(&entry, " %s, %llu bytes in, %llu out, %.6f s", ending_words[ending], in, out,
		    seconds);
		if (error)
			put(&entry, ", %s", errno_name(error));
	}
	finish(journal, &entry);
}

void journal_said(struct journal *journal, uint64_t id, const char *text, size_t length,
		  uint64_t running_total)
{
	struct entry entry;
	bool json;

	if (!journal)
		return;
	json = journal->form == JOURNAL_JSON;
	begin(&entry, journal, id, "said");
	put(&entry, json ? ",\"total\":%llu,\"text\":\"" : " (%llu in all) ",
	    (unsigned long long)running_total);
	put_escaped(&entry, text, length, json);
	put(&entry, "%s", json ? "\"" : "");
	finish(journal, &entry);
}

/* ---- its life */

static struct shared *shared_new(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return shared == MAP_FAILED ? NULL : shared;
}

static int journal_fill(struct journal *journal, const char *path)
{
	bool standard = strcmp(path, "-") == 0;

	journal->shared = shared_new();
	journal->path = standard ? NULL : strdup(path);
	if (!journal->shared || (!standard && !journal->path))
		return -ENOMEM;
	journal->fd = standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : open_path(path);
	if (standard && journal->fd < 0)
		return -errno;
	return journal->fd < 0 ? journal->fd : 0;
}

int journal_open(const char *path, enum journal_form form, struct journal **ret, struct why *why)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int r = -ENOMEM;

	if (journal) {
		journal->form = form;
		journal->fd = -1;
		r = journal_fill(journal, path);
	}
	if (r < 0) {
		journal_close(journal);
		return why_set(why, r, "cannot open the log %.200s", path);
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		close(journal->fd);
	if (journal->shared)
		munmap(journal->shared, sizeof(*journal->shared));
	free(journal->path);
	free(journal);
}

int journal_reopen(struct journal *journal, struct why *why)
{
	CLEANUP_CLOSE int fd = -1;

	if (!journal || !journal->path)
		return 0;
	fd = open_path(journal->path);
	if (fd < 0)
		return why_set(why, fd, "cannot open the log %.200s anew; the old one goes on",
			       journal->path);
	if (dup3(fd, journal->fd, O_CLOEXEC) < 0)
		return why_set(why, -errno, "cannot change the log to %.200s", journal->path);
	atomic_store(&journal->opened, atomic_fetch_add(&journal->shared->generation, 1) + 1);
	return 0;
}

uint64_t journal_lost(const struct journal *journal, int *ret_error)
{
	if (!journal)
		return 0;
	*ret_error = atomic_load(&journal->shared->lost_error);
	return atomic_load(&journal->shared->lost);
}

int journal_fd(const struct journal *journal)
{
	return journal ? journal->fd : -1;
}
