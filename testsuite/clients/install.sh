#!/bin/sh
# Installs the clients of one language that Debian has not, or only old, into <repo>/.cache:
#
#	install.sh python|java|kafka|rust|node
#
# What they are is pinned in the folder of that name. It is redone only when something in the
# folder or the language's version has changed.
#
# A machine that cannot reach the language's package registry goes on without: the tests of
# these clients are then skipped with the reason, which is kept in .cache/LANGUAGE.missing.
# With STRICT=1 that is a failure, here and there.
set -eu

language=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
to=$cache/$language log=$cache/$language.log
mkdir -p "$cache"

# fetch_LANGUAGE asks the registry, and may fail; build_LANGUAGE makes what is in this
# repository of it, and may not. Both write into $to.
fetch_python() {
	/usr/bin/python3 -m venv "$to"
	"$to/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: --quiet \
		--requirement "$here/python/requirements.txt"
}
build_python() { :; }

# jars FOLDER TO [OPTION...] copies what the folder's pom.xml names into a directory.
jars() {
	from=$here/$1/pom.xml into=$2
	shift 2
	mvn --quiet --batch-mode -Dstyle.color=never --file "$from" -Dmaven.repo.local="$cache/maven" \
		dependency:copy-dependencies -DoutputDirectory="$into" "$@"
}

fetch_java() { jars java "$to/lib"; }
build_java() {
	find "$here/java/src" -name '*.java' -exec javac --release 17 -cp "$to/lib/*" -d "$to/classes" {} +
}

# Kafka's broker, and the oldest release that is tested beside it: its tests run Java with what is in
# the two directories.
fetch_kafka() {
	cpu=$(uname -m | sed 's/aarch64/aarch_64/') # as Maven's names have it
	jars kafka "$to/lib" -Dcpu="$cpu"
	jars kafka "$to/old" -Dcpu="$cpu" -Pold
	chmod +x "$to"/*/protoc-*.exe
}
build_kafka() { :; }

fetch_rust() {
	wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/rust/Cargo.toml")
	have=$(rustc --version 2>/dev/null | cut -d' ' -f2)
	if [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -1)" != "$wanted" ]; then
		echo "Rust $wanted or later is needed, there is ${have:-none}"
		return 1
	fi
	cargo fetch --quiet --locked --manifest-path "$here/rust/Cargo.toml"
}
build_rust() {
	cargo build --quiet --locked --offline --manifest-path "$here/rust/Cargo.toml" --target-dir "$cache/cargo" &&
		cp "$cache/cargo/debug/with-sqlx" "$cache/cargo/debug/with-mysql-async" "$to"
}

# Also the browser's driver. Pinned by the lock file.
fetch_node() {
	cp "$here/node/package.json" "$here/node/package-lock.json" "$to"
	(cd "$to" && npm ci --silent --no-audit --no-fund)
}
build_node() { :; }

# What the language itself is.
version_python() { /usr/bin/python3 --version; }
version_java() { javac -version 2>&1; }
version_kafka() { version_java; }
version_rust() { rustc --version; }
version_node() { node --version; }

# Two processes may ask at the same time: the second waits and finds it installed. Those with Maven's repository in
# common wait for each other.
if command -v flock >/dev/null 2>&1; then
	exec 9>"$cache/.$(echo "$language" | sed s/kafka/java/).lock"
	flock 9
fi

key=$({
	find "$here/$language" "$here/install.sh" -type f ! -path '*/target/*' -print0 | sort -z | xargs -0 cat
	"version_$language" || true
} 2>/dev/null | sha256sum | cut -c1-16)
if [ "$(cat "$to/.done" 2>/dev/null)" = "$key" ]; then
	exit 0
fi
rm -rf "$to" "$cache/$language.missing" && mkdir "$to"
# Not `if fetch`: there set -e would not end it at its first error.
set +e
(set -e; "fetch_$language") >"$log" 2>&1
failed=$?
set -e
if [ $failed = 0 ]; then
	"build_$language" >>"$log" 2>&1 || { cat "$log" >&2; exit 1; }
	echo "$key" >"$to/.done"
	exit 0
fi
rm -rf "$to"
why=$(grep -m1 '^\[ERROR\]' "$log" || grep -v '^ *$' "$log" | tail -1) # Maven begins with it, the others end
cat >"$cache/$language.missing" <<END
testsuite/clients/install.sh $language: $(echo "$why" | cut -c1-300) (all of it is in .cache/$language.log). Install what is missing, or give the package manager a registry that it can reach, and run make deps again.
END
cat "$cache/$language.missing" >&2
[ "${STRICT:-}" != 1 ]
