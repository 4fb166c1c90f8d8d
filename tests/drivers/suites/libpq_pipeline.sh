# libpq's pipeline mode: src/test/modules/libpq_pipeline of PostgreSQL, traces compared too.

fetch() {
    . "$here/postgres-source.sh"
    fetch_postgres
    for part in src/interfaces/libpq src/fe_utils src/test/modules/libpq_pipeline; do
        make -s -C "$postgres_build/$part" >/dev/null
    done
    export PIPELINE="$postgres_build/src/test/modules/libpq_pipeline/libpq_pipeline"
}

suite() {
    for test in $("$PIPELINE" tests); do
        trace=$WORK/$test.trace
        : >"$trace"
        case $test in
            # The others' messages depend on timing.
            pipelined_insert | uniqviol) set -- ;;
            *) set -- -t "$trace" ;;
        esac
        if timeout 300 "$PIPELINE" -r 700 "$@" "$test" "dbname=postgres"; then
            printf '%s\tpass %s\n' "$test" "$(cksum <"$trace")" >>"$RESULTS"
        else
            printf '%s\tfail\n' "$test" >>"$RESULTS"
        fi
    done
}
