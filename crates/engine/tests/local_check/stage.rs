//! What the tests are played on: checks to ask, and a small HTTP server.

use snapback_core::change::Command;
use snapback_core::check::{Answer, Check, HttpProbe, Pace, Probe, Where};
use snapback_core::content::Sha256Hex;
use snapback_engine::local_check::{LocalEnv, attempt};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A required check that has 10 s for an attempt and is judged by its first pass.
pub(crate) fn check(name: &str, probe: Probe) -> Check {
    Check {
        name: name.to_owned(),
        runs: Where::Local,
        probe,
        pace: Pace {
            interval: ms(100),
            timeout: ms(10_000),
            min_healthy_time: ms(0),
            healthy_deadline: ms(0),
            failure_limit: 0,
        },
        required: true,
        baseline: false,
    }
}

pub(crate) fn inline(text: &str) -> Check {
    check("inline", Probe::Run(Command::Inline(text.to_owned())))
}

pub(crate) fn file(path: impl AsRef<Path>) -> Check {
    let command = Command::File { path: path.as_ref().to_owned(), content: Sha256Hex("0".repeat(64)) };
    check("file", Probe::Run(command))
}

pub(crate) fn env(cwd: &Path) -> LocalEnv {
    LocalEnv { cwd: cwd.to_owned(), vars: Vec::new() }
}

pub(crate) async fn ask(check: &Check) -> (Answer, Vec<String>) {
    attempt(check, &env(Path::new("/"))).await
}

pub(crate) fn failed(reason: &str) -> Answer {
    Answer::Failed(reason.to_owned())
}

pub(crate) fn error(reason: &str) -> Answer {
    Answer::Error(reason.to_owned())
}

/// The text of an answer that isn't a pass.
pub(crate) fn reason(answer: &Answer) -> &str {
    match answer {
        Answer::Passed => panic!("it passed"),
        Answer::Failed(reason) | Answer::Error(reason) => reason,
    }
}

pub(crate) fn get(url: &str) -> HttpProbe {
    HttpProbe { url: url.to_owned(), connect_to: None, status: 200, contains: None, headers: BTreeMap::new() }
}

pub(crate) async fn ask_http(probe: HttpProbe) -> (Answer, Vec<String>) {
    ask(&check("http", Probe::Http(probe))).await
}

/// A server that gives every connection the same bytes and then hangs up or keeps silent.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    HangUp,
    KeepSilent,
}

impl Server {
    pub(crate) async fn saying(response: impl Into<Vec<u8>>) -> Self {
        Self::start(response.into(), Then::HangUp).await
    }

    pub(crate) async fn start(response: Vec<u8>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = requests.clone();
        let response: Arc<[u8]> = response.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, heard.clone(), response.clone(), then));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>, response: Arc<[u8]>, then: Then) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    heard.lock().unwrap().push(String::from_utf8(request).unwrap());
    // A client that has seen enough may be gone.
    let _ = stream.write_all(&response).await;
    if then == Then::KeepSilent {
        let _ = stream.read_u8().await;
    }
}

/// A port on loopback that nothing listens on. It was just given back, and the kernel hands out others first.
pub(crate) async fn refused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
