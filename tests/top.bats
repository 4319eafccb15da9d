#!/usr/bin/env bats
# contest top as a person sees it: driven by keys through tmux, what is on the screen compared. Each
# test has a network namespace of its own, so that the sockets are those it made.
# shellcheck disable=SC2317,SC2030,SC2031 # stories are called by name, in shells of their own

load helpers

setup() {
	needs tmux unshare nc
	needs_worlds
}

# alone FUNCTION: runs the function in a namespace with its loopback up, in the test's folder. What
# it leaves behind ends with it: the shell is the first process of its own process namespace.
alone() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2163 # the function that it names
	export -f "$1" listen connect screen top keys shown gone wait_until is_now whole status_is \
		has_line nothing_left stopped
	in_network 120 "$1" ||
		{
			local status=$?
			echo "status $status; the screen:"
			cat last 2>/dev/null
			return 1
		}
}

# ---- sockets

# listen PORT: one connection is taken there, and kept; its process is $listener.
listen() {
	sleep 1000 | nc -l 127.0.0.1 "$1" >/dev/null &
	listener=$!
	wait_until has_listener "$1"
}

has_listener() {
	ss -Hltn "sport = :$1" | grep -q .
}
export -f has_listener

# connect FD PORT: from this shell.
connect() {
	eval "exec $1<>/dev/tcp/127.0.0.1/$2"
}

# ---- the screen

# screen COLUMNS ROWS COMMAND: on a terminal of that size, after a line "before"; then its status.
screen() {
	tmux_socket=tmux.$((screens = ${screens:-0} + 1))
	tmux -S "$tmux_socket" -f /dev/null new-session -d -x "$1" -y "$2" \
		"stty -g >modes; echo before; $3; echo status \$?; stty -g | cmp - modes && echo same modes; exec cat" 7>&-
}

# top COLUMNS ROWS OPTIONS…: the program on it, which has drawn sockets.
top() {
	local columns=$1 rows=$2
	shift 2
	screen "$columns" "$rows" "\"\$CONTEST\" top $*"
	wait_until shown '^contest top: [0-9]* so'
}

keys() {
	tmux -S "$tmux_socket" send-keys "$@"
}

shown() {
	tmux -S "$tmux_socket" capture-pane -p >last
	grep -q -- "$1" last
}

gone() {
	! shown "$1"
}

# is_now FILE: the screen is that, but for times, changes and history, of whatever length.
is_now() {
	tmux -S "$tmux_socket" capture-pane -p >last
	whole <last | diff - "$1" >differs
}

whole() {
	sed -e 's/, diag [0-9.]*m*s,/, diag TIME,/' -e 's/[0-9.]*m*s left/TIME left/' \
		-e 's/ *[▁▂▃▄▅▆▇]\+$/ HISTORY/' -e 's/\(:\)[345][0-9]\{4\} /\1PORT /' -e 's/ *$//'
}

status_is() {
	shown "^status $1\$" && shown '^same modes$' && shown '^before$'
}

stopped() {
	[ "$(sed 's/.*) //' "/proc/$1/stat" | cut -c 1)" = T ]
}

nothing_left() {
	! kill -0 "$1" 2>/dev/null
}

wait_until() {
	local tries
	for ((tries = 0; tries < 400; tries++)); do
		"$@" && return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	cat differs 2>/dev/null
	return 1
}

# ---- what it shows

@test "a screen of 80x24, line by line" {
	story() {
		listen 5000
		connect 7 5000
		listen 5001
		top 80 24 --by local-port,state
		cat >want <<-'END'
			contest top: 4 sockets, diag TIME, every 1.0s
			LISTEN 2  ESTAB 2 HISTORY
			by local-port,state; all sockets
			Local port   State   Count ▼      +/-   Timer left                       History
		END
		wait_until shown '^contest top: 4 sockets'
		tmux -S "$tmux_socket" capture-pane -p >last
		whole <last | head -n 4 | diff - want
		[ "$(sed -n '5,8p' last | grep -c '^[0-9]* *\(ESTAB\|LISTEN\) *1 .*[▇▁]$')" -eq 4 ]
		grep -q '^5000  *ESTAB  *1 ' last
		grep -q '^5001  *LISTEN  *1 ' last
		sed -n '9,23p' last | (! grep -q .)
		[ "$(sed -n 24p last)" = '? help  / filter  Tab b by  < > r sort  Enter detail  Space pause  q quit' ]
	}
	alone story
}

