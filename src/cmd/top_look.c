#include "cmd/top_look.h"

#include <stdlib.h>

void top_look_free(struct top_look *look)
{
	if (!look)
		return;
	free(look->rows);
	free(look->detail.connections);
	free(look);
}
