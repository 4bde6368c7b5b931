//! What is written: results to standard output, everything else to standard error.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, ErrorKind, IsTerminal, Write},
};

use comfy_table::Color;
use serde_json::Value;

use super::{Format, Global, error::CliError};

/// Where results and problems go, and in which form.
pub struct Out {
    /// The form of results.
    pub format: Format,
    /// Whether to keep showing.
    pub watch: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard output may be coloured.
    pub colour: bool,
    /// Whether standard error may be coloured.
    error_colour: bool,
}

impl Out {
    /// As the command line and the terminals want it.
    pub fn new(global: &Global) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = io::stdout().is_terminal();
        Self {
            format: global.output,
            watch: global.watch,
            terminal,
            colour: wanted && terminal,
            error_colour: wanted && io::stderr().is_terminal(),
        }
    }

    /// Whether results are for programs.
    pub const fn machine(&self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// Whether people want more columns.
    pub const fn wide(&self) -> bool {
        matches!(self.format, Format::Wide)
    }

    /// An answer in the wanted form; `table` makes the form for people.
    pub fn render(
        &self,
        raw: &Value,
        table: impl FnOnce(&Self) -> String,
    ) -> Result<String, CliError> {
        let unwritable =
            |error: &dyn Error| CliError::Failed(format!("the answer cannot be written: {error}"));
        match self.format {
            Format::Json => serde_json::to_string_pretty(raw).map_err(|error| unwritable(&error)),
            Format::Yaml => serde_saphyr::to_string(raw).map_err(|error| unwritable(&error)),
            Format::Table | Format::Wide => Ok(table(self)),
        }
    }

    /// A line of a result.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        let text = text.trim_end_matches('\n');
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Bytes of a result, as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => CliError::Closed,
                _ => CliError::Io {
                    doing: "write to standard output".to_owned(),
                    source: error,
                },
            })
    }

    /// A line beside the result: what is going on, what to do next.
    pub fn note(&self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _unread = writeln!(io::stderr().lock(), "{text}");
    }

    /// What went wrong, why, and what to do next.
    pub fn problem(&self, error: &CliError) {
        if matches!(error, CliError::Closed | CliError::Exit(_)) {
            return;
        }
        let mut text = format!("{} {error}", paint("error:", Color::Red, self.error_colour));
        let mut source = error.source();
        while let Some(cause) = source {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  because: {cause}");
            source = cause.source();
        }
        if let Some(help) = error.help() {
            let _ = write!(
                text,
                "\n{} {help}",
                paint("help:", Color::Cyan, self.error_colour)
            );
        }
        self.note(&text);
    }
}

/// Text in a colour, where colours are wanted.
pub fn paint(text: &str, colour: Color, wanted: bool) -> String {
    let code = match colour {
        Color::Red => "31",
        Color::Green => "32",
        Color::Yellow => "33",
        Color::Cyan => "36",
        _ => "1",
    };
    if wanted {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
