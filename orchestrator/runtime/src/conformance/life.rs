//! Checks of starts and ends.

use std::time::Duration;

use ostler_core::{
    observed::{Phase, ProblemKind},
    time::Span,
};
use tokio::time::Instant;

use super::subject::{Outcome, Subject, Work, ensure, words};

pub(super) async fn starts_and_stops(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    let started = subject.start_ready(&order).await?;
    let seen = subject
        .seen(&order.instance)
        .await?
        .ok_or("it is not listed")?;
    ensure(seen.phase == Phase::Running && seen.attempt == 1, || {
        format!("not running: {seen:?}")
    })?;
    ensure(
        seen.pid == started.pid && seen.started_at == Some(started.at),
        || format!("{seen:?} is not {started:?}"),
    )?;
    ensure(
        seen.service == order.service && seen.generation == order.generation,
        || format!("not ours: {seen:?}"),
    )?;
    ensure(seen.address.is_some() == subject.claims.addresses, || {
        format!("address: {seen:?}")
    })?;
    subject.stop(&order.instance, Span::seconds(20)).await?;
    let seen = subject.until_ended(&order.instance).await?;
    ensure(seen.pid.is_none(), || {
        format!("an ended one has a pid: {seen:?}")
    })?;
    ensure(
        seen.exits.len() == 1 && seen.exits.iter().all(|exit| exit.asked),
        || format!("exits: {seen:?}"),
    )?;
    subject.stop(&order.instance, Span::seconds(1)).await?;
    for _ in 0..2 {
        subject
            .backend()
            .remove(&order.instance)
            .await
            .map_err(words)?;
    }
    ensure(subject.seen(&order.instance).await?.is_none(), || {
        "it is still listed".to_owned()
    })
}

