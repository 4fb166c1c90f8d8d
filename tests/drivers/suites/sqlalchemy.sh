# The tests of SQLAlchemy's PostgreSQL dialect and its suite for dialects, from its source distribution, with the package of
# the same version, over psycopg 3 and asyncpg.

bed_options="--set max_prepared_transactions=10 --set default_text_search_config=pg_catalog.english --sql $here/suites/sqlalchemy.sql"

fetch() {
    . "$here/python.sh"
    fetch_python
    if [ ! -d "$SHUNT_CACHE/sqlalchemy" ]; then
        fetch_sdist sqlalchemy
        # The tests import the package that is installed, not the source beside them.
        mkdir -p "$SHUNT_CACHE/sqlalchemy.new"
        source=$(ls -d "$SHUNT_CACHE"/sdist/sqlalchemy-*/)
        cp -r "$source/test" "$source/setup.cfg" "$source/pyproject.toml" "$SHUNT_CACHE/sqlalchemy.new/"
        # Their plugin is looked for beside them.
        mkdir "$SHUNT_CACHE/sqlalchemy.new/lib"
        ln -s "$("$SHUNT_CACHE/python/bin/python" -c 'import os, sqlalchemy; print(os.path.dirname(sqlalchemy.__file__))')" \
            "$SHUNT_CACHE/sqlalchemy.new/lib/sqlalchemy"
        mv "$SHUNT_CACHE/sqlalchemy.new" "$SHUNT_CACHE/sqlalchemy"
    fi
}

suite() {
    cd "$SHUNT_CACHE/sqlalchemy"
    for driver in psycopg asyncpg; do
        timeout 3600 "$SHUNT_CACHE/python/bin/python" -m pytest -q -rA -p no:cacheprovider -p no:logging --tb=short \
            --maxfail=100000 --dburi "postgresql+$driver://$PGUSER@$PGHOST:$PGPORT/$PGDATABASE" \
            test/dialect/test_suite.py test/dialect/postgresql | tee "$WORK/output.$driver"
        # A test's name ends in the server's version.
        sed -n -E 's/_[0-9]+_[0-9]+::/::/; s/^(PASSED|FAILED|ERROR|XFAIL|XPASS) (test[^ ]*).*$/\2\t\1/p' "$WORK/output.$driver"
    done | grep "	" | grep "^test/" | sort -u -k1,1 >"$RESULTS"
}
