/* Runs a fuzz target over the files and folders named: what was found once is tested ever after. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	CLEANUP_FREE char *text = NULL;
	uint8_t *exact;
	size_t length;
	int r = file_read(path, 64 << 20, &text, &length);

	if (r < 0) {
		fprintf(stderr, "cannot read %s: %s\n", path, strerror(-r));
		return r;
	}
	/* Not a byte more than the file has, so that a sanitizer sees what reads beyond. */
	exact = malloc(length ? length : 1);
	if (!exact)
		abort();
	memcpy(exact, text, length);
	fprintf(stderr, "%s\n", path); /* before it crashes */
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
	return 1;
}

/* How many files were run, or -errno. */
static int replay(const char *path)
{
	struct dirent **entries;
	struct stat info;
	int n, total = 0;

	if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode))
		return replay_file(path);
	n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		CLEANUP_FREE struct dirent *entry = entries[i];
		CLEANUP_FREE char *below = NULL;
		int r;

		if (entry->d_name[0] == '.' || total < 0)
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
			abort();
		r = replay(below);
		total = r < 0 ? r : total + r;
	}
	if (n >= 0)
		free(entries);
	return n < 0 ? -1 : total;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);

		if (r < 0)
			return 1;
		total += r;
	}
	printf("%d inputs\n", total);
	/* An empty corpus is a mistake of whoever called. */
	return total ? 0 : 1;
}