pub(super) async fn start_is_idempotent(subject: &Subject) -> Outcome {
    // Several times: where two starts meet is chance.
    for _ in 0..10 {
        let order = subject.order(Work::Serve)?;
        let (one, two) = tokio::join!(subject.start(&order), subject.start(&order));
        let three = subject.start(&order).await?;
        let (one, two) = (one?, two?);
        ensure(one == two && two == three, || {
            format!("{one:?}, {two:?}, {three:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn late_starts_are_refused(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Exit(0))?;
    subject.start(&order).await?;
    subject.until_ended(&order.instance).await?;
    let again = subject.backend().start(&order).await;
    ensure(again.is_err(), || format!("attempt 1 ran twice: {again:?}"))?;
    let seen = subject.seen(&order.instance).await?.ok_or("it is gone")?;
    ensure(seen.exits.len() == 1, || format!("exits: {seen:?}"))
}

pub(super) async fn exit_code(subject: &Subject) -> Outcome {
    for code in [0, 7] {
        let order = subject.order(Work::Exit(code))?;
        subject.start(&order).await?;
        let seen = subject.until_ended(&order.instance).await?;
        let exit = seen.exits.last().ok_or("no exit is recorded")?;
        let right =
            exit.code == Some(code) && exit.signal.is_none() && !exit.asked && !exit.out_of_memory;
        ensure(right && exit.attempt == 1, || {
            format!("expected code {code}: {exit:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn killing_signal(subject: &Subject) -> Outcome {
    let order = subject.order(Work::KilledBySignal)?;
    subject.start(&order).await?;
    let seen = subject.until_ended(&order.instance).await?;
    let exit = seen.exits.last().ok_or("no exit is recorded")?;
    ensure(
        exit.signal == Some(9) && exit.code.is_none() && !exit.out_of_memory && !exit.asked,
        || format!("{exit:?}"),
    )
}

pub(super) async fn out_of_memory(subject: &Subject) -> Outcome {
    let order = subject.order(Work::EatMemory)?;
    subject.start(&order).await?;
    let seen = subject.until_ended(&order.instance).await?;
    let exit = seen.exits.last().ok_or("no exit is recorded")?;
    ensure(exit.out_of_memory && !exit.asked, || format!("{exit:?}"))
}

pub(super) async fn polite_stop(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    subject.start_ready(&order).await?;
    let began = Instant::now();
    subject.stop(&order.instance, Span::seconds(60)).await?;
    ensure(began.elapsed() < Duration::from_secs(50), || {
        "the whole grace went by".to_owned()
    })?;
    let seen = subject.seen(&order.instance).await?.ok_or("it is gone")?;
    let exit = seen.exits.last().ok_or("no exit is recorded")?;
    ensure(
        seen.phase == Phase::Ended && exit.asked && exit.code == Some(0),
        || format!("{seen:?}"),
    )
}

pub(super) async fn stubborn_stop(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Stubborn)?;
    subject.start_ready(&order).await?;
    let began = Instant::now();
    subject.stop(&order.instance, Span(300)).await?;
    let took = began.elapsed();
    let seen = subject.until_ended(&order.instance).await?;
    let exit = seen.exits.last().ok_or("no exit is recorded")?;
    ensure(exit.signal == Some(9) && exit.asked, || format!("{exit:?}"))?;
    ensure(took >= Duration::from_millis(250), || {
        format!("killed after {took:?} of 300 ms")
    })
}

pub(super) async fn another_attempt(subject: &Subject) -> Outcome {
    let mut order = subject.order(Work::Exit(3))?;
    let first = subject.start(&order).await?;
    subject.until_ended(&order.instance).await?;
    order.attempt = 2;
    let second = subject.start(&order).await?;
    ensure(first.address == second.address, || {
        format!("{first:?}, {second:?}")
    })?;
    let seen = subject
        .until(&order.instance, "ended twice", |seen| seen.exits.len() == 2)
        .await?;
    let attempts: Vec<u32> = seen.exits.iter().map(|exit| exit.attempt).collect();
    ensure(attempts == [1, 2] && seen.attempt == 2, || {
        format!("{seen:?}")
    })?;
    ensure(seen.created_at == order.created_at, || format!("{seen:?}"))
}

pub(super) async fn missing_command(subject: &Subject) -> Outcome {
    let mut spec = (subject.spec)(Work::Serve);
    spec.command = vec!["/no/such/command".to_owned()];
    let order = subject.order_of(spec)?;
    match subject.backend().start(&order).await {
        Ok(started) => return Err(format!("it started: {started:?}")),
        Err(problem) => ensure(problem.kind == ProblemKind::CommandNotFound, || {
            format!("{problem:?}")
        })?,
    }
    ensure(subject.seen(&order.instance).await?.is_none(), || {
        "something is left".to_owned()
    })
}

pub(super) async fn missing_image(subject: &Subject) -> Outcome {
    let mut spec = (subject.spec)(Work::Serve);
    spec.image = "no-such-image:nowhere".to_owned();
    let order = subject.order_of(spec)?;
    match subject.backend().start(&order).await {
        Ok(started) => Err(format!("it started: {started:?}")),
        Err(problem) => ensure(problem.kind == ProblemKind::ImageNotFound, || {
            format!("{problem:?}")
        }),
    }
}

pub(super) async fn many_at_once(subject: &Subject) -> Outcome {
    let orders = (0..16)
        .map(|_| subject.order(Work::Serve))
        .collect::<Result<Vec<_>, _>>()?;
    let started = futures::future::join_all(orders.iter().map(|order| subject.start(order))).await;
    let started = started.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut pids: Vec<_> = started.iter().filter_map(|started| started.pid).collect();
    let count = pids.len();
    pids.sort_unstable();
    pids.dedup();
    ensure(pids.len() == count, || {
        format!("one pid for several: {started:?}")
    })?;
    let listed = subject.backend().list().await.map_err(words)?;
    let running = listed
        .iter()
        .filter(|seen| seen.phase == Phase::Running)
        .count();
    ensure(running == 16, || format!("{running} of 16 run"))
}

pub(super) async fn adoption(subject: &Subject) -> Outcome {
    let (running, ended) = (subject.order(Work::Serve)?, subject.order(Work::Exit(5))?);
    let started = subject.start_ready(&running).await?;
    subject.start(&ended).await?;
    subject.until_ended(&ended.instance).await?;
    subject.reopen().await?;
    let seen = subject
        .seen(&running.instance)
        .await?
        .ok_or("what ran is not listed")?;
    ensure(
        seen.phase == Phase::Running && seen.pid == started.pid,
        || format!("{seen:?} is not {started:?}"),
    )?;
    ensure(
        seen.started_at == Some(started.at) && seen.address == started.address,
        || format!("{seen:?}"),
    )?;
    let again = subject.start(&running).await?;
    ensure(again == started, || format!("{again:?} is not {started:?}"))?;
    let seen = subject
        .seen(&ended.instance)
        .await?
        .ok_or("what ended is not listed")?;
    ensure(seen.exits.iter().any(|exit| exit.code == Some(5)), || {
        format!("{seen:?}")
    })?;
    subject.stop(&running.instance, Span::seconds(20)).await?;
    let seen = subject.until_ended(&running.instance).await?;
    ensure(seen.exits.len() == 1, || format!("{seen:?}"))
}
