//! Checks of what happens while an instance runs.

use std::time::Duration;

use ostler_core::{
    spec::{ConfigFile, SecretMount, Volume, VolumeSource},
    time::Span,
    units::Bytes,
};

use super::subject::{Outcome, Subject, Work, ensure, words};
use crate::backend::{BackendError, ExecOrder, LogQuery, Stream};

pub(super) async fn logs(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Print)?;
    subject.start(&order).await?;
    let backend = subject.backend();
    let all = LogQuery {
        after: None,
        since: None,
        tail: 100,
    };
    let mut page = backend.logs(&order.instance, &all).await.map_err(words)?;
    for _ in 0..1_000 {
        if page.lines.len() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        page = backend.logs(&order.instance, &all).await.map_err(words)?;
    }
    let of = |stream| {
        page.lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>()
    };
    ensure(of(Stream::Stdout) == ["out 1", "out 2", "out 3"], || {
        format!("{page:?}")
    })?;
    ensure(of(Stream::Stderr) == ["err 1"] && !page.truncated, || {
        format!("{page:?}")
    })?;
    ensure(
        page.lines
            .iter()
            .all(|line| line.attempt == 1 && line.at.0 > 0),
        || format!("{page:?}"),
    )?;
    let rest = backend
        .logs(
            &order.instance,
            &LogQuery {
                after: Some(page.cursor),
                ..all.clone()
            },
        )
        .await
        .map_err(words)?;
    ensure(rest.lines.is_empty() && rest.cursor == page.cursor, || {
        format!("{rest:?}")
    })?;
    let last = backend
        .logs(&order.instance, &LogQuery { tail: 1, ..all })
        .await
        .map_err(words)?;
    ensure(
        last.lines.len() == 1 && last.lines.last() == page.lines.last(),
        || format!("{last:?}"),
    )
}

fn command(words: &[&str], input: &[u8], timeout: Duration) -> ExecOrder {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    ExecOrder {
        command,
        input: input.to_vec(),
        timeout,
        output_limit: 4096,
    }
}

pub(super) async fn exec(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    subject.start_ready(&order).await?;
    let backend = subject.backend();
    let minute = Duration::from_secs(60);
    let script = "cat; echo oops >&2; exit 4";
    let ran = backend
        .exec(
            &order.instance,
            &command(&["sh", "-c", script], b"input\n", minute),
        )
        .await
        .map_err(words)?;
    ensure(
        ran.code == 4 && ran.stdout == b"input\n" && ran.stderr == b"oops\n",
        || format!("{ran:?}"),
    )?;
    let big = "i=0; while [ $i -lt 2000 ]; do echo 0123456789; i=$((i+1)); done";
    let ran = backend
        .exec(&order.instance, &command(&["sh", "-c", big], b"", minute))
        .await
        .map_err(words)?;
    ensure(ran.code == 0 && ran.stdout.len() == 4096, || {
        format!("{} bytes", ran.stdout.len())
    })?;
    let slow = backend
        .exec(
            &order.instance,
            &command(&["sleep", "1000"], b"", Duration::from_millis(300)),
        )
        .await;
    ensure(matches!(slow, Err(BackendError::Timeout { .. })), || {
        format!("{slow:?}")
    })?;
    let absent = backend
        .exec(&order.instance, &command(&["no-such-command"], b"", minute))
        .await;
    ensure(matches!(absent, Err(BackendError::Failed { .. })), || {
        format!("{absent:?}")
    })?;
    subject.stop(&order.instance, Span::seconds(20)).await?;
    let late = backend
        .exec(&order.instance, &command(&["true"], b"", minute))
        .await;
    ensure(matches!(late, Err(BackendError::NotRunning(_))), || {
        format!("{late:?}")
    })
}

pub(super) async fn usage(subject: &Subject) -> Outcome {
    let order = subject.order(Work::Serve)?;
    subject.start_ready(&order).await?;
    let usage = subject
        .backend()
        .usage(&order.instance)
        .await
        .map_err(words)?;
    ensure(usage.memory > Bytes(0), || format!("{usage:?}"))?;
    let machine = subject.backend().machine().await.map_err(words)?;
    ensure(
        machine.memory >= machine.memory_available && machine.cpu.0 > 0,
        || format!("{machine:?}"),
    )?;
    subject.stop(&order.instance, Span::seconds(20)).await?;
    let late = subject.backend().usage(&order.instance).await;
    ensure(late.is_err(), || format!("{late:?}"))
}

pub(super) async fn storage(subject: &Subject) -> Outcome {
    let mut spec = (subject.spec)(Work::Serve);
    let named = VolumeSource::Named {
        name: "data".parse().map_err(words)?,
        capacity: None,
    };
    spec.volumes = vec![
        Volume {
            mount: "/data".to_owned(),
            source: named,
            read_only: false,
        },
        Volume {
            mount: "/scratch".to_owned(),
            source: VolumeSource::Memory {
                size: Bytes::mib(1),
            },
            read_only: false,
        },
    ];
    spec.configs = vec![ConfigFile {
        path: "/etc/app/settings".to_owned(),
        content: "a=1\n".to_owned(),
    }];
    spec.secrets = vec![SecretMount {
        secret: "token".parse().map_err(words)?,
        path: None,
    }];
    let backend = subject.backend();
    let script = "cat /etc/app/settings /run/secrets/token; stat -c %a /run/secrets/token; touch /scratch/a && \
                  (echo x >/etc/app/settings) 2>/dev/null || echo refused; cat /data/kept 2>/dev/null; echo kept >/data/kept";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let order = subject.order_of(spec.clone())?;
        subject.start(&order).await?;
        let ran = backend
            .exec(
                &order.instance,
                &command(&["sh", "-c", script], b"", Duration::from_secs(60)),
            )
            .await
            .map_err(words)?;
        seen.push(String::from_utf8_lossy(&ran.stdout).into_owned());
        subject.clean().await?;
    }
    ensure(
        seen == ["a=1\nhush400\nrefused\n", "a=1\nhush400\nrefused\nkept\n"],
        || format!("{seen:?}"),
    )?;
    spec.volumes = vec![Volume {
        mount: "/data".to_owned(),
        source: VolumeSource::Host {
            path: "/no/such/directory".to_owned(),
        },
        read_only: true,
    }];
    let refused = backend.start(&subject.order_of(spec)?).await;
    let kind = refused.as_ref().err().map(|problem| problem.kind);
    ensure(
        kind == Some(ostler_core::observed::ProblemKind::VolumeMissing),
        || format!("{refused:?}"),
    )
}
