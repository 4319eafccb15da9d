/* Reading, writing, directories. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_testing.h"
#include "base/file.h"

static void reads_up_to_its_limit(void **state)
{
	char *text = NULL, *untouched = (char *)state;
	size_t length = 99;

	assert_int_equal(new_file_commit(file_begin(in_folder("ten"), "0123456789")), 0);
	assert_int_equal(file_read(in_folder("ten"), 10, &text, &length), 0);
	assert_int_equal(length, 10);
	assert_string_equal(text, "0123456789");
	free(text);
	text = untouched;
	length = 99;
	assert_int_equal(file_read(in_folder("ten"), 9, &text, &length), -EFBIG);
	assert_int_equal(file_read(in_folder("none"), 9, &text, &length), -ENOENT);
	assert_int_equal(file_read(test_folder, 9, &text, &length), -EISDIR);
	assert_int_equal(fd_read(-1, 9, &text, &length), -EBADF);
	assert_ptr_equal(text, untouched);
	assert_int_equal(length, 99);
	assert_int_equal(file_read("/dev/zero", 100000, &text, &length), -EFBIG);
	assert_int_equal(file_read("/dev/null", 0, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
}

static void reads_what_a_pipe_brings(void **state)
{
	size_t length, size = 50000;
	char *data = malloc(size), *text;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)i;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], data, size), 0);
	close(ends[1]);
	assert_int_equal(fd_read(ends[0], size, &text, &length), 0);
	assert_int_equal(length, size);
	assert_memory_equal(text, data, size);
	assert_int_equal(text[size], 0);
	close(ends[0]);
	free(text);
	free(data);
}

static void writes_all_or_says_why(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(fd_write_all(full, "x", 0), 0);
	assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
	close(full);
}

static void makes_directories(void **state)
{
	struct stat info;
	char path[PATH_MAX + 10];

	(void)state;
	assert_int_equal(directory_make(in_folder("a/b//c/"), 0755), 0);
	assert_int_equal(stat(in_folder("a/b/c"), &info), 0);
	assert_true(S_ISDIR(info.st_mode));
	assert_int_equal(directory_make(in_folder("a/b/c"), 0755), 0);
	assert_int_equal(directory_make("/", 0755), 0);
	assert_int_equal(directory_make("", 0755), -ENOENT);

	assert_int_equal(new_file_commit(file_begin(in_folder("plain"), "x")), 0);
	assert_int_equal(directory_make(in_folder("plain"), 0755), -ENOTDIR);
	assert_int_equal(directory_make(in_folder("plain/d"), 0755), -ENOTDIR);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(directory_make(path, 0755), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(reads_up_to_its_limit),
		cmocka_unit_test(reads_what_a_pipe_brings),
		cmocka_unit_test(writes_all_or_says_why),
		IN_FOLDER(makes_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
