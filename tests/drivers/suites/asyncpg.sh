# The tests in asyncpg's source distribution, with the package of the same version.

bed_options="--later-database asyncpg_intro_test --later-database testdb"

fetch() {
    . "$here/python.sh"
    fetch_python
    if [ ! -d "$SHUNT_CACHE/asyncpg" ]; then
        fetch_sdist asyncpg
        # The tests import the package that is installed, not the source beside them.
        mkdir -p "$SHUNT_CACHE/asyncpg.new"
        cp -r "$SHUNT_CACHE"/sdist/asyncpg-*/tests "$SHUNT_CACHE/asyncpg.new/"
        mv "$SHUNT_CACHE/asyncpg.new" "$SHUNT_CACHE/asyncpg"
    fi
}

suite() {
    cd "$SHUNT_CACHE/asyncpg"
    timeout 1500 "$SHUNT_CACHE/python/bin/python" -m pytest -q -rA -p no:cacheprovider --tb=short \
        -o faulthandler_timeout=60 tests \
        --deselect tests/test__sourcecode.py | tee "$WORK/output"
    sed -n -E 's/^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (tests[^ ]*).*$/\2\t\1/p' \
        "$WORK/output" | sort -u -k1,1 >"$RESULTS"
}
