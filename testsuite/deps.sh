#!/usr/bin/env bash
# Installs what the tests use beside Go:
#
#	deps.sh [console|pump|drainer|clients|replication ...]
#
# for these areas, or for all. As root on Debian it installs what is missing; elsewhere it says what is
# missing and fails. What has been found complete is not looked at again until something that it is made
# of changes (the stamps in .cache/deps); clients whose registry could not be reached are tried again.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache/deps
all=(console pump drainer clients replication)
[ $# -gt 0 ] || set -- "${all[@]}"

key=$({
  cat testsuite/deps.sh testsuite/clients/install.sh testsuite/{realpd,tidb,pumpclient}/{build.sh,go.mod,go.sum} testsuite/tidb/dumpling.sh \
    testsuite/pumpclient/*.go testsuite/tidb/unistore/*.go
  find testsuite/clients/{python,java,kafka,rust,node} -type f ! -path '*/target/*' -print0 | sort -z | xargs -0 cat
  go env GOVERSION GOARCH
} | sha256sum | cut -c1-16)
todo=()
for area in "$@"; do
  [[ " ${all[*]} " == *" $area "* ]] || { echo "deps: unknown area $area, there are: ${all[*]}" >&2; exit 2; }
  [ "$(cat ".cache/deps/$area" 2>/dev/null)" = "$key" ] || todo+=("$area")
done
[ ${#todo[@]} -gt 0 ] || exit 0
wanted() { # wanted AREA...: one of them is to be installed
  local area
  for area in "$@"; do [[ " ${todo[*]} " != *" $area "* ]] || return 0; done
  return 1
}

missing=()
command_of() { # command_of PACKAGE COMMAND...: what has no such command in PATH
  local package=$1 cmd
  shift
  for cmd in "$@"; do command -v "$cmd" >/dev/null || missing+=("$package"); done
}
has() { # has PACKAGE COMMAND...: what is not there unless the command succeeds
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
command_of gcc gcc
wanted pump drainer && command_of strace strace
wanted drainer && command_of protobuf-compiler protoc
wanted console clients && command_of mariadb-client mariadb mariadb-admin mariadb-show
wanted console drainer clients replication && command_of mariadb-server mariadbd
if wanted console clients; then
  command_of nodejs node
  command_of npm npm
  has python3-pymysql /usr/bin/python3 -c 'import pymysql'
fi
if wanted console; then # the monitoring, the units and the image beside it
  command_of busybox-static busybox
  command_of prometheus promtool
fi
if wanted clients drainer; then
  command_of default-jre-headless java
  command_of default-jdk-headless javac
  command_of maven mvn
fi
if wanted clients; then
  command_of chromium chromium
  command_of prometheus promtool
  command_of prometheus-mysqld-exporter prometheus-mysqld-exporter
  command_of percona-toolkit pt-mysql-summary
  command_of mycli mycli
  command_of php-cli php
  command_of haproxy haproxy
  command_of ruby ruby
  command_of perl perl
  command_of bsdutils script
  has adminer test -e /usr/share/adminer/adminer.php
  has phpmyadmin test -e /usr/share/phpmyadmin/index.php
  has libmariadb-java test -e /usr/share/java/mariadb-java-client.jar
  has python3-mysqldb /usr/bin/python3 -c 'import MySQLdb'
  has python3-sqlalchemy /usr/bin/python3 -c 'import sqlalchemy'
  has python3-venv /usr/bin/python3 -c 'import ensurepip'
  has libdbd-mysql-perl perl -MDBD::mysql -e 1
  has libdbd-mariadb-perl perl -MDBD::MariaDB -e 1
  has ruby-mysql2 ruby -e 'require "mysql2"'
  # shellcheck disable=SC2016 # PHP's dollar signs
  has php-mysql php -r 'exit(extension_loaded("mysqli") && extension_loaded("pdo_mysql") ? 0 : 1);'
fi
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

# Clients that Debian has not. Beside what follows: they wait for the network most of the time.
# Where there is no cargo, or one that is too old, Rust's are left out as if the registry could not be reached.
languages=()
if wanted clients; then languages=(python java rust node); elif wanted console; then languages=(node); fi
wanted drainer && languages+=(kafka)
clients=()
for language in "${languages[@]}"; do
  testsuite/clients/install.sh "$language" & clients+=($!)
done

# Other people's programs, built from their modules once.
testsuite/realpd/build.sh >/dev/null
wanted pump drainer replication && testsuite/tidb/build.sh >/dev/null
wanted replication && testsuite/tidb/dumpling.sh >/dev/null
wanted pump && testsuite/pumpclient/build.sh >/dev/null
for client in "${clients[@]}"; do wait "$client"; done
for area in "${todo[@]}"; do
  needs=()
  case $area in
  clients) needs=(python java rust node) ;;
  console) needs=(node) ;;
  drainer) needs=(kafka) ;;
  esac
  for language in "${needs[@]}"; do
    [ ! -e ".cache/$language.missing" ] || continue 2 # tried again the next time
  done
  echo "$key" >".cache/deps/$area"
done
echo "deps: all there"
