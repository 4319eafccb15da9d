#!/usr/bin/env bats
# contest lab as a person and a script meet it: verbs, documents, and every way a run can end. What
# the runner does with experiments that misbehave is in src/lab/runner_test.c.

load helpers

setup() {
	needs jq
	cd "$BATS_TEST_TMPDIR" || return 1
	# The quickest and the longest there are, whichever these may be.
	contest lab list --json >list.json
	quick=$(jq -r '[.experiments[] | select(.quick)] | min_by(.seconds) | .id' list.json)
	long=$(jq -r '.experiments | max_by(.seconds) | select(.seconds > 30) | .id' list.json)
	[ "$quick" != null ] || skip "there is no quick experiment yet"
}

teardown() {
	# Only what this test started: its processes carry its mark.
	[ -z "${mark:-}" ] || marked | xargs -r kill -9 2>/dev/null || true
	[ ! -S "$BATS_TEST_TMPDIR/tmux" ] || tmux -S "$BATS_TEST_TMPDIR/tmux" kill-server 2>/dev/null || true
}

# validate FILE SCHEMA: the document follows docs/SCHEMA.schema.json.
validate() {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	/usr/bin/python3 -m jsonschema -i "$1" "$root/docs/$2.schema.json"
}

# start_marked ARGUMENTS…: contest in the background, as $pid; err and out are its streams. Its
# processes are told from all others by their environment. The shell ignores SIGINT in such
# processes; a person's Ctrl-C does not find it ignored.
start_marked() {
	mark=CONTEST_TEST_MARK=$BASHPID.$RANDOM$RANDOM
	env --default-signal=INT "$mark" "$CONTEST" "$@" >out 2>err 3>&- &
	pid=$!
}

# Process ids that carry the mark. One that ends meanwhile has none.
marked() {
	local environ
	for environ in /proc/[0-9]*/environ; do
		if tr '\0' '\n' <"$environ" 2>/dev/null | grep -qxF -- "$mark"; then
			environ=${environ%/environ}
			echo "${environ#/proc/}"
		fi
	done 2>/dev/null
	return 0
}

none_marked() {
	[ -z "$(marked)" ]
}

# experiment_pid ID: the process of a running experiment, child of $pid and named after its id.
experiment_pid() {
	pgrep -P "$pid" -x "${1:0:15}"
}

# in_mounts COMMANDS: sh -c COMMANDS where mounts are private, root or not.
in_mounts() {
	if [ "$(id -u)" -eq 0 ]; then
		unshare --mount sh -c "$1"
	else
		unshare --user --map-root-user --mount sh -c "$1"
	fi
}

@test "list shows every experiment with its claim, and as JSON" {
	validate list.json contest.lab-list.1
	run --separate-stderr contest lab list
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	for id in $(jq -r '.experiments[].id' list.json); do
		[[ $output == *"$id"* ]]
	done
	[ "$(jq '[.experiments[].id] | length == (unique | length)' list.json)" = true ]
}

@test "show without a result shows the experiment and how to get one" {
	run --separate-stderr contest lab show "$quick"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == *Claim*"Said by"*Method*Why*Arms*treatment*control* ]]
	[[ $output == *"No result yet: contest lab run $quick"* ]]
	contest lab show "$quick" --json >show.json
	validate show.json contest.lab-show.1
	[ "$(jq -c '[.read_from, .result]' show.json)" = '[null,null]' ]
	# A result is the same thing in both schemas.
	[ "$(jq -c '."$defs"' "$root/docs/contest.lab-show.1.schema.json")" = \
		"$(jq -c '."$defs"' "$root/docs/contest.lab.1.schema.json")" ]
}

@test "run must be told what, and only once" {
	fails_with 2 "contest lab run: say what to run: --quick (a few seconds), --all, or the IDs that \`contest lab list\` shows" lab run
	fails_with 2 "contest lab run: --all, --quick and IDs exclude each other" lab run --all --quick
	fails_with 2 "contest lab run: --all, --quick and IDs exclude each other" lab run --all "$quick"
	[ ! -e results ]
}

