//! The help text.

/// Text of `--help`.
pub(super) const TEXT: &str = "\
ron-gateway: a guarded layer-4 gateway

Usage:
  ron-gateway [OPTIONS]                 run the service
  ron-gateway check [OPTIONS]           validate and print the configuration in effect
  ron-gateway dial TARGET [OPTIONS]     connect once and print what was negotiated

Options:
  --config FILE               TOML file with the tables [transport] and [gateway]
  --echo                      echo every byte (the default)
  --echo-frames               echo every frame: u32 big-endian length, then the body
  --forward TARGET            dial TARGET for every connection and relay both; several times for
                              several targets
  --admin ADDR                address of the status page, /metrics, /healthz, /readyz, /status,
                              /connections: IP:PORT or unix:/path
  --transport.<key> VALUE     a key of [transport], such as --transport.max-conns 5
  --gateway.<key> VALUE       a key of [gateway], such as --gateway.log.level debug
  --dev-tls                   backend tls with a new certificate in memory, for experiments
  -h, --help                  print this help
  -V, --version               print the version

TARGET: tcp://host:port | tls://host:port | unix:///path | tor://host:port | tls+tor://host:port
(a scheme that this build lacks is rejected; the error names its feature)

Precedence: flags, environment (RON_TRANSPORT_<KEY>, RON_GATEWAY_<KEY>), file, defaults. By default
the service echoes on 127.0.0.1:9444 and serves its admin endpoint on 127.0.0.1:9909. `check` lists
every key.

Signals: SIGTERM and SIGINT drain connections for up to drain_timeout; a second one exits at once.
SIGHUP reloads the configuration; an invalid configuration changes nothing.

Exit codes: 0 success, 1 failure at run time (or an interrupted drain), 2 invalid configuration
or command line.
";
