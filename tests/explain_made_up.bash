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

# explained NAME…: what explain says of them as JSON, into NAME.json of the first; there may be problems.
explained() {
	local status=0
	(cd "$BATS_TEST_TMPDIR" && "$CONTEST" explain --json "$@" >"$1.json") || status=$?
	[ "$status" -le 1 ]
}
