//! The commands and flags.
//!
//! Parser, help, manual page and completions use them.

/// A word that selects what the program does.
pub(crate) struct CliCommand {
    pub(crate) name: &'static str,
    /// The required argument.
    pub(crate) argument: Option<&'static str>,
    pub(crate) help: &'static str,
}

/// A flag that is not a configuration key.
pub(crate) struct CliFlag {
    /// With its dashes.
    pub(crate) long: &'static str,
    pub(crate) short: Option<&'static str>,
    /// The name of its value.
    pub(crate) value: Option<&'static str>,
    pub(crate) help: &'static str,
}

/// The commands; no command runs the service.
pub(crate) const COMMANDS: &[CliCommand] = &[
    CliCommand {
        name: "check",
        argument: None,
        help: "validate and print the configuration in effect",
    },
    CliCommand {
        name: "dial",
        argument: Some("TARGET"),
        help: "connect once and print what was negotiated",
    },
    CliCommand {
        name: "generate",
        argument: Some("WHAT"),
        help: "print a manual page, or completions of a shell",
    },
];

/// Flags other than `--transport.…`, `--gateway.…` and `--listeners.…`.
pub(crate) const FLAGS: &[CliFlag] = &[
    flag(
        "--config",
        "FILE",
        "TOML file with the tables [transport], [gateway] and [listeners.NAME]",
    ),
    switch("--echo", None, "echo every byte (the default)"),
    switch(
        "--echo-frames",
        None,
        "echo every frame: u32 big-endian length, then the body",
    ),
    flag(
        "--forward",
        "TARGET",
        "dial TARGET for every connection and relay both; several times for several targets",
    ),
    flag(
        "--admin",
        "ADDR",
        "address of the status page, /metrics, /healthz, /readyz, /status, /connections: IP:PORT \
         or unix:/path",
    ),
    switch(
        "--dev-tls",
        None,
        "backend tls with a new certificate in memory, for experiments",
    ),
    switch("--help", Some("-h"), "print the help"),
    switch("--version", Some("-V"), "print the version"),
];

/// The families of flags that set configuration keys.
pub(crate) const KEY_FLAGS: &[(&str, &str)] = &[
    (
        "--transport.<key> VALUE",
        "a key of [transport], such as --transport.max-conns 5",
    ),
    (
        "--gateway.<key> VALUE",
        "a key of [gateway], such as --gateway.log.level debug",
    ),
    (
        "--listeners.NAME.<key> VALUE",
        "a key of [listeners.NAME], such as --listeners.public.mode echo",
    ),
];

const fn flag(long: &'static str, value: &'static str, help: &'static str) -> CliFlag {
    CliFlag {
        long,
        short: None,
        value: Some(value),
        help,
    }
}

const fn switch(long: &'static str, short: Option<&'static str>, help: &'static str) -> CliFlag {
    CliFlag {
        long,
        short,
        value: None,
        help,
    }
}
