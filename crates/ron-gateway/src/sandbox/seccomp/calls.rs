//! The lists of system calls.

use std::collections::BTreeMap;

use libc::*;
use seccompiler::{
    BackendError, Error, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule,
};

/// The rules of a filter: conditions for each call.
///
/// One of the conditions must hold; a call without conditions always matches.
pub(super) type CallRules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that are allowed with any argument.
#[rustfmt::skip]
const ALWAYS: &[c_long] = &[
    // Descriptors.
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
    SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_lseek, SYS_pipe2,
    // Readiness.
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_ppoll,
    SYS_pselect6, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime,
    SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
    // Sockets.
    SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_shutdown, SYS_getsockname,
    SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
    SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg,
    // Files. Landlock restricts which.
    SYS_openat, SYS_newfstatat, SYS_fstat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat,
    SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_getcwd, SYS_mkdirat, SYS_unlinkat,
    SYS_renameat2, SYS_linkat, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_utimensat,
    SYS_umask, SYS_flock, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_fallocate, SYS_fadvise64,
    // Memory.
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mincore, SYS_msync, SYS_mlock, SYS_munlock,
    SYS_membarrier,
    // Threads.
    SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_set_tid_address,
    SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_getcpu, SYS_exit, SYS_exit_group,
    // Signals of its own.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_restart_syscall,
    // Time.
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    // Figures of the process and the system.
    SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_getrusage, SYS_times,
    SYS_sysinfo, SYS_uname, SYS_getrandom,
];

/// Older calls that the C library of x86_64 still makes.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLDER: &[c_long] = &[
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents, SYS_mkdir, SYS_rmdir,
    SYS_unlink, SYS_rename, SYS_link, SYS_chmod, SYS_pipe, SYS_dup2, SYS_poll, SYS_select,
    SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_inotify_init, SYS_arch_prctl, SYS_time,
    SYS_renameat, SYS_getrlimit,
];
/// `renameat` and `getrlimit`, which not every aarch64 libc names.
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[38, 163];

/// Calls that kill the process.
///
/// A separate list, so that a C library may probe for a new call.
#[rustfmt::skip]
const DEADLY: &[c_long] = &[
    // Programs.
    SYS_execve, SYS_execveat,
    // Other processes.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp,
    // The kernel.
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_kexec_load, SYS_init_module,
    SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_syslog, SYS_acct,
    SYS_swapon, SYS_swapoff,
    // Keys of the kernel.
    SYS_add_key, SYS_request_key, SYS_keyctl,
    // Mounts and namespaces.
    SYS_mount, SYS_umount2, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
    SYS_fspick, SYS_mount_setattr, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns,
    SYS_open_by_handle_at,
    // The clock and names of the system.
    SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_settimeofday, SYS_sethostname,
    SYS_setdomainname,
];

/// Further deadly calls of x86_64.
#[cfg(target_arch = "x86_64")]
const DEADLY_HERE: &[c_long] = &[SYS_kexec_file_load, SYS_iopl, SYS_ioperm, SYS_modify_ldt];
/// `kexec_file_load`, which not every aarch64 libc names.
#[cfg(target_arch = "aarch64")]
const DEADLY_HERE: &[c_long] = &[294];

