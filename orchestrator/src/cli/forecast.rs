//! A proposal's forecast in words: what would happen, step by step, and what it rests on.

use ostler_core::sim::{Forecast, ForecastStep};
use ostler_tools::answer::Foretold;

use super::words::{moment, untrusted};

/// Most steps that are shown; the structured answer has more.
const SHOWN: usize = 30;

/// The forecast, or why there is none.
pub fn text(told: &Foretold) -> String {
    let mut lines = vec![
        untrusted(&told.words),
        format!(
            "Tried on a fork of revision {} at {}.",
            told.revision,
            moment(told.at)
        ),
    ];
    if let Some(forecast) = &told.forecast {
        lines.extend(details(forecast));
    }
    lines.join("\n")
}

fn details(forecast: &Forecast) -> Vec<String> {
    let mut lines: Vec<String> = forecast.steps.iter().take(SHOWN).map(step).collect();
    let more = forecast.steps.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("  … and {more} more"));
    }
    if !forecast.resized.is_empty() {
        let resized: Vec<&str> = forecast.resized.iter().map(|id| id.as_str()).collect();
        lines.push(format!("Resized in place: {}", resized.join(", ")));
    }
    if !forecast.disturbed.is_empty() {
        let disturbed: Vec<&str> = forecast.disturbed.iter().map(|id| id.as_str()).collect();
        lines.push(format!("Disturbed: {}", disturbed.join(", ")));
    }
    let assumed = forecast.assumptions.iter();
    lines.extend(assumed.map(|words| format!("Assumed: {}", untrusted(words))));
    lines
}

fn step(step: &ForecastStep) -> String {
    format!("  +{:<7} {}", step.after.to_string(), untrusted(&step.what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(forecast: serde_json::Value) -> String {
        text(
            &serde_json::from_value(json!({
                "revision": 7, "at": 0, "words": "2 steps in 3s\u{1b}", "forecast": forecast
            }))
            .unwrap(),
        )
    }

    #[test]
    fn steps_what_is_disturbed_and_what_is_assumed_are_shown() {
        let step = |after, what: &str| {
            let step = json!({ "step": "stop", "instance": "cart-1", "reason": "asked" });
            json!({ "after": after, "step": step, "what": what })
        };
        let text = told(json!({
            "steps": [step("0ms", "stop cart-1: someone asked"), step("1s", "restart cart-1\u{1b}")],
            "disturbed": ["cart-1"], "least_ready": {}, "report": {}, "comes_to_rest": true,
            "took": "3s", "assumptions": ["all is well"]
        }));
        for part in [
            "Tried on a fork of revision 7",
            "+0s      stop cart-1: someone asked",
            "Disturbed: cart-1",
            "Assumed: all is well",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn that_nothing_can_be_foretold_is_said() {
        assert!(told(json!(null)).starts_with("2 steps in 3s"));
    }
}
