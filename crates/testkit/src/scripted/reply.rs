//! What a scripted host does, and when.

use super::Asked;
use snapback_core::way::WayKind;
use snapback_transport::{ConnectErrorKind, Line};
use std::time::Duration;

/// What a host does when it is asked something.
#[derive(Clone, Debug)]
pub struct Reply {
    fits: Fits,
    only_by: Option<WayKind>,
    pub(crate) acts: Vec<Act>,
    pub(crate) end: End,
    pub(crate) again: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Fits {
    /// Opening a session.
    Opening,
    /// A command that holds this text.
    Command(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Wait(Duration),
    Say(Line),
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    Exit(Option<i32>),
    Lost,
    NotConnected(ConnectErrorKind),
    Never,
}

impl Reply {
    /// Returns a reply to the first command that holds this text: exit 0, no output.
    #[must_use]
    pub fn to(text: &str) -> Self {
        Self::new(Fits::Command(text.to_owned()))
    }

    /// Returns a reply to the opening of a session. Without any, sessions open at once.
    #[must_use]
    pub fn to_opening() -> Self {
        Self::new(Fits::Opening)
    }

    fn new(fits: Fits) -> Self {
        Self { fits, only_by: None, acts: Vec::new(), end: End::Exit(Some(0)), again: false }
    }

    /// Prints a line.
    #[must_use]
    pub fn out(self, line: &str) -> Self {
        self.act(Act::Say(Line::Out(line.into())))
    }

    /// Prints a line on standard error.
    #[must_use]
    pub fn err(self, line: &str) -> Self {
        self.act(Act::Say(Line::Err(line.into())))
    }

    /// Waits before what comes next.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.act(Act::Wait(time))
    }

    /// Ends with this status.
    #[must_use]
    pub fn exit(self, code: i32) -> Self {
        Self { end: End::Exit(Some(code)), ..self }
    }

    /// Ends without a status.
    #[must_use]
    pub fn no_status(self) -> Self {
        Self { end: End::Exit(None), ..self }
    }

    /// Ends with the connection lost.
    #[must_use]
    pub fn lost(self) -> Self {
        Self { end: End::Lost, ..self }
    }

    /// Never ends.
    #[must_use]
    pub fn hangs(self) -> Self {
        Self { end: End::Never, ..self }
    }

    /// Isn't connected to at all: for openings and for commands on fresh connections.
    #[must_use]
    pub fn not_connected(self, kind: ConnectErrorKind) -> Self {
        Self { end: End::NotConnected(kind), ..self }
    }

    /// Counts only for this way in.
    #[must_use]
    pub fn by(self, way: WayKind) -> Self {
        Self { only_by: Some(way), ..self }
    }

    /// Is given as often as it is asked for.
    #[must_use]
    pub fn always(self) -> Self {
        Self { again: true, ..self }
    }

    pub(crate) fn with_nonce(mut self, nonce: &str) -> Self {
        for act in &mut self.acts {
            if let Act::Say(Line::Out(line)) = act {
                *line = String::from_utf8_lossy(line).replace("{nonce}", nonce).into_bytes();
            }
        }
        self
    }

    fn act(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    pub(crate) fn answers(&self, asked: &Asked) -> bool {
        let fits = match (&self.fits, &asked.command) {
            (Fits::Opening, None) => true,
            (Fits::Command(text), Some(command)) => command.contains(text),
            _ => false,
        };
        fits && self.only_by.is_none_or(|way| way == asked.way)
    }
}
