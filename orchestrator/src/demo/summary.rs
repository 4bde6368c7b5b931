//! What broke, how long it took to see, why, who decided, what was done, and the proof.

use std::time::Duration;

use super::stage::Stage;

/// One fault and what became of it.
#[derive(Debug, Clone)]
pub struct Story {
    /// What was broken.
    pub broke: String,
    /// From the fault to its being seen.
    pub seen_after: Duration,
    /// The cause that was named.
    pub cause: String,
    /// Who decided.
    pub decided_by: String,
    /// What was done.
    pub fix: String,
    /// From the fault to verified.
    pub healed_after: Duration,
}

/// Prints the table and verifies the audit log.
pub fn print(stage: &Stage, stories: &[Story]) -> anyhow::Result<()> {
    stage.heading("What happened")?;
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header([
        "what broke",
        "seen after",
        "cause",
        "decided by",
        "fix",
        "verified after",
    ]);
    for story in stories {
        table.add_row([
            story.broke.clone(),
            seconds(story.seen_after),
            story.cause.clone(),
            story.decided_by.clone(),
            story.fix.clone(),
            seconds(story.healed_after),
        ]);
    }
    stage.say(&table.to_string())?;
    stage.heading("Who did what is in the log, and the log proves it")?;
    stage.show(&["audit", "verify"])
}

fn seconds(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{:.1} s", span.as_secs_f64())
    }
}