@test "sockets that come and go are seen, and how many; pause holds them" {
	story() {
		listen 5000
		top 80 24 --by state --interval 0.2
		wait_until shown '^LISTEN  *1 '
		connect 7 5000
		wait_until shown '^ESTAB  *2 '
		keys Space
		wait_until shown ', paused'
		listen 5001
		# What is drawn again is what was: the help in between shows that it was drawn.
		keys '?'
		wait_until shown '^contest top: help'
		keys x
		wait_until gone '^contest top: help'
		shown '^LISTEN  *1 '
		keys Space
		wait_until shown '^LISTEN  *2  *+1 '
	}
	alone story
}

@test "sorted by each column, and the other way round" {
	story() {
		for port in 5003 5001 5002; do
			listen "$port"
		done
		top 80 24 --by local-port
		wait_until shown '^contest top: 3 so'
		order() { [ "$(tmux -S "$tmux_socket" capture-pane -p | sed -n 's/^\(500[0-9]\) .*/\1/p' | tr '\n' ' ')" = "$1" ]; }
		keys 1
		wait_until order '5001 5002 5003 '
		wait_until shown '^Local port ▲'
		keys r
		wait_until order '5003 5002 5001 '
		wait_until shown '^Local port ▼'
		keys 1
		wait_until order '5001 5002 5003 '
		keys '>'
		wait_until shown 'Count ▼'
		keys '>'
		wait_until shown '+/- ▼'
		keys '<' '<'
		wait_until shown '^Local port ▲'
	}
	alone story
}

@test "grouped anew by Tab and by typing" {
	story() {
		listen 5000
		top 80 24
		wait_until shown '^Peer  *State '
		keys Tab
		wait_until shown '^Destination  *State '
		wait_until shown '^0.0.0.0:\*  *LISTEN '
		keys BTab b
		wait_until shown '^by: peer,state$'
		keys C-u 'state,'
		wait_until shown '^by: state,$'
		wait_until shown '^          ^ a key is missing'
		# What was right last stays in force.
		wait_until shown '^State ';
		keys 'timer'
		wait_until shown '^State  *Timer '
		keys Escape
		wait_until shown '^Peer  *State '
	}
	alone story
}

# ---- the filter

@test "a filter typed live: in force while it is right, a caret below what is wrong" {
	story() {
		listen 5000
		connect 7 5000
		listen 5001
		top 80 24 --by state,local-port
		wait_until shown '^contest top: 4 so'
		keys / 'state listening'
		wait_until shown '^filter: state listening$'
		wait_until shown '^contest top: 2 so'
		keys ' and sport = :50x'
		wait_until shown '^filter: state listening and sport = :50x$'
		wait_until shown '^                                     ^'
		wait_until shown "there is no service '50x'"
		# Enter keeps nothing that is wrong; what was right last is in force.
		keys Enter
		wait_until shown '^by state,local-port; filter: state listening and sport = :50$'
		wait_until shown '^no socket matches$'
		keys BSpace 01
		wait_until shown '^LISTEN  *5001 '
		keys Enter
		wait_until gone '^filter: '
		shown '^by state,local-port; filter: state listening and sport = :5001$'
		keys / C-u
		wait_until shown '^contest top: 4 so'
		keys Escape
		wait_until shown '^contest top: 1 so'
	}
	alone story
}

