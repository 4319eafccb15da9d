/* Exchanges to and from the form they have in results: arms[].exchanges[]. */
#ifndef CONTEST_LAB_EXCHANGE_JSON_H
#define CONTEST_LAB_EXCHANGE_JSON_H

#include <jansson.h>

#include "tcp/exchange.h"

/* A new reference, or NULL when memory is short. */
json_t *exchange_to_json(const struct exchange *exchange);

/* 0 and *ret (owned), -EPROTO when it is not of that form, or -ENOMEM. */
int exchange_from_json(const json_t *json, struct exchange **ret);

#endif
