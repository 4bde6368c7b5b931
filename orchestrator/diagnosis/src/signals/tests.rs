//! Small pictures written by hand.

use super::*;
use crate::picture::{Edge, How, Kind, Object, Signal};

/// Forty calm points, then `then`.
fn signal(object: &str, measure: Measure, calm: f64, then: &[f64]) -> Signal {
    let before = (0..40).map(|i| calm * (1.0 + f64::from(i % 4) * 0.01));
    let values = before.chain(then.iter().copied());
    let points = values
        .enumerate()
        .map(|(i, value)| (i as f64 * 60.0, value))
        .collect();
    Signal {
        object: object.into(),
        measure,
        name: "mean".into(),
        points,
    }
}

fn calls(from: &str, to: &str) -> Edge {
    Edge {
        from: from.into(),
        to: to.into(),
        how: How::Calls,
    }
}

fn picture(signals: Vec<Signal>, edges: Vec<Edge>) -> Picture {
    Picture {
        signals,
        edges,
        noticed: Some(2_400.0),
        ..Picture::default()
    }
}

#[test]
fn the_deepest_service_that_loses_the_time_is_first() {
    let signals = vec![
        signal("web", Measure::Latency, 0.1, &[0.5, 0.5, 0.5]),
        signal("cart", Measure::Latency, 0.05, &[0.45, 0.45, 0.45]),
        signal("db", Measure::Latency, 0.01, &[0.41, 0.41, 0.41]),
        signal("mail", Measure::Latency, 0.02, &[0.02, 0.02, 0.02]),
    ];
    let edges = vec![
        calls("web", "cart"),
        calls("cart", "db"),
        calls("web", "mail"),
    ];
    let diagnosis = rank(&Picture {
        symptom: Some("web".into()),
        ..picture(signals, edges)
    });
    assert_eq!(diagnosis.verdict, Verdict::Found);
    let order: Vec<_> = diagnosis
        .findings
        .iter()
        .map(|f| f.object.as_str())
        .collect();
    assert_eq!(order, ["db", "cart", "web"]);
    assert_eq!(
        diagnosis.findings.first().unwrap().cause.as_deref(),
        Some("slow")
    );
}

#[test]
fn a_service_that_is_slow_of_itself_comes_before_its_healthy_callees() {
    let signals = vec![
        signal("web", Measure::Availability, 99.0, &[80.0, 80.0, 80.0]),
        signal("cart", Measure::Availability, 99.0, &[60.0, 60.0, 60.0]),
        signal("db", Measure::Availability, 99.0, &[99.0, 99.0, 99.0]),
    ];
    let edges = vec![calls("web", "cart"), calls("cart", "db")];
    let diagnosis = rank(&picture(signals, edges));
    let first = diagnosis.findings.first().unwrap();
    assert_eq!(
        (first.object.as_str(), first.cause.as_deref()),
        ("cart", Some("errors"))
    );
}

#[test]
fn what_is_only_seen_from_its_callers_is_named_last() {
    let signals = vec![
        signal("web", Measure::Latency, 0.1, &[0.5, 0.5, 0.5]),
        signal("balancer", Measure::Latency, 0.05, &[0.45, 0.45, 0.45]),
        signal("cart", Measure::Latency, 0.05, &[0.44, 0.44, 0.44]),
    ];
    let mut picture = picture(
        signals,
        vec![calls("web", "balancer"), calls("web", "cart")],
    );
    picture.objects.insert(
        "balancer".into(),
        Object {
            kind: Kind::External,
            facts: BTreeMap::new(),
        },
    );
    assert_eq!(rank(&picture).findings.first().unwrap().object, "cart");
}

#[test]
fn memory_that_grows_explains_the_processor_beside_it() {
    let signals = vec![
        signal("cart", Measure::Memory, 100.0, &[300.0, 310.0, 320.0]),
        signal("cart", Measure::Cpu, 1.0, &[99.0, 99.0, 99.0]),
        signal("web", Measure::Cpu, 1.0, &[1.0, 1.0, 1.0]),
    ];
    let diagnosis = rank(&picture(signals, Vec::new()));
    assert_eq!(diagnosis.findings.len(), 1);
    assert_eq!(
        diagnosis.findings.first().unwrap().cause.as_deref(),
        Some("memory_growth")
    );
}

