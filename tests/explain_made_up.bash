# For scenarios of `contest explain` on captures that bench/capture makes up; see its head.
# shellcheck shell=bash

# made_up NAME OPTION…: the capture $BATS_TEST_TMPDIR/NAME and the truth about it, NAME.truth.
made_up() {
	local name=$1 capture
	shift
	capture=$(dirname "$CONTEST")/bench/capture
	[ -x "$capture" ] || skip "no $capture"
	"$capture" --truth "$BATS_TEST_TMPDIR/$name.truth" "$@" >"$BATS_TEST_TMPDIR/$name" \
		2>"$BATS_TEST_TMPDIR/$name.made"
}

# explained NAME…: what explain says of them, all together, as JSON into the first one's NAME.json.
explained() {
	(cd "$BATS_TEST_TMPDIR" && "$CONTEST" explain --json "$@" >"$1.json")
}
