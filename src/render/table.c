/*
 * Every column is as wide as its widest cell; the last one takes what is left of the screen and
 * is wrapped. Where that is too little, the widest of the others are wrapped too, and where even
 * that is not enough, each row becomes a block of "Title: value" lines.
 */
#include "render/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "render/line.h"
#include "render/text.h"

#define GAP	 2  /* blanks between columns */
#define CELL_MIN 20 /* columns below which wrapping makes a cell unreadable */

struct cell {
	char *utf8, *ascii; /* cleaned for either kind of screen (owned) */
	enum screen_style style;
	bool heading; /* stands over all columns; the other cells of its row are empty */
};

struct table {
	struct cell *cells; /* the titles, then row by row (owned) */
	size_t columns, count, capacity;
};

static char *clean_copy(const char *text, bool utf8)
{
	struct screen screen = {.utf8 = utf8};
	size_t length = text ? strlen(text) : 0;
	char *copy = malloc(4 * length + 1);

	return copy ? screen_clean(&screen, text, length, copy, 4 * length + 1) : NULL;
}

static int add_cell(struct table *table, const char *text, enum screen_style style)
{
	struct cell cell = {.style = style};

	if (ARRAY_ROOM(table->cells, table->capacity, table->count) < 0)
		return -ENOMEM;
	cell.utf8 = clean_copy(text, true);
	cell.ascii = clean_copy(text, false);
	if (!cell.utf8 || !cell.ascii) {
		free(cell.utf8);
		free(cell.ascii);
		return -ENOMEM;
	}
	table->cells[table->count++] = cell;
	return 0;
}

static void drop_cells(struct table *table, size_t keep)
{
	while (table->count > keep) {
		table->count--;
		free(table->cells[table->count].utf8);
		free(table->cells[table->count].ascii);
	}
}

