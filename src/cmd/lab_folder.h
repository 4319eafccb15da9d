/* Where results live: a folder per run under results/, and a link to the latest. */
#ifndef CONTEST_CMD_LAB_FOLDER_H
#define CONTEST_CMD_LAB_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/why.h"

/*
 * Makes the folder of a run and finds out whether files can be made in it, before anything runs.
 * @asked: what --out says; NULL: results/TIME, which is then a new one. *ret is its path (owned).
 * 0, or -errno with @why.
 */
int lab_folder_make(const char *asked, char **ret, struct why *why);

/* Points results/latest to a folder that lab_folder_make(NULL) made; a link it is, or nothing. */
void lab_folder_latest(const char *folder);

/*
 * The latest result of experiment @id below results/: that of results/latest, else the newest.
 * Runs in a world where the claim is false do not count. The entry and the document that it is
 * part of are in *ret_document (owned) and *ret; *ret_path (owned) is where they were read. A
 * file that cannot be read is passed over; the first one is told in @why.
 * 0, or -ENOENT (with a text in @why when one was passed over).
 */
int lab_folder_find(const char *id, json_t **ret_document, const json_t **ret, char **ret_path,
		    struct why *why);

#endif
