#!/usr/bin/env bash
# down.sh PYTHON: stop what `make demo` started, also when the installation is broken or half done.
set -euo pipefail

python=$1
if "$python" -c 'import nightcast.local.supervise' 2>/dev/null; then
  exec "$python" -m nightcast.local down
fi

# Without our own code: the supervisor stops everything in the right order when it is asked to end.
pid_file=${NIGHTCAST_STATE:-.run}/supervisord.pid
if [ -f "$pid_file" ] && pid=$(cat "$pid_file") && ps -p "$pid" -o command= 2>/dev/null | grep -q supervisord; then
  kill -TERM "$pid"
  echo "stopping; a running task may take up to two minutes"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.5; done
  echo "stopped"
else
  echo "nothing is running"
fi
