# A virtual environment with the drivers, and source distributions of what is installed in it.

fetch_python() {
    if [ ! -e "$SHUNT_CACHE/python/complete" ]; then
        python3 -m venv "$SHUNT_CACHE/python"
        "$SHUNT_CACHE/python/bin/pip" install --quiet \
            asyncpg sqlalchemy 'psycopg[binary]' pg8000 greenlet distro pytest
        touch "$SHUNT_CACHE/python/complete"
    fi
}

# Unpacks a source distribution of the installed version below $SHUNT_CACHE/sdist.
fetch_sdist() {
    version=$("$SHUNT_CACHE/python/bin/pip" show "$1" | sed -n 's/^Version: //p')
    mkdir -p "$SHUNT_CACHE/sdist"
    (cd "$SHUNT_CACHE/sdist" &&
        "$SHUNT_CACHE/python/bin/pip" download --quiet --no-deps --no-binary "$1" "$1==$version" &&
        tar xzf "$1-$version.tar.gz")
}