@test "a filter longer than the screen is scrolled, the cursor and the caret stay seen" {
	story() {
		listen 5000
		top 40 12
		keys / 'sport = :5000 or sport = :5001 or sport = :5002 or sportx'
		wait_until shown ' or sportx$'
		wait_until shown '^ *^'
		[ "$(tmux -S "$tmux_socket" display-message -p '#{cursor_x}')" -le 39 ]
		keys BSpace
		wait_until shown 'missing\|expected'
		keys Escape
		wait_until shown '; all sockets$'
	}
	alone story
}

# ---- details

@test "a group's connections, and one of them followed to its end" {
	story() {
		listen 5000
		connect 7 5000
		top 80 24 --by state "'dport = :5000'"
		wait_until shown '^ESTAB  *1 '
		keys Enter
		wait_until shown '^state ESTAB: 1 socket$'
		wait_until shown '^127.0.0.1:[0-9]* 127.0.0.1:5000 ESTAB .* bash ('
		keys Enter
		wait_until shown '^127.0.0.1:[0-9]* to 127.0.0.1:5000, bash ('
		wait_until shown '^    0.00 s ESTAB '
		# The peer does not close: FIN-WAIT-2.
		kill -STOP "$listener"
		exec 7>&-
		wait_until shown ' FIN-WAIT-2 '
		shown ' ESTAB  *│ lasted '
		shown '├─* FIN ─*▶│'
		shown '│◀─* ACK ─*┤'
		shown '^timer timewait, .* left, .*; minisock$'
		kill -KILL "$listener"
		wait_until shown ' TIME-WAIT  *│ for '
		shown '│◀─* FIN ─*┤'
		keys Escape Escape
		wait_until shown '? help  / filter'
	}
	alone story
}

@test "names of processes are escaped, and stay in their column" {
	story() {
		listen 5000
		bash -c 'printf "\033[31m\302\233x" >/proc/$$/comm; exec 7<>/dev/tcp/127.0.0.1/5000; sleep 1000; :' &
		top 80 24 --processes
		wait_until shown '^\\x1b\[31m\\xc2\\x9bx ([0-9]*)  *ESTAB  *1 '
		tmux -S "$tmux_socket" capture-pane -e -p >colored
		! grep -q "$(printf '\302\233')" colored
		keys Escape Enter
		wait_until shown '^process '
	}
	alone story
}

# ---- sizes

@test "small and large terminals, and from one to the other" {
	story() {
		listen 5000
		connect 7 5000
		top 80 24
		wait_until shown '^127.0.0.1  *ESTAB  *2 '
		for size in '20 24' '20 5' '1 1' '3 2' '300 60' '80 24'; do
			# shellcheck disable=SC2086 # two words
			set -- $size
			for view in groups help typing group connection; do
				tmux -S "$tmux_socket" resize-window -x "$1" -y "$2"
				case $view in
				help) keys '?' ;;
				typing) keys / 'sport = x' ;;
				group) keys Enter ;;
				connection) keys Enter ;;
				esac
				case $view in
				help) keys x ;;
				typing) keys Escape ;;
				esac
			done
			keys Left Left
		done
		wait_until shown '^127.0.0.1  *ESTAB  *2 .*▇$'
		tmux -S "$tmux_socket" resize-window -x 20 -y 6
		wait_until shown '^127.*  *2$'
		tmux -S "$tmux_socket" resize-window -x 200 -y 50
		wait_until shown '^127.0.0.1  *ESTAB  *2 '
		keys q
		wait_until status_is 0
	}
	alone story
}

