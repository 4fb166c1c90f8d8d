# What applications do with node-postgres and its cursors, streams and COPY.

fetch() {
    command -v npm >/dev/null || { echo "node and npm are missing" >&2; return 1; }
    export NODE_PACKAGES="$SHUNT_CACHE/node" SMOKE="$here/smoke"
    if [ ! -e "$NODE_PACKAGES/complete" ]; then
        mkdir -p "$NODE_PACKAGES"
        (cd "$NODE_PACKAGES" && npm install --silent --no-audit --no-fund --prefix . \
            pg pg-cursor pg-query-stream pg-copy-streams)
        touch "$NODE_PACKAGES/complete"
    fi
}

suite() {
    timeout 120 node "$SMOKE/node_smoke.js"
}
