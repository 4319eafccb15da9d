/*
 * For tests of base: children in which a test may change what the whole process has, and a folder
 * that is gone after the test.
 */
#ifndef CONTEST_BASE_BASE_TESTING_H
#define CONTEST_BASE_BASE_TESTING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/file.h"
#include "base/why.h"

/* What a child returns: 0, CHILD_SKIP with the reason on standard error, or what CHECK() does: 1,
 * with the check that failed. */
#define CHILD_SKIP 77

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s (errno %s)\n", __FILE__, __LINE__, #condition,  \
				errno_name(errno));                                                \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* Fails, passes or skips the test as a child does that returns what @run returns. */
void run_child(int (*run)(void));

/* A user namespace with this user as root, and others as @flags say; false with the reason. */
bool unshare_as_root(int flags);

/* A test with a folder of its own: test_folder. */
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

extern char test_folder[64];

int folder_make(void **state);
int folder_remove(void **state);
/* The path of @name in it, until the next call. */
const char *in_folder(const char *name);
/* Entries of any folder. */
size_t folder_count(const char *path);

/* A new file with @text in it, not yet committed. */
struct new_file *file_begin(const char *path, const char *text);
bool file_holds(const char *path, const char *want);

#endif
