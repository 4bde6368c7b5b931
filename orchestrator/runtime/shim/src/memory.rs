//! Gives back what the start needed: the shim waits for days, and there may be hundreds.

#![expect(unsafe_code, reason = "madvise has no safe wrapper here")]

use std::fs;

/// Unmaps the pages of the program that were only read; what is needed again is mapped again. Only
/// areas without a page of their own are touched, so nothing can be lost.
pub fn trim() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    let mut area = None;
    for line in maps.lines() {
        match line.split_once(':') {
            Some(("Anonymous", rest)) if rest.trim_start().starts_with("0 kB") => {
                if let Some((start, end)) = area.take() {
                    // SAFETY: the area is file-backed, not writable, and has no private page: reading
                    // it again gives the same bytes.
                    unsafe {
                        libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED)
                    };
                }
            }
            Some((name, _)) if name.contains('-') => area = program_area(line),
            _ => {}
        }
    }
}

/// Bounds of a read-only, file-backed area, from its head line (proc(5)).
fn program_area(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let fixed = matches!(words.next()?, "r-xp" | "r--p");
    let backed = words.nth(2)? != "0";
    let bound = |text| usize::from_str_radix(text, 16).ok();
    (fixed && backed)
        .then_some(())
        .and(bound(start).zip(bound(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_pages_are_given_back() {
        let text = "00400000-00401000 r-xp 00000000 00:05 1034 /memfd:ostler-shim (deleted)";
        assert_eq!(program_area(text), Some((0x0040_0000, 0x0040_1000)));
        for other in [
            "00400000-00401000 rw-p 00000000 00:05 1034 /memfd:ostler-shim (deleted)",
            "7ffc0000-7ffc2000 r-xp 00000000 00:00 0 [vdso]",
        ] {
            assert_eq!(program_area(other), None);
        }
        trim();
        assert!(fs::read_to_string("/proc/self/stat").is_ok());
    }
}
