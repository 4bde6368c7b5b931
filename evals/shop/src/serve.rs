//! The HTTP server that every role but the traffic is: work, probes, metrics, and the fault switch.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Mutex,
};

use crate::{config::Settings, fault::Faults, log::Log, metrics::Metrics, roles};

/// How long requests under way may take once the process is asked to end.
const DRAIN: Duration = Duration::from_secs(5);

struct App {
    settings: Settings,
    log: Log,
    faults: Faults,
    metrics: Metrics,
    till: Mutex<()>,
}

type Answer = Response<Full<Bytes>>;

/// Serves until SIGTERM or SIGINT.
pub async fn run(settings: Settings) -> ExitCode {
    let log = Log::new(&settings);
    let app = Rc::new(App {
        faults: Faults::new(log.clone()),
        metrics: Metrics::new(),
        till: Mutex::default(),
        log,
        settings,
    });
    app.faults.switch(app.settings.fault.clone());
    let prepared = roles::prepare(&app.settings);
    let listener = match prepared {
        Ok(()) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, app.settings.port))
            .await
            .map_err(|e| e.to_string()),
        Err(problem) => Err(problem),
    };
    let served = match listener {
        Ok(listener) => accept(Rc::clone(&app), listener)
            .await
            .map_err(|error| error.to_string()),
        Err(problem) => Err(problem),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            app.log.error("cannot serve", json!({ "error": problem }));
            ExitCode::FAILURE
        }
    }
}

async fn accept(app: Rc<App>, listener: TcpListener) -> std::io::Result<()> {
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    app.log.info(
        "listening",
        json!({ "port": listener.local_addr()?.port() }),
    );
    let graceful = GracefulShutdown::new();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                let stream = tokio::select! {
                    _ = term.recv() => break,
                    _ = int.recv() => break,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        Err(error) => {
                            // Out of descriptors, most likely: some come back soon.
                            app.log.error("cannot accept", json!({ "error": error.to_string() }));
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            continue;
                        }
                    },
                };
                let served = Rc::clone(&app);
                let service = service_fn(move |request| {
                    let app = Rc::clone(&served);
                    async move { Ok::<_, Infallible>(app.handle(request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .serve_connection(TokioIo::new(stream), service);
                tokio::task::spawn_local(graceful.watch(connection));
            }
            app.log.info("ending", json!({}));
            drop(listener);
            let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
        })
        .await;
    app.log.info("ended", json!({}));
    Ok(())
}

impl App {
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => reply(StatusCode::OK, "live\n"),
            (&Method::GET, "/readyz") => {
                self.faults.pass().await;
                reply(StatusCode::OK, "ready\n")
            }
            (&Method::GET, "/metrics") => self.exposition(),
            (&Method::POST, "/fault") => self.switch(request).await,
            (&Method::GET | &Method::POST, "/") => self.work(request.method()).await,
            _ => reply(
                StatusCode::NOT_FOUND,
                "there is / (GET, POST), /healthz, /readyz, /metrics, /fault (POST)\n",
            ),
        }
    }

    async fn work(&self, method: &Method) -> Answer {
        let began = Instant::now();
        self.queue_for_the_till().await;
        let (status, body) = if self.faults.pass().await {
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "error": "the till jammed" }),
            )
        } else {
            match roles::answer(&self.settings, method).await {
                Ok(answer) => answer,
                Err(problem) => (StatusCode::BAD_GATEWAY, json!({ "error": problem })),
            }
        };
        self.metrics.answered(status.as_u16(), began.elapsed());
        self.faults.afterwards();
        if !status.is_success() {
            self.log.error(
                "request failed",
                json!({ "code": status.as_u16(), "cause": body.get("error") }),
            );
        }
        reply(status, format!("{body}\n"))
    }

    /// One at a time: what one instance can serve is bounded, as by a single-threaded worker.
    async fn queue_for_the_till(&self) {
        if self.settings.till.is_zero() {
            return;
        }
        self.metrics.waits(1);
        let till = self.till.lock().await;
        self.metrics.waits(-1);
        tokio::time::sleep(self.settings.till).await;
        drop(till);
    }

    async fn switch(&self, request: Request<Incoming>) -> Answer {
        let body = match Limited::new(request.into_body(), 256).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => {
                return reply(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "a fault has at most 256 bytes\n",
                );
            }
        };
        match String::from_utf8_lossy(&body).parse() {
            Ok(fault) => {
                self.faults.switch(fault);
                reply(StatusCode::OK, "switched\n")
            }
            Err(problem) => reply(StatusCode::BAD_REQUEST, format!("{problem}\n")),
        }
    }

    fn exposition(&self) -> Answer {
        let mut answer = reply(StatusCode::OK, self.metrics.text());
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        answer.headers_mut().insert(
            "content-type",
            hyper::header::HeaderValue::from_static(kind),
        );
        answer
    }
}

fn reply(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}
