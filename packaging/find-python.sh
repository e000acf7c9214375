# Sets `python` to a Python that can run launch.py, or ends with the line to type. Read by the other scripts:
# `here` is the folder of this file.

# Whether "$1" runs, is new enough, and has the whole standard library; "$2" names one more module that it must have.
fits() {
    "$1" -c "import ctypes, json, sys, venv, $2; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1
}

# The newest that the program is tested with, ones that can make a virtual environment at once before the others.
find_python() {
    for module in ensurepip sys; do
        for candidate in python3.13 python3.12 python3.11 python3 python; do
            if fits "$candidate" "$module"; then
                python=$candidate
                return 0
            fi
        done
    done
    return 1
}

# Names of the packages in debian-packages.txt for the needs given.
debian_packages() {
    while read -r name probe need; do
        case " $* " in *" $need "*) printf ' %s' "$name" ;; esac
    done <"$here/debian-packages.txt"
}

# Says why there is no Python, installs Debian's where that needs no question, and ends with code 2 where it cannot.
install_python() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "ddm_gui needs Python 3.11 or newer, which was not found. Install Python 3.13 or 3.12, then start again."
        exit 2
    fi
    # shellcheck disable=SC2046  # the names are words of their own
    set -- $(debian_packages "$@")
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then
        as_root="sudo -n"
    else
        if command -v sudo >/dev/null 2>&1; then
            line=$(echo "$line" | sed 's/apt-get/sudo apt-get/g')
        else
            line="su -c '$line'"
        fi
        echo "Python 3.11 or newer was not found. Nothing was installed. Type this line, then start again:"
        echo
        echo "$line"
        exit 2
    fi
    echo "Python 3.11 or newer was not found. Installing system packages: $*"
    if ! $as_root env DEBIAN_FRONTEND=noninteractive sh -c "$line" </dev/null; then
        echo "These system packages could not be installed; apt-get says why above."
        exit 2
    fi
    if ! find_python; then
        echo "Debian's Python here is older than 3.11. Install Python 3.13, 3.12 or 3.11, then start again."
        exit 2
    fi
}
