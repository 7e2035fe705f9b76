#!/usr/bin/env bash
# Installs what the tests use beside Go. As root on Debian it installs what is missing;
# elsewhere it says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache

declare -A debs=( [mariadb]=mariadb-client [mariadb-admin]=mariadb-client [mariadb-show]=mariadb-client
                  [mariadbd]=mariadb-server [node]=nodejs [npm]=npm [gcc]=gcc
                  [chromium]=chromium [promtool]=prometheus [prometheus-mysqld-exporter]=prometheus-mysqld-exporter
                  [pt-mysql-summary]=percona-toolkit [mycli]=mycli [php]=php-cli [java]=default-jre-headless
                  [javac]=default-jdk-headless [mvn]=maven [haproxy]=haproxy [ruby]=ruby [perl]=perl [script]=bsdutils )
missing=()
for cmd in "${!debs[@]}"; do
  command -v "$cmd" >/dev/null || missing+=("${debs[$cmd]}")
done
# Libraries of other languages, by a file of theirs.
declare -A files=( [/usr/share/adminer/adminer.php]=adminer [/usr/share/phpmyadmin/index.php]=phpmyadmin
                   [/usr/share/java/mariadb-java-client.jar]=libmariadb-java )
for file in "${!files[@]}"; do
  [ -e "$file" ] || missing+=("${files[$file]}")
done
/usr/bin/python3 -c 'import pymysql' 2>/dev/null || missing+=(python3-pymysql)
/usr/bin/python3 -c 'import MySQLdb' 2>/dev/null || missing+=(python3-mysqldb)
/usr/bin/python3 -c 'import sqlalchemy' 2>/dev/null || missing+=(python3-sqlalchemy)
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
perl -MDBD::mysql -e 1 2>/dev/null || missing+=(libdbd-mysql-perl)
perl -MDBD::MariaDB -e 1 2>/dev/null || missing+=(libdbd-mariadb-perl)
ruby -e 'require "mysql2"' 2>/dev/null || missing+=(ruby-mysql2)
php -r 'exit(extension_loaded("mysqli") && extension_loaded("pdo_mysql") ? 0 : 1);' 2>/dev/null || missing+=(php-mysql)
if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "deps: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The server package would start a database service of its own: not wanted here.
    policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; fi
    trap '[ -z "$made" ] || rm -f $policy' EXIT
    apt-get update -q >.cache/apt.log 2>&1 || { cat .cache/apt.log; exit 1; }
    apt-get install -q -y --no-install-recommends "${missing[@]}" >>.cache/apt.log 2>&1 || { tail -30 .cache/apt.log; exit 1; }
  else
    echo "deps: please install: ${missing[*]}" >&2
    exit 1
  fi
fi

# node's drivers and ORMs and the browser's driver, pinned by their lock file
want=$(sha256sum testsuite/clients/node/package-lock.json | cut -c1-16)
if [ "$(cat .cache/node/.done 2>/dev/null)" != "$want" ]; then
  rm -rf .cache/node && mkdir -p .cache/node
  cp testsuite/clients/node/package.json testsuite/clients/node/package-lock.json .cache/node/
  (cd .cache/node && npm ci --silent --no-audit --no-fund)
  echo "$want" >.cache/node/.done
fi

# Clients that Debian has not. Beside what follows: they wait for the network most of the time.
# Where there is no cargo, or one that is too old, Rust's are left out as if the registry could not be reached.
clients=()
for language in python java rust; do
  testsuite/clients/install.sh "$language" & clients+=($!)
done

# Other people's programs, built from their modules once.
testsuite/realpd/build.sh >/dev/null
testsuite/tidb/build.sh >/dev/null
testsuite/pumpclient/build.sh >/dev/null
for client in "${clients[@]}"; do wait "$client"; done
echo "deps: all there"
