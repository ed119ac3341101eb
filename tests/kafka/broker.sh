# shellcheck shell=bash
# A real Apache Kafka on this machine: sourced by ../../dev, in whose folder it works and whose say, die, has and need_java it uses.
# Each broker has a folder of its own with its settings, data, log and pid, so several may run at once.

# The first compiler alone and the serial collector: a broker that lives for seconds starts in half the time.
JVM=(-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

# jars: Kafka's class path, as a folder that is whole if it is there; prints it. Runs may overlap.
jars() {
  local jars
  jars="$PWD/target/kafka/jars-$(cksum <tests/kafka/pom.xml | cut -d' ' -f1)"
  if [ ! -d "$jars" ]; then
    say "fetching Apache Kafka (100 MB, once)"
    mvn -B -q -f tests/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars.$$" >&2
    mv "$jars.$$" "$jars" 2>/dev/null || rm -rf "$jars.$$"
  fi
  [ -f "$jars/classes.jsa" ] || archive "$jars"
  printf '%s\n' "$jars"
}

# archive JARS: leaves the classes of a broker beside the jars, parsed (JEP 350), for which one lives for a moment: all others
# start in half the time. Where there is none, Java goes without.
archive() {
  local dir="$PWD/target/kafka/archive.$$"
  say "preparing Kafka's classes (once)"
  mkdir -p "$dir"
  format "$1" "" "$dir"
  if launch "$dir" "$1" "-XX:ArchiveClassesAtExit=$dir/classes.jsa"; then
    kill -TERM "$(cat "$dir/pid")"
    wait "$(cat "$dir/pid")" || true # ended by a signal
    mv "$dir/classes.jsa" "$1/" || say "there is no archive: brokers will start slower"
  fi
  rm -rf "$dir"
}

# running DIR: is DIR's broker alive? Neither a zombie nor a stranger under a reused id has its name in the command line.
running() {
  local pid line
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  line=$({ tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o command= -p "$pid"; } 2>/dev/null) || return 1
  case "$line" in *" $1/broker.properties"*) true ;; *) false ;; esac
}

# A port nobody listens on, below those that systems give to clients: a restarted broker finds its own still free.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  printf '%s\n' "$port"
}

# launch DIR JARS [OPTION]: starts DIR's broker and waits until it serves; the option is Java's, for its archive of classes
launch() {
  local deadline=$((SECONDS + 120)) pid archive=${3:--XX:SharedArchiveFile=$2/classes.jsa}
  : >"$1/log"
  nohup java "${JVM[@]}" "$archive" -Dlog4j2.level=INFO -cp "$2/*" \
    kafka.Kafka "$1/broker.properties" >>"$1/log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$1/pid"
  until grep -q 'Kafka Server started' "$1/log"; do
    kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# format JARS PORT DIR…: settings and empty storage of a new broker, or of a cluster of one broker in each folder, each of which may be
# its controller
format() {
  local jars=$1 port=$2 id=0 addresses="" voters="" dir brokers=() controllers=()
  shift 2
  for dir; do
    brokers+=("${port:-$(free_port)}")
    controllers+=("$(free_port)")
    addresses+="${addresses:+,}127.0.0.1:${brokers[id]}"
    voters+="${voters:+,}$((id + 1))@127.0.0.1:${controllers[id]}"
    id=$((id + 1))
  done
  id=0
  for dir; do
    rm -rf "$dir/data"
    {
      cat tests/kafka/broker.properties
      [ $# = 1 ] || cat tests/kafka/cluster.properties
      cat "$dir/more.properties" 2>/dev/null || true
    } | sed -e "s|@node@|$((id + 1))|" -e "s|@broker@|${brokers[id]}|" -e "s|@controller@|${controllers[id]}|" \
      -e "s|@voters@|$voters|" -e "s|@data@|$dir/data|" -e "s|@other@|$(free_port)|" >"$dir/broker.properties"
    java "${JVM[@]}" "-XX:SharedArchiveFile=$jars/classes.jsa" -cp "$jars/*" kafka.tools.StorageTool format \
      --cluster-id 4L6g3nShT-eMCtK--X86sw --config "$dir/broker.properties" >"$dir/log" 2>&1 ||
      die "storage was not formatted, see $dir/log"
    printf '%s\n' "$addresses" >"$dir/bootstrap"
    id=$((id + 1))
  done
}

# launch_all JARS DIR…: launches the broker of each folder at once, for those of a cluster wait for each other
launch_all() {
  local jars=$1 dir pid failed=0 pids=()
  shift
  for dir; do
    launch "$dir" "$jars" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return $failed
}

# start PORT DIR…: a new broker, a new cluster of one in each folder, or those whose data is there, on their old ports; prints the
# bootstrap addresses
start() {
  local port=$1 jars fresh dir i
  shift
  case $port,$(cat "$1/bootstrap" 2>/dev/null) in
    ,* | *, | "$port",*:"$port") ;;
    *) die "the broker in $1 has another port: $(cat "$1/bootstrap"); stop it and remove that folder for a new one" ;;
  esac
  need_java
  jars=$(jars)
  if running "$1"; then cat "$1/bootstrap"; return; fi
  for i in 1 2 3; do
    fresh=no
    if [ ! -f "$1/bootstrap" ]; then fresh=yes; format "$jars" "$port" "$@"; fi
    say "starting Kafka in $*"
    if launch_all "$jars" "$@"; then cat "$1/bootstrap"; return; fi
    for dir; do stop "$dir"; done
    cat "${@/%//log}" | grep -q 'Address already in use' || break
    # Somebody took a port: a new broker chooses others, an old one waits for its own.
    if [ "$fresh" = yes ]; then rm "$1/bootstrap"; else sleep "$i"; fi
  done
  for dir; do tail -n 20 "$dir/log" >&2; done
  die "Kafka did not start, see $1/log"
}

