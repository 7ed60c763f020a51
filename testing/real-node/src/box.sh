# PID 1 of one node, in separate namespaces (mount, network, PIDs, IPC, host name): nothing done
# here is visible outside of them, and all of it ends with this shell. The variables and the files
# in $DIR come from node.rs.
set -euo pipefail
hostname "$NODE"

# A sysfs of this network namespace, with the machine's cgroup controllers in it. Without "unified", so
# that every library takes the path of version 1.
controllers="$DIR/controllers"
mkdir -p "$DIR"/var/{lib/containerd,lib/kubelet,log/pods,log/containers,tmp} "$controllers"
mount --rbind /sys/fs/cgroup "$controllers"
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for controller in $CONTROLLERS; do
  mkdir "/sys/fs/cgroup/$controller"
  mount --bind "$controllers/$controller" "/sys/fs/cgroup/$controller"
  # The kubelet requires its root in every controller.
  mkdir -p "/sys/fs/cgroup/$controller$CGROUP"
done
umount -l "$controllers"
# With an empty set of CPUs no container starts.
for group in "${CGROUP%/*}" "$CGROUP"; do
  for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset$group/$file"
  done
done

# Outside of groups each process of the machine counts as much as all pods together would.
echo 32768 >"/sys/fs/cgroup/cpu${CGROUP%/*}/cpu.shares"

mount -t tmpfs -o mode=755 run /run
mkdir /run/lock
mount --bind "$DIR/var" /var
ln -sfn /run /var/run
# The kubelet insists on these settings, which apply to the whole machine: it sees the desired
# values, and nothing changes.
for wanted in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file="/run/sysctl/${wanted%=*}"
  mkdir -p "${file%/*}"
  echo "${wanted#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${wanted%=*}"
done
# Volumes are mounted into running pods.
mount --make-rshared /

# No default route: no pod can leave the machine.
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
while read -r subnet gateway; do ip route add "$subnet" via "$gateway"; done <"$DIR/routes"

export PATH="$BIN:$PATH"
containerd --config "$DIR/containerd.toml" >"$DIR/containerd.log" 2>&1 &
until ctr --address "$DIR/containerd.sock" version >/dev/null 2>&1; do sleep 0.05; done
# The sandbox image, before the first pod.
ctr --address "$DIR/containerd.sock" --namespace k8s.io images import --local "$IMAGES/pause.tar" >/dev/null
kubelet --config="$DIR/kubelet.yaml" --kubeconfig="$DIR/kubelet.kubeconfig" --hostname-override="$NODE" \
  --node-ip="$ADDRESS" --root-dir=/var/lib/kubelet --v=2 >"$DIR/kubelet.log" 2>&1 &
kube-proxy --config="$DIR/proxy.yaml" --hostname-override="$NODE" --v=2 >"$DIR/kube-proxy.log" 2>&1 &
# Also reaps what containers leave behind. When one of the three ends, the node ends.
wait -n
echo "containerd, the kubelet or kube-proxy ended by itself; see their logs in $DIR"
