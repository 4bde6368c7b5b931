//! The folder of reports of eval runs that an operator keeps: read again where something in it was written, for
//! the console and whoever asks by tool. Nothing here runs evals.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, UNIX_EPOCH},
};

use ostler_core::time::Time;
use ostler_tools::evals::{EvalReport, EvalsSeen};
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;

/// Time between two looks at the folder.
const LOOK: Duration = Duration::from_secs(5);
/// Most reports that are kept in sight: the newest.
const REPORTS: usize = 50;
/// Most bytes of one report.
const REPORT_LIMIT: u64 = 16 << 20;
/// Most characters of what is said of a file.
const WORDS: usize = 200;

/// The configured folder, shared with whoever reads the configuration.
#[derive(Default)]
pub struct Folder(RwLock<Option<PathBuf>>);

impl Folder {
    /// Takes over what is configured.
    pub fn put(&self, folder: Option<PathBuf>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = folder;
    }

    fn now(&self) -> Option<PathBuf> {
        let folder = self.0.read();
        folder.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A report's file: when it was written, and how long it is.
type Stamp = (Time, u64);
/// Reports by name, each as it was when it was read; what could not be read says why.
type Shelf = BTreeMap<String, (Stamp, Result<Arc<EvalReport>, String>)>;

/// Looks until told to stop.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut shelf = Shelf::new();
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let Some(folder) = fleet.eval_reports.now() else {
            shelf.clear();
            tell(&fleet, EvalsSeen::default());
            continue;
        };
        let known = std::mem::take(&mut shelf);
        let looked = tokio::task::spawn_blocking(move || look(&folder, known)).await;
        let (kept, problem) =
            looked.unwrap_or_else(|error| (Shelf::new(), Some(error.to_string())));
        shelf = kept;
        tell(&fleet, seen(&shelf, problem));
    }
}

/// Shows what was seen, where it is not what is shown already. What cannot be read is told there and in the log: the
/// daemon itself is none the worse for it.
fn tell(fleet: &Fleet, seen: EvalsSeen) {
    let shown = fleet.read(|table| Arc::clone(&table.evals));
    if same(&shown, &seen) {
        return;
    }
    if let Some(words) = seen
        .problem
        .as_ref()
        .filter(|_| shown.problem != seen.problem)
    {
        tracing::warn!("not all reports of evals are shown: {words}");
    }
    fleet.write(|table| table.evals = Arc::new(seen));
}

/// Whether both are of the same reads; reports are large, so what they say is not compared.
fn same(one: &EvalsSeen, other: &EvalsSeen) -> bool {
    let mut reports = one.reports.iter().zip(&other.reports);
    (one.kept, &one.problem, one.reports.len()) == (other.kept, &other.problem, other.reports.len())
        && reports.all(|((name, of), (other, than))| name == other && Arc::ptr_eq(of, than))
}

fn seen(shelf: &Shelf, problem: Option<String>) -> EvalsSeen {
    let failed = |(name, (_, read)): (&String, &(Stamp, Result<_, String>))| {
        let why = read.as_ref().err()?;
        Some(format!("`{name}.json`: {why}"))
    };
    let good = |(name, (_, read)): (&String, &(Stamp, Result<Arc<EvalReport>, _>))| {
        Some((name.clone(), Arc::clone(read.as_ref().ok()?)))
    };
    EvalsSeen {
        kept: true,
        reports: shelf.iter().filter_map(good).collect(),
        problem: shelf.iter().find_map(failed).or(problem),
    }
}

/// The folder's newest reports; what did not change is not read again.
fn look(folder: &Path, mut known: Shelf) -> (Shelf, Option<String>) {
    let mut files = match files(folder) {
        Ok(files) => files,
        Err(error) => {
            let words = format!("`{}`: {error}", folder.display());
            return (Shelf::new(), Some(words));
        }
    };
    files.sort_by_key(|(_, (at, _))| std::cmp::Reverse(*at));
    let left_out = files.len().saturating_sub(REPORTS);
    files.truncate(REPORTS);
    let mut shelf = Shelf::new();
    for (path, stamp) in files {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
            continue;
        };
        let before = known.remove(name).filter(|(was, _)| *was == stamp);
        let read = before.unwrap_or_else(|| (stamp, read(&path, stamp).map(Arc::new)));
        shelf.insert(name.to_owned(), read);
    }
    let words = format!("{left_out} older ones are left out: {REPORTS} at most are shown");
    (shelf, (left_out > 0).then_some(words))
}

fn files(folder: &Path) -> io::Result<Vec<(PathBuf, Stamp)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        // One that goes meanwhile is no reason to lose sight of the others.
        let Ok(meta) = entry.metadata() else {
            continue;
        };
        if meta.is_file() {
            let written = meta.modified()?.duration_since(UNIX_EPOCH);
            let at = written.unwrap_or_default().as_millis();
            let at = Time(u64::try_from(at).unwrap_or(u64::MAX));
            files.push((path, (at, meta.len())));
        }
    }
    Ok(files)
}

fn read(path: &Path, (at, bytes): Stamp) -> Result<EvalReport, String> {
    if bytes > REPORT_LIMIT {
        return Err(format!(
            "it has {bytes} bytes; {REPORT_LIMIT} at most are read"
        ));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let parsed = EvalReport::parse(&text, at);
    parsed.map_err(|why| why.chars().take(WORDS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str =
        r#"{ "format": 1, "agent": "healer", "seed": 1, "repeats": 1, "rows": [] }"#;

    #[test]
    fn reports_are_read_once_and_what_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("monday.json", REPORT);
        write("notes.txt", "no report");
        let (shelf, problem) = look(dir.path(), Shelf::new());
        assert_eq!(problem, None);
        let first = seen(&shelf, None);
        assert_eq!(first.reports.keys().collect::<Vec<_>>(), ["monday"]);
        let (again, _) = look(dir.path(), shelf);
        let again = seen(&again, None);
        assert!(Arc::ptr_eq(
            &first.reports["monday"],
            &again.reports["monday"]
        ));

        write("tuesday.json", "{");
        let (shelf, _) = look(dir.path(), Shelf::new());
        let broken = seen(&shelf, None);
        assert_eq!(broken.reports.len(), 1);
        let problem = broken.problem.unwrap();
        assert!(
            problem.starts_with("`tuesday.json`: it is not a report"),
            "{problem}"
        );
        let (none, problem) = look(&dir.path().join("none"), shelf);
        assert!(none.is_empty() && problem.unwrap().contains("none"));
    }

    #[test]
    fn the_newest_are_shown_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..REPORTS + 3 {
            fs::write(dir.path().join(format!("{number}.json")), REPORT).unwrap();
        }
        let (shelf, problem) = look(dir.path(), Shelf::new());
        assert_eq!(shelf.len(), REPORTS);
        assert!(problem.unwrap().starts_with("3 older ones"));
    }
}
