#!/usr/bin/env bats
# contest serve as a person and a script meet it: where it listens, what it says, how it ends. What
# it does on the wire, engine by engine and closing by closing, is tested with the parts of the lab.
# Each test has a network namespace of its own, so that ports are free and nothing goes outside.
# shellcheck disable=SC2317,SC2030,SC2031 # stories are called by name, in shells of their own

load helpers

setup() {
	needs jq unshare
	needs_worlds
}

# alone FUNCTION: runs the function in a namespace with its loopback up, in the test's folder. What
# it leaves behind ends with it: the shell is the first process of its own process namespace.
alone() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2163 # the function that it names
	export -f "$1" serve visit ask wait_until end has_line summary crowd as_nobody
	in_network 60 "$1" ||
		{
			local status=$?
			echo "status $status"
			head -n 50 out err 2>/dev/null
			return 1
		}
}

# serve OPTIONS…: a server in the background, as $pid, which listens at $port (the first one).
# Its streams are out and err. The shell ignores SIGINT in such processes; a person's does not.
# as=(COMMAND…): what starts it, if the story says so.
serve() {
	: >out
	env --default-signal=INT "${as[@]}" "$CONTEST" serve "$@" >out 2>err &
	pid=$!
	wait_until has_line '^listening on ' out
	port=$(sed -n '1s/.*://p' out)
}

# visit [ADDRESS]: one connection; prints what the server sends.
visit() {
	timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2" && cat <&3' bash "${1:-127.0.0.1}" "$port"
}

# ask: one line to an echo server, and its answer, printed.
ask() {
	timeout 20 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && echo hello >&3 && head -n 1 <&3' \
		bash "$port"
}

# crowd N: as many connections that say nothing, held by a process, $crowd.
crowd() {
	timeout 50 bash -c 'for i in $(seq "$2"); do exec {fd}<>"/dev/tcp/127.0.0.1/$1"; done
		exec sleep 50' bash "$port" "$1" &
	crowd=$!
}

# summary FILTER: the summary of --json, by jq; all must be true.
summary() {
	sed -n '/^{$/,$p' out | jq -e "$1"
}

# Root is bound by no limit of processes: the server is to run as somebody ($user) who has none yet.
as_nobody() {
	as=() user=$(id -u)
	# In a user namespace root is the user outside, who is bound.
	[ "$(awk '{ print $1, $2, $3 }' /proc/self/uid_map)" = '0 0 4294967295' ] || return 0
	user=64321
	as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
	"${as[@]}" test -x "$CONTEST"
}

# end [SIGNAL]: asks the server to end, and expects status 0.
end() {
	kill -s "${1:-TERM}" "$pid"
	wait "$pid"
}

# ---- where it listens

@test "any port is told, and served" {
	story() {
		serve --listen 127.0.0.1 --port 0
		[ "$(head -n 1 out)" = "listening on 127.0.0.1:$port" ]
		[ "$port" -ne 0 ]
		[[ $(visit) =~ [0-9]{4} ]]
		end
		[ ! -s err ]
	}
	alone story
}

