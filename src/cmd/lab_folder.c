#include "cmd/lab_folder.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lab/results.h"

#define RESULTS	      "results"
#define LATEST	      RESULTS "/latest"
#define SAME_TIME_MAX 100 /* runs that begin in one second */

/* A new folder named after the time: two runs never share one. */
static int make_new(char **ret)
{
	time_t now = time(NULL);
	char stamp[32];
	struct tm utc;
	int r = directory_make(RESULTS, 0777);

	if (r < 0)
		return r;
	gmtime_r(&now, &utc);
	/* No colons: they are trouble on other systems' disks, where results may be copied. */
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H-%M-%SZ", &utc);
	for (int i = 1; i < SAME_TIME_MAX; i++) {
		char path[64];

		snprintf(path, sizeof(path), i == 1 ? RESULTS "/%s" : RESULTS "/%s-%d", stamp, i);
		if (mkdir(path, 0777) == 0) {
			*ret = strdup(path);
			return *ret ? 0 : -ENOMEM;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int try_to_write(const char *folder)
{
	CLEANUP_FREE char *path = NULL;
	struct new_file *file;
	int r;

	if (asprintf(&path, "%s/results.json", folder) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = new_file_open(path, &file);
	if (r == 0)
		new_file_discard(file);
	return r;
}

int lab_folder_make(const char *asked, char **ret, struct why *why)
{
	CLEANUP_FREE char *folder = NULL;
	int r;

	if (asked) {
		folder = strdup(asked);
		r = folder ? directory_make(folder, 0777) : -ENOMEM;
	} else {
		r = make_new(&folder);
	}
	if (r < 0)
		return why_set(why, r, "cannot make the folder %s for the results",
			       asked ? asked : RESULTS);
	r = try_to_write(folder);
	if (r < 0) {
		why_set(why, r, "cannot write into %s; --out names another folder", folder);
		if (!asked && folder)
			rmdir(folder);
		return r;
	}
	*ret = TAKE_PTR(folder);
	return 0;
}

void lab_folder_latest(const char *folder)
{
	const char *name = strrchr(folder, '/');
	char beside[64];

	snprintf(beside, sizeof(beside), RESULTS "/.latest.%d", (int)getpid());
	if (symlink(name ? name + 1 : folder, beside) < 0)
		return;
	/* Fails where somebody has made a folder of that name: theirs stays. */
	if (rename(beside, LATEST) < 0)
		unlink(beside);
}

/* ---- reading back */

struct candidate {
	const char *path; /* (borrowed) */
	struct timespec changed;
};

static int newest_first(const void *a, const void *b)
{
	const struct timespec *left = &((const struct candidate *)a)->changed;
	const struct timespec *right = &((const struct candidate *)b)->changed;

	if (left->tv_sec != right->tv_sec)
		return left->tv_sec < right->tv_sec ? 1 : -1;
	return left->tv_nsec < right->tv_nsec ? 1 : left->tv_nsec > right->tv_nsec ? -1 : 0;
}

/* The files in the order of preference: latest, then by age. NULL when memory is short. */
static struct candidate *candidates_new(const glob_t *found, size_t *ret_count)
{
	struct candidate *all = calloc(found->gl_pathc + 1, sizeof(*all));
	size_t count = 1;

	if (!all)
		return NULL;
	all[0].path = LATEST "/results.json";
	for (size_t i = 0; i < found->gl_pathc; i++) {
		struct stat info;

		if (stat(found->gl_pathv[i], &info) < 0)
			continue;
		all[count++] = (struct candidate){found->gl_pathv[i], info.st_mtim};
	}
	qsort(all + 1, count - 1, sizeof(*all), newest_first);
	*ret_count = count;
	return all;
}

/* 0, -ENOENT when the file has no result of it that counts, or why it cannot be read. */
static int find_in(const char *path, const char *id, json_t **ret_document, const json_t **ret,
		   struct why *why)
{
	json_t *document;
	const json_t *result;
	int r = results_read(path, &document, why);

	if (r < 0)
		return r;
	result = results_find(document, id);
	if (!result || json_is_true(json_object_get(result, "falsified"))) {
		json_decref(document);
		return -ENOENT;
	}
	*ret_document = document;
	*ret = result;
	return 0;
}

static int find_among(const struct candidate *all, size_t count, const char *id,
		      json_t **ret_document, const json_t **ret, char **ret_path, struct why *why)
{
	for (size_t i = 0; i < count; i++) {
		struct why its = {0};
		int r = find_in(all[i].path, id, ret_document, ret, &its);

		if (r == 0) {
			*ret_path = strdup(all[i].path);
			if (*ret_path)
				return 0;
			json_decref(*ret_document);
			return -ENOMEM;
		}
		if (r != -ENOENT && why && !why->text[0])
			*why = its;
	}
	return -ENOENT;
}

int lab_folder_find(const char *id, json_t **ret_document, const json_t **ret, char **ret_path,
		    struct why *why)
{
	CLEANUP_FREE struct candidate *all = NULL;
	glob_t found = {0};
	size_t count;
	int r = glob(RESULTS "/*/results.json", GLOB_NOSORT, NULL, &found);

	if (why)
		why->text[0] = '\0';
	if (r != 0 && r != GLOB_NOMATCH) {
		globfree(&found);
		return -ENOMEM;
	}
	all = candidates_new(&found, &count);
	r = all ? find_among(all, count, id, ret_document, ret, ret_path, why) : -ENOMEM;
	globfree(&found);
	return r;
}
