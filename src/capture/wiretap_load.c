#include "capture/wiretap_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static int complain(const char *soname, int error, struct why *why)
{
	const char *reason = dlerror();

	return why_say(why, error, "captures need %s: %s; on Debian install " WIRETAP_PACKAGE,
		       soname, reason ? reason : "it cannot be loaded");
}

static int find_all(void *library, const char *soname, struct wiretap *ret, struct why *why)
{
	static const struct {
		const char *name;
		size_t offset;
	} symbols[] = {
#define WIRETAP_ENTRY(name) {#name, offsetof(struct wiretap, name)},
		WIRETAP_SYMBOLS(WIRETAP_ENTRY)
#undef WIRETAP_ENTRY
	};
	struct wiretap found;

	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		/* Looks into the libraries that this one needs, too. */
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return complain(soname, -ELIBBAD, why);
		memcpy((char *)&found + symbols[i].offset, &symbol, sizeof(symbol));
	}
	*ret = found;
	return 0;
}

int wiretap_load(const char *soname, struct wiretap *ret, struct why *why)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	int r;

	if (!library)
		return complain(soname, -ELIBACC, why);
	r = find_all(library, soname, ret, why);
	if (r < 0)
		dlclose(library);
	return r;
}
