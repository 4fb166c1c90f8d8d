# Keeps one directory and the PostgreSQL server in it, for exactly as long as
# the process that started this script lives.
#
#   sh watchdog.sh DIRECTORY POSTGRES
#
# Commands come line by line on standard input, which is a pipe that only the
# parent holds. The kernel closes it when the parent ends, however it ends:
# then the server is stopped and the directory removed.
#
#   start        starts POSTGRES -D DIRECTORY/data
#   signal NAME  sends the server a signal
#
# Files in DIRECTORY tell the parent the rest: `pid` is the server's process,
# `exit` appears with its status when it has ended, `log` is its log, and
# `paused` lists the processes that the parent has stopped with SIGSTOP.

dir=$1
postgres=$2
cd "$dir" || exit 1

# A signal interrupts `read` below, which then counts as the end of input.
trap : HUP INT TERM

running() {
    [ -e pid ] && [ ! -e exit ]
}

start() {
    rm -f pid exit
    (
        # The inner shell becomes the server, so that its process id is known;
        # the outer one waits for it, so that its end is.
        sh -c 'echo $$ >pid.new && mv pid.new pid && exec "$0" -D data' "$postgres" \
            </dev/null >>log 2>&1
        echo $? >exit.new && mv exit.new exit
    ) &
}

signal() {
    # The pid file comes a moment after `start`.
    waits=0
    while [ ! -e pid ] && [ ! -e exit ] && [ "$waits" -lt 1000 ]; do
        waits=$((waits + 1))
        sleep 0.01
    done
    if running; then kill -s "$1" "$(cat pid)" 2>/dev/null; fi
}

started=
while read -r command argument; do
    case $command in
    start) started=yes && start ;;
    signal) signal "$argument" ;;
    esac
done

# What is paused cannot end.
if [ -e paused ]; then
    while read -r process; do kill -s CONT "$process" 2>/dev/null; done <paused
fi
if [ -n "$started" ]; then
    # The data goes away with the server: an immediate stop loses nothing.
    signal QUIT
    tries=0
    while running; do
        tries=$((tries + 1))
        if [ "$tries" -eq 200 ]; then signal KILL; fi
        if [ "$tries" -gt 300 ]; then break; fi
        sleep 0.04
    done
fi

# Only a server that was killed leaves this file. Line 7 names the System V
# segment (key and id) that PostgreSQL keeps as an interlock.
if [ -e data/postmaster.pid ]; then
    segment=$(sed -n '7s/^ *[0-9]* *\([0-9]*\) *$/\1/p' data/postmaster.pid)
    if [ -n "$segment" ]; then ipcrm -m "$segment" 2>/dev/null; fi
fi

# Processes of a killed server may still be writing their last.
cd /
tries=0
while ! rm -rf "$dir" 2>/dev/null && [ -e "$dir" ] && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
