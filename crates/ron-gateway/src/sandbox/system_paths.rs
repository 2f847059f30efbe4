//! The places of the system that the gateway, the C library and the trust store read.

use std::path::PathBuf;

/// Directories that may be read, with all below them.
pub(super) const READ: &[&str] = &[
    // ProcessFigures of the process, and the limits of its control group. Landlock closes what `ptrace`
    // would be needed for: memory, environment and descriptors of other processes.
    "/proc",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
    // Modules of the C library that resolve names.
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    // The trust store of the system.
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    "/usr/local/etc/ssl/certs",
    "/usr/local/etc/openssl/certs",
];

/// Files that may be read; the directory they are in stays closed.
pub(super) const READ_FILES: &[&str] = &[
    // Resolving names.
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/networks",
    "/etc/hostname",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    // Arti looks up the owners of its directories.
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/dev/urandom",
    "/dev/random",
];

/// Files that may be written as well.
pub(super) const WRITE_FILES: &[&str] = &["/dev/null"];

/// Returns the trust store that the environment names, as OpenSSL reads it.
pub(super) fn trust_store() -> Vec<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = of("SSL_CERT_FILE").map(PathBuf::from);
    let dirs = of("SSL_CERT_DIR");
    let dirs: Vec<_> = dirs.iter().flat_map(std::env::split_paths).collect();
    file.into_iter().chain(dirs).collect()
}
