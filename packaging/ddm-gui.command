#!/bin/sh
# What one double-clicks on macOS.
exec sh "$(dirname -- "$0")/ddm-gui.sh" "$@"
