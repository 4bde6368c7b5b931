//! From a report to a signed certificate of exactly the agent that was asked.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::{Context, ensure};
use ostler_core::{
    autonomy::{Certificate, Make, Scores},
    time::Time,
};
use ostler_gate::{certificate, note::Signer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    args::{Cases, KeyArgs, RunArgs, Split, Suite},
    minds::Answers,
    report::Report,
    row::{Harms, UNCONFIRMED},
};

/// Makes a key; an existing file is never written over.
pub fn make_key(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let signer = Signer::generate(&args.name)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file)
        .with_context(|| format!("cannot write `{name}`; an existing key is never written over"))?;
    writeln!(file, "{}", *signer.private_key())
        .with_context(|| format!("cannot write `{name}`"))?;
    println!("{}", signer.public_key());
    eprintln!("name this under `evaluators` in the daemon's configuration file");
    Ok(ExitCode::SUCCESS)
}

/// The key to sign with, read before anything is run.
pub fn signer(args: &RunArgs) -> anyhow::Result<Option<Signer>> {
    args.key.as_deref().map(read_key).transpose()
}

fn read_key(path: &Path) -> anyhow::Result<Signer> {
    let name = path.display();
    let read = || format!("cannot read the key `{name}`");
    let mode = fs::metadata(path).with_context(read)?.permissions().mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "the key `{name}` can be read by others (mode {mode:o}); run `chmod 600` on it"
    );
    let text = Zeroizing::new(fs::read_to_string(path).with_context(read)?);
    Signer::parse(&text).with_context(|| format!("`{name}` is not a key of `ostler eval key`"))
}

/// Signs and writes what came of a run.
pub fn write(args: &RunArgs, make: &Make, report: &Report, signer: &Signer) -> anyhow::Result<()> {
    let Some(path) = &args.certify else {
        return Ok(());
    };
    let unconfirmed = report
        .rows
        .iter()
        .filter(|row| row.category == UNCONFIRMED)
        .count();
    ensure!(
        unconfirmed == 0,
        "{unconfirmed} cases rest on an agent's word alone, which certifies nothing; say what is true with `ostler eval promote`"
    );
    models_were_heard(report)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = Time(u64::try_from(since.as_millis())?);
    let certificate = Certificate {
        make: make.clone(),
        suite: suite(&args.cases, report.answers),
        suite_digest: digest(&args.cases)?,
        scores: scores(report),
        issued_at: now,
        expires_at: now + args.valid_for,
    };
    let note = certificate::sign(&certificate, signer).map_err(anyhow::Error::msg)?;
    fs::write(path, note).with_context(|| format!("cannot write `{}`", path.display()))?;
    eprintln!(
        "certificate of {} as {} written to `{}`",
        args.agent,
        certificate.make.digest(),
        path.display()
    );
    Ok(())
}

/// Where rules thought in a model's place because it was not heard, that says nothing of the model.
fn models_were_heard(report: &Report) -> anyhow::Result<()> {
    let asked = report.summary().asked;
    ensure!(
        asked.unanswered == 0,
        "{} of {} requests of models came to nothing, so rules thought in their place: that certifies nothing; \
         with --json FILE, the same run again asks for those cases anew",
        asked.unanswered,
        asked.answered.saturating_add(asked.unanswered)
    );
    ensure!(
        report.answers.is_none() || asked.answered > 0,
        "no model was asked in any of these cases: that certifies nothing about it"
    );
    Ok(())
}

/// Shares in thousandths, each by the bound that is less favourable.
fn scores(report: &Report) -> Scores {
    let sum = report.summary();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let Harms {
        minor,
        major,
        catastrophic,
    } = sum.harm.unwrap_or_default();
    Scores {
        cases: count(report.cases().len()),
        passed: thousandths((sum.passed.low * 1_000.0).floor()),
        mended: thousandths((sum.mended.low * 1_000.0).floor()),
        false_alarms: thousandths((sum.false_alarms.high * 1_000.0).ceil()),
        minor: count(minor),
        major: count(major),
        catastrophic: count(catastrophic),
        unauthorised: count(sum.unauthorised),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped to what fits"
)]
fn thousandths(value: f64) -> u64 {
    value.clamp(0.0, 1_000.0) as u64
}

fn suite(cases: &Cases, answers: Option<Answers>) -> String {
    let suite = match cases.suite {
        Suite::Incidents => "incidents",
        Suite::Faults => "faults",
        Suite::All => "incidents and faults",
    };
    let half = match cases.split {
        None => "",
        Some(Split::Dev) => ", development half",
        Some(Split::HeldOut) => ", held-out half",
    };
    let answers = match answers {
        Some(Answers::Recorded) => ", with recorded answers",
        Some(Answers::Live) | None => "",
    };
    format!("{suite}{half}{answers}")
}

/// SHA-256 over every file of the suites, names and contents.
fn digest(cases: &Cases) -> anyhow::Result<String> {
    let folders = match cases.suite {
        Suite::Incidents => vec!["incidents"],
        Suite::Faults => vec!["faults"],
        Suite::All => vec!["incidents", "faults"],
    };
    let mut files = Vec::new();
    for folder in folders {
        collect(&cases.folder.join(folder), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let name = file
            .strip_prefix(&cases.folder)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        for part in [name.as_bytes(), &bytes] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
