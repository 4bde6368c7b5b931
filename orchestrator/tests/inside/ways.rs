//! Ways out of a sandbox: files, network, processes, signals, mounts, other agents' sockets, the
//! kernel. Each answers `Ok` when it got somewhere it must not.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Error},
    net::{TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::libc;

/// A way, with its name.
pub type Way = (&'static str, Box<dyn Fn() -> Result<(), String>>);

/// Every way that is tried.
pub fn all() -> Vec<Way> {
    let mut ways = files();
    ways.extend(network());
    ways.extend(processes());
    ways.extend(mounts());
    ways.extend(kernel());
    ways
}

fn way<T>(name: &'static str, tried: impl Fn() -> io::Result<T> + 'static) -> Way {
    let tried = move || match tried() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    (name, Box::new(tried))
}

fn refuse(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}

fn files() -> Vec<Way> {
    let make = |path: &'static str| move || File::create_new(path);
    // Opened, not written: what gets through must not harm the machine.
    let open = |path: &'static str| move || OpenOptions::new().write(true).open(path);
    let read = |path: &'static str| move || fs::read(path);
    vec![
        way("write to the root", make("/file")),
        way("write to /tmp", make("/tmp/file")),
        way("write to /etc", make("/etc/file")),
        way("make a directory in the root", || fs::create_dir("/dir")),
        way("write to what is mounted", make("/prober/file")),
        way("replace the program", || fs::remove_file("/prober/prober")),
        way("write beside its sockets", make("/run/ostler/file")),
        way("remove its socket", || {
            fs::remove_file("/run/ostler/mcp.sock")
        }),
        way("listen beside its socket", || {
            UnixListener::bind("/run/ostler/other.sock")
        }),
        way("read a file of the host", || {
            fs::read(told("PROBER_HOST_FILE"))
        }),
        way("read the host's shadow file", read("/etc/shadow")),
        way("read the kernel's memory", read("/proc/kcore")),
        way("read the kernel's keys", || nonempty("/proc/keys")),
        way("write to sysctl", open("/proc/sys/kernel/core_pattern")),
        way("write to sysrq", open("/proc/sysrq-trigger")),
        way(
            "write to its cgroup",
            open("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        ),
        way("write to sysfs", open("/sys/kernel/uevent_helper")),
        way("find a disk", find_disk),
        way("open kernel messages", read("/dev/kmsg")),
        way("climb out by a handle of its root", || {
            climb(&Path::new("/proc/1/root").join(".."))
        }),
        way("find other sockets of the host", || {
            other_sockets(Path::new("/run"))
        }),
    ]
}

/// What the test told of the host.
fn told(name: &str) -> String {
    std::env::var(name).unwrap()
}

fn find_disk() -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    for entry in fs::read_dir("/dev")?.flatten() {
        if entry.file_type()?.is_block_device() {
            return Ok(());
        }
    }
    Err(refuse("there is none"))
}

fn nonempty(path: &str) -> io::Result<()> {
    let bytes = fs::read(path)?;
    if bytes.is_empty() {
        return Err(refuse("empty"));
    }
    Ok(())
}

/// The host's root would have a home for users.
fn climb(path: &Path) -> io::Result<()> {
    let names: Vec<_> = fs::read_dir(path)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    if names
        .iter()
        .any(|name| name == "home" || name == "boot" || name == "root")
    {
        return Ok(());
    }
    Err(refuse("only its own root is there"))
}

fn other_sockets(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    for entry in fs::read_dir(dir)?.flatten() {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && other_sockets(&path).is_ok() {
            return Ok(());
        }
        if kind.is_socket() && path != Path::new("/run/ostler/mcp.sock") {
            return Ok(());
        }
    }
    Err(refuse("none but its own"))
}

fn network() -> Vec<Way> {
    // To connect a datagram socket asks for a route and sends nothing.
    let route = |to: &'static str| move || UdpSocket::bind("0.0.0.0:0")?.connect(to);
    vec![
        way("connect to a door of the host", || {
            let door = told("PROBER_HOST_DOOR");
            let door = door.parse().map_err(io::Error::other)?;
            TcpStream::connect_timeout(&door, Duration::from_secs(2))
        }),
        way("connect to an abstract socket of the host", || {
            let name = SocketAddr::from_abstract_name(told("PROBER_HOST_SOCKET"))?;
            UnixStream::connect_addr(&name)
        }),
        way("find a route to the internet", route("198.51.100.1:53")),
        way(
            "find a route to a cloud's metadata",
            route("169.254.169.254:80"),
        ),
        way("find a route to services", route("10.217.0.1:80")),
        way("open a raw socket", || {
            socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)
        }),
        way("open a packet socket", || {
            socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300)
        }),
    ]
}

fn processes() -> Vec<Way> {
    let host: i32 = told("PROBER_HOST_PID").parse().unwrap();
    vec![
        way("signal a process of the host", move || kill(host)),
        way("signal the machine's first process", || {
            // In here, the first process is the agent itself: nobody else is there to be signalled.
            if std::process::id() == 1 {
                Err(refuse("that is itself"))
            } else {
                kill(1)
            }
        }),
        way("signal everybody", || kill(-1)),
        way("see processes of others", see_others),
        way("trace a process of the host", move || {
            call(
                libc::SYS_ptrace,
                [
                    i64::from(libc::PTRACE_ATTACH.cast_signed()),
                    host.into(),
                    0,
                    0,
                ],
            )
        }),
        way("become root", || call(libc::SYS_setuid, [0; 4])),
        way("become root's group", || call(libc::SYS_setgid, [0; 4])),
        way("run more urgently", || {
            call(libc::SYS_setpriority, [0, 0, -10, 0])
        }),
        way("run in real time", || {
            let parameter = libc::sched_param { sched_priority: 1 };
            call(
                libc::SYS_sched_setscheduler,
                [0, libc::SCHED_FIFO.into(), (&raw const parameter) as i64, 0],
            )
        }),
        way("run a program of the host", || {
            Command::new("/bin/sh").spawn()
        }),
    ]
}

fn see_others() -> io::Result<()> {
    let own = std::process::id().to_string();
    let others = fs::read_dir("/proc")?.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.chars().all(|c| c.is_ascii_digit()) && *name != *own
    });
    if others.count() == 0 {
        Err(refuse("there are none"))
    } else {
        Ok(())
    }
}

