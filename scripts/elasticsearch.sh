#!/bin/bash
# Makes a real Elasticsearch in build/elasticsearch, from the published server jar: `scripts/elasticsearch.sh build`.
# Runs it on loopback until it is ended: `scripts/elasticsearch.sh run FOLDER PORT`.
#
# The server's modules are not published, so two small classes of ours stand in for HTTP and for the way to other nodes;
# what it stores and answers is Elasticsearch's. Exit 3: it cannot be had here, and the words say why.
set -euo pipefail
cd "$(dirname "$0")/.."
made=build/elasticsearch

missing() {
    echo "A real Elasticsearch cannot be had here: $*" >&2
    exit 3
}

build() {
    [[ -f $made/.made && -z $(find scripts/elasticsearch -newer "$made/.made" -type f) ]] && return
    command -v javac >/dev/null || missing "there is no Java compiler (Debian: default-jdk-headless, 17 or newer)."
    command -v mvn >/dev/null || missing "there is no Maven (Debian: maven)."
    mkdir -p "$made"
    echo "Making a real Elasticsearch in $made"
    mvn --quiet --batch-mode --file scripts/elasticsearch/pom.xml process-classes >"$made/maven.log" 2>&1 ||
        missing "Maven failed: $(grep -m1 ERROR "$made/maven.log" || echo "see $made/maven.log")"
    touch "$made/.made"
}

case ${1:-} in
    build) build ;;
    run)
        [[ -f $made/.made ]] || missing "it is not made yet: scripts/elasticsearch.sh build"
        exec java -Xms256m -Xmx512m -cp "$made/classes:$made/lib/*" org.elasticsearch.node.SingleNode "$2" "$3"
        ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" ;;
esac
