//! Mounting many layers: mount(2) takes one page of options, fsconfig(2) takes a layer at a time.

#![expect(unsafe_code, reason = "the newer mount calls have no safe wrapper")]

use std::{
    ffi::{CStr, CString},
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::errno::Errno;

/// linux/mount.h.
const SET_STRING: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;
const CLOEXEC: libc::c_uint = 1;
const ATTR_NODEV: libc::c_uint = 4;
const EMPTY_PATH: libc::c_uint = 4;

/// Mounts layers, top-most first, under a writable one. Their names may have 255 bytes: relative
/// ones count from the working directory.
pub fn mount<'a>(
    layers: impl IntoIterator<Item = &'a str>,
    upper: &Path,
    work: &Path,
    target: &Path,
) -> io::Result<()> {
    let context = Context::open()?;
    for layer in layers {
        context.set(c"lowerdir+", layer)?;
    }
    // By their handles: their own names may be longer.
    let (upper, work) = (File::open(upper)?, File::open(work)?);
    context.set(c"upperdir", &handle(&upper))?;
    context.set(c"workdir", &handle(&work))?;
    context.mount(target)
}

fn handle(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A file system that is being put together.
struct Context(OwnedFd);

impl Context {
    fn open() -> io::Result<Self> {
        // SAFETY: the name is a C string; the call returns a new file or -1.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), CLOEXEC) }).map(Self)
    }

    fn set(&self, key: &CStr, value: &str) -> io::Result<()> {
        let value = CString::new(value)?;
        self.configure(SET_STRING, key.as_ptr(), value.as_ptr())
    }

    fn configure(
        &self,
        command: libc::c_uint,
        key: *const libc::c_char,
        value: *const libc::c_char,
    ) -> io::Result<()> {
        let fd: RawFd = self.0.as_raw_fd();
        // SAFETY: both are null or C strings that outlive the call; the rest are integers.
        let result = unsafe { libc::syscall(libc::SYS_fsconfig, fd, command, key, value, 0) };
        Ok(Errno::result(result).map(drop)?)
    }

    fn mount(&self, target: &Path) -> io::Result<()> {
        self.configure(CREATE, std::ptr::null(), std::ptr::null())?;
        let fd = self.0.as_raw_fd();
        // SAFETY: takes integers and returns a new file or -1.
        let mounted = owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, ATTR_NODEV) })?;
        let target = CString::new(target.as_os_str().as_bytes())?;
        // SAFETY: both paths are C strings that outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                mounted.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                target.as_ptr(),
                EMPTY_PATH,
            )
        };
        Ok(Errno::result(result).map(drop)?)
    }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(fd)?).map_err(io::Error::other)?;
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
