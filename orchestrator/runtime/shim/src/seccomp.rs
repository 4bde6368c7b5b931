//! Which system calls a container may make: a list of what ordinary programs need, applied by the
//! container's init as its last act before it executes the workload. Everything else is refused.
//!
//! Two filters, because each can give one answer: calls newer than the list and `clone3` (whose
//! flags cannot be read) say ENOSYS, so that programs fall back; what is known and not listed says EPERM.

use std::collections::BTreeMap;

use libc::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

/// The highest call number that the list was made with (`mseal`).
const NEWEST_KNOWN: u32 = 462;
/// CLONE_NEW* flags except CLONE_NEWTIME, which shares bits with the exit signal.
const NAMESPACE_FLAGS: u64 = 0x7E02_0000;

/// The compiled filters, in the order in which they are installed.
#[derive(Clone)]
pub struct Filters([BpfProgram; 2]);

impl Filters {
    /// Compiles both.
    pub fn compile() -> Result<Self, seccompiler::BackendError> {
        Ok(Self([allow_list()?, not_implemented()]))
    }

    /// Installs both on this process; there is no way back.
    pub fn install(&self) -> Result<(), seccompiler::Error> {
        self.0
            .iter()
            .try_for_each(|program| seccompiler::apply_filter(program))
    }
}

#[cfg(target_arch = "x86_64")]
const ARCH: (TargetArch, u32) = (TargetArch::x86_64, 0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCH: (TargetArch, u32) = (TargetArch::aarch64, 0xC000_00B7);

fn allow_list() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    rules.extend(
        ALLOWED
            .iter()
            .chain(ALLOWED_HERE)
            .map(|call| (*call, Vec::new())),
    );
    let when = |arg, op, value| SeccompCondition::new(arg, SeccompCmpArgLen::Qword, op, value);
    let rule = |condition| SeccompRule::new(vec![condition]);
    rules.insert(
        SYS_clone,
        vec![rule(when(0, SeccompCmpOp::MaskedEq(NAMESPACE_FLAGS), 0)?)?],
    );
    rules.insert(
        SYS_socket,
        vec![rule(when(0, SeccompCmpOp::Ne, AF_VSOCK as u64)?)?],
    );
    let personalities = [0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];
    let personalities = personalities.map(|value| rule(when(0, SeccompCmpOp::Eq, value)?));
    rules.insert(
        SYS_personality,
        personalities.into_iter().collect::<Result<_, _>>()?,
    );
    let refuse = SeccompAction::Errno(EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, ARCH.0)?.try_into()
}

/// By hand, since the compiler knows no ranges: foreign architectures die, `clone3` and everything
/// above the newest known number say ENOSYS, the rest passes to the other filter.
fn not_implemented() -> BpfProgram {
    let (load, equal, greater, answer) = (
        (BPF_LD | BPF_W | BPF_ABS) as u16,
        (BPF_JMP | BPF_JEQ) as u16,
        (BPF_JMP | BPF_JGT) as u16,
        BPF_RET as u16,
    );
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        op(load, 0, 0, 4),
        op(equal, 1, 0, ARCH.1),
        op(answer, 0, 0, SECCOMP_RET_KILL_PROCESS),
        op(load, 0, 0, 0),
        op(equal, 1, 0, SYS_clone3 as u32),
        op(greater, 0, 1, NEWEST_KNOWN),
        op(answer, 0, 0, SECCOMP_RET_ERRNO | ENOSYS as u32),
        op(answer, 0, 0, SECCOMP_RET_ALLOW),
    ]
}

