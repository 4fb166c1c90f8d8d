# The tests in tokio-postgres's crate. They want port 5433 and the roles of their Docker image.

bed_options="--port 5433 --sql $here/suites/tokio_postgres.sql
    --hba $here/suites/tokio_postgres.hba
    --user pass_user:password --user md5_user:password --user scram_user:password
    --user ssl_user"

fetch() {
    tokio=$SHUNT_CACHE/tokio-postgres
    if [ ! -d "$tokio/source" ]; then
        cargo fetch --quiet --locked
        manifest=$(cargo metadata --format-version 1 --locked |
            tr ',' '\n' | sed -n 's|.*"manifest_path":"\(.*/tokio-postgres-[0-9.]*/Cargo.toml\)".*|\1|p' | head -1)
        mkdir -p "$tokio"
        cp -r "$(dirname "$manifest")" "$tokio/source"
        chmod -R u+w "$tokio/source"
        printf '\n[workspace]\n' >>"$tokio/source/Cargo.toml"
    fi
    (cd "$tokio/source" && cargo test --no-run --target-dir "$tokio/target")
    export TOKIO="$tokio"
}

suite() {
    cd "$TOKIO/source"
    timeout 300 cargo test --quiet --no-fail-fast --target-dir "$TOKIO/target" --test test -- \
        --format=pretty --test-threads=4 | tee "$WORK/output"
    sed -n 's/^test \([^ ]*\)\( - should panic\)\{0,1\} \.\.\. \(.*\)$/\1\t\3/p' "$WORK/output" >"$RESULTS"
}