fn mounts() -> Vec<Way> {
    let unshare = |flags: i32| move || call(libc::SYS_unshare, [flags.into(), 0, 0, 0]);
    vec![
        way("mount a file system", || {
            mount(Some("tmpfs"), "/tmp", Some("tmpfs"), 0)
        }),
        way("make its root writable", || {
            mount(None, "/", None, libc::MS_REMOUNT | libc::MS_BIND)
        }),
        way("take a mount away", || {
            let target = CString::new("/proc")?;
            call(libc::SYS_umount2, [target.as_ptr() as i64, 0, 0, 0])
        }),
        way("change its root", || {
            let root = CString::new("/usr")?;
            call(libc::SYS_chroot, [root.as_ptr() as i64, 0, 0, 0])
        }),
        way("be root in a user namespace", unshare(libc::CLONE_NEWUSER)),
        way("have its own mounts", unshare(libc::CLONE_NEWNS)),
        way("have its own network", unshare(libc::CLONE_NEWNET)),
        way("have its own cgroups", unshare(libc::CLONE_NEWCGROUP)),
        way("make a device", || {
            let path = CString::new("/dev/disk")?;
            let device = libc::makedev(254, 0).cast_signed();
            call(
                libc::SYS_mknod,
                [
                    path.as_ptr() as i64,
                    (libc::S_IFBLK | 0o600).into(),
                    device,
                    0,
                ],
            )
        }),
    ]
}

fn kernel() -> Vec<Way> {
    // Nonsense as arguments: whoever may call is told so by another error than that they may not.
    let may = |number: libc::c_long| {
        move || match call(number, [0; 4]) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(error),
            _ => Ok(()),
        }
    };
    vec![
        way("load a module", may(libc::SYS_init_module)),
        way("load a program into the kernel", may(libc::SYS_bpf)),
        way("watch with perf", may(libc::SYS_perf_event_open)),
        way("use kernel keys", may(libc::SYS_add_key)),
        way("handle page faults", may(libc::SYS_userfaultfd)),
        way("open by a file handle", may(libc::SYS_open_by_handle_at)),
        way("boot another kernel", may(libc::SYS_kexec_load)),
        way("reboot", may(libc::SYS_reboot)),
        way("swap", may(libc::SYS_swapon)),
        way("name the machine", || {
            let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
            let name = name.trim_end();
            let length = i64::try_from(name.len()).map_err(io::Error::other)?;
            call(libc::SYS_sethostname, [name.as_ptr() as i64, length, 0, 0])
        }),
        way("set the clock", || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_err(io::Error::other)?.as_secs();
            let time = libc::timespec {
                tv_sec: now.cast_signed(),
                tv_nsec: 0,
            };
            call(libc::SYS_clock_settime, [0, (&raw const time) as i64, 0, 0])
        }),
    ]
}

/// Asks whether a process could be signalled, without a signal.
fn kill(pid: i32) -> io::Result<()> {
    call(libc::SYS_kill, [pid.into(), 0, 0, 0])
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    call(
        libc::SYS_socket,
        [family.into(), kind.into(), protocol.into(), 0],
    )
}

fn mount(source: Option<&str>, target: &str, kind: Option<&str>, flags: u64) -> io::Result<()> {
    let text = |text: Option<&str>| CString::new(text.unwrap_or_default());
    let (source, target, kind) = (text(source)?, CString::new(target)?, text(kind)?);
    call(
        libc::SYS_mount,
        [
            source.as_ptr() as i64,
            target.as_ptr() as i64,
            kind.as_ptr() as i64,
            flags.cast_signed(),
        ],
    )
}

#[expect(
    unsafe_code,
    reason = "calls that no safe wrapper offers are what is tried here"
)]
fn call(number: libc::c_long, arguments: [i64; 4]) -> io::Result<()> {
    let [a, b, c, d] = arguments;
    // SAFETY: pointers among the arguments live until the call returns; every call is one that the
    // sandbox must refuse.
    let answer = unsafe { libc::syscall(number, a, b, c, d) };
    if answer < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}
