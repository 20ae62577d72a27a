#!/bin/bash
# Makes a real Elasticsearch in build/, from the published server jar: `scripts/elasticsearch.sh build`.
# Runs it on loopback until it is ended: `scripts/elasticsearch.sh run FOLDER PORT`.
# ELASTICSEARCH_LINE=9 takes version 9 in the place of 8; it needs Java 21 or newer (JAVA_HOME says where it is).
#
# The server's modules are not published, so two small classes of ours stand in for HTTP and for the way to other nodes;
# what it stores and answers is Elasticsearch's. Exit 3: it cannot be had here, and the words say why.
set -euo pipefail
cd "$(dirname "$0")/.."
line=${ELASTICSEARCH_LINE:-8}
made=build/elasticsearch-$line
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
oldest=17
[[ $line == 9 ]] && oldest=21

missing() {
    echo "A real Elasticsearch $line cannot be had here: $*" >&2
    exit 3
}

build() {
    [[ -f $made/.made && -z $(find scripts/elasticsearch -newer "$made/.made" -type f) ]] && return
    command -v "${java}c" >/dev/null || missing "there is no Java compiler (Debian: default-jdk-headless, 17 or newer)."
    command -v mvn >/dev/null || missing "there is no Maven (Debian: maven)."
    local version
    version=$("${java}c" -version 2>&1 | grep -oE '[0-9]+' | head -1)
    [[ $version -ge $oldest ]] || missing "it needs Java $oldest or newer, and this is $version; set JAVA_HOME to another."
    mkdir -p "$made"
    echo "Making a real Elasticsearch $line in $made"
    local profile=()
    [[ $line == 9 ]] && profile=(-P 9)
    mvn --quiet --batch-mode "${profile[@]}" --file scripts/elasticsearch/pom.xml process-classes >"$made/maven.log" 2>&1 ||
        missing "Maven failed: $(grep -m1 ERROR "$made/maven.log" || echo "see $made/maven.log")"
    touch "$made/.made"
}

case ${1:-} in
    build) build ;;
    run)
        [[ -f $made/.made ]] || missing "it is not made yet: scripts/elasticsearch.sh build"
        exec "$java" -Xms256m -Xmx512m -cp "$made/classes:$made/lib/*" org.elasticsearch.node.SingleNode "$2" "$3"
        ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" ;;
esac
