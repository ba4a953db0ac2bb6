# What a machine does to be a node of a cluster, at its first start and at each one after. The variables were set above:
# join, python, python_version, requirements, index, uv, guard, shutdown, service (`rayfaas.cloud.boot`).
set -eu
umask 077
HOME="${HOME:-/root}"
export HOME

fetch() {
    if command -v curl > /dev/null; then curl -LsSf "$1"; else wget -qO- "$1"; fi
}

# As a service it comes back with the machine: most providers run this script at the first start only. Whatever ends
# the guard, other than an order to stop, ends the machine; the provider's log of its console then says why.
become_service() {
    id rayfaas-node > /dev/null 2>&1 || useradd --system --create-home --home-dir /var/lib/rayfaas rayfaas-node
    mkdir -p /etc/rayfaas
    chmod 755 /etc/rayfaas
    cp "$0" /etc/rayfaas/boot
    chgrp rayfaas-node /etc/rayfaas/boot
    chmod 640 /etc/rayfaas/boot
    printf '%s\n' "$shutdown" > /etc/rayfaas/end
    cat > /etc/systemd/system/rayfaas-node.service << 'END'
[Unit]
Description=A node of a rayfaas cluster
Wants=network-online.target
After=network-online.target

[Service]
User=rayfaas-node
Environment=RAYFAAS_SERVICE=yes HOME=/var/lib/rayfaas
ExecStart=/bin/sh /etc/rayfaas/boot
StandardOutput=journal+console
ExecStopPost=+/bin/sh -c 'case "$$EXIT_STATUS" in 0|TERM) ;; *) sh /etc/rayfaas/end ;; esac'
TimeoutStopSec=30
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
END
    systemctl daemon-reload
    systemctl enable --now rayfaas-node.service
}

# The same versions as the server has, in an environment of their own, which is whole when it is marked so.
install() {
    environment="$directory/env-$(printf '%s' "$requirements $python_version" | cksum | cut -d ' ' -f 1)"
    python="$environment/bin/python"
    [ ! -e "$environment/whole" ] || return 0
    PATH="$directory/bin:$PATH"
    command -v uv > /dev/null || fetch "$uv" | UV_INSTALL_DIR="$directory/bin" UV_NO_MODIFY_PATH=1 sh
    rm -rf "$environment"
    uv venv --quiet --python "$python_version" "$environment"
    eval "set -- $requirements"
    uv pip install --quiet --python "$python" ${index:+--default-index "$index"} "$@"
    touch "$environment/whole"
}

if [ "$service" = yes ] && [ -z "${RAYFAAS_SERVICE:-}" ]; then
    become_service
    exit 0
fi
directory="$HOME/.rayfaas/node"
mkdir -p "$directory"
cd "$directory"  # Python looks for modules here first
[ -n "$python" ] || install
RAYFAAS_JOIN="$join"
export RAYFAAS_JOIN
eval "set -- $guard"
if [ "$service" = yes ] || [ -z "$shutdown" ]; then
    exec "$python" -m rayfaas.cluster.guard --directory "$directory" "$@"
fi
"$python" -m rayfaas.cluster.guard --directory "$directory" "$@" || sh -c "$shutdown"
