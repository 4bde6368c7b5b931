//! How an upgrade should come in: the strategy and its steps, by risk.

use ostler_core::{
    spec::{ByWhom, Canary, CanaryStep, ServiceSpec, Strategy, Upgrades},
    time::Span,
    units::Percent,
};

use crate::risk::Level;

/// Instances from which shares mean something where no traffic is measured.
const FEW: u32 = 3;

/// How an upgrade should come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Another strategy than the one that is written; `None` keeps that.
    pub strategy: Option<Strategy>,
    /// In words.
    pub words: String,
    /// How long it takes at most before it is in or back, what waits for a person included.
    pub within: Span,
}

/// Picks the way. What is urgent bakes half as long and skips no step.
#[must_use]
pub fn way(spec: &ServiceSpec, rule: &Upgrades, level: Level, urgent: bool) -> Way {
    let (strategy, words) = match pick(spec, rule, level, urgent) {
        Ok((steps, words)) => (Some(Strategy::Canary(Canary { steps })), words),
        Err(why) => {
            let name = spec.update.strategy.name();
            (None, format!("`{name}` as it is written: {why}"))
        }
    };
    let within = longest(strategy.as_ref().unwrap_or(&spec.update.strategy), spec);
    Way {
        strategy,
        words,
        within,
    }
}

fn pick(
    spec: &ServiceSpec,
    rule: &Upgrades,
    level: Level,
    urgent: bool,
) -> Result<(Vec<CanaryStep>, String), &'static str> {
    match spec.update.strategy {
        _ if rule.strategy == ByWhom::AsWritten => return Err("`spec.upgrades.strategy` says so"),
        Strategy::Recreate => return Err("two versions may not stand side by side"),
        Strategy::BlueGreen(_) => return Err("a preview is wanted"),
        Strategy::Rolling | Strategy::Canary(_) => {}
    }
    if spec.is_stateful() {
        return Err("it keeps data, and whether two versions may share that is not known");
    }
    let measured = spec.ports.iter().any(ostler_core::spec::Port::is_proxied);
    if !measured && spec.replicas.min < FEW {
        return Err("no traffic is measured and there are too few instances for shares");
    }
    let steps = steps(level, halved(rule.bake, urgent));
    let shares: Vec<String> = steps
        .iter()
        .map(|step| {
            let pause = if step.pause {
                ", then a person looks"
            } else {
                ""
            };
            format!("{} for {}{pause}", step.share(), step.bake)
        })
        .collect();
    let sooner = if urgent {
        ", half as long as usual"
    } else {
        ""
    };
    let words = format!("canary: {}, then all{sooner}", shares.join(", "));
    Ok((steps, words))
}

fn halved(bake: Span, urgent: bool) -> Span {
    if urgent { Span(bake.0 / 2) } else { bake }
}

fn steps(level: Level, bake: Span) -> Vec<CanaryStep> {
    let times = |factor: u64| Span(bake.0.saturating_mul(factor));
    let of = |shares: &[u8], bake: Span| -> Vec<CanaryStep> {
        let step = |share: &u8| CanaryStep::new(Percent(*share), bake, false);
        shares.iter().map(step).collect()
    };
    match level {
        Level::Low => of(&[25], Span((bake.0 / 2).max(1))),
        Level::Usual => of(&[10, 50], bake),
        Level::High => of(&[5, 25, 50], times(2)),
        Level::VeryHigh => {
            let mut steps = of(&[5, 25, 50], times(3));
            if let Some(first) = steps.first_mut() {
                first.pause = true;
            }
            steps
        }
    }
}

fn longest(strategy: &Strategy, spec: &ServiceSpec) -> Span {
    let update = &spec.update;
    let stage = |bake: Span, pause: bool| {
        let waits = if pause { update.pause_deadline.0 } else { 0 };
        bake.0
            .saturating_add(update.progress_deadline.0)
            .saturating_add(waits)
    };
    let stages = match strategy {
        Strategy::Rolling | Strategy::Recreate => 0,
        Strategy::Canary(canary) => canary
            .steps
            .iter()
            .map(|step| stage(step.bake, step.pause))
            .fold(0, u64::saturating_add),
        Strategy::BlueGreen(both) => {
            let manual = both.promote == ostler_core::spec::Promotion::Manual;
            // What its traffic cannot say it waits for, as a step does.
            stage(both.bake, manual).saturating_add(stage(both.keep_old, false))
        }
    };
    Span(stages.saturating_add(stage(Span(0), false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ServiceSpec {
        let usual = serde_json::json!({
            "image": "shop:1", "replicas": { "min": 4, "max": 4 },
            "ports": [{ "name": "http", "port": 80, "publish": 80, "appProtocol": "http" }],
        });
        let (mut usual, over) = (
            usual,
            serde_json::from_str::<serde_json::Value>(text).unwrap(),
        );
        for (name, value) in over.as_object().unwrap() {
            usual[name] = value.clone();
        }
        serde_json::from_value(usual).unwrap()
    }

    fn picked(text: &str, level: Level, urgent: bool) -> Way {
        way(&spec(text), &Upgrades::default(), level, urgent)
    }

    #[test]
    fn more_risk_is_smaller_steps_for_longer() {
        let words = |level| picked("{}", level, false).words;
        assert_eq!(words(Level::Low), "canary: 25% for 2m30s, then all");
        assert_eq!(
            words(Level::Usual),
            "canary: 10% for 5m, 50% for 5m, then all"
        );
        assert_eq!(
            words(Level::High),
            "canary: 5% for 10m, 25% for 10m, 50% for 10m, then all"
        );
        assert_eq!(
            words(Level::VeryHigh),
            "canary: 5% for 15m, then a person looks, 25% for 15m, 50% for 15m, then all"
        );
        let urgent = picked("{}", Level::Usual, true);
        assert_eq!(
            urgent.words,
            "canary: 10% for 2m30s, 50% for 2m30s, then all, half as long as usual"
        );
        assert_eq!(urgent.within, Span::minutes(5 + 3 * 10));
        assert!(picked("{}", Level::VeryHigh, false).within > Span::minutes(24 * 60));
    }

    #[test]
    fn what_cannot_stand_side_by_side_comes_in_as_written() {
        for (text, why) in [
            (r#"{"update": {"strategy": "recreate"}}"#, "side by side"),
            (
                r#"{"update": {"strategy": {"blueGreen": {}}}}"#,
                "a preview",
            ),
            (
                r#"{"ports": [], "replicas": {"min": 1, "max": 4}}"#,
                "too few instances",
            ),
            (
                r#"{"volumes": [{"mount": "/data", "source": {"named": {"name": "data"}}}]}"#,
                "keeps data",
            ),
        ] {
            let way = picked(text, Level::Low, false);
            assert_eq!(way.strategy, None, "{text}");
            assert!(way.words.contains(why), "{text}: {}", way.words);
        }
        let by_hand = serde_json::from_str(r#"{"strategy": "asWritten"}"#).unwrap();
        assert_eq!(way(&spec("{}"), &by_hand, Level::Low, false).strategy, None);
        assert!(
            picked(r#"{"ports": []}"#, Level::Low, false)
                .strategy
                .is_some()
        );
    }
}
