#!/bin/sh
# Installs, upgrades, removes and purges two versions of the package in a chroot.
#
# usage: deb_in_chroot.sh ROOT OLD NEW
# ROOT is a fresh system with systemd and adduser; OLD and NEW are packages in ROOT, as absolute paths
# there. Run it in network, mount and pid namespaces of its own. systemd is never started.
set -eu
root=$1 old=$2 new=$3

ip link set lo up
mount -t proc proc "$root/proc"

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
files() { in_root find / -xdev \( -path /proc -o -path /run -o -path /var/lib/dpkg -o -path /var/log \
    -o -path /var/cache -o -path /packages \) -prune -o -print | sort; }
version() { in_root dpkg-query -W -f '${Version}' ron-gateway; }

# Answers of the installed program, run by the service's user with the installed configuration.
serves() {
    in_root setpriv --reuid ron-gateway --regid ron-gateway --clear-groups \
        ron-gateway --config /etc/ron/gateway.toml >"$root/packages/log" 2>&1 &
    pid=$!
    in_root bash -c '
        for i in $(seq 100); do
            if { exec 3<>/dev/tcp/127.0.0.1/9909; } 2>/dev/null; then break; fi
            sleep 0.1
        done
        printf "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n" >&3
        read -r status <&3
        case $status in *" 200 "*) ;; *) echo "readyz: $status"; exit 1 ;; esac
        exec 4<>/dev/tcp/127.0.0.1/9444
        echo hello >&4
        read -r answer <&4
        [ "$answer" = hello ]' || { cat "$root/packages/log"; fail "the service does not answer"; }
    kill -TERM "$(in_root pgrep -x ron-gateway)"
    wait "$pid" || fail "the service ended with $?"
}

files >"$root/packages/before"
cp "$root/etc/passwd" "$root/packages/passwd"

in_root dpkg -i "$old" >/dev/null || fail "install"
first=$(version)
in_root getent passwd ron-gateway | grep -q ':/nonexistent:/usr/sbin/nologin$' || fail "the user"
[ "$(in_root ron-gateway check --config /etc/ron/gateway.toml 2>&1 >/dev/null)" = "" ] \
    || fail "check warns of the example configuration"
said=$(in_root systemd-analyze verify ron-gateway.service ron-gateway.socket 2>&1) \
    || fail "systemd-analyze verify: $said"
[ -z "$said" ] || fail "systemd-analyze verify: $said"
exposure=$(in_root systemd-analyze security --offline=true --no-pager --threshold=20 \
    ron-gateway.service | tail -n 1) || fail "systemd-analyze security: $exposure"
[ -z "$(in_root systemctl list-unit-files --state=enabled 'ron-gateway*' --no-legend)" ] \
    || fail "the installation enables a unit"
serves
in_root systemctl -q enable ron-gateway.service ron-gateway.socket
echo "installed      $first: check, verify and /readyz pass; exposure $(echo "$exposure" | sed 's/.*: \([0-9.]*\).*/\1/')"

echo '# changed by the administrator' >>"$root/etc/ron/gateway.toml"
in_root dpkg -i "$new" >/dev/null </dev/null || fail "upgrade"
second=$(version)
[ "$first" != "$second" ] || fail "the upgrade left version $first"
grep -q 'changed by the administrator' "$root/etc/ron/gateway.toml" || fail "the upgrade lost an edit"
in_root systemctl -q is-enabled ron-gateway.service || fail "the upgrade disabled the service"
[ "$(in_root dpkg -V ron-gateway)" = "??5?????? c /etc/ron/gateway.toml" ] || fail "dpkg -V"
serves
echo "upgraded       $second: the edited configuration and the enabled units stay"

in_root dpkg -i "$old" >/dev/null 2>&1 </dev/null || fail "downgrade"
[ "$(version)" = "$first" ] || fail "the downgrade left $(version)"
serves
echo "rolled back    $first"

in_root dpkg -r ron-gateway >/dev/null || fail "remove"
[ ! -e "$root/usr/bin/ron-gateway" ] || fail "the program stays after its removal"
[ -e "$root/etc/ron/gateway.toml" ] || fail "the removal deletes the configuration"
in_root dpkg -i "$new" >/dev/null </dev/null || fail "second installation"
in_root systemctl -q is-enabled ron-gateway.service || fail "the second installation disables the service"
in_root dpkg -P ron-gateway >/dev/null || fail "purge"
files >"$root/packages/after"
diff "$root/packages/before" "$root/packages/after" || fail "the purge leaves files, or removes some"
diff "$root/packages/passwd" "$root/etc/passwd" || fail "the purge leaves the user"
[ -z "$(in_root dpkg --audit)" ] || fail "dpkg --audit"
echo "purged         no file, link or user is left"