@test "what has no room is left out whole, and that there is more is said" {
	story() {
		for port in {5000..5011}; do
			listen "$port"
		done
		connect 7 5000
		top 80 14 --by local-port,state
		wait_until shown '^by local-port,state; all sockets  *1-9 of 14$'
		keys End
		wait_until shown ' 6-14 of 14$'
		keys b C-u state Enter
		wait_until shown '^by state; all sockets$'
		keys Home Enter
		wait_until shown '^LISTEN 12  *1-6 of 12$'
		shown '^unread 0 B, unacknowledged 0 B, retransmitting 0, minisocks 0$'
		tmux -S "$tmux_socket" resize-window -x 50 -y 14
		wait_until shown '^? help  Enter follow a connection  Esc back$'
		shown '^unread 0 B, unacknowledged 0 B, retransmitting 0$'
		keys Escape
		tmux -S "$tmux_socket" resize-window -x 20 -y 14
		wait_until shown '^? help  / filter$'
		shown '^14 sockets$'
		shown '^LISTEN 12  ESTAB 2$'
		tmux -S "$tmux_socket" resize-window -x 15 -y 14
		wait_until shown '^LISTEN 12  …$'
		keys '?'
		wait_until shown '^   choose a$'
	}
	alone story
}

@test "the chosen row is a bar of one colour, but for its history" {
	needs python3
	story() {
		listen 5000
		connect 7 5000
		top 80 24 --by state "'dport = :5000'"
		wait_until shown '^ESTAB  *1 .*▇$'
		tmux -S "$tmux_socket" capture-pane -e -N -p | "$root/scripts/ansi-svg" 80 24 >picture
		# Letters are dark, as on the first line; bars are not.
		grep '>ESTAB<\|<path' picture >row
		tail -n 2 row >last
		grep -q 'fill="#0d1117">ESTAB<' last
		[ "$(grep -c '<rect.* fill="#3fb950"' picture)" -eq 0 ]
		grep -q '<path.* fill="#39c5cf"/>' last
	}
	alone story
}

@test "in a locale without UTF-8 there is ASCII alone" {
	story() {
		listen 5000
		LC_ALL=C screen 80 24 'LC_ALL=C "$CONTEST" top'
		wait_until shown '^0.0.0.0  *LISTEN  *1 .*#$'
		tmux -S "$tmux_socket" capture-pane -p >last
		! LC_ALL=C grep -q '[^ -~]' last
	}
	alone story
}

# ---- help

@test "help tells the keys, scrolls where it is longer, and goes" {
	story() {
		top 80 10
		keys '?'
		wait_until shown '^contest top: help'
		wait_until shown '^ Tab  *group by the next'
		gone 'History  *counts'
		keys -N 30 Down
		wait_until shown '^ History  *counts'
		keys x
		wait_until shown '^contest top: [0-9]'
	}
	alone story
}

# ---- ends

@test "the terminal is as it was after q, Ctrl-C, SIGTERM, SIGHUP and a crash" {
	story() {
		for end in q C-c TERM HUP SEGV ABRT; do
			screen 80 24 'bash -c '\''echo $$ >pid; exec "$CONTEST" top'\'
			wait_until shown '^contest top: [0-9]'
			gone '^before$'
			[ "$(tmux -S "$tmux_socket" display-message -p '#{alternate_on} #{cursor_flag}')" = '1 0' ]
			case $end in
			q | C-c) keys "$end" ;;
			*) kill "-$end" "$(cat pid)" ;;
			esac
			case $end in
			SEGV) want=139 ;;
			ABRT) want=134 ;;
			*) want=0 ;;
			esac
			wait_until status_is "$want"
			[ "$(tmux -S "$tmux_socket" display-message -p '#{alternate_on} #{cursor_flag}')" = '0 1' ]
			tmux -S "$tmux_socket" kill-server
		done
	}
	ulimit -c 0
	alone story
}

@test "Ctrl-Z gives the terminal back meanwhile" {
	story() {
		screen 80 24 'bash -mc '\''"$CONTEST" top; echo stopped; read -r; fg'\'
		wait_until shown '^contest top: [0-9]'
		keys C-z
		wait_until shown '^stopped$'
		shown '^before$'
		keys Enter
		wait_until shown '^contest top: [0-9]'
		keys q
		wait_until status_is 0
	}
	alone story
}