/// Allowed sockets: family, kind and protocol.
const SOCKETS: &[(c_int, c_int, c_int)] = &[
    (AF_UNIX, SOCK_STREAM, 0),
    (AF_UNIX, SOCK_DGRAM, 0),
    (AF_INET, SOCK_STREAM, 0),
    (AF_INET, SOCK_STREAM, IPPROTO_TCP),
    (AF_INET, SOCK_STREAM, IPPROTO_MPTCP),
    (AF_INET, SOCK_DGRAM, 0),
    (AF_INET, SOCK_DGRAM, IPPROTO_UDP),
    (AF_INET6, SOCK_STREAM, 0),
    (AF_INET6, SOCK_STREAM, IPPROTO_TCP),
    (AF_INET6, SOCK_STREAM, IPPROTO_MPTCP),
    (AF_INET6, SOCK_DGRAM, 0),
    (AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
    // The C library lists the machine's addresses to sort resolved ones (RFC 6724).
    (AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
    // The number of bytes that a peer has not read (sock_diag(7)).
    (AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG),
];
/// Bits of the socket kind; the others are flags.
const SOCK_KIND: u64 = 0xf;

/// Allowed requests of ioctl(2).
///
/// TIOCSTI, which types into a terminal, is excluded.
#[allow(clippy::unnecessary_cast)] // musl has them as int
const IOCTLS: &[u64] = &[
    FIONBIO as u64,
    FIONREAD as u64,
    FIOCLEX as u64,
    TCGETS as u64,
    TIOCGWINSZ as u64,
    TIOCOUTQ as u64,
    // The index of the interface in `fe80::1%eth0`, and its name.
    SIOCGIFINDEX as u64,
    SIOCGIFNAME as u64,
];

/// Allowed options of prctl(2): names of threads and memory.
const PRCTLS: &[c_int] = &[PR_SET_NAME, PR_GET_NAME, PR_SET_VMA];

/// Flags of clone(2) that create namespaces.
const NEW_NAMESPACES: c_int = CLONE_NEWCGROUP
    | CLONE_NEWIPC
    | CLONE_NEWNET
    | CLONE_NEWNS
    | CLONE_NEWPID
    | CLONE_NEWUSER
    | CLONE_NEWUTS;

/// Returns the deadly list.
pub(super) fn deadly() -> CallRules {
    let all = DEADLY.iter().chain(DEADLY_HERE);
    all.map(|&call| (call, Vec::new())).collect()
}

/// Returns the allow list.
pub(super) fn listed() -> Result<CallRules, Error> {
    let all = ALWAYS.iter().chain(OLDER);
    let mut rules: CallRules = all.map(|&call| (call, Vec::new())).collect();
    rules.extend(conditional().map_err(Error::Backend)?);
    Ok(rules)
}

/// Returns the calls that are allowed with some arguments only.
fn conditional() -> Result<CallRules, BackendError> {
    let own_pid = u64::from(std::process::id());
    let sockets = SOCKETS.iter().map(|&(family, kind, protocol)| {
        SeccompRule::new(vec![
            is(0, number(family))?,
            masked(1, SOCK_KIND, number(kind))?,
            is(2, number(protocol))?,
        ])
    });
    let pairs = [SOCK_STREAM, SOCK_DGRAM].map(|kind| {
        SeccompRule::new(vec![
            is(0, number(AF_UNIX))?,
            masked(1, SOCK_KIND, number(kind))?,
        ])
    });
    // A thread of this process, in its namespaces. A filter cannot read the flags of clone3(2):
    // that call fails, and the C library falls back to clone(2).
    let thread = number(CLONE_THREAD);
    let thread = masked(0, thread | number(NEW_NAMESPACES), thread)?;
    let written = masked(2, number(PROT_WRITE), 0)?;
    let executed = masked(2, number(PROT_EXEC), 0)?;
    // Mapping a C library module is allowed. Memory is never writable and executable, at once or in
    // sequence, except with `pow`: proof of work compiles its hash functions.
    let map = vec![one(written)?, one(executed.clone())?];
    let protect = match cfg!(feature = "pow") {
        true => map.clone(),
        false => vec![one(executed)?],
    };
    Ok(CallRules::from([
        (SYS_socket, sockets.collect::<Result<_, _>>()?),
        (SYS_socketpair, pairs.into_iter().collect::<Result<_, _>>()?),
        (SYS_clone, vec![one(thread)?]),
        (SYS_mmap, map),
        (SYS_mprotect, protect),
        (SYS_ioctl, any_of(1, IOCTLS.iter().copied())?),
        (
            SYS_prctl,
            any_of(0, PRCTLS.iter().map(|&option| number(option)))?,
        ),
        (SYS_prlimit64, any_of(0, [0, own_pid])?),
        // abort(3) and raise(3).
        (SYS_tgkill, any_of(0, [own_pid])?),
    ]))
}

/// Returns a rule for each permitted value of an argument.
fn any_of(
    argument: u8,
    values: impl IntoIterator<Item = u64>,
) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |value| one(is(argument, value)?);
    values.into_iter().map(rule).collect()
}

fn one(condition: SeccompCondition) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition])
}

/// Matches the lower half of an argument: the kernel reads an int.
fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// Matches some bits of an argument.
fn masked(argument: u8, bits: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    let masked = SeccompCmpOp::MaskedEq(bits);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, value)
}

/// Returns the bits of a C constant.
fn number(constant: c_int) -> u64 {
    u64::from(u32::from_ne_bytes(constant.to_ne_bytes()))
}
