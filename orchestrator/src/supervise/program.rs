//! The running program laid out in a directory, with the libraries it is linked with, so that a
//! sandbox can run it and see nothing else of the machine.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// The names of the parts in the directory.
#[derive(Debug)]
pub struct Parts {
    /// The dynamic loader, where the program needs one.
    loader: Option<String>,
}

const NAME: &str = "ostler";

impl Parts {
    /// The command that runs the program, the directory being mounted at `place`.
    pub fn command(&self, place: &str) -> Vec<String> {
        let program = format!("{place}/{NAME}");
        match &self.loader {
            Some(loader) => vec![
                format!("{place}/{loader}"),
                "--library-path".to_owned(),
                place.to_owned(),
                "--argv0".to_owned(),
                NAME.to_owned(),
                program,
            ],
            None => vec![program],
        }
    }
}

/// Lays the parts out; what an earlier daemon laid out is replaced.
///
/// # Errors
/// When a part cannot be read or written.
pub fn lay_out(dir: &Path) -> io::Result<Parts> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(dir)?,
    }
    // The running program's own file, even if another took its name meanwhile.
    place(Path::new("/proc/self/exe"), &dir.join(NAME))?;
    let mut loader = None;
    for library in libraries(&fs::read_to_string("/proc/self/maps")?) {
        let Some(name) = library.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        place(&library, &dir.join(name))?;
        if name.starts_with("ld-") || name.starts_with("ld.") {
            loader = Some(name.to_owned());
        }
    }
    Ok(Parts { loader })
}

/// The same file under another name where possible, which also shares its memory; a copy elsewhere.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let file = fs::canonicalize(from)?;
    let same = |a: &Path, b: &Path| -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let (a, b) = (fs::metadata(a)?, fs::metadata(b)?);
        Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    // Between the two looks the name may come to mean another file: then the open one is copied.
    if fs::hard_link(&file, to).is_ok() {
        if same(from, to)? {
            return Ok(());
        }
        fs::remove_file(to)?;
    }
    fs::copy(from, to)?;
    Ok(())
}

/// Shared libraries in a process's map of memory (proc_pid_maps(5)).
fn libraries(maps: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let path = line.splitn(6, ' ').nth(5)?.trim_start();
        let name = path.rsplit('/').next()?;
        let library = path.starts_with('/') && (name.contains(".so.") || name.ends_with(".so"));
        library.then(|| PathBuf::from(path))
    };
    maps.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_a_map_of_memory() {
        let maps = "\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 12 /usr/bin/ostler
7f10a0000000-7f10a0028000 r--p 00000000 fe:00 34                         /usr/lib/x86_64-linux-gnu/libc.so.6
7f10a0028000-7f10a0100000 r-xp 00028000 fe:00 34                         /usr/lib/x86_64-linux-gnu/libc.so.6
7f10a0200000-7f10a0201000 r--p 00000000 fe:00 35                         /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
7f10a0300000-7f10a0301000 rw-p 00000000 00:00 0
";
        let found: Vec<_> = libraries(maps).into_iter().collect();
        assert_eq!(
            found,
            [
                Path::new("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
                Path::new("/usr/lib/x86_64-linux-gnu/libc.so.6"),
            ]
        );
    }

    #[test]
    fn the_running_program_runs_from_its_parts() {
        let dir = tempfile::tempdir().unwrap();
        let parts = lay_out(&dir.path().join("program")).unwrap();
        let command = parts.command(dir.path().join("program").to_str().unwrap());
        let output = std::process::Command::new(&command[0])
            .args(&command[1..])
            .arg("--list")
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("the_running_program_runs_from_its_parts"),
            "{text}"
        );
    }
}
