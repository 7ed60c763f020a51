#!/bin/sh
# What the entrypoint of the official image does: on the first start it creates the database, with a
# temporary server that listens on a socket only, and runs the scripts of a directory. There is nothing but
# the shell in this image.
set -eu
export PATH=/usr/lib/postgresql/15/bin
if [ "${1:-}" != postgres ]; then exec "$@"; fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --auth-local=trust \
    --auth-host=scram-sha-256
  : >/tmp/password
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  pg_ctl --wait --options="-c listen_addresses=''" start
  psql --username="$POSTGRES_USER" --dbname=postgres --command="CREATE DATABASE \"$POSTGRES_DB\""
  for script in /docker-entrypoint-initdb.d/*.sql; do
    if [ -e "$script" ]; then
      echo "running $script"
      psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 --file="$script"
    fi
  done
  pg_ctl --wait --mode=fast stop
  echo "the first start is complete"
fi
exec "$@"
