#include "cmd/load_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cmd/load_json.h"

static bool is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int cannot(const struct invocation *call, const char *path, int error)
{
	return invocation_fail(call, CLI_REFUSED, "cannot write %s: %s", path, strerror(-error));
}

static int open_one(const struct invocation *call, const char *path, struct new_file **ret)
{
	/* Nothing can be renamed to it; that would be told only when all is over. */
	int r = is_folder(path) ? -EISDIR : new_file_open(path, ret);

	return r < 0 ? cannot(call, path, r) : CLI_DONE;
}

static int open_folder(const struct invocation *call, const char *path, struct load_files *files)
{
	int r = directory_make(path, 0777);

	if (r < 0)
		return cannot(call, path, r);
	r = CLI_DONE;
	for (size_t i = 0; i < LATENCIES && r == CLI_DONE; i++) {
		CLEANUP_FREE char *name = NULL;

		if (asprintf(&name, "%s/%s.hgrm", path, load_latency_name((enum load_latency)i)) <
		    0) {
			name = NULL;
			return cannot(call, path, -ENOMEM);
		}
		r = open_one(call, name, &files->percentiles[i]);
	}
	return r;
}

int load_files_open(const struct invocation *call, const char *save, const char *percentiles,
		    struct load_files *ret)
{
	int r = CLI_DONE;

	*ret = (struct load_files){.save_path = save, .percentiles_path = percentiles};
	if (save)
		r = open_one(call, save, &ret->save);
	if (r != CLI_DONE || !percentiles)
		return r;
	if (is_folder(percentiles) || percentiles[strlen(percentiles) - 1] == '/')
		return open_folder(call, percentiles, ret);
	return open_one(call, percentiles, &ret->percentiles[LATENCY_TOTAL]);
}

int load_files_write(const struct invocation *call, struct load_files *files,
		     const json_t *document, const struct load_result *result)
{
	int status = CLI_DONE, r;

	if (files->save) {
		load_json_write(document, new_file_stream(files->save));
		r = new_file_commit(TAKE_PTR(files->save));
		if (r < 0)
			status = cannot(call, files->save_path, r);
	}
	for (size_t i = 0; i < LATENCIES; i++) {
		if (!files->percentiles[i])
			continue;
		histogram_print_percentiles(&result->latency[i],
					    new_file_stream(files->percentiles[i]));
		r = new_file_commit(TAKE_PTR(files->percentiles[i]));
		if (r < 0)
			status = cannot(call, files->percentiles_path, r);
	}
	return status;
}

void load_files_done(struct load_files *files)
{
	new_file_discard(TAKE_PTR(files->save));
	for (size_t i = 0; i < LATENCIES; i++)
		new_file_discard(TAKE_PTR(files->percentiles[i]));
}
