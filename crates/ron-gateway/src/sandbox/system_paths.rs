//! System paths that the process reads.
//!
//! The gateway, the C library and the trust store read them.

use std::path::PathBuf;

/// Directories to read, with everything below.
pub(super) const READ: &[&str] = &[
    // Process figures, and the limits of the control group. Landlock denies access that needs
    // `ptrace`: memory, environment and descriptors of other processes.
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

/// Files to read; their directories stay closed.
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

/// Files to read and write.
pub(super) const WRITE_FILES: &[&str] = &["/dev/null"];

/// Returns the trust store of the environment, as OpenSSL does.
pub(super) fn trust_store() -> Vec<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = of("SSL_CERT_FILE").map(PathBuf::from);
    let dirs = of("SSL_CERT_DIR");
    let dirs: Vec<_> = dirs.iter().flat_map(std::env::split_paths).collect();
    file.into_iter().chain(dirs).collect()
}
