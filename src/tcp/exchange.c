#include "tcp/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct exchange *exchange_new(void)
{
	return calloc(1, sizeof(struct exchange));
}

void exchange_free(struct exchange *exchange)
{
	if (!exchange)
		return;
	for (size_t i = 0; i < exchange->count; i++) {
		free(exchange->rows[i].flags);
		free(exchange->rows[i].options);
		free(exchange->rows[i].note);
	}
	free(exchange->rows);
	free(exchange->left);
	free(exchange->right);
	free(exchange->left_address);
	free(exchange->right_address);
	free(exchange->title);
	free(exchange);
}

struct exchange_row *exchange_add(struct exchange *exchange)
{
	struct exchange_row *row;

	if (ARRAY_ROOM(exchange->rows, exchange->capacity, exchange->count) < 0)
		return NULL;
	row = &exchange->rows[exchange->count++];
	memset(row, 0, sizeof(*row));
	row->left_state = -1;
	row->right_state = -1;
	return row;
}