#[test]
fn a_little_memory_beside_a_busy_processor_is_not_growth() {
    let signals = vec![
        signal("cart", Measure::Memory, 8.0, &[16.0, 16.0, 16.0]),
        signal("web", Measure::Memory, 300.0, &[300.0, 300.0, 300.0]),
        signal("db", Measure::Memory, 400.0, &[400.0, 400.0, 400.0]),
        signal("cart", Measure::Cpu, 1.0, &[99.0, 99.0, 99.0]),
    ];
    let diagnosis = rank(&picture(signals, Vec::new()));
    assert_eq!(
        diagnosis.findings.first().unwrap().cause.as_deref(),
        Some("cpu_saturated")
    );
}

#[test]
fn more_requests_than_ever_are_overload() {
    let signals = vec![
        signal("web", Measure::Latency, 0.1, &[0.5, 0.5, 0.5]),
        signal("web", Measure::Rate, 10.0, &[100.0, 100.0, 100.0]),
    ];
    let diagnosis = rank(&picture(signals, Vec::new()));
    assert_eq!(
        diagnosis.findings.first().unwrap().cause.as_deref(),
        Some("overload")
    );
}

#[test]
fn calm_is_healthy_and_a_lost_rate_alone_is_unknown() {
    let calm = vec![signal("web", Measure::Latency, 0.1, &[0.1, 0.101, 0.102])];
    assert_eq!(rank(&picture(calm, Vec::new())).verdict, Verdict::Healthy);
    let quiet = vec![signal("web", Measure::Rate, 100.0, &[1.0, 1.0, 1.0])];
    assert_eq!(rank(&picture(quiet, Vec::new())).verdict, Verdict::Unknown);
    assert_eq!(rank(&Picture::default()).verdict, Verdict::Healthy);
}

#[test]
fn trouble_that_nobody_noticed_is_found_with_its_time() {
    let slow = vec![signal("web", Measure::Latency, 0.1, &[0.9; 20])];
    let unnoticed = Picture {
        noticed: None,
        ..picture(slow, Vec::new())
    };
    assert_eq!(rank(&unnoticed).verdict, Verdict::Found);
    let calm = vec![signal("web", Measure::Latency, 0.1, &[0.101; 20])];
    let unnoticed = Picture {
        noticed: None,
        ..picture(calm, Vec::new())
    };
    assert_eq!(rank(&unnoticed).verdict, Verdict::Healthy);
}

#[test]
fn what_was_not_measured_is_not_zero() {
    let mut half = signal("web", Measure::Availability, 99.0, &[]);
    half.points.truncate(30);
    assert_eq!(
        rank(&picture(vec![half], Vec::new())).verdict,
        Verdict::Healthy
    );
}

#[test]
fn evidence_points_into_the_picture() {
    let slow = vec![signal("web", Measure::Latency, 0.1, &[0.9; 5])];
    let picture = picture(slow, Vec::new());
    let diagnosis = rank(&picture);
    let evidence = diagnosis
        .findings
        .first()
        .unwrap()
        .evidence
        .first()
        .unwrap()
        .clone();
    assert_eq!(evidence.from, "signals/0");
    assert!(
        evidence.shows.starts_with("latency went from 0.10"),
        "{}",
        evidence.shows
    );
}

#[test]
fn whatever_is_measured_scores_stay_between_nothing_and_one() {
    let wild = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -1e300,
        1e300,
        1e-300,
    ];
    let measures = [
        Measure::Latency,
        Measure::Availability,
        Measure::Memory,
        Measure::Rate,
        Measure::Other,
    ];
    let calm = [0.0, 1.0, -1.0, 1e300, f64::NAN];
    let signals = measures
        .iter()
        .flat_map(|m| calm.iter().map(|c| signal("web", *m, *c, &wild)));
    let cyclic = vec![calls("web", "db"), calls("db", "web"), calls("web", "web")];
    let mut picture = picture(signals.collect(), cyclic);
    for noticed in [None, Some(2_400.0), Some(f64::NAN), Some(-1.0), Some(1e12)] {
        picture.noticed = noticed;
        let diagnosis = rank(&picture);
        assert!(
            diagnosis
                .findings
                .iter()
                .all(|finding| (0.0..=1.0).contains(&finding.score))
        );
        assert_eq!(diagnosis, rank(&picture));
    }
}

#[test]
fn what_the_symptom_does_not_depend_on_counts_less() {
    let signals = vec![
        signal("web", Measure::Cpu, 1.0, &[1.0, 1.0, 1.0]),
        signal("db", Measure::Cpu, 1.0, &[3.0, 3.0, 3.0]),
        signal("stranger", Measure::Cpu, 1.0, &[9.0, 9.0, 9.0]),
    ];
    let near = Picture {
        symptom: Some("web".into()),
        ..picture(signals, vec![calls("web", "db")])
    };
    assert_eq!(rank(&near).findings.first().unwrap().object, "db");
    let unknown = Picture {
        symptom: None,
        ..near
    };
    assert_eq!(rank(&unknown).findings.first().unwrap().object, "stranger");
}

