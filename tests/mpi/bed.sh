# Several hosts on one machine, to be sourced: network and UTS namespaces in racks, links shaped by tbf, and a
# user-space cable (wire.c) from each rack to the core. Needs root, iproute2 and /dev/net/tun.
#
#   bed_can_run             0 when this machine lets us; else the reason stands in $bed_reason
#   bed_up RACKS HOSTS      hosts h0 h1 ... numbered through the racks
#   bed_mpirun ARGS...      Open MPI over all of them, one rank each (BED_SLOTS more)
#   bed_rate HOST RATE      sets what a host sends at (tbf's units), bed_rate_in what it receives at
#   bed_link FROM TO RATE   gives what FROM sends to TO, both of one rack, a cable of its own with this rate
#   bed_mtu HOST BYTES      the longest frames that the switch takes from a host, and sends to it
#   bed_least_us FROM TO    the least latency between two hosts by a bare ping-pong, microseconds
#   bed_cut HOST            takes a host's link down
#   bed_cut_rack RACK       drops everything on a rack's uplink, silently
#   bed_down                removes all
#
# BED_RAILS (1; 2: a second card, eth1, on every host), BED_RATE (1gbit), BED_UPLINK_MBIT (200), BED_DELAY_US (300 from rack to rack), BED_LOSS (0; of a hundred packets
# that leave or enter a rack), BED_WIRE (the built wire; echo lies beside it).
# Addresses are of the networks that RFC 5737 keeps for documentation; they exist only in the namespaces.

bed_id=cp$$
bed_folder=
bed_racks=0
bed_hosts=0
bed_wires=

bed_can_run() {
    if [ "$(id -u)" != 0 ]; then
        bed_reason="not root"
    elif ! command -v ip >/dev/null || ! command -v tc >/dev/null; then
        bed_reason="iproute2 is not installed"
    elif [ ! -c /dev/net/tun ]; then
        bed_reason="no /dev/net/tun"
    elif ! unshare --net --uts true 2>/dev/null; then
        bed_reason="namespaces are not allowed"
    elif ! unshare --net sh -c 'ip link add veth0 type veth peer name veth1 && ip link add br0 type bridge &&
                                tc qdisc add dev veth0 root tbf rate 1gbit burst 64kb latency 20ms' 2>/dev/null; then
        bed_reason="this kernel has no veth, bridge or tbf"
    else
        return 0
    fi
    return 1
}

bed_in() { # HOST COMMAND...: runs it on a host
    bed_in_host=$1
    shift
    nsenter --net="/run/netns/$bed_id-$bed_in_host" --uts="$bed_folder/uts-$bed_in_host" "$@"
}

# All cables on one core: on which of them each runs moves the latency of the bed by 15 us.
bed_add_rack() { # RACK
    bed_core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    ip -n "$bed_id-fab" link add "rack$1" mtu 9000 type bridge
    ip -n "$bed_id-fab" link set "rack$1" up
    nsenter --net="/run/netns/$bed_id-fab" taskset -c "$bed_core" "$BED_WIRE" "low$1" "high$1" $((${BED_DELAY_US:-300} / 2)) \
        "${BED_UPLINK_MBIT:-200}" "${BED_LOSS:-0}" &
    bed_wires="$bed_wires $!"
    bed_tries=0
    until ip -n "$bed_id-fab" link show "high$1" >/dev/null 2>&1; do
        bed_tries=$((bed_tries + 1))
        [ $bed_tries -lt 100 ] || return 1
        sleep 0.05
    done
    ip -n "$bed_id-fab" link set "low$1" mtu 9000 master "rack$1" up
    ip -n "$bed_id-fab" link set "high$1" mtu 9000 master core up
}

# A second card, eth1, with a link of its own. Ranks of either rail reach the other, as on one fabric: a packet that
# comes in where its sender isn't reached must not be dropped.
bed_add_second_rail() { # NUMBER RACK
    ip link add eth1 mtu 9000 netns "$bed_id-$bed_host" type veth peer name "second$1" mtu 9000 netns "$bed_id-fab"
    ip -n "$bed_id-$bed_host" addr add "203.0.113.$(($1 + 1))/24" dev eth1
    ip -n "$bed_id-$bed_host" link set eth1 up
    ip -n "$bed_id-fab" link set "second$1" master "rack$2" up
    for bed_interface in all eth0 eth1; do
        bed_in "$bed_host" sh -c "echo 0 >/proc/sys/net/ipv4/conf/$bed_interface/rp_filter" 2>/dev/null
    done
    tc -n "$bed_id-$bed_host" qdisc replace dev eth1 root tbf rate "${BED_RATE:-1gbit}" burst 32kb latency 20ms
    tc -n "$bed_id-fab" qdisc replace dev "second$1" root tbf rate "${BED_RATE:-1gbit}" burst 32kb latency 20ms
}

bed_add_host() { # NUMBER RACK
    bed_host=h$1
    ip netns add "$bed_id-$bed_host"
    touch "$bed_folder/uts-$bed_host"
    unshare --uts="$bed_folder/uts-$bed_host" hostname "$bed_host"
    ip -n "$bed_id-$bed_host" link set lo up
    ip link add eth0 mtu 9000 netns "$bed_id-$bed_host" type veth peer name "port$1" mtu 9000 netns "$bed_id-fab"
    ip -n "$bed_id-$bed_host" addr add "192.0.2.$(($1 + 1))/24" dev eth0
    ip -n "$bed_id-$bed_host" link set eth0 up
    ip -n "$bed_id-fab" link set "port$1" master "rack$2" up
    if [ "${BED_RAILS:-1}" -gt 1 ]; then
        bed_add_second_rail "$1" "$2"
    fi
    # The launcher's own network, so that a cut link doesn't cut off mpirun.
    ip link add mgmt0 netns "$bed_id-$bed_host" type veth peer name "mgmt$1" netns "$bed_id-mgt"
    ip -n "$bed_id-$bed_host" addr add "198.51.100.$(($1 + 1))/24" dev mgmt0
    ip -n "$bed_id-$bed_host" link set mgmt0 up
    ip -n "$bed_id-mgt" link set "mgmt$1" master br0 up
    bed_rate "$bed_host" "${BED_RATE:-1gbit}"
    bed_rate_in "$bed_host" "${BED_RATE:-1gbit}"
}

