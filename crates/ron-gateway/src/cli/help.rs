//! The help text.

/// What `--help` prints.
pub(super) const TEXT: &str = "\
ron-gateway: a guarded layer-4 gateway

Usage:
  ron-gateway [OPTIONS]                 run the service
  ron-gateway check [OPTIONS]           validate and print the configuration in effect
  ron-gateway dial TARGET [OPTIONS]     connect once and print what was negotiated

Options:
  --config FILE               TOML file with the tables [transport] and [gateway]
  --echo                      send back every byte (the default)
  --echo-frames               send back every frame: u32 big-endian length, then the body
  --forward TARGET            join every connection with one to TARGET
  --admin ADDR                address of the status page, /metrics, /healthz, /readyz, /status,
                              /connections: IP:PORT or unix:/path
  --transport.<key> VALUE     any key of [transport], as in --transport.max-conns 5
  --gateway.<key> VALUE       any key of [gateway], as in --gateway.log.level debug
  --dev-tls                   backend tls with a certificate made in memory, for trying things out
  -h, --help                  this text
  -V, --version               the version

TARGET: tcp://host:port | tls://host:port | unix:///path | tor://host:port | tls+tor://host:port
(a scheme that is not compiled in is refused with the feature that it needs)

Flags win over the environment (RON_TRANSPORT_<KEY>, RON_GATEWAY_<KEY>), that over the file, that
over the defaults. Without any of them the service echoes on 127.0.0.1:9444 and its admin endpoint
is 127.0.0.1:9909. `check` lists every key.

Signals: SIGTERM and SIGINT let connections finish for drain_timeout; a second one ends at once.
SIGHUP loads the configuration anew; what cannot be used changes nothing.

Exit codes: 0 clean, 1 runtime failure (or a drain cut short), 2 configuration or command line.
";
