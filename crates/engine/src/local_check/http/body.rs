//! Reading as little of a body as the answer needs.

use super::super::dial::{Limit, plain};
use super::super::tail::clean;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use memchr::memmem;
use std::io;

/// As much of a body as was read, and why no more.
pub(super) struct Body {
    /// What was read.
    pub(super) bytes: Vec<u8>,
    /// Why no more.
    pub(super) end: BodyEnd,
}

/// Why reading a body ended.
pub(super) enum BodyEnd {
    /// The text was found.
    Found,
    /// As much as is read was read.
    Full,
    /// There is no more.
    Whole,
    /// The time was up.
    Late,
    /// The connection broke.
    Broken(String),
}

impl Body {
    /// Returns `reason` with the first line of the body that says something.
    pub(super) fn quoted(&self, reason: String) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        match text.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(line) => clean(&format!("{reason}: {line}")),
            None => reason,
        }
    }
}

/// Reads until the body has brought `text`, has ended, or has brought `most` bytes.
pub(super) async fn read(response: Response<Incoming>, most: usize, limit: Limit, text: &[u8]) -> Body {
    let mut incoming = response.into_body();
    let mut bytes = Vec::new();
    let end = loop {
        let data = match limit.hold("", incoming.frame()).await {
            Err(_) => break BodyEnd::Late,
            Ok(None) => break BodyEnd::Whole,
            Ok(Some(Err(error))) => break BodyEnd::Broken(why(&error)),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        // The text may lie across two frames; what was searched before needn't be searched again.
        let searched = (bytes.len() + 1).saturating_sub(text.len());
        bytes.extend_from_slice(&data[..data.len().min(most - bytes.len())]);
        if memmem::find(&bytes[searched..], text).is_some() {
            break BodyEnd::Found;
        }
        if bytes.len() == most {
            break BodyEnd::Full;
        }
    };
    Body { bytes, end }
}

/// Returns what is behind a hyper error: its own text names the layer, not the reason.
pub(super) fn why(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) => plain(io),
        None => error.to_string(),
    }
}
