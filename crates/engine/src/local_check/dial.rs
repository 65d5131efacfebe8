//! New TCP connections, and the time limit that an attempt shares between its parts.

use super::tail::clean;
use snapback_core::check::Answer;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

/// A host and a port to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Returns an endpoint; an IPv6 address may stand in brackets.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.to_owned(), port }
    }

    /// Parses `host:port`; what follows the last colon is the port, so `{{ host.address }}:80` also works with
    /// an IPv6 address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let endpoint = Self::new(host, port.parse().ok()?);
        (!endpoint.host.is_empty()).then_some(endpoint)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The time that one attempt has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    end: Instant,
    span: Duration,
}

impl Limit {
    /// Returns a limit that begins now.
    pub(super) fn start(span: Duration) -> Self {
        Self { end: Instant::now() + span, span }
    }

    /// Waits for `part`, or fails with "`missing` within 5s".
    pub(super) async fn hold<T>(self, missing: &str, part: impl Future<Output = T>) -> Result<T, Answer> {
        let late = |_| Answer::Failed(format!("{missing} within {:?}", self.span));
        timeout_at(self.end, part).await.map_err(late)
    }
}

/// Opens a new connection.
///
/// A name that can't be resolved is the controller's trouble and an error; a service that refuses or doesn't
/// answer is what the check asks about, and a failure.
pub(super) async fn dial(endpoint: &Endpoint, limit: Limit) -> Result<TcpStream, Answer> {
    let addresses = resolve(endpoint, limit).await?;
    connect_first(&addresses, limit).await.map_err(|error| {
        Answer::Failed(match error.kind() {
            io::ErrorKind::TimedOut => format!("no connection to {endpoint} within {:?}", limit.span),
            _ => format!("no connection to {endpoint}: {}", plain(&error)),
        })
    })
}

async fn resolve(endpoint: &Endpoint, limit: Limit) -> Result<Vec<SocketAddr>, Answer> {
    let unresolved = |why: String| {
        Answer::Error(format!("the name {:?} could not be resolved on the controller{why}", endpoint.host))
    };
    let looking = lookup_host((endpoint.host.as_str(), endpoint.port));
    match timeout_at(limit.end, looking).await {
        Ok(Ok(found)) => {
            let addresses: Vec<_> = found.collect();
            if addresses.is_empty() {
                Err(unresolved(": it has no address".to_owned()))
            } else {
                Ok(addresses)
            }
        }
        Ok(Err(error)) => Err(unresolved(format!(": {error}"))),
        Err(_) => Err(unresolved(format!(" within {:?}", limit.span))),
    }
}

/// Connects to the first address that answers. Each gets its share of the time, so that one which swallows
/// packets leaves some for the next.
async fn connect_first(addresses: &[SocketAddr], limit: Limit) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for (done, &address) in addresses.iter().enumerate() {
        let left = limit.end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - done).unwrap_or(u32::MAX);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
    }
    Err(last)
}

/// Returns an error as a part of a sentence, without the "(os error 111)" that tells a person nothing.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(_), Some((reason, _))) => reason.to_lowercase(),
        _ => clean(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_people_write_them() {
        let shown = |text: &str| Endpoint::parse(text).map(|e| e.to_string());
        assert_eq!(shown("10.0.0.1:80").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(shown("[fd00::1]:80").as_deref(), Some("[fd00::1]:80"));
        assert_eq!(shown("fd00::1:80").as_deref(), Some("[fd00::1]:80"));
        for bad in ["", "host", ":80", "host:", "host:http", "host:70000", "[]:80"] {
            assert_eq!(shown(bad), None, "{bad:?}");
        }
    }
}
