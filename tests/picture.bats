#!/usr/bin/env bats
# scripts/ansi-svg, which makes the pictures in docs/: what a made screen becomes.

load helpers

setup() {
	needs python3
	cd "$BATS_TEST_TMPDIR" || return 1
}

svg() { # svg COLUMNS ROWS SCREEN: printf's words for the screen
	# shellcheck disable=SC2059 # it is a format
	printf "$3" | "$root/scripts/ansi-svg" "$1" "$2"
}

# The picture read again: the letters in their columns, bars and lines as letters.
grid() {
	python3 -c '
import re, sys
import xml.etree.ElementTree as tree
WIDTH, HEIGHT, MARGIN, NAME = 8.4, 18, 14, "{http://www.w3.org/2000/svg}"
rows = {}
def put(x, y, letter):
    column, row = (x - MARGIN) / WIDTH, (y - MARGIN) / HEIGHT
    assert abs(column - round(column)) < 0.01, (x, y, letter)
    assert (int(row), round(column)) not in rows, (x, y, letter)
    rows[int(row), round(column)] = letter
for shape in tree.parse(sys.argv[1]).getroot():
    if shape.tag == NAME + "text":
        x, y = float(shape.get("x")), float(shape.get("y"))
        assert abs(float(shape.get("textLength")) - WIDTH * len(shape.text)) < 0.01, shape.text
        for i, letter in enumerate(shape.text):
            put(x + i * WIDTH, y, letter) if letter != " " else None
    if shape.tag == NAME + "path":
        numbers = re.fullmatch(r"M([\d.]+) ([\d.]+)((?:V[\d.]+H[\d.]+)+)V([\d.]+)z", shape.get("d"))
        bottom = float(numbers[2])
        for top, right in re.findall(r"V([\d.]+)H([\d.]+)", numbers[3]):
            put(float(right) - WIDTH, bottom - 1,
                " ▁▂▃▄▅▆▇█"[round((bottom - float(top)) * 8 / HEIGHT)])
for row in range(1 + max(row for row, column in rows)):
    last = max([column for at, column in rows if at == row], default=-1)
    print("".join(rows.get((row, column), " ") for column in range(last + 1)))
' "$1"
}

@test "letters stand in their columns, and what XML means otherwise is escaped" {
	svg 30 4 'a<b>&c  two\n y\n   "d"\n' >picture
	printf 'a<b>&c  two\n y\n   "d"\n' >want
	grid picture | diff want -
	grep -q '<text x="14" y="27.5" textLength="50.4" lengthAdjust="spacingAndGlyphs" fill="#d1d7e0">a&lt;b&gt;&amp;c</text>' picture
	grep -q '<text x="39.2" y="63.5" textLength="25.2"' picture
	grep -q 'viewBox="0 0 280 100" width="280" height="100"' picture
}

@test "styles: colours of 16, 256 and all, bold, dim, reverse, and their ends" {
	svg 40 9 '\033[31mred \033[1mbold\033[22m red\033[39m ink\n\033[92mgreen\n\033[38;5;196mcube\n\033[38;5;244mgray\n\033[38;2;1;2;3mrgb\n\033[0;2mdim\n\033[0;4mline\n\033[m\033[44mback\n' >picture
	fill() { sed -n "s/.* fill=\"\([^\"]*\)\"[^>]*>$1<.*/\1/p" picture; }
	[ "$(fill red | sort -u)" = '#ff7b72' ]
	grep -q 'fill="#ff7b72" font-weight="700">bold<' picture
	[ "$(grep -c font-weight picture)" -eq 1 ]
	[ "$(fill ink)" = '#d1d7e0' ]
	# It goes on to the next line.
	[ "$(fill green)" = '#56d364' ]
	[ "$(fill cube)" = '#ff0000' ]
	[ "$(fill gray)" = '#808080' ]
	[ "$(fill rgb)" = '#010203' ]
	[ "$(fill dim)" = '#838890' ]
	grep -q 'text-decoration="underline">line<' picture
	grep -q '<rect x="14" y="140" width="33.6" height="18" fill="#58a6ff"/>' picture
}

@test "reverse is a bar without a seam, its blanks too" {
	svg 20 1 '\033[7mtop \033[32mgood\033[39m   \033[27m' >picture
	grep -q '<rect x="14" y="14" width="33.6" height="18" fill="#d1d7e0"/>' picture
	grep -q '<rect x="47.6" y="14" width="33.6" height="18" fill="#3fb950"/>' picture
	grep -q '<rect x="81.2" y="14" width="25.2" height="18" fill="#d1d7e0"/>' picture
	grep -q 'fill="#0d1117">top<' picture
	# Bold does not cut the bar.
	svg 20 1 '\033[7mone\033[1mtwo' >picture
	grep -q '<rect x="14" y="14" width="50.4" height="18" fill="#d1d7e0"/>' picture
}

@test "bars are one shape, lines meet" {
	svg 12 3 'a▁▄█ ▂b\n│──▶│\n├─┤' >picture
	grep -q '<path d="M22.4 32V29.75H30.8V23H39.2V14H47.6V32z"' picture
	grep -q '<path d="M56 32V27.5H64.4V32z"' picture
	# From end to end, from row to row.
	grep -q '<rect x="17.6" y="32" width="1.2" height="18"' picture
	grep -q '<rect x="22.4" y="40.4" width="16.8" height="1.2"' picture
	grep -q '<rect x="18.2" y="58.4" width="4.2" height="1.2"' picture
	grep -q '<rect x="17.6" y="50" width="1.2" height="18"' picture
	run -1 grep -q '[▁▄█│─├┤]' picture
}

@test "wide characters take two columns, combining ones none" {
	svg 20 1 '日本 e\314\201x' >picture
	grep -q '<text x="14" y="27.5" textLength="58.8"[^>]*>日本 e.x<' picture
	grep -q '<text x="14" y="27.5" textLength="33.6"' <(svg 4 1 '日本')
	run -1 svg 3 1 '日本'
}

@test "what is not understood, or does not fit, is an error and no picture" {
	refused() { # refused SCREEN WORDS
		svg 10 2 "$1" >out 2>err && return 1
		[ ! -s out ]
		cat err
		[ "$(wc -l <err)" -eq 1 ]
		has_line "$2" err
	}
	refused '\033[2Jx' 'sequence .* is not understood'
	refused '\033[99mx' 'SGR 99 is not understood'
	refused '\033[38;5mx' 'a colour is cut off'
	refused '\033[38;5;256mx' 'no colour 256'
	refused 'x\033' 'sequence .* is not understood'
	refused 'a\tb' 'control character'
	refused '12345678901' 'line 1 takes more than 10 columns'
	refused '1\n2\n3' '3 lines are more than 2 rows'
	refused '\377' 'utf-8'
	run -2 "$root/scripts/ansi-svg" 80
	run -2 "$root/scripts/ansi-svg" 80 0
}

@test "the pictures in docs/ are whole, and need nothing from elsewhere" {
	for name in top top-connection; do
		grid "$root/docs/$name.svg" >seen
		has_line '^contest top: [0-9]* socket' seen
		has_line '^? help ' seen
		# Nothing but the name of the namespace says where something else is.
		run -0 grep -c '://' "$root/docs/$name.svg"
		[ "$output" = 1 ]
		run -1 grep -qE '<(script|style|image|use|a|foreignObject)|href|@import|url\(' \
			"$root/docs/$name.svg"
	done
}
