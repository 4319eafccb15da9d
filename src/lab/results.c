#include "lab/results.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config.h"

#define SCHEMA_NAME    "contest.lab/"
#define SCHEMA_VERSION 1
#define DOCUMENT_MAX   (1u << 30)
/* 15 digits say every number that was written with so many; 17 turn 30.4 into 30.399999999999999.
 */
#define DUMP_FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(15))

json_t *results_new(const char *link)
{
	struct utsname kernel = {0};
	time_t now = time(NULL);
	char started[32] = "";
	struct tm utc;

	uname(&kernel);
	if (gmtime_r(&now, &utc))
		strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:b, s:[]}", "schema", RESULTS_SCHEMA,
			 "contest", CONTEST_VERSION, "kernel", kernel.release, "machine",
			 kernel.machine, "started", started, "seconds", 0.0, "link", link,
			 "interrupted", 0, "results");
}

int results_print(const json_t *document, FILE *out)
{
	if (json_dumpf(document, out, DUMP_FLAGS) < 0 || fputc('\n', out) == EOF)
		return ferror(out) && errno ? -errno : -EIO;
	return 0;
}

int results_write(const json_t *document, const char *directory, struct why *why)
{
	CLEANUP_FREE char *path = NULL;
	struct new_file *file = NULL;
	FILE *stream;
	int r;

	if (asprintf(&path, "%s/results.json", directory) < 0) {
		path = NULL;
		return why_set(why, -ENOMEM, "cannot write the results");
	}
	r = new_file_open(path, &file);
	if (r < 0)
		return why_set(why, r, "cannot write %s", path);
	stream = new_file_stream(file);
	r = stream ? results_print(document, stream) : -ENOMEM;
	if (r < 0)
		new_file_discard(file);
	else
		r = new_file_commit(file);
	return r < 0 ? why_set(why, r, "cannot write %s", path) : 0;
}

/* Text out of a damaged file goes to a terminal: what could be more than a letter becomes '?'. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* The version in "contest.lab/N", or -1 for what is no schema of ours. */
static long schema_version(const char *schema)
{
	char *end;
	long version;

	if (!schema || strncmp(schema, SCHEMA_NAME, strlen(SCHEMA_NAME)) != 0)
		return -1;
	schema += strlen(SCHEMA_NAME);
	if (*schema < '1' || *schema > '9')
		return -1;
	errno = 0;
	version = strtol(schema, &end, 10);
	return *end == '\0' ? version : -1;
}

static int check(const json_t *document, const char *path, struct why *why)
{
	const char *schema = json_string_value(json_object_get(document, "schema"));
	long version = schema_version(schema);
	char shown[64];

	if (!schema)
		return why_say(why, -EPROTO, "%s: these are no results of contest lab: no schema",
			       path);
	snprintf(shown, sizeof(shown), "%s", schema);
	make_plain(shown);
	if (version < 0)
		return why_say(why, -EPROTO, "%s: its schema is '%s'; this command reads %s", path,
			       shown, RESULTS_SCHEMA);
	if (version > SCHEMA_VERSION)
		return why_say(why, -EPROTO,
			       "%s: schema %s was written by a newer contest; this one reads %s",
			       path, shown, RESULTS_SCHEMA);
	if (!json_is_array(json_object_get(document, "results")))
		return why_say(why, -EPROTO, "%s: damaged: it has no results[]", path);
	return 0;
}

int results_read(const char *path, json_t **ret, struct why *why)
{
	CLEANUP_FREE char *text = NULL;
	json_error_t error;
	json_t *document;
	size_t length;
	int r = file_read(path, DOCUMENT_MAX, &text, &length);

	if (r < 0)
		return why_set(why, r, "cannot read %s", path);
	document = json_loadb(text, length, 0, &error);
	if (!document) {
		make_plain(error.text);
		return why_say(why, -EPROTO, "%s: damaged at line %d, column %d: %s", path,
			       error.line, error.column, error.text);
	}
	r = check(document, path, why);
	if (r < 0) {
		json_decref(document);
		return r;
	}
	*ret = document;
	return 0;
}

const json_t *results_find(const json_t *document, const char *id)
{
	const json_t *results = json_object_get(document, "results"), *entry;
	size_t index;

	json_array_foreach (results, index, entry) {
		const char *found = json_string_value(json_object_get(entry, "id"));

		if (found && strcmp(found, id) == 0)
			return entry;
	}
	return NULL;
}
