# Counts what `cargo test` printed, by level: a test binary's name, or what it belongs to. `properties` names the tests that stand in
# a proptest! block. With CI=true an ignored test is an error.

BEGIN {
  for (i = split(properties, names); i > 0; i--) property[names[i]]
  of["lib"] = of["main"] = of["privacy"] = of["cli"] = "unit"; of["sealing"] = "golden"
  of["layers"] = "house"
}
function count(what, column, n) {
  if (!(what in seen)) { seen[what]; order[++levels] = what }
  total[what, column] += n
}
$1 == "Running" {
  split($2 == "unittests" ? $3 : $2, part, /[\/.]/); name = part[2]; drawn = 0
  level = name in of ? of[name] : name
}
$1 == "Doc-tests" { level = "docs"; drawn = 0 }
$1 == "test" && / \.\.\. ok$/ { n = split($2, part, "::"); if (part[n] in property) drawn++ }
$1 == "test" && $2 == "result:" {
  count(level, "passed", $4 - drawn); count(level, "failed", $6); count(level, "ignored", $8)
  if (drawn) count("property", "passed", drawn)
  ignored += $8; all += $4
}
END {
  printf "\n%-12s %7s %7s %7s\n", "level", "passed", "failed", "ignored"
  for (i = 1; i <= levels; i++) {
    what = order[i]
    printf "%-12s %7d %7d %7d\n", what, total[what, "passed"], total[what, "failed"], total[what, "ignored"]
  }
  printf "%-12s %7d\n", "all", all
  if (ignored && ENVIRON["CI"] == "true") { print "no test may be ignored here"; exit 1 }
}