@test "a terminal that goes takes it along" {
	story() {
		screen 80 24 'bash -c '\''echo $$ >pid; exec "$CONTEST" top 2>err'\'
		wait_until shown '^contest top: [0-9]'
		tmux -S "$tmux_socket" kill-server
		wait_until nothing_left "$(cat pid)"
		# Also where nobody hangs up.
		screen 80 24 'bash -c '\''trap "" HUP; echo $$ >pid; exec "$CONTEST" top 2>err'\'
		wait_until shown '^contest top: [0-9]'
		tmux -S "$tmux_socket" kill-server
		wait_until nothing_left "$(cat pid)"
		has_line '^contest top: the terminal has gone$' err
	}
	alone story
}

# ---- sources, namespaces

@test "each source shows the same" {
	story() {
		listen 5000
		connect 7 5000
		listen 5001
		for source in diag bpf proc; do
			screen 80 24 "\"\$CONTEST\" top --source $source --by state"
			wait_until shown '^status 3$\|^contest top: 4 so'
			# Where BPF is not allowed, a line says so.
			if shown '^status 3$'; then
				[ "$source" = bpf ]
				shown '^contest top: '
			else
				wait_until shown '^ESTAB  *2 '
				wait_until shown '^LISTEN  *2 '
			fi
			tmux -S "$tmux_socket" kill-server
		done
	}
	alone story
}

@test "another namespace by a process in it, and all of them" {
	story() {
		listen 5000
		unshare --net bash -c 'ip link set lo up; nc -l 127.0.0.1 6000 >/dev/null & echo $$ >inner; wait' &
		wait_until has_line . inner
		top 80 24 --netns "$(cat inner)" --by local-port
		wait_until shown '^6000  *1 '
		gone '^5000 '
		tmux -S "$tmux_socket" kill-server
		top 80 24 --netns all --by netns,local-port
		wait_until shown ' 6000  *1 '
		wait_until shown ' 5000  *1 '
	}
	alone story
}

# ---- refusals

@test "without a terminal: one line" {
	fails_with 2 'contest top: standard output is not a terminal; contest states prints the same, --watch again and again' top
	run -2 bash -o pipefail -c '"$CONTEST" top </dev/null | cat'
	story() {
		screen 120 24 '"$CONTEST" top </dev/null'
		wait_until shown '^status 2$'
		shown '^contest top: standard input is not a terminal'
		tmux -S "$tmux_socket" kill-server
		screen 120 24 'TERM=nonesuch "$CONTEST" top'
		wait_until shown '^status 3$'
		shown '^contest top: terminfo does not know this terminal.*(TERM=nonesuch)'
		tmux -S "$tmux_socket" kill-server
		screen 120 24 'TERM=dumb "$CONTEST" top'
		wait_until shown '^status 3$'
		shown '^contest top: .*it cannot place text (TERM=dumb)'
		tmux -S "$tmux_socket" kill-server
		screen 120 24 'TERM= "$CONTEST" top'
		wait_until shown '^status 3$'
	}
	alone story
}

@test "wrong options are usage errors, a wrong filter points at its place" {
	fails_with 2 "contest top: option '--by': unknown key 'peers'; did you mean 'peer'?" top --by state,peers
	fails_with 2 "contest top: option '--by': unknown key 'x'; it is state, peer, peer-port, local, local-port, destination, process, user, netns or timer" \
		top --by state,x
	fails_with 2 "contest top: option '--by': 'state' twice" top --by state,state
	fails_with 2 "contest top: option '--interval': 'x' is no number of seconds" top --interval x
	fails_with 2 "contest top: option '--interval': 0 is not from 0.1 to 3600 seconds" top --interval 0
	run -2 contest top --source nonesuch
	story() {
		screen 120 24 '"$CONTEST" top sport = :50x'
		wait_until shown '^status 2$'
		shown "^contest top: .*there is no service '50x'.* (at '50x', character 10)"
		tmux -S "$tmux_socket" kill-server
		screen 120 24 '"$CONTEST" top state time-wait and'
		wait_until shown '^status 2$'
		shown "^contest top: condition expected, not the end (at the filter's end)"
	}
	alone story
}

# ---- signals that nobody thinks of, limits, intervals

