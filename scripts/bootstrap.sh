#!/usr/bin/env bash
# bootstrap.sh VENV LOCK...: make VENV hold exactly what the lock files name.
# Safe to repeat, to interrupt and to run twice at once; works as root and not.
set -euo pipefail

stop() { printf '\n%s\n' "$*" >&2; exit 1; }

case "$PWD" in *" "*) stop "The checkout's path contains a space, which make cannot handle: $PWD. Move it." ;; esac

# Nothing to do: answered without starting Python. A moved environment shows in its own record of where it was made.
up_to_date() {
  local venv=$1 stamp="$1/.ready-$(($# - 1))" file
  [ -z "${PYTHON:-}" ] && [ -x "$venv/bin/python" ] && [ -f "$stamp" ] || return 1
  for file in "${@:2}" "$(dirname "$0")/uv-lock.txt"; do [ ! "$file" -nt "$stamp" ] || return 1; done
  case "$(grep '^command' "$venv/pyvenv.cfg")" in *" $(cd "$venv" && pwd)") ;; *) return 1 ;; esac
}
if up_to_date "$@"; then exit 0; fi

python=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
  if command -v "$candidate" >/dev/null 2>&1 &&
     "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || stop "Python 3.11, 3.12 or 3.13 is needed and was not found.
  Debian/Ubuntu: sudo apt install python3 python3-venv     macOS: brew install python@3.12
  Or name one:   make PYTHON=/path/to/python3 ..."

"$python" -c 'import ensurepip, venv' 2>/dev/null || stop "$python has no venv module.
  Debian/Ubuntu: sudo apt install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"

exec "$python" "$(dirname "$0")/bootstrap.py" "$@"