@test "several addresses, each on its line, in their order" {
	story() {
		serve --listen 127.0.0.2:7001 --listen '[::1]' --listen 127.0.0.1 --port 7000
		[ "$(head -n 3 out)" = "listening on 127.0.0.2:7001
listening on [::1]:7000
listening on 127.0.0.1:7000" ]
		port=7000
		visit ::1
		visit 127.0.0.1
		port=7001
		visit 127.0.0.2
		end
		grep -q '^accepted 3 ' out
	}
	alone story
}

@test "an interface stands for its addresses" {
	story() {
		ip address add 10.9.8.7/24 dev lo
		serve --listen lo --v4 --port 7000
		[ "$(grep -c '^listening' out)" -eq 2 ]
		grep -qx 'listening on 127.0.0.1:7000' out
		grep -qx 'listening on 10.9.8.7:7000' out
		end
	}
	alone story
}

@test "without --listen it is all addresses, of both families" {
	story() {
		serve
		[ "$port" -eq 5000 ]
		visit 127.0.0.1
		visit ::1
		end
		serve --v4
		[ "$(head -n 1 out)" = 'listening on 0.0.0.0:5000' ]
		end
		serve --listen '*' --listen 0.0.0.0
		[ "$(head -n 2 out)" = 'listening on [::]:5000
listening on 0.0.0.0:5000' ]
		visit 127.0.0.1
		visit ::1
		end
	}
	alone story
}

# ---- what cannot be

@test "a port in use: the process that holds it is named" {
	story() {
		serve --listen 127.0.0.1 --port 7000
		status=0
		"$CONTEST" serve --port 7000 >out2 2>err2 || status=$?
		cat err2
		[ "$status" -eq 3 ]
		[ ! -s out2 ]
		[ "$(wc -l <err2)" -eq 1 ]
		grep -q "^contest serve: cannot listen on \[::\]:7000: the port is in use: process $pid (contest)" err2
		end
	}
	alone story
}

@test "a port in use: TIME-WAIT is named, and no hindrance with SO_REUSEADDR" {
	story() {
		serve --listen 127.0.0.1 --port 7000
		visit
		end
		status=0
		"$CONTEST" serve --listen 127.0.0.1 --port 7000 --reuseaddr off >out2 2>err2 || status=$?
		cat err2
		[ "$status" -eq 3 ]
		grep -q '1 connections in TIME-WAIT hold it, for up to 60 s; with --reuseaddr=on' err2
		serve --listen 127.0.0.1 --port 7000
		end
	}
	alone story
}

@test "the same address twice is told as that" {
	story() {
		status=0
		"$CONTEST" serve --listen 127.0.0.1:7000 --listen 127.0.0.1:7000 >out 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q 'this command listens at 127.0.0.1:7000 already' err
	}
	alone story
}

@test "bad addresses are usage errors; an address of another host, a refusal" {
	fails_with 2 "contest serve: option '--listen': '10.0.0.256' is not an IP address" \
		serve --listen 10.0.0.256
	fails_with 2 "contest serve: option '--listen': '127.0.0.1:99999': its port is not a number from 0 to 65535" \
		serve --listen 127.0.0.1:99999
	fails_with 2 "contest serve: option '--listen': ::1 is not an IPv4 address" serve --listen ::1 --v4
	fails_with 3 "contest serve: cannot listen on 192.0.2.1:5000: no interface here has this address (\`ip address\` shows them)" \
		serve --listen 192.0.2.1
}

@test "a port below 1024 without the privilege says how to get it" {
	needs setpriv
	story() {
		status=0
		setpriv --bounding-set -net_bind_service \
			"$CONTEST" serve --listen 127.0.0.1 --port 80 >out 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q 'cannot listen on 127.0.0.1:80: ports below 1024 need CAP_NET_BIND_SERVICE' err
	}
	alone story
}

@test "options that do not go together are usage errors" {
	fails_with 2 "contest serve: --v4, --v6 and --dual exclude each other" serve --v4 --v6
	fails_with 2 "contest serve: --stack-size is for --engine=thread, not for epoll" serve --stack-size 64k
	fails_with 2 "contest serve: --body-size is for --protocol=http, not for daytime" serve --body-size 1k
	fails_with 2 "contest serve: --log-format needs --log" serve --log-format json
	run -2 contest serve --engine thread --threads 3
	[[ $output == *"--threads is for pools (epoll, poll, select, uring), not for the engine thread"* ]]
}

@test "ways of closing are checked" {
	fails_with 2 "contest serve: option '--close': 'pasive' is not active, passive, never, half, rst, linger=SECONDS or unread; did you mean 'passive'?" \
		serve --close pasive
	fails_with 2 "contest serve: option '--close': linger needs its seconds: linger=5" serve --close linger
	fails_with 2 "contest serve: option '--close': 'x' of linger is not a whole number of seconds from 0 to 2147483" \
		serve --close linger=x
}

@test "a log that cannot be opened is said, with status 3" {
	fails_with 3 "contest serve: cannot open the log $BATS_TEST_TMPDIR/no/log: No such file or directory" \
		serve --listen 127.0.0.1 --port 0 --log "$BATS_TEST_TMPDIR/no/log"
}

# ---- what it says

@test "the summary adds up, as text and as JSON that follows its schema" {
	story() {
		serve --listen 127.0.0.1 --port 0
		for _ in 1 2 3; do visit; done
		end
		grep -q '^accepted 3 in .* open 0, tasks at most [0-9]' out
		grep -q '^closed by us 3, by the peer 0, reset 0; answers 3, bytes in 0, out 78$' out

		serve --listen 127.0.0.1 --port 0 --json
		for _ in 1 2 3; do visit; done
		end
		sed -n '/^{$/,$p' out >summary.json
		jq -e '.schema == "contest.serve/1" and .accepted == 3 and .answers == 3 and
			.accepted == .closed_by_us + .closed_by_peer + .reset + .open and
			.bytes_out == 78 and .tasks_max > 0 and .errors == {} and
			(.listening | length) == 1' summary.json
	}
	alone story
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	/usr/bin/python3 -m jsonschema -i summary.json "$root/docs/contest.serve.1.schema.json"
}

@test "the summary as JSON is found behind all other lines" {
	story() {
		serve --listen 127.0.0.1 --port 0 --log - --log-format json --json
		visit
		end
		[ "$(grep -c '^{' out)" -eq 3 ]
		summary '.accepted == 1'
		tail -n 1 out | grep -qx '}'
	}
	alone story
}

@test "without --close each protocol closes in its usual way" {
	story() {
		while read -r protocol close; do
			serve --listen 127.0.0.1 --port 0 --protocol "$protocol" --duration 1ms --json
			wait "$pid"
			summary ".close == \"$close\""
		done <<<'daytime active
echo passive
discard passive
chargen passive
chat active
http active'
		serve --listen 127.0.0.1 --port 0 --protocol chargen --close rst --duration 1ms --json
		wait "$pid"
		summary '.close == "rst"'
		# It goes on answering, until the peer closes.
		serve --listen 127.0.0.1 --port 0 --protocol echo --json
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		for line in one two; do
			echo "$line" >&3
			read -r answer <&3
			[ "$answer" = "$line" ]
		done
		exec 3>&-
		wait_until bash -c 'kill -USR1 "$1"; grep -q "by the peer 1" err' bash "$pid"
		end
		summary '.closed_by_peer == 1'
	}
	alone story
}

@test "SIGUSR1 prints the counters and the server goes on" {
	story() {
		serve --listen 127.0.0.1 --port 0
		visit
		kill -USR1 "$pid"
		wait_until has_line '^accepted 1 in ' err
		visit
		end
		grep -q '^accepted 2 in ' out
	}
	alone story
}

@test "the log has a line per event, and SIGHUP opens it anew" {
	story() {
		serve --listen 127.0.0.1 --port 0 --log log --log-format json
		visit
		wait_until has_line ended log
		jq -es '(map(.event) == ["accepted", "ended"]) and .[1].by == "us" and .[1].bytes_out == 26' log
		mv log log.1
		kill -HUP "$pid"
		wait_until test -e log
		visit
		wait_until has_line ended log
		end
		[ "$(wc -l <log.1)" -eq 2 ]
		[ "$(wc -l <log)" -eq 2 ]
		[ "$(jq .id log | sort -u)" = 2 ]
	}
	alone story
}

@test "log lines that a full disk took are told" {
	[ -c /dev/full ] || skip "no /dev/full"
	story() {
		serve --listen 127.0.0.1 --port 0 --log /dev/full
		visit
		end
		grep -q '^log lines lost: 2 (ENOSPC)$' out
	}
	alone story
}

@test "chat is seen on standard output" {
	story() {
		serve --listen 127.0.0.1 --port 0 --protocol chat
		timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "h\033i\nquit\n" >&3; cat <&3' bash "$port"
		end
		grep -q '#1 said (.* in all) h\\x1bi' out
	}
	alone story
}

@test "on a terminal a live line tells what happens, and goes when it ends" {
	needs tmux
	story() {
		# shellcheck disable=SC2016 # the inner shell's
		tmux -S tmux -f /dev/null new-session -d -x 100 -y 10 \
			'"$CONTEST" serve --listen 127.0.0.1 --port 7000; echo over; exec cat'
		port=7000
		shown() { tmux -S tmux capture-pane -p | grep -q "$1"; }
		wait_until shown '^0/s  open 0  tasks '
		visit
		wait_until shown ' accepted 1$'
		tmux -S tmux send-keys C-c
		wait_until shown '^over$'
		tmux -S tmux capture-pane -p >screen
		cat screen
		! grep -q '/s  open' screen
		grep -q '^accepted 1 in ' screen
		tmux -S tmux kill-server
	}
	alone story
}

# ---- how it ends

@test "SIGINT and SIGTERM end it with status 0; --duration, by itself" {
	story() {
		serve --listen 127.0.0.1 --port 0
		end INT
		serve --listen 127.0.0.1 --port 0 --duration 100ms
		wait "$pid"
		grep -q '^accepted 0 in ' out
	}
	alone story
}

@test "what is open is drained; a second signal does not wait" {
	story() {
		serve --listen 127.0.0.1 --port 7000 --close-after 1h --drain 1h
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		read -r line <&3
		[ -n "$line" ]
		kill "$pid"
		wait_until bash -c '! ss -Hltn | grep -q :7000'
		end
		[ "$(sed -n 's/.*open \([0-9]*\),.*/\1/p' out)" -eq 0 ]
		exec 3>&-
	}
	alone story
}

@test "--drain 0s closes at once" {
	story() {
		serve --listen 127.0.0.1 --port 7000 --protocol echo --drain 0s
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		kill "$pid"
		wait "$pid"
		exec 3>&-
	}
	alone story
}

@test "a worker that died is told, with status 1; the others go on" {
	story() {
		serve --listen 127.0.0.1 --port 0 --processes 2 --json
		kill -KILL "$(pgrep -P "$pid" | head -n 1)"
		wait_until has_line 'worker process [0-9]* was killed by SIGKILL; 1 of 2 go on$' err
		visit
		status=0
		end || status=$?
		[ "$status" -eq 1 ]
		summary '.processes == 2 and .processes_died == 1 and .accepted == 1'
	}
	alone story
}

@test "when the last worker dies the server ends, with the summary; what it held was closed" {
	story() {
		for engine in epoll fork; do
			serve --listen 127.0.0.1 --port 0 --protocol echo --engine "$engine" --processes 1 \
				--max-connections 9 --json
			exec 3<>"/dev/tcp/127.0.0.1/$port"
			echo hello >&3
			read -r answer <&3
			kill -KILL "$(pgrep -P "$pid")"
			status=0
			wait "$pid" || status=$?
			[ "$status" -eq 1 ]
			has_line 'was killed by SIGKILL; it was the last one: the server ends$' err
			summary '.accepted == 1 and .closed_by_us == 1 and .open == 0 and .processes_died == 1'
			[ -z "$(timeout 10 cat <&3)" ]
			exec 3>&-
		done
	}
	alone story
}

@test "workers that do not end are killed, and what they held is closed" {
	story() {
		serve --listen 127.0.0.1 --port 0 --protocol echo --processes 1 --drain 0s --json
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		echo hello >&3
		read -r answer <&3
		kill -STOP "$(pgrep -P "$pid")"
		status=0
		end || status=$?
		exec 3>&-
		[ "$status" -eq 1 ]
		has_line 'worker processes did not end, and are killed' err
		summary '.closed_by_us == 1 and .open == 0 and .processes_died == 1'
	}
	alone story
}

@test "a server that is killed leaves no workers behind" {
	story() {
		serve --listen 127.0.0.1 --port 7000 --processes 2
		workers=$(pgrep -P "$pid")
		kill -KILL "$pid"
		wait "$pid" || true
		for worker in $workers; do
			wait_until bash -c '! kill -0 "$1" 2>/dev/null' bash "$worker"
		done
		serve --listen 127.0.0.1 --port 7000
		end
	}
	alone story
}

# ---- bounds

@test "more connections than a process may have descriptors: it spreads over processes" {
	story() {
		ulimit -n 200
		serve --listen 127.0.0.1 --port 0 --max-connections 500 --json
		[ "$(pgrep -c -P "$pid")" -gt 2 ]
		end
		summary '.processes > 2'
	}
	alone story
}

@test "no descriptors left: told once, and it goes on when there are some" {
	story() {
		serve --listen 127.0.0.1 --port 0 --protocol echo --processes 1 --engine epoll --json
		prlimit --pid "$(pgrep -P "$pid")" --nofile=20:20
		crowd 30 # which there is no room for
		wait_until has_line 'accepting pauses for want of descriptors' err
		kill "$crowd"
		[ "$(ask)" = hello ]
		end
		[ "$(grep -c 'accepting pauses' err)" -eq 1 ]
		summary '.paused >= 1 and .errors.EMFILE >= 1 and .open == 0'
	}
	alone story
}

@test "no processes or threads left: told once, and it goes on when there are some" {
	needs setpriv
	story() {
		as_nobody || {
			echo "user $user may not run $CONTEST" >skipped
			return 0
		}
		for engine in fork thread; do
			serve --listen 127.0.0.1 --port 0 --protocol echo --engine "$engine" --json
			worker=$(pgrep -P "$pid")
			# Soft, so that it can be raised again.
			"${as[@]}" prlimit --pid "$worker" --nproc="$(($(ps -eLo uid= | awk -v user="$user" '$1 == user' | wc -l) + 2)):"
			crowd 12
			wait_until has_line 'pauses for want of memory, processes or threads' err
			"${as[@]}" prlimit --pid "$worker" --nproc=4096:
			[ "$(ask)" = hello ]
			kill "$crowd"
			end
			[ "$(grep -c 'accepting pauses' err)" -eq 1 ]
			summary '.paused >= 1 and .errors.EAGAIN >= 1 and .accepted == 13 and .open == 0 and
				.accepted == .closed_by_us + .closed_by_peer + .reset'
		done
	}
	alone story
	[ ! -e skipped ] || skip "$(cat skipped)"
}

@test "memory short: told once, and it goes on when there is some" {
	story() {
		for engine in epoll thread; do
			threads=()
			[ "$engine" = thread ] || threads=(--threads 1)
			serve --listen 127.0.0.1 --port 0 --protocol echo --engine "$engine" "${threads[@]}" --json
			worker=$(pgrep -P "$pid")
			size=$(awk '/^VmSize/ { print $2 * 1024 }' "/proc/$worker/status")
			[ "$size" -lt $((1 << 40)) ] || {
				echo 'a sanitizer has all address space already' >skipped
				return 0
			}
			prlimit --pid "$worker" --as="$size:"
			crowd 3
			wait_until has_line 'pauses for want of memory, processes or threads' err
			prlimit --pid "$worker" --as=unlimited:
			[ "$(ask)" = hello ]
			kill "$crowd"
			end
			[ "$(grep -c 'accepting pauses' err)" -eq 1 ]
			summary '.paused >= 1 and (.errors.ENOMEM // .errors.EAGAIN) >= 1 and
				.accepted == 4 and .open == 0'
		done
	}
	alone story
	[ ! -e skipped ] || skip "$(cat skipped)"
}

@test "over --max-connections connections are closed at once, and counted" {
	story() {
		serve --listen 127.0.0.1 --port 0 --protocol echo --close passive --max-connections 1 --json
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		printf 'hello\n' >&3
		read -r line <&3
		[ "$line" = hello ]
		[ -z "$(visit)" ]
		exec 3>&-
		end
		summary '.refused == 1 and .accepted == 2'
	}
	alone story
}

@test "a worker without room leaves connections to the others, and nobody calls that a failure" {
	needs prlimit
	open() {
		kill -USR1 "$pid"
		has_line "open $1," err
	}
	export -f open
	story() {
		as=(prlimit --nofile=100:100)
		for engine in epoll poll select thread; do
			threads=()
			[ "$engine" = thread ] || threads=(--threads 1)
			serve --listen 127.0.0.1 --port 0 --protocol echo --engine "$engine" --processes 2 \
				"${threads[@]}" --json
			other=$(pgrep -P "$pid" | tail -n 1)
			kill -STOP "$other"
			crowd 100
			wait_until open 59 # 100 descriptors, 41 of them reserved (server_processes_for())
			kill -CONT "$other"
			wait_until open 100
			kill "$crowd"
			end
			! grep 'accepting pauses' err
			summary '.paused == 0 and .errors == {} and .accepted == 100 and .open == 0'
		done
	}
	alone story
}
