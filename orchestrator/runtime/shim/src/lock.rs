//! Who owns an instance's directory: a POSIX lock, which the kernel lets go with its holder, which
//! children do not inherit, and which tells anyone who asks the holder's pid.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Mutex,
};

use nix::fcntl::{FcntlArg, fcntl};

use crate::wire::names;

/// Open for as long as the lock is held; closing any handle of the file would release it.
static HELD: Mutex<Option<File>> = Mutex::new(None);

/// Takes the lock or says who has it.
pub fn take(dir: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(dir.join(names::LOCK))?;
    fcntl(&file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK)))?;
    if let Ok(mut held) = HELD.lock() {
        *held = Some(file);
    }
    Ok(())
}

/// Lets the next attempt's shim begin.
pub fn release() {
    if let Ok(mut held) = HELD.lock() {
        *held = None;
    }
}

fn whole(kind: i32) -> libc::flock {
    let (kind, whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
    libc::flock {
        l_type: kind,
        l_whence: whence,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
