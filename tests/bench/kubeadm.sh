#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The yardstick: what a plain shell script needs for the cluster that cluster.yml makes. The same
# prepared hosts, the same files and images from the same mirror, the same settings; nothing for a
# second run, for failures or for a change. Started by cluster.py.
#
#   kubeadm.sh install STATE DOWNLOADS   make the cluster
#   kubeadm.sh wait STATE                until all nodes and pods are Ready and DNS answers on every host
#
# STATE: directory with the lab's ssh_config. DOWNLOADS: lines of `where sha256 url member destination`,
# where is `all` or `control`, member `-` for a file that is the program itself.
# Environment: CONTROL and WORKERS (host names), MIRROR (URL), KUBERNETES, PAUSE, FLANNEL (versions),
# TIMEOUT (seconds, for every wait).
set -euo pipefail

ACTION=${1:?usage: kubeadm.sh install STATE DOWNLOADS | wait STATE}
STATE=${2:?the directory with ssh_config}
CONTROL=${CONTROL:-cp1}
read -ra WORKERS <<<"${WORKERS:-worker1 worker2}"
MIRROR=${MIRROR:-https://mirror1}
MIRROR_CA=/etc/ssl/certs/site-mirror-ca.crt
KUBERNETES=${KUBERNETES:-1.36.3}
PAUSE=${PAUSE:-3.10.2}
FLANNEL=${FLANNEL:-v0.28.4}
POD_SUBNET=10.244.0.0/16
SERVICE_SUBNET=10.96.0.0/16
DNS_SERVICE=10.96.0.10
TIMEOUT=${TIMEOUT:-300}
STARTED=$SECONDS

say() { printf '%4d s  %s\n' "$((SECONDS - STARTED))" "$*" >&2; }

# Run bash as root on a host; its script comes on standard input, arguments follow the host.
on() {
    local host=$1
    shift
    # The script is read whole before it starts: none of its commands can take the rest for its input.
    # ssh hands the remote shell one string: quote each argument for it.
    # shellcheck disable=SC2016
    ssh -F "$STATE/ssh_config" -o BatchMode=yes "$host" \
        'sudo bash -c '\''exec bash -c "$(cat)" remote "$@" </dev/null'\'' bash'"$(printf ' %q' "$@")"
}

address() { ssh -F "$STATE/ssh_config" -G "$1" | awk '$1 == "hostname" { print $2 }'; }

# Wait for background jobs, name the one that failed.
finish() {
    local failed=0 entry
    for entry in "$@"; do
        wait "${entry%%:*}" || { say "failed: ${entry#*:}"; failed=1; }
    done
    return "$failed"
}

# Everything on a host before kubeadm. The table of downloads follows the script on standard input.
prepare() {
    local host=$1 role=$2
    {
        cat <<'REMOTE'
set -euo pipefail
role=$1 mirror=$2 mirror_ca=$3 pause=$4
export DEBIAN_FRONTEND=noninteractive
apt-get install -qq -y conntrack ethtool iptables socat >/dev/null

printf '%s\n' overlay br_netfilter >/etc/modules-load.d/kubernetes.conf
cat >/etc/sysctl.d/90-kubernetes.conf <<'END'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
vm.max_map_count = 262144
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
END
[ -e /proc/sys/net/bridge ] || modprobe br_netfilter
sysctl -q --load /etc/sysctl.d/90-kubernetes.conf
swapoff --all

ports=(10250/tcp 8472/udp)
[ "$role" != control ] || ports+=(6443/tcp 2379/tcp)
firewall-cmd -q --permanent "${ports[@]/#/--add-port=}"
firewall-cmd -q --permanent --zone=trusted --add-interface=cni0 --add-interface=flannel.1
firewall-cmd -q --reload

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p /opt/cni/bin /etc/cni/net.d
cat >"$work/table" <<'DOWNLOADS'
REMOTE
        awk -v role="$role" '$1 == "all" || $1 == role' "$DOWNLOADS"
        cat <<'REMOTE'
DOWNLOADS
fetch() {
    curl -fsS --cacert "$mirror_ca" -o "$work/$1" "$2"
    echo "$1  $work/$1" | sha256sum --check --quiet
}
jobs=()
while read -r sum url; do
    fetch "$sum" "$url" &
    jobs+=($!)
done < <(awk '{ print $2, $3 }' "$work/table" | sort -u)
for job in "${jobs[@]}"; do wait "$job"; done
while read -r _ sum _ member target; do
    if [ "$member" = - ]; then
        install -m 0755 "$work/$sum" "$target"
    else
        tar -xOf "$work/$sum" "$member" >"$target"
        chmod 0755 "$target"
    fi
done <"$work/table"

mkdir -p /etc/containerd
cat >/etc/containerd/config.toml <<END
version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "registry.k8s.io/pause:$pause"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
END
mkdir -p /etc/containerd/certs.d/_default
cat >/etc/containerd/certs.d/_default/hosts.toml <<END
server = "$mirror"
[host."$mirror"]
  capabilities = ["pull", "resolve"]
  ca = "$mirror_ca"
END
cat >/etc/systemd/system/containerd.service <<'END'
[Unit]
After=network.target
[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
TasksMax=infinity
[Install]
WantedBy=multi-user.target
END

mkdir -p /etc/systemd/system/kubelet.service.d /etc/kubernetes/manifests
cat >/etc/systemd/system/kubelet.service <<'END'
[Unit]
After=containerd.service
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/kubelet.service.d/10-kubeadm.conf <<'END'
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS
END

if [ "$role" = control ]; then
    # On the loopback address only, so that it needs no certificates.
    cat >/etc/systemd/system/etcd.service <<'END'
[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --data-dir=/var/lib/etcd/data --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379
Restart=always
[Install]
WantedBy=multi-user.target
END
fi
systemctl daemon-reload
systemctl enable --now --quiet containerd.service
systemctl enable --quiet kubelet.service
[ "$role" != control ] || systemctl enable --now --quiet etcd.service
REMOTE
    } | on "$host" "$role" "$MIRROR" "$MIRROR_CA" "$PAUSE"
}

init() {
    on "$CONTROL" "$(address "$CONTROL")" "$KUBERNETES" "$POD_SUBNET" "$SERVICE_SUBNET" "$CONTROL" <<'REMOTE'
set -euo pipefail
export PATH=/usr/local/bin:$PATH
address=$1 kubernetes=$2 pods=$3 services=$4 name=$5
cat >/etc/kubernetes/kubeadm.yaml <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: $address
nodeRegistration:
  name: $name
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: IfNotPresent
  imagePullSerial: false
  kubeletExtraArgs:
    - {name: node-ip, value: $address}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v$kubernetes
controlPlaneEndpoint: $address:6443
networking:
  podSubnet: $pods
  serviceSubnet: $services
etcd:
  external:
    endpoints: [http://127.0.0.1:2379]
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: [pods]
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1Gi
  imagefs.available: 1Gi
imageGCHighThresholdPercent: 100
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $pods
conntrack:
  maxPerCore: 0
END
kubeadm init --config=/etc/kubernetes/kubeadm.yaml --skip-token-print \
    --ignore-preflight-errors=SystemVerification >/var/log/kubeadm-init.log 2>&1 \
    || { tail -n 40 /var/log/kubeadm-init.log >&2; exit 1; }
REMOTE
}

join_command() {
    on "$CONTROL" <<'REMOTE'
/usr/local/bin/kubeadm token create --print-join-command --kubeconfig=/etc/kubernetes/admin.conf
REMOTE
}

# join HOST COMMAND: COMMAND is what kubeadm printed.
join() {
    on "$1" "$1" "$(address "$1")" "$2" <<'REMOTE'
set -euo pipefail
export PATH=/usr/local/bin:$PATH
# Word splitting is meant: the third argument is a command line.
# shellcheck disable=SC2086
$3 --node-name="$1" --cri-socket=unix:///run/containerd/containerd.sock \
    --ignore-preflight-errors=SystemVerification >/var/log/kubeadm-join.log 2>&1 \
    || { tail -n 40 /var/log/kubeadm-join.log >&2; exit 1; }
REMOTE
}

flannel() {
    on "$CONTROL" "$FLANNEL" "$POD_SUBNET" <<'REMOTE'
set -euo pipefail
/usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/admin.conf apply -f - >/dev/null <<END
apiVersion: v1
kind: Namespace
metadata:
  name: kube-flannel
  labels: {pod-security.kubernetes.io/enforce: privileged}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: flannel, namespace: kube-flannel}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: flannel}
rules:
  - {apiGroups: [""], resources: [pods], verbs: [get]}
  - {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
  - {apiGroups: [""], resources: [nodes/status], verbs: [patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: flannel}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flannel}
subjects: [{kind: ServiceAccount, name: flannel, namespace: kube-flannel}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flannel, namespace: kube-flannel}
data:
  cni-conf.json: |
    {"name": "cbr0", "cniVersion": "0.3.1", "plugins": [
      {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
      {"type": "portmap", "capabilities": {"portMappings": true}}]}
  net-conf.json: |
    {"Network": "$2", "EnableNFTables": true, "Backend": {"Type": "vxlan", "Port": 8472, "VNI": 1}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: flannel, namespace: kube-flannel}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata:
      labels: {app: flannel}
    spec:
      hostNetwork: true
      priorityClassName: system-node-critical
      serviceAccountName: flannel
      tolerations: [{operator: Exists, effect: NoSchedule}, {operator: Exists, effect: NoExecute}]
      initContainers:
        - name: install-cni
          image: ghcr.io/flannel-io/flannel:$1
          command: [cp, -f, /etc/kube-flannel/cni-conf.json, /etc/cni/net.d/10-flannel.conflist]
          volumeMounts:
            - {name: cni, mountPath: /etc/cni/net.d}
            - {name: config, mountPath: /etc/kube-flannel}
      containers:
        - name: flannel
          image: ghcr.io/flannel-io/flannel:$1
          command: [/opt/bin/flanneld]
          args: [--ip-masq, --kube-subnet-mgr, --iface=\$(HOST_IP)]
          env:
            - {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
            - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
          resources: {requests: {cpu: 50m, memory: 50Mi}}
          securityContext: {capabilities: {add: [NET_ADMIN, NET_RAW]}}
          volumeMounts:
            - {name: run, mountPath: /run/flannel}
            - {name: config, mountPath: /etc/kube-flannel}
            - {name: xtables-lock, mountPath: /run/xtables.lock}
      volumes:
        - {name: run, hostPath: {path: /run/flannel, type: DirectoryOrCreate}}
        - {name: cni, hostPath: {path: /etc/cni/net.d, type: DirectoryOrCreate}}
        - {name: config, configMap: {name: flannel}}
        - {name: xtables-lock, hostPath: {path: /run/xtables.lock, type: FileOrCreate}}
END
REMOTE
}

# Nodes first: a DaemonSet has no pod on a node that is not there yet.
wait_ready() {
    on "$CONTROL" "$((${#WORKERS[@]} + 1))" "$TIMEOUT" <<'REMOTE'
set -euo pipefail
nodes=$1 timeout=$2
k() { /usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/admin.conf "$@"; }
for (( tried = 0; ; tried++ )); do
    found=$(k get nodes --no-headers 2>/dev/null | wc -l)
    [ "$found" -lt "$nodes" ] || break
    [ "$tried" -lt "$timeout" ] || { echo "expected $nodes nodes, found $found" >&2; exit 1; }
    sleep 1
done
k wait nodes --all --for=condition=Ready --timeout="${timeout}s" >/dev/null
for (( tried = 0; ; tried++ )); do
    # Every DaemonSet and Deployment has all the pods it wants, and all of them are Ready.
    lacking=$(k get daemonsets,deployments --all-namespaces --no-headers -o \
        'custom-columns=n:.metadata.name,a:.status.desiredNumberScheduled,b:.status.numberReady,c:.spec.replicas,d:.status.readyReplicas' \
        | awk '$2 != $3 || $4 != $5 { print $1 }')
    waiting=$(k get pods --all-namespaces --no-headers | awk '$4 != "Completed" { split($3, ready, "/"); if (ready[1] != ready[2]) print $2 }')
    [ -n "$lacking$waiting" ] || break
    [ "$tried" -lt "$timeout" ] || { echo "not Ready: $lacking $waiting" >&2; exit 1; }
    sleep 1
done
REMOTE
    local jobs=() host
    for host in "$CONTROL" "${WORKERS[@]}"; do
        answers "$host" &
        jobs+=("$!:DNS on $host")
    done
    finish "${jobs[@]}"
}

# The cluster's DNS answers on a host, by the Service's address.
answers() {
    on "$1" "$DNS_SERVICE" <<'REMOTE'
exec python3 - "$1" <<'PYTHON'
import socket, struct, sys

names = "kubernetes.default.svc.cluster.local".split(".")
question = b"".join(bytes([len(name)]) + name.encode() for name in names) + b"\0" + struct.pack(">HH", 1, 1)
for attempt in range(30):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        try:
            client.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, (sys.argv[1], 53))
            answer = client.recv(512)
        except OSError:
            continue
    if struct.unpack(">HHHH", answer[:8])[3] > 0:
        sys.exit(0)
sys.exit(f"no answer from {sys.argv[1]} port 53")
PYTHON
REMOTE
}

case $ACTION in
install)
    DOWNLOADS=${3:?the table of downloads}
    jobs=()
    prepare "$CONTROL" control &
    jobs+=("$!:prepare $CONTROL")
    for host in "${WORKERS[@]}"; do
        prepare "$host" worker &
        jobs+=("$!:prepare $host")
    done
    finish "${jobs[@]}"
    say "hosts prepared"
    init
    say "control plane started"
    command=$(join_command)
    flannel &
    jobs=("$!:flannel")
    for host in "${WORKERS[@]}"; do
        join "$host" "$command" &
        jobs+=("$!:join $host")
    done
    finish "${jobs[@]}"
    say "workers joined"
    ;;
wait)
    wait_ready
    say "ready"
    ;;
*)
    echo "unknown action: $ACTION" >&2
    exit 2
    ;;
esac
