//! The compiled filters, interpreted here and run by the kernel.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use seccompiler::sock_filter;

use super::*;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
/// ENOSYS.
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | 38;
/// `AUDIT_ARCH_X86_64`, `AUDIT_ARCH_AARCH64`.
const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else {
    0xc000_00b7
};

/// A Python program that installs both filters and makes one call.
const HELPER: &str = r#"
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
programs = [bytes.fromhex(text) for text in sys.argv[1:3]]
for code in programs:
    program = Program(len(code) // 8, code)
    # The second filter lets no third be installed; PR_SET_SECCOMP, SECCOMP_MODE_FILTER.
    assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, ctypes.get_errno()
result = libc.syscall(ctypes.c_long(int(sys.argv[3])), 0, 0, 0, 0, 0, 0)
sys.stdout.write(f"{result} {ctypes.get_errno()}")
sys.stdout.flush()
"#;

/// Interprets one program.
///
/// `seccomp_data` holds the number, the architecture, the instruction pointer and six arguments.
fn run(program: &[sock_filter], call: i64, args: &[u64]) -> u32 {
    let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
    let word = |offset: u32| match offset {
        0 => low(u64::try_from(call).unwrap()),
        4 => ARCH,
        offset if offset >= 16 => {
            let index = usize::try_from((offset - 16) / 8).unwrap();
            let arg = args.get(index).copied().unwrap_or(0);
            low(arg >> (offset % 8 * 8))
        }
        _ => 0,
    };
    let (mut at, mut a) = (0, 0);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |hit: bool| usize::from(if hit { step.jt } else { step.jf });
        match step.code {
            0x20 => a = word(step.k),
            0x54 => a &= step.k,
            0x05 => at += usize::try_from(step.k).unwrap(),
            0x15 => at += jump(a == step.k),
            0x25 => at += jump(a > step.k),
            0x35 => at += jump(a >= step.k),
            0x06 => return step.k,
            code => panic!("instruction {code:#x}"),
        }
    }
}

/// Returns the stricter verdict of both filters.
fn verdict(call: i64, args: &[u64]) -> u32 {
    let [deadly, listed] = programs().unwrap();
    match run(&deadly, call, args) {
        KILL => KILL,
        _ => run(&listed, call, args),
    }
}

fn number(constant: libc::c_int) -> u64 {
    u64::from(constant.unsigned_abs())
}

#[test]
fn dangerous_calls_kill() {
    for call in [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_writev,
        libc::SYS_mount,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
    ] {
        assert_eq!(verdict(call, &[]), KILL, "{call}");
    }
}

#[test]
fn unlisted_calls_fail_with_enosys() {
    for call in [
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_clone3,
        libc::SYS_memfd_create,
        libc::SYS_setuid,
        libc::SYS_kill,
        libc::SYS_seccomp,
        libc::SYS_personality,
    ] {
        assert_eq!(verdict(call, &[]), NO_SUCH_CALL, "{call}");
    }
    // Numbers that no kernel uses yet.
    for call in 600..700 {
        assert_eq!(verdict(call, &[]), NO_SUCH_CALL, "{call}");
    }
}

#[test]
fn no_call_is_in_both_lists() {
    let listed = calls::listed().unwrap();
    for call in calls::deadly().keys() {
        assert!(!listed.contains_key(call), "{call}");
    }
}

