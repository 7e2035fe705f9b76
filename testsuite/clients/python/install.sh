#!/bin/sh
# Installs what requirements.txt pins into a virtual environment, <repo>/.cache/python. It
# is redone only when the list or Python's version has changed.
#
# A machine that cannot reach the package registry goes on without: the tests of these
# clients are then skipped with the reason, which is kept in .cache/python.missing.
# With STRICT=1 that is a failure, here and there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../../.." && pwd)/.cache
venv=$cache/python
mkdir -p "$cache"

# Two processes may ask at the same time: the second waits and finds it installed.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$cache/.python.lock"
	flock 9
fi

key=$(cat "$here/requirements.txt" "$here/install.sh" | sha256sum | cut -c1-16)-$(/usr/bin/python3 -c 'import platform; print(platform.python_version())')
if [ "$(cat "$venv/.done" 2>/dev/null)" = "$key" ]; then
	exit 0
fi
rm -rf "$venv"
if { /usr/bin/python3 -m venv "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: \
	--quiet --requirement "$here/requirements.txt"; } >"$cache/python.log" 2>&1; then
	rm -f "$cache/python.missing"
	echo "$key" >"$venv/.done"
	exit 0
fi
rm -rf "$venv"
cat >"$cache/python.missing" <<END
install testsuite/clients/python/requirements.txt: pip says "$(grep -v '^$' "$cache/python.log" | tail -1)" (all of it is in .cache/python.log). Give pip a registry that it can reach and run make deps again.
END
cat "$cache/python.missing" >&2
[ "${STRICT:-}" != 1 ]
