//! How full a file system is, as `df` tells it.

use std::{io, path::Path};

use nix::sys::statvfs::statvfs;

/// The share in use of the file system that holds a path, 0 to 1: of what everybody may use. What
/// is set aside for others (reserved blocks, quotas of the layer below) counts neither as used nor
/// as there.
///
/// # Errors
/// When the file system does not answer.
pub(crate) fn share(path: &Path) -> io::Result<f64> {
    let stat = statvfs(path)?;
    let used = stat.blocks().saturating_sub(stat.blocks_free());
    Ok(used_share(used, stat.blocks_available()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
fn used_share(used: u64, available: u64) -> f64 {
    used as f64 / used.saturating_add(available).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_not_in_use() {
        // 66 of 1,000 blocks used, 200 left to everybody, 734 set aside.
        assert!((used_share(66, 200) - 0.248).abs() < 0.001);
        assert!((used_share(0, 0)).abs() < f64::EPSILON);
        assert!((used_share(5, 0) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn it_agrees_with_df() {
        let df = std::process::Command::new("df")
            .args(["--output=pcent", "/"])
            .output()
            .unwrap();
        let text = String::from_utf8(df.stdout).unwrap();
        let percent: f64 = text
            .lines()
            .nth(1)
            .unwrap()
            .trim()
            .trim_end_matches('%')
            .parse()
            .unwrap();
        let share = share(Path::new("/")).unwrap() * 100.0;
        // It rounds up, and others write meanwhile.
        assert!((share - percent).abs() < 2.0, "{share} and {percent}");
    }
}