struct table *table_new(const char *const *titles, size_t columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	for (size_t i = 0; i < columns; i++) {
		if (add_cell(table, titles[i], STYLE_BOLD) < 0) {
			table_free(table);
			return NULL;
		}
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	drop_cells(table, 0);
	free(table->cells);
	free(table);
}

int table_add(struct table *table, const char *const *cells, const enum screen_style *styles)
{
	size_t before = table->count;

	for (size_t i = 0; i < table->columns; i++) {
		if (add_cell(table, cells[i], styles ? styles[i] : STYLE_PLAIN) < 0) {
			drop_cells(table, before);
			return -ENOMEM;
		}
	}
	return 0;
}

int table_add_heading(struct table *table, const char *text)
{
	size_t before = table->count;

	for (size_t i = 0; i < table->columns; i++) {
		if (add_cell(table, i == 0 ? text : NULL, STYLE_BOLD) < 0) {
			drop_cells(table, before);
			return -ENOMEM;
		}
	}
	if (table->columns)
		table->cells[before].heading = true;
	return 0;
}

static size_t table_lines(const struct table *table)
{
	return table->columns ? table->count / table->columns : 0;
}

static const struct cell *cell_at(const struct table *table, size_t row, size_t column)
{
	return &table->cells[row * table->columns + column];
}

static const char *cell_text(const struct screen *screen, const struct cell *cell)
{
	return screen->utf8 ? cell->utf8 : cell->ascii;
}

/* A number stands at the right of its column; two points make an address or a version. */
static bool is_number(const char *text)
{
	const char *point = strchr(text, '.');

	if (text[strspn(text, "+-0123456789.,%")] != '\0' || (point && strchr(point + 1, '.')))
		return false;
	return strpbrk(text, "0123456789") || strcmp(text, "-") == 0;
}

struct column {
	unsigned width;
	bool right;
};

static void measure(const struct screen *screen, const struct table *table, struct column *columns)
{
	for (size_t c = 0; c < table->columns; c++) {
		bool numbers = table_lines(table) > 1;

		for (size_t r = 0; r < table_lines(table); r++) {
			const struct cell *cell = cell_at(table, r, c);
			const char *text = cell_text(screen, cell);
			unsigned width = cell->heading ? 0 : screen_columns(text);

			if (cell->heading)
				continue;
			if (width > columns[c].width)
				columns[c].width = width;
			if (r > 0 && *text && !is_number(text))
				numbers = false;
		}
		columns[c].right = numbers;
	}
}

static unsigned total_width(const struct column *columns, size_t count)
{
	unsigned total = 0;

	for (size_t c = 0; c < count; c++)
		total += columns[c].width + (c ? GAP : 0);
	return total;
}

/* Takes the excess from the last column, then from the widest others. False: it cannot fit. */
static bool shrink(struct column *columns, size_t count, unsigned width)
{
	struct column *last = &columns[count - 1];

	for (;;) {
		unsigned total = total_width(columns, count);
		struct column *widest = last;

		if (total <= width)
			return true;
		if (last->width <= CELL_MIN)
			for (size_t c = 0; c + 1 < count; c++)
				if (columns[c].width > widest->width)
					widest = &columns[c];
		if (widest->width <= CELL_MIN)
			return false;
		widest->width -= widest == last && total - width < last->width - CELL_MIN
					 ? total - width
					 : 1;
	}
}

static void put_heading(const struct screen *screen, const struct cell *cell)
{
	fputc('\n', screen->out);
	line_wrap(screen, cell->style, cell_text(screen, cell), 0);
}

static void put_row(const struct screen *screen, const struct table *table, size_t row,
		    const struct column *columns, const char **rest)
{
	struct line line = LINE(screen);
	bool more = true;

	if (cell_at(table, row, 0)->heading) {
		put_heading(screen, cell_at(table, row, 0));
		return;
	}
	for (size_t c = 0; c < table->columns; c++)
		rest[c] = cell_text(screen, cell_at(table, row, c));
	while (more) {
		unsigned begin = 0;

		more = false;
		for (size_t c = 0; c < table->columns; c++) {
			const char *text = rest[c];
			size_t length = text_line(&rest[c], columns[c].width);
			unsigned wide = text_columns(text, length);
			CLEANUP_FREE char *piece = strndup(text, length);

			line_to(&line, begin + (columns[c].right && wide < columns[c].width
							? columns[c].width - wide
							: 0));
			line_put(&line, cell_at(table, row, c)->style, piece ? piece : "?");
			begin += columns[c].width + GAP;
			more = more || *rest[c];
		}
		line_end(&line);
	}
}

/* "Title:  value", the values below each other, wrapped in the space at the right. */
static void put_block(const struct screen *screen, const struct table *table, size_t row,
		      unsigned indent)
{
	struct line line = LINE(screen);

	for (size_t c = 0; c < table->columns; c++) {
		const struct cell *cell = cell_at(table, row, c);
		const char *rest = cell_text(screen, cell);

		if (!*rest)
			continue;
		line_put(&line, STYLE_BOLD, cell_text(screen, cell_at(table, 0, c)));
		line_put(&line, STYLE_PLAIN, ":");
		if (line.next >= indent)
			line_end(&line);
		while (*rest) {
			const char *text = rest;
			size_t length = text_line(&rest, screen->width - indent);
			CLEANUP_FREE char *piece = strndup(text, length);

			line_to(&line, indent);
			line_put(&line, cell->style, piece ? piece : "?");
			line_end(&line);
		}
	}
}

static void print_blocks(const struct screen *screen, const struct table *table)
{
	unsigned indent = 0;

	for (size_t c = 0; c < table->columns; c++) {
		unsigned width = screen_columns(cell_text(screen, cell_at(table, 0, c))) + 2;

		if (width > indent)
			indent = width;
	}
	if (indent > screen->width / 2)
		indent = screen->width / 4;
	for (size_t r = 1; r < table_lines(table); r++) {
		if (cell_at(table, r, 0)->heading) {
			put_heading(screen, cell_at(table, r, 0));
			continue;
		}
		if (r > 1)
			fputc('\n', screen->out);
		put_block(screen, table, r, indent);
	}
}

void table_print(const struct screen *screen, const struct table *table)
{
	CLEANUP_FREE struct column *columns = calloc(table->columns + 1, sizeof(*columns));
	CLEANUP_FREE const char **rest = calloc(table->columns + 1, sizeof(*rest));

	if (table->columns == 0)
		return;
	if (!columns || !rest) {
		fputs("(out of memory)\n", screen->out);
		return;
	}
	measure(screen, table, columns);
	if (!shrink(columns, table->columns, screen->width)) {
		print_blocks(screen, table);
		return;
	}
	for (size_t r = 0; r < table_lines(table); r++)
		put_row(screen, table, r, columns, rest);
}
