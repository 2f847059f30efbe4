# Completions of ron-gateway for bash: output of `ron-gateway generate bash`.

_ron_gateway() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' at=0 i
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $prev == = ]] && ((COMP_CWORD > 1)); then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $prev in
        --transport.preset)
            mapfile -t COMPREPLY < <(compgen -W 'server edge public' -- "$cur")
            return
            ;;
        --transport.backend)
            mapfile -t COMPREPLY < <(compgen -W 'tcp tls uds arti' -- "$cur")
            return
            ;;
        --transport.overflow)
            mapfile -t COMPREPLY < <(compgen -W 'refuse evict' -- "$cur")
            return
            ;;
        --transport.amnesia)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.tcp.nodelay)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.tcp.reuse-port)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.tcp.mptcp)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.dial.fast-open)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.proxy.required)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.proxy.send)
            mapfile -t COMPREPLY < <(compgen -W 'off v1 v2' -- "$cur")
            return
            ;;
        --transport.tls.enabled)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.tls.client-auth)
            mapfile -t COMPREPLY < <(compgen -W 'off optional required' -- "$cur")
            return
            ;;
        --transport.tls-client.trust-store)
            mapfile -t COMPREPLY < <(compgen -W 'system path' -- "$cur")
            return
            ;;
        --transport.pq.mode)
            mapfile -t COMPREPLY < <(compgen -W 'off hybrid required' -- "$cur")
            return
            ;;
        --transport.arti.dial-while-bootstrapping)
            mapfile -t COMPREPLY < <(compgen -W 'fail wait' -- "$cur")
            return
            ;;
        --transport.arti.isolation)
            mapfile -t COMPREPLY < <(compgen -W 'none destination stream' -- "$cur")
            return
            ;;
        --transport.arti.onion-service.enabled)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --transport.arti.onion-service.pow)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --gateway.mode)
            mapfile -t COMPREPLY < <(compgen -W 'echo echo_frames forward' -- "$cur")
            return
            ;;
        --gateway.admin.show-peers)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --gateway.degraded-is-ready)
            mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
            return
            ;;
        --gateway.log.format)
            mapfile -t COMPREPLY < <(compgen -W 'auto text logfmt json' -- "$cur")
            return
            ;;
        --gateway.log.level)
            mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$cur")
            return
            ;;
        --gateway.sandbox)
            mapfile -t COMPREPLY < <(compgen -W 'try on off' -- "$cur")
            return
            ;;
        --config | --transport.tls.cert-path | --transport.tls.key-path | --transport.tls.client-ca-path | --transport.tls.crl-path | --transport.tls.ticket-keys-path | --transport.tls-client.ca-bundle-path | --transport.tls-client.crl-path | --transport.tls-client.cert-path | --transport.tls-client.key-path | --transport.uds.path | --transport.arti.state-dir | --transport.arti.cache-dir | --transport.arti.config-path | --transport.arti.onion-service.identity-path | --transport.arti.onion-service.client-keys-path)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            compopt -o filenames 2>/dev/null
            return
            ;;
        --forward | --admin | --transport.bind-addr | --transport.drain-timeout | --transport.max-conns | --transport.evict-after | --transport.peers.allow | --transport.peers.deny | --transport.read-timeout | --transport.write-timeout | --transport.idle-timeout | --transport.dial-idle-timeout | --transport.half-close-timeout | --transport.handshake-timeout | --transport.dial-timeout | --transport.max-lifetime | --transport.limits.max-frame-bytes | --transport.limits.chunk-bytes | --transport.limits.writer-inbox | --transport.limits.memory-bytes | --transport.limits.max-pending-handshakes | --transport.rates.per-conn-bytes-per-sec | --transport.rates.per-peer-bytes-per-sec | --transport.rates.global-ingress-bytes-per-sec | --transport.rates.global-egress-bytes-per-sec | --transport.rates.accepts-per-sec | --transport.per-peer.accepts-per-sec | --transport.per-peer.max-conns | --transport.per-peer.pending-handshakes | --transport.per-peer.ipv4-prefix | --transport.per-peer.ipv6-prefix | --transport.tcp.keepalive | --transport.tcp.user-timeout | --transport.tcp.backlog | --transport.tcp.fast-open | --transport.tcp.fwmark | --transport.tcp.dscp | --transport.bind-device | --transport.dial.source-addr | --transport.dial.bind-device | --transport.proxy.trusted | --transport.proxy.header-timeout | --transport.dial.via | --transport.tls.allow-sans | --transport.tls.spki-pins | --transport.tls.alpn | --transport.tls-client.sni-override | --transport.tls-client.allow-sans | --transport.tls-client.spki-pins | --transport.tls-client.alpn | --transport.uds.allow-uids | --transport.arti.bootstrap-timeout | --transport.arti.pre-dial-delay | --transport.arti.onion-service.nickname | --transport.arti.onion-service.ports | --gateway.forward-to | --gateway.admin-addr | --gateway.admin-hosts | --gateway.memory.pressure | --gateway.workers)
            return
            ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --echo | --echo-frames | --dev-tls | -h | --help | -V | --version) ;;
            -*)
                [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
                ((i++))
                ;;
            *)
                command=${COMP_WORDS[i]} at=$i
                break
                ;;
        esac
    done
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '
            --config
            --echo
            --echo-frames
            --forward
            --admin
            --dev-tls
            --help
            --version
            --transport.preset
            --transport.backend
            --transport.bind-addr
            --transport.drain-timeout
            --transport.max-conns
            --transport.overflow
            --transport.evict-after
            --transport.peers.allow
            --transport.peers.deny
            --transport.read-timeout
            --transport.write-timeout
            --transport.idle-timeout
            --transport.dial-idle-timeout
            --transport.half-close-timeout
            --transport.handshake-timeout
            --transport.dial-timeout
            --transport.max-lifetime
            --transport.limits.max-frame-bytes
            --transport.limits.chunk-bytes
            --transport.limits.writer-inbox
            --transport.limits.memory-bytes
            --transport.limits.max-pending-handshakes
            --transport.rates.per-conn-bytes-per-sec
            --transport.rates.per-peer-bytes-per-sec
            --transport.rates.global-ingress-bytes-per-sec
            --transport.rates.global-egress-bytes-per-sec
            --transport.rates.accepts-per-sec
            --transport.per-peer.accepts-per-sec
            --transport.per-peer.max-conns
            --transport.per-peer.pending-handshakes
            --transport.per-peer.ipv4-prefix
            --transport.per-peer.ipv6-prefix
            --transport.amnesia
            --transport.tcp.nodelay
            --transport.tcp.keepalive
            --transport.tcp.user-timeout
            --transport.tcp.backlog
            --transport.tcp.reuse-port
            --transport.tcp.mptcp
            --transport.tcp.fast-open
            --transport.tcp.fwmark
            --transport.tcp.dscp
            --transport.bind-device
            --transport.dial.source-addr
            --transport.dial.fast-open
            --transport.dial.bind-device
            --transport.proxy.trusted
            --transport.proxy.required
            --transport.proxy.header-timeout
            --transport.proxy.send
            --transport.dial.via
            --transport.tls.enabled
            --transport.tls.cert-path
            --transport.tls.key-path
            --transport.tls.client-ca-path
            --transport.tls.client-auth
            --transport.tls.allow-sans
            --transport.tls.spki-pins
            --transport.tls.crl-path
            --transport.tls.ticket-keys-path
            --transport.tls.alpn
            --transport.tls-client.trust-store
            --transport.tls-client.ca-bundle-path
            --transport.tls-client.crl-path
            --transport.tls-client.sni-override
            --transport.tls-client.allow-sans
            --transport.tls-client.spki-pins
            --transport.tls-client.alpn
            --transport.tls-client.cert-path
            --transport.tls-client.key-path
            --transport.pq.mode
            --transport.uds.path
            --transport.uds.allow-uids
            --transport.arti.bootstrap-timeout
            --transport.arti.pre-dial-delay
            --transport.arti.dial-while-bootstrapping
            --transport.arti.isolation
            --transport.arti.state-dir
            --transport.arti.cache-dir
            --transport.arti.config-path
            --transport.arti.onion-service.enabled
            --transport.arti.onion-service.nickname
            --transport.arti.onion-service.ports
            --transport.arti.onion-service.identity-path
            --transport.arti.onion-service.client-keys-path
            --transport.arti.onion-service.pow
            --gateway.mode
            --gateway.forward-to
            --gateway.admin-addr
            --gateway.admin-hosts
            --gateway.admin.show-peers
            --gateway.degraded-is-ready
            --gateway.log.format
            --gateway.log.level
            --gateway.sandbox
            --gateway.memory.pressure
            --gateway.workers
        ' -- "$cur")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'check dial generate' -- "$cur")
    elif [[ $command == generate ]] && ((at == COMP_CWORD - 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'man man-toml bash zsh fish' -- "$cur")
    fi
}

complete -F _ron_gateway ron-gateway