#[test]
fn only_ip_unix_and_two_netlink_sockets() {
    let (inet, inet6) = (number(libc::AF_INET), number(libc::AF_INET6));
    let (unix, netlink) = (number(libc::AF_UNIX), number(libc::AF_NETLINK));
    let (packet, vsock) = (number(libc::AF_PACKET), number(libc::AF_VSOCK));
    let [stream, dgram, raw, seqpacket] = [
        libc::SOCK_STREAM,
        libc::SOCK_DGRAM,
        libc::SOCK_RAW,
        libc::SOCK_SEQPACKET,
    ]
    .map(number);
    let flags = number(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    for (family, kind, protocol, expected) in [
        (inet, stream, 0, ALLOW),
        (inet6, stream | flags, 6, ALLOW),
        (inet, dgram | flags, 17, ALLOW),
        (unix, stream | flags, 0, ALLOW),
        (unix, dgram, 0, ALLOW),
        (netlink, raw | flags, 0, ALLOW),
        (netlink, dgram | flags, 4, ALLOW),
        (netlink, raw, 4, NO_SUCH_CALL),
        // NETLINK_NETFILTER
        (netlink, raw, 12, NO_SUCH_CALL),
        (inet, raw, 1, NO_SUCH_CALL),
        (inet, raw | flags, 255, NO_SUCH_CALL),
        (inet6, raw, 58, NO_SUCH_CALL),
        // ICMP
        (inet, dgram, 1, NO_SUCH_CALL),
        (inet, seqpacket, 132, NO_SUCH_CALL),
        (packet, raw, 0, NO_SUCH_CALL),
        (packet, dgram, 0, NO_SUCH_CALL),
        (vsock, stream, 0, NO_SUCH_CALL),
    ] {
        let args = [family, kind, protocol];
        assert_eq!(verdict(libc::SYS_socket, &args), expected, "{args:?}");
    }
    for (family, expected) in [(unix, ALLOW), (inet, NO_SUCH_CALL)] {
        let args = [family, stream | flags, 0];
        assert_eq!(verdict(libc::SYS_socketpair, &args), expected);
    }
}

#[test]
fn clone_makes_threads_only() {
    let thread = number(libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD);
    let namespace = number(libc::CLONE_NEWUSER);
    let vfork = number(libc::CLONE_VM | libc::CLONE_VFORK);
    for (flags, expected) in [
        (thread, ALLOW),
        (thread | namespace, NO_SUCH_CALL),
        (namespace, NO_SUCH_CALL),
        (vfork, NO_SUCH_CALL),
        (0, NO_SUCH_CALL),
    ] {
        assert_eq!(verdict(libc::SYS_clone, &[flags]), expected, "{flags:#x}");
    }
}

#[test]
fn memory_is_not_writable_and_executable() {
    let [read, write, exec] = [libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC].map(number);
    let mut cases = vec![
        (libc::SYS_mmap, read | write, ALLOW),
        (libc::SYS_mmap, read | exec, ALLOW),
        (libc::SYS_mmap, write | exec, NO_SUCH_CALL),
        (libc::SYS_mprotect, read | write, ALLOW),
        (libc::SYS_mprotect, read | write | exec, NO_SUCH_CALL),
    ];
    if !cfg!(feature = "pow") {
        cases.push((libc::SYS_mprotect, read | exec, NO_SUCH_CALL));
    }
    for (call, protection, expected) in cases {
        assert_eq!(verdict(call, &[0, 4096, protection]), expected);
    }
}

#[test]
fn calls_on_other_processes_fail() {
    let own = u64::from(std::process::id());
    for (call, pid, expected) in [
        (libc::SYS_tgkill, own, ALLOW),
        (libc::SYS_tgkill, 1, NO_SUCH_CALL),
        (libc::SYS_prlimit64, 0, ALLOW),
        (libc::SYS_prlimit64, 1, NO_SUCH_CALL),
    ] {
        assert_eq!(verdict(call, &[pid]), expected);
    }
    let (tiocsti, fionbio) = (0x5412, 0x5421);
    assert_eq!(verdict(libc::SYS_ioctl, &[0, tiocsti]), NO_SUCH_CALL);
    assert_eq!(verdict(libc::SYS_ioctl, &[0, fionbio]), ALLOW);
}

fn hex(program: &[sock_filter]) -> String {
    let bytes = program.iter().flat_map(|step| {
        let code = step.code.to_ne_bytes();
        let k = step.k.to_ne_bytes();
        [&code[..], &[step.jt, step.jf], &k].concat()
    });
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a call under both filters in a child process.
///
/// Returns `None` without Python.
fn call_for_real(call: i64) -> Option<Output> {
    let [deadly, listed] = programs().unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", HELPER, &hex(&deadly), &hex(&listed)]);
    let output = python.arg(call.to_string()).output().ok();
    if output.is_none() {
        eprintln!("SKIPPED: no python3, so the kernel does not run the filters");
    }
    output
}

#[test]
fn kernel_kills_on_every_deadly_call() {
    for &call in calls::deadly().keys() {
        let Some(output) = call_for_real(call) else {
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(31), "{call}: {errors}");
    }
}

#[test]
fn kernel_rejects_unlisted_calls() {
    for (call, expected) in [
        (libc::SYS_getppid, None),
        (libc::SYS_io_uring_setup, Some(libc::ENOSYS)),
        (libc::SYS_memfd_create, Some(libc::ENOSYS)),
        (libc::SYS_kill, Some(libc::ENOSYS)),
        (libc::SYS_setuid, Some(libc::ENOSYS)),
    ] {
        let Some(output) = call_for_real(call) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        match expected {
            Some(errno) => assert_eq!(text, format!("-1 {errno}"), "{call}: {errors}"),
            None => assert!(text.ends_with(" 0"), "{call}: {text} {errors}"),
        }
    }
}