@test "a folder that cannot be written is refused before anything runs" {
	needs_worlds
	touch file
	fails_with 3 "contest lab run: cannot make the folder file for the results: Not a directory" \
		lab run "$quick" --out file
	fails_with 3 "contest lab run: cannot make the folder /proc/none for the results: No such file or directory" \
		lab run "$quick" --out /proc/none
	run --separate-stderr contest lab run "$quick" --out /proc/self
	[ "$status" -eq 3 ]
	[[ $stderr == "contest lab run: cannot write into /proc/self; --out names another folder: "* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[ -z "$output" ]
}

@test "a run leaves a folder with the document and the packets, and a link to it" {
	needs_worlds
	run --separate-stderr contest lab run "$quick"
	echo "$output $stderr"
	[ "$status" -eq 0 ]
	[[ $output == *"holds"*"$quick"* || $output == *"refuted"*"$quick"* || $output == *"changed"*"$quick"* ]]
	[[ $output == *"1 experiment in "*"Results and captures: results/20"* ]]
	[ "${stderr_lines[0]}" = "start $quick" ]
	[[ ${stderr_lines[1]} =~ ^done\ $quick\ .*\ \([0-9.]+\ s\)$ ]]
	validate results/latest/results.json contest.lab.1
	[ -s "results/latest/$quick.pcapng" ]
	[ "$(find results/latest/ -mindepth 1 | wc -l)" -eq 2 ]
	[ "$(find results -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]

	run --separate-stderr contest lab show "$quick"
	[ "$status" -eq 0 ]
	[[ $output == *"Last result, of results/latest/results.json: 20"*" on Linux $(uname -r)"* ]]
	contest lab show "$quick" --json >show.json
	validate show.json contest.lab-show.1
	[ "$(jq -r .read_from show.json)" = results/latest/results.json ]
}

@test "--json prints the document that is in the folder, and nothing else" {
	needs_worlds
	contest lab run "$quick" --json --out made/here >out.json 2>err
	cmp out.json made/here/results.json
	validate out.json contest.lab.1
	grep -q "^Results and captures: made/here$" err
	[ ! -e results ]
}

@test "--quick takes less than 15 seconds, as the document says, and every verdict is one" {
	needs_worlds
	contest lab run --quick --json --out quick >out.json
	validate out.json contest.lab.1
	jq -r '.results[] | [.id, .verdict, .summary] | @tsv' out.json
	[ "$(jq '.results | length' out.json)" -eq "$(jq '[.experiments[] | select(.quick)] | length' list.json)" ]
	[ "$(jq -c '[.results[].id]' out.json)" = "$(jq -c '[.experiments[] | select(.quick) | .id]' list.json)" ]
	[ "$(jq '[.results[] | select(.verdict == "error" or .verdict == "inconclusive")] | length' out.json)" -eq 0 ]
}

@test "both wires give the same verdict" {
	needs_worlds
	contest lab run "$quick" --link veth --json --out veth >veth.json
	[ "$(jq -r .link veth.json)" = veth ]
	if [ -c /dev/net/tun ] && contest lab run "$quick" --link tun --json --out tun >tun.json; then
		[ "$(jq -r .link tun.json)" = tun ]
		[ "$(jq -r '.results[0].verdict' tun.json)" = "$(jq -r '.results[0].verdict' veth.json)" ]
	else
		skip "no /dev/net/tun here: veth alone was tested"
	fi
}

@test "without /dev/net/tun --link tun is refused, and auto takes veth" {
	needs_worlds
	mkdir empty
	run --separate-stderr in_mounts "mount --bind empty /dev/net && exec '$CONTEST' lab run $quick --link tun"
	[ "$status" -eq 3 ]
	[ "$stderr" = "contest lab run: cannot open /dev/net/tun: No such file or directory; --link veth needs none" ]
	[ ! -e results ]
	in_mounts "mount --bind empty /dev/net && exec '$CONTEST' lab run $quick --json" >auto.json
	[ "$(jq -r '[.link, .results[0].arms[0].link] | unique[]' auto.json)" = veth ]
}

@test "where user namespaces are forbidden one line names the setting and sudo" {
	unshare --user --map-root-user true || skip "no user namespaces to forbid"
	needs setpriv
	run --separate-stderr unshare --user --map-root-user sh -c "
		echo 0 >/proc/sys/user/max_user_namespaces &&
		exec setpriv --bounding-set=-all --inh-caps=-all '$CONTEST' lab run $quick"
	echo "$stderr"
	[ "$status" -eq 3 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *max_user_namespaces*sudo* ]]
	[ ! -e results ]
}

@test "an unprivileged user gets verdicts" {
	[ "$(id -u)" -eq 0 ] || skip "this user is unprivileged already: all tests show it"
	needs setpriv
	setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user true ||
		skip "user namespaces are forbidden to unprivileged users"
	local place
	place=$(mktemp -d /tmp/contest-test-XXXXXX)
	cp "$CONTEST" "$place/contest"
	chown -R 65534:65534 "$place"
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$place/contest" lab run "$quick" --json --out "$place/results"
	echo "$output $stderr"
	cp "$place/results/results.json" . && rm -r "$place"
	[ "$status" -eq 0 ]
	[[ $(jq -r '.results[0].verdict' results.json) =~ ^(holds|refuted|changed)$ ]]
}

@test "a full disk is said, leaves nothing half-written, and the verdicts are shown all the same" {
	needs_worlds
	mkdir small
	run --separate-stderr in_mounts "
		mount -t tmpfs -o size=16k none small && head -c 16384 /dev/zero >small/filler &&
		'$CONTEST' lab run $quick --out small; status=\$?
		ls -A small >left
		exit \$status"
	echo "$output $stderr"
	[ "$status" -eq 3 ]
	[[ $output == *"$quick"*"1 experiment in "* ]]
	[[ $output != *"Results and captures"* ]]
	[ "${stderr_lines[-1]}" = "contest lab run: cannot write small/results.json: No space left on device" ]
	[ "$(cat left)" = filler ]
}

@test "results that cannot be read are told from those of a newer contest" {
	echo '{"schema": "contest.lab/2", "results": []}' >newer.json
	echo '{"schema": "contest.lab/1", "results": [' >cut.json
	fails_with 3 "contest lab show: newer.json: schema contest.lab/2 was written by a newer contest; this one reads contest.lab/1" \
		lab show "$quick" --results newer.json
	run --separate-stderr contest lab show "$quick" --results cut.json
	[ "$status" -eq 3 ]
	[[ $stderr == "contest lab show: cut.json: damaged at line "* ]]
	fails_with 3 "contest lab show: cannot read none.json: No such file or directory" \
		lab show "$quick" --results none.json
}

@test "text from a file of results cannot reach the terminal as a command" {
	jq -n --arg id "$quick" '{schema: "contest.lab/1", kernel: "\u001b]0;k\u0007", started: "\u001b[2J",
		results: [{id: $id, verdict: "\u001b[31m", claim: "a\u001bb", summary: "\u009b2J", deciding: "\r",
		measured: {"\u001b[1m": "\u001b[5m"}, arms: [{name: "\u001b", exchanges: [{left: "\u001b[2J",
		rows: [{from: "left", flags: "\u001b[2J", note: "\u001b", seq: 1, length: -1}]}],
		sockets: [{host: "\u001b", changes: [{state: "\u001b", timer: "\u001b"}]}],
		counters: {"\u001b": {"\u001b": 1}}}, 7, null]}]}' >evil.json
	run --separate-stderr contest --color=never lab show "$quick" --results evil.json
	[ "$status" -eq 0 ]
	[[ $output != *[$'\e\a\r']* ]]
	[[ $output != *$'\xc2\x9b'* ]]
}

@test "--jobs 1 runs one after the other" {
	needs_worlds
	second=$(jq -r --arg first "$quick" 'first(.experiments[] | select(.quick and .id != $first) | .id)' list.json)
	[ -n "$second" ] || skip "there is only one quick experiment"
	contest lab run "$second" "$quick" "$second" --jobs 1 --json --out here >out.json 2>err
	[ "$(grep -c '^start' err)" -eq 2 ]
	[ "$(sed -n 's/^\(start\|done\) \([^ ]*\).*/\1 \2/p' err)" = \
		"start $second"$'\n'"done $second"$'\n'"start $quick"$'\n'"done $quick" ]
	[ "$(jq -c '[.results[].id]' out.json)" = "[\"$second\",\"$quick\"]" ]
}

@test "--falsify changes the verdict and is no latest result" {
	needs_worlds
	contest lab run "$quick" --json --out true >true.json
	run --separate-stderr contest lab run "$quick" --falsify --json
	[ "$(jq '.results[0].falsified' <<<"$output")" = true ]
	[ "$(jq -r '.results[0].verdict' <<<"$output")" != "$(jq -r '.results[0].verdict' true.json)" ]
	[ ! -e results/latest ]
	run contest lab show "$quick"
	[[ $output == *"No result yet"* ]]
}

@test "Ctrl-C ends the run at once and keeps what is finished" {
	needs_worlds
	[ -n "$long" ] || skip "there is no long experiment yet"
	start_marked lab run "$quick" "$long"
	wait_until has_line "^done $quick" err
	grep -q "^start $long" err
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	cat out err
	[ "$status" -eq 1 ]
	validate results/latest/results.json contest.lab.1
	[ "$(jq -c '[.interrupted, [.results[].id]]' results/latest/results.json)" = "[true,[\"$quick\"]]" ]
	grep -q "^Interrupted: 1 of 2 finished.$" out
	wait_until none_marked
}

@test "kill -9 of the program leaves no process, and nothing half-written" {
	needs_worlds
	[ -n "$long" ] || skip "there is no long experiment yet"
	start_marked lab run "$long" --out here
	wait_until experiment_pid "$long"
	# Its arms are there too: the runner, the experiment, and one process for each arm.
	arms=$(contest lab show "$long" --json | jq '.arms | length')
	many_marked() {
		[ "$(marked | wc -l)" -ge "$((2 + arms))" ]
	}
	wait_until many_marked
	kill -9 "$pid"
	wait "$pid" || true
	wait_until none_marked
	[ -z "$(ls -A here)" ]
}

@test "kill -9 of one experiment is an error of that one, and its arms end with it" {
	needs_worlds
	[ -n "$long" ] || skip "there is no long experiment yet"
	start_marked lab run "$long" "$quick" --json --out here
	wait_until experiment_pid "$long"
	kill -9 "$(experiment_pid "$long")"
	status=0
	wait "$pid" || status=$?
	cat err
	[ "$status" -eq 1 ]
	validate out contest.lab.1
	[ "$(jq -r '.results[0] | [.id, .verdict, .summary] | join(" ")' out)" = \
		"$long error killed by signal 9 (Killed)" ]
	[ "$(jq -r '.results[1].id' out)" = "$quick" ]
	[[ $(jq -r '.results[1].verdict' out) =~ ^(holds|refuted|changed)$ ]]
	wait_until none_marked
}

@test "on a terminal the live lines give way to the verdicts" {
	needs_worlds
	needs tmux
	[ -n "$long" ] || skip "there is no long experiment yet"
	screen() {
		tmux -S "$BATS_TEST_TMPDIR/tmux" "$@"
	}
	shows() {
		screen capture-pane -p -S -200 | grep -q -- "$1"
	}
	# A line above, as a prompt would be: tmux keeps what is cleared from the very top.
	screen -f /dev/null new-session -d -x 100 -y 30 \
		"echo; '$CONTEST' lab run $quick $long --out here; echo status \$?; exec cat" 3>&-
	wait_until shows "^$quick  *[a-z]* .* s"
	wait_until shows "^$long  *[0-9]* s  "
	shows "^1 of 2 done, 1 running, about [0-9]* s left"
	screen send-keys C-c
	wait_until shows "^Interrupted: 1 of 2 finished"
	run ! shows "1 running"
	screen kill-server
}
