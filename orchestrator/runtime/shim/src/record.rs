//! Files that must be whole or absent, and facts about processes and clocks.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, de::DeserializeOwned};

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a file so that a reader sees all of it or the one before.
pub fn write(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<File> {
    let part = dir.join(format!("{name}.part"));
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    fs::rename(&part, dir.join(name))?;
    Ok(file)
}

/// Space for a record, so that a disk that fills up does not keep it from being written.
const RESERVED: usize = 512;

/// Takes the space for a record that will be written later.
pub fn reserve(dir: &Path, name: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(format!("{name}.part")), [b' '; RESERVED])
}

/// Writes a record into the space taken for it; blanks after it mean nothing.
pub fn write_reserved(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<File> {
    let part = dir.join(format!("{name}.part"));
    let Ok(mut file) = File::options().write(true).open(&part) else {
        fs::create_dir_all(dir)?;
        return write(dir, name, value);
    };
    file.write_all(&serde_json::to_vec(value)?)?;
    fs::rename(&part, dir.join(name))?;
    Ok(file)
}

/// Reads one such file.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// When the kernel started a process, in clock ticks since boot (proc(5), field 22).
pub fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

/// This boot's id.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