/// Allowed on every architecture.
#[rustfmt::skip]
const ALLOWED: &[i64] = &[
    // Files.
    SYS_openat, SYS_openat2, SYS_close, SYS_close_range, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64,
    SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_fstat, SYS_statx, SYS_statfs,
    SYS_fstatfs, SYS_faccessat, SYS_faccessat2, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_chdir,
    SYS_fchdir, SYS_chroot, SYS_getcwd, SYS_getdents64, SYS_mkdirat, SYS_mknodat, SYS_linkat, SYS_symlinkat,
    SYS_readlinkat, SYS_unlinkat, SYS_renameat2, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_fsync,
    SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_sync_file_range, SYS_sendfile, SYS_splice, SYS_tee, SYS_vmsplice,
    SYS_copy_file_range, SYS_readahead, SYS_flock, SYS_fcntl, SYS_ioctl, SYS_dup, SYS_dup3, SYS_pipe2, SYS_umask,
    SYS_utimensat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr,
    SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
    SYS_name_to_handle_at, SYS_memfd_create, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
    SYS_fanotify_mark, SYS_io_setup, SYS_io_destroy, SYS_io_submit, SYS_io_cancel, SYS_io_getevents,
    // Waiting.
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2,
    SYS_signalfd4, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime,
    // Memory.
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_msync, SYS_madvise, SYS_mincore, SYS_mlock,
    SYS_mlock2, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_remap_file_pages, SYS_membarrier, SYS_pkey_alloc,
    SYS_pkey_free, SYS_pkey_mprotect, SYS_process_mrelease, SYS_memfd_secret,
    // Processes and threads.
    SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_kill, SYS_tkill, SYS_tgkill,
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgid, SYS_setpgid, SYS_getsid, SYS_setsid, SYS_getuid, SYS_geteuid,
    SYS_getgid, SYS_getegid, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_getresuid,
    SYS_setresgid, SYS_getresgid, SYS_setfsuid, SYS_setfsgid, SYS_getgroups, SYS_setgroups, SYS_capget, SYS_capset,
    SYS_prctl, SYS_prlimit64, SYS_getrlimit, SYS_setrlimit, SYS_getrusage, SYS_times, SYS_getpriority, SYS_setpriority,
    SYS_ioprio_get, SYS_ioprio_set, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_getparam, SYS_sched_setparam, SYS_sched_getscheduler, SYS_sched_setscheduler, SYS_sched_getattr,
    SYS_sched_setattr, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_getcpu,
    SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, SYS_futex, SYS_futex_waitv, SYS_rseq,
    SYS_restart_syscall, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_open,
    SYS_pidfd_send_signal, SYS_pidfd_getfd, SYS_kcmp, SYS_seccomp, SYS_landlock_create_ruleset, SYS_landlock_add_rule,
    SYS_landlock_restrict_self, SYS_getrandom, SYS_uname, SYS_sysinfo,
    // Signals and time.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
    SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigreturn, SYS_sigaltstack, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_adjtimex, SYS_clock_adjtime, SYS_getitimer,
    SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete,
    // Sockets.
    SYS_socketpair, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_getsockname, SYS_getpeername,
    SYS_getsockopt, SYS_setsockopt, SYS_shutdown, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg,
    SYS_recvmmsg,
    // System V and POSIX queues, semaphores, shared memory.
    SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr, SYS_msgget,
    SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl, SYS_shmget, SYS_shmat,
    SYS_shmdt, SYS_shmctl,
    // One number on every architecture: cachestat, fchmodat2, map_shadow_stack, futex_wake, futex_wait,
    // futex_requeue, mseal.
    451, 452, 453, 454, 455, 456, 462,
];

/// Older calls that this architecture has besides.
#[rustfmt::skip]
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_chmod, SYS_chown, SYS_lchown, SYS_mkdir, SYS_rmdir,
    SYS_mknod, SYS_link, SYS_symlink, SYS_readlink, SYS_unlink, SYS_rename, SYS_renameat, SYS_getdents, SYS_utime,
    SYS_utimes, SYS_futimesat, SYS_newfstatat, SYS_dup2, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_create,
    SYS_epoll_wait, SYS_eventfd, SYS_signalfd, SYS_inotify_init, SYS_fork, SYS_vfork, SYS_getpgrp, SYS_time,
    SYS_alarm, SYS_pause, SYS_arch_prctl, SYS_modify_ldt,
    // io_pgetevents.
    333,
];
/// Older calls that this architecture has besides.
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[i64] = &[SYS_newfstatat, SYS_renameat, 292];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_nothing_twice_and_nothing_dangerous() {
        let mut all: Vec<i64> = ALLOWED.iter().chain(ALLOWED_HERE).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let dangerous = [
            SYS_mount,
            SYS_umount2,
            SYS_unshare,
            SYS_setns,
            SYS_clone3,
            SYS_bpf,
            SYS_keyctl,
            SYS_add_key,
            SYS_kexec_load,
            SYS_init_module,
            SYS_finit_module,
            SYS_reboot,
            SYS_swapon,
            SYS_perf_event_open,
            SYS_userfaultfd,
            SYS_io_uring_setup,
            SYS_open_by_handle_at,
            SYS_pivot_root,
            SYS_settimeofday,
            SYS_move_mount,
            SYS_fsopen,
            SYS_open_tree,
            SYS_mount_setattr,
            SYS_quotactl,
            SYS_acct,
            SYS_syslog,
        ];
        for call in dangerous {
            assert!(!all.contains(&call), "{call}");
        }
        assert!(all.iter().all(|call| *call <= i64::from(NEWEST_KNOWN)));
    }

    #[test]
    fn the_filters_fit_the_kernels_limit() {
        let filters = Filters::compile().unwrap();
        assert!(
            filters
                .0
                .iter()
                .all(|program| !program.is_empty() && program.len() < 4096)
        );
    }
}
