//! What every test here needs: servers that answer as told, a proxy before them, a client that says
//! exactly what it is told to say.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ostler_core::{
    golden::Golden,
    id::{Generation, InstanceId},
};
use ostler_proxy::{Front, FrontKey, Instance, Limits, Proxy, Table, Version};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// No test waits longer.
const SOON: Duration = Duration::from_secs(20);

/// A request as an instance saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub line: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An instance.
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Server {
    /// Answers every request with its name.
    pub async fn named(name: &'static str) -> Self {
        Self::with(
            move |_| async move { Response::new(Full::new(Bytes::from_static(name.as_bytes()))) },
        )
        .await
    }

    /// Answers as told.
    pub async fn with<F, R>(answer: F) -> Self
    where
        F: Fn(Seen) -> R + Clone + Send + 'static,
        R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let all = seen.clone();
        let mut server = Self::raw(move |stream| {
            let (answer, all) = (answer.clone(), all.clone());
            async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, all) = (answer.clone(), all.clone());
                    async move {
                        let line = format!("{} {}", request.method(), request.uri());
                        let headers = request.headers().clone();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let one = Seen {
                            line,
                            headers,
                            body,
                        };
                        all.lock().unwrap().push(one.clone());
                        Ok::<_, Infallible>(answer(one).await)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                drop(connection.await);
            }
        })
        .await;
        server.seen = seen;
        server
    }

    /// Does as told with each connection.
    pub async fn raw<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(serve(stream));
            }
        });
        Self {
            address,
            seen: Arc::default(),
            task: task.abort_handle(),
        }
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    /// Ends it and all its connections.
    pub fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// A proxy with one front.
pub struct Bench {
    pub proxy: Proxy,
    pub door: SocketAddr,
}

pub fn key() -> FrontKey {
    FrontKey {
        service: "shop/web".parse().unwrap(),
        port: 8080,
    }
}

/// Versions by weight; the first is generation 1.
pub fn table(versions: &[(u32, &[SocketAddr])]) -> Table {
    let version = |(index, (weight, addresses)): (usize, &(u32, &[SocketAddr]))| Version {
        generation: Generation(index as u64 + 1),
        weight: *weight,
        instances: addresses
            .iter()
            .map(|address| Instance {
                id: InstanceId::new(format!("web-{}", address.port())).unwrap(),
                address: *address,
            })
            .collect(),
    };
    let versions = versions.iter().enumerate().map(version).collect();
    Table {
        fronts: vec![Front {
            key: key(),
            versions,
        }],
    }
}

impl Bench {
    pub async fn new(versions: &[(u32, &[SocketAddr])]) -> Self {
        Self::limited(versions, Limits::default()).await
    }

    pub async fn limited(versions: &[(u32, &[SocketAddr])], limits: Limits) -> Self {
        let proxy = Proxy::new(HERE, limits, 7);
        let open = proxy.set(&table(versions)).await;
        Self {
            proxy,
            door: open[0].address,
        }
    }

    pub async fn set(&self, versions: &[(u32, &[SocketAddr])]) {
        let open = self.proxy.set(&table(versions)).await;
        assert_eq!(open[0].address, self.door, "the door stays where it is");
    }

    /// One request over a connection of its own.
    pub async fn ask(&self, request: &str) -> Answer {
        Client::connect(self.door).await.ask(request).await
    }

    pub async fn get(&self) -> Answer {
        self.ask("GET / HTTP/1.1\r\nHost: shop\r\n\r\n").await
    }

    /// The counts of a generation.
    pub async fn golden(&self, generation: u64) -> Golden {
        let look = self.proxy.look().await;
        let of = |one: &&ostler_proxy::wire::Counted| one.generation == Generation(generation);
        look.counted.iter().find(of).unwrap().golden
    }
}

/// What a client read.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub body: String,
}

/// A client over one connection.
pub struct Client(pub BufReader<TcpStream>);

impl Client {
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    pub async fn ask(&mut self, request: &str) -> Answer {
        self.say(request).await;
        self.read().await
    }

    /// One answer; its body by its length, else up to the end.
    pub async fn read(&mut self) -> Answer {
        tokio::time::timeout(SOON, self.try_read())
            .await
            .expect("an answer in time")
            .expect("an answer before the end")
    }

    /// `None` when the connection ends first.
    pub async fn try_read(&mut self) -> Option<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                self.0.read_exact(&mut body).await.ok()?;
            }
            None if [101, 204, 304].contains(&status) => {}
            None => drop(self.0.read_to_end(&mut body).await),
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Answer { status, head, body })
    }

    /// Whether the other side ends the connection.
    pub async fn is_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(SOON, self.0.read_to_end(&mut rest)).await;
        end.is_ok() && rest.is_empty()
    }
}

/// Waits for a condition.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = std::time::Instant::now();
    while !holds().await {
        assert!(began.elapsed() < SOON, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
