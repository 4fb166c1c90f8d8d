# What applications do with lib/pq and pgx 4, from Debian's packages.

fetch() {
    if ! command -v go >/dev/null || [ ! -d /usr/share/gocode/src/github.com/jackc/pgx ]; then
        apt-get install -y -q --no-install-recommends golang-go golang-github-lib-pq-dev \
            golang-github-jackc-pgx-v4-dev >&2
    fi
    export GO_SMOKE="$SHUNT_CACHE/go/smoke"
    mkdir -p "$SHUNT_CACHE/go/src/smoke"
    cp "$here/smoke/go/smoke.go" "$SHUNT_CACHE/go/src/smoke/"
    (cd "$SHUNT_CACHE/go/src/smoke" &&
        GO111MODULE=off GOFLAGS= GOPATH="$SHUNT_CACHE/go:/usr/share/gocode" go build -o "$GO_SMOKE" smoke.go)
}

suite() {
    timeout 120 "$GO_SMOKE"
}