@test "the terminal is as it was after any signal that ends a program; one that is ignored changes nothing" {
	story() {
		for signal in USR1 ALRM XCPU QUIT; do
			screen 80 24 'bash -c '\''echo $$ >pid; exec "$CONTEST" top'\'
			wait_until shown '^contest top: [0-9]'
			kill "-$signal" "$(cat pid)"
			wait_until status_is $((128 + $(kill -l "$signal")))
			[ "$(tmux -S "$tmux_socket" display-message -p '#{alternate_on} #{cursor_flag}')" = '0 1' ]
			tmux -S "$tmux_socket" kill-server
		done
		screen 80 24 'bash -c '\''trap "" QUIT; echo $$ >pid; exec "$CONTEST" top'\'
		wait_until shown '^contest top: [0-9]'
		kill -QUIT "$(cat pid)"
		keys '?'
		wait_until shown '^contest top: help'
		[ "$(tmux -S "$tmux_socket" display-message -p '#{alternate_on}')" = 1 ]
		keys x
		wait_until gone '^contest top: help'
		keys q
		wait_until status_is 0
	}
	ulimit -c 0
	alone story
}

@test "Ctrl-Z does not stop it where nobody could let it go on" {
	story() {
		screen 80 24 'bash -c '\''echo $$ >pid; exec "$CONTEST" top'\'
		wait_until shown '^contest top: [0-9]'
		keys C-z
		keys '?'
		wait_until shown '^contest top: help'
		! stopped "$(cat pid)"
		keys x
		wait_until gone '^contest top: help'
		keys q
		wait_until status_is 0
	}
	alone story
}

@test "stopped by others, it takes the terminal again when it goes on" {
	story() {
		screen 80 24 'bash -c '\''tty >tty; echo $$ >pid; exec "$CONTEST" top'\'
		wait_until shown '^contest top: [0-9]'
		kill -STOP "$(cat pid)"
		wait_until stopped "$(cat pid)"
		# As a shell does, which has the terminal meanwhile.
		stty sane <"$(cat tty)"
		printf '\033[2J\033[Hscribble' >"$(cat tty)"
		wait_until shown scribble
		kill -CONT "$(cat pid)"
		wait_until shown '^contest top: [0-9]'
		gone scribble
		keys '?'
		wait_until shown '^contest top: help'
		keys x
		wait_until gone '^contest top: help'
		keys q
		wait_until status_is 0
	}
	alone story
}

@test "more namespaces than descriptors: as many as have room are seen, the others told" {
	story() {
		for _ in $(seq 30); do
			unshare --net sleep 1000 &
		done
		for pid in $(jobs -p); do
			wait_until elsewhere "$pid"
		done
		listen 5000
		ulimit -Sn 64
		screen 120 24 '"$CONTEST" top --netns all --by netns'
		wait_until shown '^contest top: 1 socket, .* every 1.0s *$'
		tmux -S "$tmux_socket" kill-server
		ulimit -n 64
		screen 120 24 '"$CONTEST" top --netns all --by netns'
		wait_until shown '^contest top: 1 socket, .* every 1.0s, [12][0-9] namespaces not seen *$'
		keys q
		wait_until status_is 0
	}
	elsewhere() {
		[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	}
	export -f elsewhere
	alone story
}

@test "an interval has the unit that was given" {
	story() {
		for interval in 2m 2s 2 500ms; do
			screen 80 24 "\"\$CONTEST\" top --interval $interval"
			case $interval in
			2m)
				wait_until shown ' every 2min *$'
				# Nor does a pause make another one of it.
				keys Space
				wait_until shown ', paused *$'
				keys Space
				wait_until shown ' every 2min *$'
				keys +
				wait_until shown ' every 4min *$'
				;;
			500ms) wait_until shown ' every 500ms *$' ;;
			*) wait_until shown ' every 2.0s *$' ;;
			esac
			tmux -S "$tmux_socket" kill-server
		done
	}
	alone story
}
