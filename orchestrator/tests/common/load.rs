//! Steady requests to a port of this machine from a few threads, over connections that are kept and over
//! new ones, every answer counted.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Error, ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What came back: the status, or why there was none.
pub type Answers = BTreeMap<String, usize>;

/// Requests under way.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    answers: Arc<Mutex<Answers>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins; every other thread takes a new connection for each request.
    pub fn start(port: u16, threads: usize) -> Self {
        Self::with_pauses(port, threads, Duration::from_millis(2))
    }

    /// The same with so long a pause of each thread after every request.
    pub fn with_pauses(port: u16, threads: usize, pause: Duration) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            sent: Arc::default(),
            answers: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..threads {
            let (stop, sent) = (load.stop.clone(), load.sent.clone());
            let answers = load.answers.clone();
            load.threads.push(std::thread::spawn(move || {
                let mut kept = None;
                while !stop.load(Ordering::Acquire) {
                    let answer = match ask(port, &mut kept) {
                        Ok(status) => status.to_string(),
                        Err(error) => {
                            kept = None;
                            format!("{:?}", error.kind())
                        }
                    };
                    if number % 2 == 0 {
                        kept = None;
                    }
                    *answers.lock().unwrap().entry(answer).or_default() += 1;
                    sent.fetch_add(1, Ordering::AcqRel);
                    std::thread::sleep(pause);
                }
            }));
        }
        load
    }

    /// Requests so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits for so many more.
    pub fn go_on(&self, more: usize) {
        let until = self.sent() + more;
        while self.sent() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What came back so far.
    pub fn answers(&self) -> Answers {
        self.answers.lock().unwrap().clone()
    }

    /// Ends; what came back.
    pub fn end(self) -> Answers {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.answers.lock().unwrap().clone()
    }
}

/// All answers, and those that are not 200.
pub fn failed(answers: &Answers) -> (usize, usize) {
    let all: usize = answers.values().sum();
    (all, all - answers.get("200").copied().unwrap_or_default())
}

/// One request; the status of its answer, which is read whole.
pub fn ask(port: u16, kept: &mut Option<BufReader<TcpStream>>) -> std::io::Result<u16> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        }
    };
    stream
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")?;
    let (mut status, mut length, mut last) = (0, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest
                .get(..3)
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
        }
        if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest
                .parse()
                .map_err(|_| Error::from(ErrorKind::InvalidData))?;
        }
        last = last || line == "connection: close";
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if !last {
        *kept = Some(stream);
    }
    Ok(status)
}
