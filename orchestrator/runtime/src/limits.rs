//! What this process may use of the machine. Containers have limits of their own and inherit none of
//! these.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files as far as this process may by itself: every instance that is
/// watched costs a file or two. Returns the limit.
///
/// # Errors
/// When the limit cannot be read or set; the earlier one stays.
pub fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
