# Runs the operator as its pod does: a read-only root with nothing of its own in it, no privileges, none to be had.
set -eu
root=$1 program=$2 kubeconfig=$3
mount -t tmpfs -o mode=0755 tmpfs "$root"
touch "$root/operator"
mount --bind "$program" "$root/operator"
install -m 0444 "$kubeconfig" "$root/kubeconfig"
# What a program that was built for tests is linked with; the image's is static.
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
