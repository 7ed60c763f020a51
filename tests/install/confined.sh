# Runs the operator as its pod does: a read-only root without files of its own, no privileges, and
# no way to gain any.
set -eu
root=$1 program=$2 kubeconfig=$3
mount -t tmpfs -o mode=0755 tmpfs "$root"
touch "$root/operator"
mount --bind "$program" "$root/operator"
install -m 0444 "$kubeconfig" "$root/kubeconfig"
# The libraries of a program built for tests; the image's program is static.
for directory in usr bin lib lib64; do
  if [ -L "/$directory" ]; then
    cp -P "/$directory" "$root/"
  elif [ -d "/$directory" ]; then
    mkdir "$root/$directory"
    mount --bind "/$directory" "$root/$directory"
    mount -o remount,bind,ro "$root/$directory"
  fi
done
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid=65532 --regid=65532 --clear-groups --inh-caps=-all --ambient-caps=-all \
  --bounding-set=-all --no-new-privs /operator run
