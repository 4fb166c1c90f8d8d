# What applications do with pgjdbc, from Debian's package.

fetch() {
    command -v javac >/dev/null || { echo "a JDK is missing" >&2; return 1; }
    export JDBC=/usr/share/java/postgresql.jar CLASSES="$SHUNT_CACHE/jdbc"
    if [ ! -e "$JDBC" ]; then
        apt-get install -y -q --no-install-recommends libpostgresql-jdbc-java >&2
    fi
    mkdir -p "$CLASSES"
    javac -cp "$JDBC" -d "$CLASSES" "$here/smoke/JdbcSmoke.java"
}

suite() {
    timeout 120 java -cp "$JDBC:$CLASSES" JdbcSmoke
}
