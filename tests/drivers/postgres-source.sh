# PostgreSQL 15's source, from Debian's source package, configured without extras.

# Leaves the source in $postgres_source and a build directory in $postgres_build.
fetch_postgres() {
    postgres_source=$SHUNT_CACHE/postgresql-15/source
    postgres_build=$SHUNT_CACHE/postgresql-15/build
    if [ ! -d "$postgres_source" ]; then
        lists=$SHUNT_CACHE/apt
        mkdir -p "$lists/sources" "$lists/lists/partial" "$SHUNT_CACHE/postgresql-15"
        # The machine's own package sources, with the source packages switched on.
        for file in /etc/apt/sources.list.d/*.sources; do
            grep -q '^Components:.*main' "$file" || continue
            sed 's/^Types: deb$/Types: deb-src/' "$file" >"$lists/sources/$(basename "$file")"
        done
        if [ -f /etc/apt/sources.list ]; then
            sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$lists/sources/main.list"
        fi
        set -- -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$lists/sources" \
            -o "Dir::State::Lists=$lists/lists"
        apt-get "$@" update
        # The source of the servers that are installed: a newer one may not be mirrored yet. Where that one is not either, any
        # that is: another minor version, a few of whose tests differ directly as well.
        version=$(dpkg-query -W -f '${Version}' postgresql-15 2>/dev/null || true)
        for wanted in $version $(apt-cache "$@" showsrc --only-source postgresql-15 | sed -n 's/^Version: //p'); do
            ! (cd "$SHUNT_CACHE/postgresql-15" && apt-get "$@" source --download-only "postgresql-15=$wanted") || break
        done
        dpkg-source -x "$SHUNT_CACHE"/postgresql-15/*.dsc "$postgres_source"
    fi
    if [ ! -f "$postgres_build/config.status" ]; then
        mkdir -p "$postgres_build"
        (cd "$postgres_build" &&
            "$postgres_source/configure" --without-readline --without-zlib --without-icu \
                CFLAGS=-O1 >/dev/null)
        make -s -C "$postgres_build/src/backend" generated-headers >/dev/null
    fi
}
