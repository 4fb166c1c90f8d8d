# What applications do with psycopg 3; its source distribution has no tests.

bed_options="--set max_prepared_transactions=10"

fetch() {
    . "$here/python.sh"
    fetch_python
    export SMOKE="$here/smoke"
}

suite() {
    timeout 120 "$SHUNT_CACHE/python/bin/python" "$SMOKE/psycopg_smoke.py"
}
