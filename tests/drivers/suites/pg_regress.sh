# PostgreSQL 15's regression tests, parallel schedule, on an existing database.

bed_options="--database regression --later-database regression_tbd --locale C
    --set max_prepared_transactions=0 --sql $here/suites/pg_regress.sql"

fetch() {
    . "$here/postgres-source.sh"
    fetch_postgres
    make -s -C "$postgres_build/src/test/regress" >/dev/null
    export REGRESS_SOURCE="$postgres_source/src/test/regress"
    export REGRESS_BUILD="$postgres_build/src/test/regress"
}

suite() {
    # The server's account reads the data and libraries, and writes results.
    home=$(mktemp -d)
    chmod 755 "$home"
    mkdir -p "$home/lib" "$home/source" "$home/output/results" "$home/output/testtablespace"
    cp "$REGRESS_BUILD"/*.so "$home/lib/"
    cp -r "$REGRESS_SOURCE/sql" "$REGRESS_SOURCE/expected" "$REGRESS_SOURCE/data" \
        "$REGRESS_SOURCE/parallel_schedule" "$REGRESS_SOURCE/resultmap" "$home/source/"
    chmod -R a+rX "$home"
    chmod 777 "$home/output" "$home/output/results" "$home/output/testtablespace"
    (cd "$home" && timeout 3600 "$REGRESS_BUILD/pg_regress" --use-existing --dbname=regression \
        --host="$PGHOST" --port="$PGPORT" --user="$PGUSER" --bindir="$PGBINDIR" \
        --inputdir="$home/source" --outputdir="$home/output" --dlpath="$home/lib" \
        --max-concurrent-tests=20 --schedule="$home/source/parallel_schedule") >"$WORK/output" || true
    cp -r "$home/output/results" "$WORK/"
    # pg_regress leaves no differences where there are none.
    if [ -f "$home/output/regression.diffs" ]; then cp "$home/output/regression.diffs" "$WORK/"; fi
    sed -n -E 's/^(test|    ) +([a-z0-9_.]+) +\.\.\. (ok|FAILED|failed).*$/\2\t\3/p' \
        "$WORK/output" | sort -u -k1,1 >"$RESULTS"
    rm -rf "$home"
}
