#include "capture/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int complain(const struct library *library, int error, struct why *why)
{
	const char *reason = dlerror();

	return why_say(why, error, "%s need %s: %s; on Debian install %s", library->purpose,
		       library->soname, reason ? reason : "it cannot be loaded", library->package);
}

static int find_all(void *handle, const struct library *library, char *pointers, struct why *why)
{
	for (size_t i = 0; i < library->symbol_count; i++) {
		/* Looks into the libraries that this one needs, too. */
		void *symbol = dlsym(handle, library->symbols[i].name);

		if (!symbol)
			return complain(library, -ELIBBAD, why);
		memcpy(pointers + library->symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

int library_load(const struct library *library, void *ret_pointers, struct why *why)
{
	CLEANUP_FREE char *found = malloc(library->size);
	void *handle;
	int r;

	if (!found)
		return why_set(why, -ENOMEM, "cannot load %s", library->soname);
	handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return complain(library, -ELIBACC, why);
	r = find_all(handle, library, found, why);
	if (r < 0)
		dlclose(handle);
	else
		memcpy(ret_pointers, found, library->size);
	return r;
}