bed_rate() {
    tc -n "$bed_id-$1" qdisc replace dev eth0 root tbf rate "$2" burst 32kb latency 20ms
}

bed_rate_in() {
    tc -n "$bed_id-fab" qdisc replace dev "port${1#h}" root tbf rate "$2" burst 32kb latency 20ms
}

bed_up() {
    bed_racks=$1
    bed_rack_hosts=$2
    bed_hosts=$(($1 * $2))
    bed_folder=$(mktemp -d)
    for bed_part in fab mgt; do
        ip netns add "$bed_id-$bed_part"
        ip -n "$bed_id-$bed_part" link set lo up
    done
    ip -n "$bed_id-mgt" link add br0 type bridge
    ip -n "$bed_id-mgt" link set br0 up
    ip -n "$bed_id-fab" link add core mtu 9000 type bridge
    ip -n "$bed_id-fab" link set core up
    bed_number=0
    bed_rack=0
    while [ $bed_rack -lt "$bed_racks" ]; do
        [ "$bed_racks" -eq 1 ] && BED_DELAY_US=0
        bed_add_rack $bed_rack || return 1
        bed_in_rack=0
        while [ $bed_in_rack -lt "$2" ]; do
            bed_add_host $bed_number $bed_rack
            bed_number=$((bed_number + 1))
            bed_in_rack=$((bed_in_rack + 1))
        done
        bed_rack=$((bed_rack + 1))
    done
    # What mpirun calls in place of ssh: agent HOST COMMAND...
    cat >"$bed_folder/agent" <<EOF
#!/bin/sh
host=\$1
shift
exec nsenter --net=/run/netns/$bed_id-\$host --uts=$bed_folder/uts-\$host sh -c "\$*"
EOF
    chmod +x "$bed_folder/agent"
}

bed_mpirun() {
    bed_list=
    bed_number=0
    while [ $bed_number -lt "$bed_hosts" ]; do
        bed_list="$bed_list${bed_list:+,}h$bed_number:${BED_SLOTS:-1}"
        bed_number=$((bed_number + 1))
    done
    bed_in h0 mpirun --allow-run-as-root --mca plm_rsh_agent "$bed_folder/agent" -H "$bed_list" \
        --mca oob_tcp_if_include mgmt0 --mca pml ob1 --mca btl tcp,self,vader --mca btl_tcp_if_include eth0 \
        --mca mpi_yield_when_idle 1 --bind-to none "$@"
}

bed_link() { # a second cable out of FROM, for the route to TO alone; TO answers over the usual one
    bed_side=side${1#h}
    bed_rack=$((${1#h} / bed_rack_hosts))
    bed_to="192.0.2.$((${2#h} + 1))"
    ip link add side0 mtu 9000 netns "$bed_id-$1" type veth peer name "$bed_side" mtu 9000 netns "$bed_id-fab"
    ip -n "$bed_id-$1" link set side0 up
    ip -n "$bed_id-fab" link set "$bed_side" master "rack$bed_rack" up
    bed_in "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/side0/arp_ignore
                       for i in all eth0 side0; do echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; done'
    bed_mac=$(bed_in "$2" ip -o link show eth0 | sed 's/.*link.ether \([0-9a-f:]*\).*/\1/')
    ip -n "$bed_id-$1" neigh add "$bed_to" lladdr "$bed_mac" dev side0 nud permanent
    ip -n "$bed_id-$1" route add "$bed_to" dev side0 src "192.0.2.$((${1#h} + 1))"
    tc -n "$bed_id-$1" qdisc replace dev side0 root tbf rate "$3" burst 32kb latency 20ms
}

bed_mtu() {
    ip -n "$bed_id-fab" link set "port${1#h}" mtu "$2"
}

bed_least_us() {
    bed_in "$2" "$(dirname "$BED_WIRE")/echo" serve 2>/dev/null &
    bed_server=$!
    sleep 0.2
    bed_in "$1" "$(dirname "$BED_WIRE")/echo" ask "192.0.2.$((${2#h} + 1))" 2
    pkill -P "$bed_server"
    wait "$bed_server" 2>/dev/null
}

bed_cut() {
    ip -n "$bed_id-$1" link set eth0 down
}

bed_cut_rack() {
    bed_rack=0
    for bed_wire in $bed_wires; do
        [ "$bed_rack" -eq "$1" ] && kill -USR1 "$bed_wire"
        bed_rack=$((bed_rack + 1))
    done
}

bed_down() {
    for bed_wire in $bed_wires; do
        kill "$bed_wire" 2>/dev/null
    done
    bed_wires=
    ip netns list | awk -v id="$bed_id-" 'index($1, id) == 1 { print $1 }' | while read -r bed_name; do
        ip netns del "$bed_name"
    done
    if [ -n "$bed_folder" ]; then
        for bed_file in "$bed_folder"/uts-*; do
            umount "$bed_file" 2>/dev/null
        done
        rm -rf "$bed_folder"
        bed_folder=
    fi
}