# stop DIR: asks, then insists after ten seconds; returns when it has ended. Its data stays.
stop() {
  local pid i
  if running "$1"; then
    pid=$(cat "$1/pid")
    kill -TERM "$pid"
    kill -CONT "$pid" # a stopped process does not hear it
    for i in $(seq 100); do running "$1" || break; sleep 0.1; done
    if running "$1"; then kill -KILL "$pid"; while running "$1"; do sleep 0.1; done; fi
  fi
  rm -f "$1/pid"
}

# tool CLASS ARGS…: one of Kafka's own tools, on the broker that `start` without --dir started
tool() {
  local dir=$PWD/target/kafka/broker class=$1
  shift
  running "$dir" || die "no broker runs; start one: ./dev kafka start"
  need_java
  java "${JVM[@]}" -cp "$(jars)/*" "org.apache.kafka.tools.$class" --bootstrap-server "$(cat "$dir/bootstrap")" "$@"
}

kafka() {
  local verb=${1:-} i dir port="" dirs=()
  [ $# -eq 0 ] || shift
  case $verb in
    topics) tool TopicCommand "$@"; return ;;
    produce) tool ConsoleProducer "$@"; return ;;
    consume) tool consumer.ConsoleConsumer "$@"; return ;;
    groups) tool consumer.group.ConsumerGroupCommand "$@"; return ;;
  esac
  while [ $# -gt 1 ]; do
    case $1 in --dir) dirs+=("$2") ;; --port) port=$2 ;; *) die "unknown option $1" ;; esac
    shift 2
  done
  [ $# -eq 0 ] || die "kafka $verb: $1 is unknown or needs a value"
  case $verb in
    start | stop) ;;
    *) die "kafka start [--dir DIR]… [--port PORT] | stop [--dir DIR]… | topics|produce|consume|groups ARGS…; several DIRs: a cluster" ;;
  esac
  case $port in *[!0-9]*) die "kafka $verb: --port $port is no number" ;; esac
  [ "${#dirs[@]}" -gt 0 ] || dirs=(target/kafka/broker)
  mkdir -p "${dirs[@]}"
  for i in "${!dirs[@]}"; do dirs[i]=$(cd "${dirs[i]}" && pwd); done
  case $verb in
    start) start "$port" "${dirs[@]}" ;;
    stop) for dir in "${dirs[@]}"; do stop "$dir"; done ;;
  esac
}
