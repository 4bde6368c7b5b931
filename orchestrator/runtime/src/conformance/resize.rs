//! Checks of other resources for what runs: it runs on, and keeps what it got.

use ostler_core::{
    id::Generation,
    observed::{Phase, ResizeTrouble},
    spec::{Amounts, Resources},
    time::Span,
    units::{Bytes, MilliCpu},
};

use super::subject::{Outcome, Subject, Work, ensure, words};
use crate::backend::{Order, ResizeOrder, Seen, Started};

/// Resources that differ in everything from those of another number.
fn resources(number: u64) -> Resources {
    Resources {
        requests: Amounts {
            cpu: Some(MilliCpu(100 * number)),
            memory: Some(Bytes::mib(2 * number)),
            pids: None,
        },
        limits: Amounts {
            cpu: Some(MilliCpu(500 * number)),
            memory: Some(Bytes::mib(64 * number)),
            pids: Some(50 * u32::try_from(number).unwrap_or(1)),
        },
    }
}

fn order_for(order: &Order, generation: u64, resources: Resources) -> ResizeOrder {
    ResizeOrder {
        instance: order.instance.clone(),
        generation: Generation(generation),
        resources,
    }
}

async fn resize(subject: &Subject, order: &ResizeOrder) -> Outcome {
    subject.backend().resize(order).await.map_err(words)
}

async fn seen(subject: &Subject, order: &Order) -> Result<Seen, String> {
    let seen = subject.seen(&order.instance).await?;
    seen.ok_or_else(|| "it is not listed".to_owned())
}

/// Whether it has the resources of a number, as the backend tells and as it is held to.
async fn has(subject: &Subject, order: &Order, number: u64) -> Outcome {
    let (seen, wanted) = (seen(subject, order).await?, resources(number));
    let reserved = (Some(seen.cpu), Some(seen.memory));
    ensure(
        seen.generation == Generation(number)
            && reserved == (wanted.requests.cpu, wanted.requests.memory),
        || format!("not generation {number}: {seen:?}"),
    )?;
    held_to(subject, order, wanted.limits.memory).await
}

async fn held_to(subject: &Subject, order: &Order, memory: Option<Bytes>) -> Outcome {
    let usage = subject.backend().usage(&order.instance).await;
    let limit = usage.map_err(words)?.memory_limit;
    ensure(!subject.claims.memory_limits || limit == memory, || {
        format!("held to {limit:?} instead of {memory:?}")
    })
}

async fn runs_on(subject: &Subject, order: &Order, started: &Started) -> Outcome {
    let seen = seen(subject, order).await?;
    let same = seen.phase == Phase::Running
        && (seen.pid, seen.started_at) == (started.pid, Some(started.at))
        && seen.attempt == 1
        && seen.exits.is_empty();
    ensure(same, || format!("{seen:?} is not {started:?}"))
}

pub(super) async fn in_place(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    let started = subject.start_ready(&order).await?;
    ensure(seen(subject, &order).await?.resized_at.is_none(), || {
        "it was never resized".to_owned()
    })?;
    for number in [2, 4, 5] {
        resize(subject, &order_for(&order, number, resources(number))).await?;
        has(subject, &order, number).await?;
        runs_on(subject, &order, &started).await?;
    }
    let at = seen(subject, &order).await?.resized_at;
    ensure(at >= Some(started.at), || format!("resized at {at:?}"))?;
    for late in [3, 5] {
        resize(subject, &order_for(&order, late, resources(late))).await?;
        has(subject, &order, 5).await?;
    }
    // Other amounts for the same generation: the last counts, and when it was resized stays.
    let more = resources(8);
    resize(subject, &order_for(&order, 5, more)).await?;
    let now = seen(subject, &order).await?;
    ensure(
        (now.generation, Some(now.cpu), now.resized_at) == (Generation(5), more.requests.cpu, at),
        || format!("not other amounts of generation 5: {now:?}"),
    )?;
    held_to(subject, &order, more.limits.memory).await?;
    let none = Resources::default();
    resize(subject, &order_for(&order, 6, none)).await?;
    held_to(subject, &order, None).await?;
    // Smaller again than anything before.
    resize(subject, &order_for(&order, 7, small(32))).await?;
    held_to(subject, &order, Some(Bytes::mib(32))).await?;
    runs_on(subject, &order, &started).await
}

fn small(mebibytes: u64) -> Resources {
    let mut resources = Resources::default();
    resources.limits.memory = Some(Bytes::mib(mebibytes));
    resources
}

pub(super) async fn only_what_runs(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    let wanted = order_for(&order, 2, resources(2));
    for what in ["not there", "ended"] {
        let refused = subject.backend().resize(&wanted).await;
        let nothing = refused
            .as_ref()
            .is_err_and(|error| error.trouble().is_none());
        ensure(nothing, || format!("{what}: {refused:?}"))?;
        if what == "not there" {
            subject.start_ready(&order).await?;
            subject.stop(&order.instance, Span::seconds(20)).await?;
        }
    }
    Ok(())
}

pub(super) async fn with_the_next_attempt(subject: &Subject) -> Outcome {
    let mut order = subject.order(Work::Serve)?;
    subject.start_ready(&order).await?;
    resize(subject, &order_for(&order, 2, resources(2))).await?;
    // An order of an earlier generation is late: what it had stays.
    for (attempt, number, kept) in [(2, 2, 2), (3, 4, 4), (4, 3, 4)] {
        subject.stop(&order.instance, Span::seconds(20)).await?;
        subject.until_ended(&order.instance).await?;
        let mut spec = (*order.spec).clone();
        spec.resources = resources(number);
        order.spec = spec.into();
        order.attempt = attempt;
        order.generation = Generation(number);
        subject.start(&order).await?;
        has(subject, &order, kept).await?;
    }
    Ok(())
}

pub(super) async fn not_below_use(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Hold)?;
    let started = subject.start_ready(&order).await?;
    resize(subject, &order_for(&order, 2, resources(2))).await?;
    let tight = order_for(&order, 3, small(8));
    for _ in 0..2 {
        let refused = subject.backend().resize(&tight).await;
        let in_use = refused
            .as_ref()
            .is_err_and(|error| error.trouble() == Some(ResizeTrouble::MemoryInUse));
        ensure(in_use, || format!("it needs 16 MiB: {refused:?}"))?;
        runs_on(subject, &order, &started).await?;
        has(subject, &order, 2).await?;
    }
    resize(subject, &order_for(&order, 4, small(96))).await?;
    held_to(subject, &order, Some(Bytes::mib(96))).await?;
    runs_on(subject, &order, &started).await
}

pub(super) async fn known_to_the_next_daemon(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    let started = subject.start_ready(&order).await?;
    resize(subject, &order_for(&order, 2, resources(2))).await?;
    let before = seen(subject, &order).await?;
    subject.reopen().await?;
    has(subject, &order, 2).await?;
    runs_on(subject, &order, &started).await?;
    let after = seen(subject, &order).await?;
    ensure(after.resized_at == before.resized_at, || {
        format!("{after:?} is not {before:?}")
    })?;
    resize(subject, &order_for(&order, 3, resources(3))).await?;
    has(subject, &order, 3).await
}
