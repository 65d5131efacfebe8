//! The built-in `http` check: one request over a connection of its own.
//!
//! A redirect is an answer and isn't followed, proxies of the environment aren't used, and nothing is kept
//! from one attempt to the next: the check must see what a new client would see.

mod body;
mod target;
#[cfg(test)]
mod tls_tests;

use super::dial::{Limit, dial, plain};
use super::tail::{Tail, clean};
use super::{Heard, tls};
use body::{BodyEnd, read, why};
use futures::future::{Either, select};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use snapback_core::check::{Answer, HttpProbe};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use target::Target;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

/// How much of a body is read.
const BODY: usize = 1024 * 1024;

/// How much of a body is read to quote its first line.
const QUOTE: usize = 4 * 1024;

/// Asks once, trusting the system's certificate authorities.
pub(super) async fn ask(probe: &HttpProbe, limit: Duration) -> Heard {
    ask_trusting(probe, limit, tls::system).await
}

async fn ask_trusting(
    probe: &HttpProbe,
    limit: Duration,
    trust: impl Fn() -> Result<Arc<ClientConfig>, String>,
) -> Heard {
    let limit = Limit::start(limit);
    let mut body = Tail::default();
    let answer = async {
        let target = Target::of(probe).map_err(Answer::Error)?;
        let request = target.request(probe).map_err(Answer::Error)?;
        let stream = dial(&target.endpoint, limit).await?;
        let Some(name) = target.tls_name else { return talk(stream, request, probe, limit, &mut body).await };
        let connector = TlsConnector::from(trust().map_err(Answer::Error)?);
        let stream = limit
            .hold("connected, but no TLS handshake", connector.connect(name, stream))
            .await?
            .map_err(|error| Answer::Failed(format!("TLS: {}", plain(&error))))?;
        talk(stream, request, probe, limit, &mut body).await
    }
    .await;
    match answer {
        Ok(status) => (Answer::Passed, vec![format!("status {}", status.as_u16())]),
        Err(answer) => (answer, body.into_lines()),
    }
}

/// Sends the request over an open connection and judges what comes back.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
    probe: &HttpProbe,
    limit: Limit,
    tail: &mut Tail,
) -> Result<StatusCode, Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = async {
        let response = limit.hold("connected, but no answer", sender.send_request(request)).await?;
        judge(response.map_err(broken)?, probe, limit, tail).await
    };
    // The connection is driven here and not in a task of its own: dropping the attempt closes it.
    match select(pin!(connection), pin!(exchange)).await {
        Either::Left((_, exchange)) => exchange.await,
        Either::Right((answer, _)) => answer,
    }
}

async fn judge(
    response: Response<Incoming>,
    probe: &HttpProbe,
    limit: Limit,
    tail: &mut Tail,
) -> Result<StatusCode, Answer> {
    let status = response.status();
    if status.as_u16() != probe.status {
        let mismatch = format!("status {}{}, expected {}", status.as_u16(), moved(&response), probe.status);
        let body = read(response, QUOTE, limit, b"\n").await;
        tail.push(&body.bytes);
        return Err(Answer::Failed(body.quoted(mismatch)));
    }
    let Some(text) = probe.contains.as_deref().filter(|text| !text.is_empty()) else { return Ok(status) };
    let body = read(response, BODY, limit, text.as_bytes()).await;
    tail.push(&body.bytes);
    let reason = match body.end {
        BodyEnd::Found => return Ok(status),
        BodyEnd::Full => format!("the first MiB of the body doesn't contain {text:?}"),
        BodyEnd::Whole => body.quoted(format!("the body doesn't contain {text:?}")),
        BodyEnd::Late => format!("the body didn't end in time and doesn't contain {text:?} so far"),
        BodyEnd::Broken(why) => format!("the body broke off before {text:?} was found: {why}"),
    };
    Err(Answer::Failed(reason))
}

fn moved(response: &Response<Incoming>) -> String {
    let location = response.headers().get(header::LOCATION).map(|l| String::from_utf8_lossy(l.as_bytes()));
    match location {
        Some(location) if response.status().is_redirection() => format!(" (to {})", clean(&location)),
        _ => String::new(),
    }
}

fn broken(error: hyper::Error) -> Answer {
    Answer::Failed(format!("connected, but no answer: {}", why(&error)))
}
