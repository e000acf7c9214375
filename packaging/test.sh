#!/bin/sh
# Installs the program and what its tests need, and runs all checks. Arguments are passed on to pytest.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/find-python.sh"
needs="install qt"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then needs="install qt window"; fi
# shellcheck disable=SC2086  # the needs are words of their own
find_python || install_python $needs
exec "$python" "$here/launch.py" test "$@"
