# What all scenarios share. `load helpers` and bats' own run; the program is $CONTEST.

bats_require_minimum_version 1.5.0

root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
CONTEST=${CONTEST:-$root/build/contest}
[[ $CONTEST == /* ]] || CONTEST=$root/$CONTEST
export CONTEST root
export LC_ALL=C.UTF-8
unset COLUMNS NO_COLOR POSIXLY_CORRECT

setup_file() {
	[ -x "$CONTEST" ] || {
		echo "no program at $CONTEST: run make, or set CONTEST" >&2
		return 1
	}
}

# contest ARGUMENTS…: for `run`.
contest() {
	"$CONTEST" "$@"
}

# fails_with STATUS LINE ARGUMENTS…: this status, nothing on stdout, exactly this line on stderr.
fails_with() {
	local wanted_status=$1 wanted_line=$2
	shift 2
	run --separate-stderr contest "$@"
	echo "status $status, stdout: $output, stderr: $stderr"
	[ "$status" -eq "$wanted_status" ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # set by run --separate-stderr
	[ "$stderr" = "$wanted_line" ]
}

# Skips the test, with the reason, where a program is missing.
needs() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

# Skips the test where this user cannot make worlds (user namespaces, or root).
needs_worlds() {
	unshare --user --map-root-user --net true 2>/dev/null ||
		unshare --net true 2>/dev/null ||
		skip "neither user namespaces nor root: $(unshare --user true 2>&1 | head -n 1)"
}

# in_network SECONDS FUNCTION: runs the exported function in a network and process namespace of its
# own, its loopback up, for so long at most.
in_network() {
	local as_root=(--map-root-user --user)
	[ "$(id -u)" -ne 0 ] || as_root=()
	# shellcheck disable=SC2016 # the inner shell's own
	timeout "$1" unshare "${as_root[@]}" --net --pid --fork --mount-proc --kill-child \
		bash -euo pipefail -c 'ip link set lo up; "$1"' bash "$2" 3>&-
}

# wait_until COMMAND...: until it succeeds, for half a minute at most.
wait_until() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		"$@" && return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}

has_line() { # has_line PATTERN FILE
	grep -q -- "$1" "$2" 2>/dev/null
}