#[test]
fn slowness_below_explains_failures_above_and_lack_on_the_machine_explains_slowness() {
    let signals = vec![
        signal("web", Measure::Errors, 0.0, &[0.2, 0.2, 0.2]),
        signal("web", Measure::Latency, 100.0, &[101.0, 101.0, 101.0]),
        signal("db", Measure::Latency, 10.0, &[90.0, 90.0, 90.0]),
    ];
    let slow = picture(signals, vec![calls("web", "db")]);
    assert_eq!(rank(&slow).findings.first().unwrap().object, "db");
    let on = |object: &str| Edge {
        how: How::RunsOn,
        ..calls(object, "node/a")
    };
    let signals = vec![
        signal("cart", Measure::Disk, 1.0, &[50.0, 50.0, 50.0]),
        signal("db", Measure::Latency, 10.0, &[90.0, 90.0, 90.0]),
    ];
    let edges = vec![calls("web", "db"), on("cart"), on("db")];
    let crowded = rank(&picture(signals, edges));
    assert_eq!(crowded.findings.first().unwrap().object, "cart");
}

#[test]
fn who_lost_memory_and_work_was_started_anew_and_who_lost_work_alone_was_not() {
    let half = |measure| signal("cart", measure, 100.0, &[40.0, 40.0, 40.0]);
    let anew = rank(&picture(
        vec![half(Measure::Memory), half(Measure::Cpu)],
        Vec::new(),
    ));
    let first = anew.findings.first().unwrap();
    assert_eq!(first.cause.as_deref(), Some("restarts"));
    assert!(
        first.evidence[0]
            .shows
            .starts_with("memory use went from 10"),
        "{first:?}"
    );
    for alone in [Measure::Memory, Measure::Cpu] {
        let idle = rank(&picture(vec![half(alone)], Vec::new()));
        assert_eq!(idle.findings, Vec::new());
    }
}

#[test]
fn a_count_that_begins_was_none_before_where_its_owner_was_watched() {
    let mut errors = signal("web", Measure::Errors, 0.0, &[0.3, 0.3, 0.3]);
    errors.points.drain(..40);
    let unknown = picture(vec![errors.clone()], Vec::new());
    assert_eq!(rank(&unknown).verdict, Verdict::Healthy);
    let watched = picture(
        vec![errors, signal("web", Measure::Cpu, 1.0, &[1.0, 1.0, 1.0])],
        Vec::new(),
    );
    let found = rank(&watched);
    assert_eq!(
        found.findings.first().unwrap().cause.as_deref(),
        Some("errors")
    );
}

#[test]
fn seldom_errors_are_added_up() {
    let every_fifth: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 5 == 0))).collect();
    let seldom = signal("web", Measure::Errors, 0.0, &every_fifth);
    let found = rank(&picture(vec![seldom], Vec::new()));
    assert_eq!(found.verdict, Verdict::Found);
}

#[test]
fn more_of_everything_because_more_is_asked_is_no_trouble() {
    let doubled = |measure| signal("web", measure, 10.0, &[20.0, 20.0, 20.0]);
    let measures = [Measure::Cpu, Measure::Network, Measure::Disk, Measure::Load];
    let mut signals: Vec<Signal> = measures.into_iter().map(doubled).collect();
    let alone = rank(&picture(signals.clone(), Vec::new()));
    assert_eq!(alone.verdict, Verdict::Found);
    signals.push(doubled(Measure::Rate));
    let asked = rank(&picture(signals, Vec::new()));
    assert_eq!(asked.findings, Vec::new());
}

#[test]
fn without_a_graph_who_became_worst_for_its_own_measure_is_first() {
    let signals = vec![
        signal("web", Measure::Latency, 500.0, &[900.0, 900.0, 900.0]),
        signal("db", Measure::Latency, 5.0, &[105.0, 105.0, 105.0]),
    ];
    let found = rank(&picture(signals, Vec::new()));
    assert_eq!(found.findings.first().unwrap().object, "db");
}

#[test]
fn restarts_of_what_never_restarted_are_counted() {
    let signals = vec![
        signal("web", Measure::Restarts, 0.0, &[3.0, 4.0, 5.0]),
        signal("db", Measure::Restarts, 0.0, &[0.0, 0.0, 0.0]),
    ];
    let found = rank(&picture(signals, Vec::new()));
    let first = found.findings.first().unwrap();
    assert_eq!(first.object, "web");
    assert!((0.0..=1.0).contains(&first.score), "{}", first.score);
}
