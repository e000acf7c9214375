#!/bin/sh
# Installs the program where that is not done yet, and opens its window (without a display: runs the demo).
# Arguments, such as a project to open, are passed on.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/find-python.sh"
needs=install
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then needs="install qt window"; fi
# shellcheck disable=SC2086  # the needs are words of their own
find_python || install_python $needs
exec "$python" "$here/launch.py" start "$@"
