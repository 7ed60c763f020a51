# Ends the processes listed in "$1/pids" and removes "$1" after the owner has ended. stdin is a pipe
# that only the owner holds: it ends when the owner closes it or dies for any reason.
trap '' INT TERM HUP
dir=$1 keep=$2
cat >/dev/null

# A pid may have been assigned to another program: the start time (field 22 of stat; 20 after the name)
# distinguishes them.
ours() {
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  start=$2
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$start" ]
}

while read -r pid start _; do
  if ours "$pid" "$start"; then kill -KILL "$pid"; fi
done <"$dir/pids"
while read -r pid start _; do
  while ours "$pid" "$start"; do sleep 0.05; done
done <"$dir/pids"
if [ "$keep" = remove ]; then rm -rf -- "$dir"; fi
