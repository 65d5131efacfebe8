//! Which run a simulated host is called by.

use snapback_transport::{Invocation, Piece};
use std::time::Duration;

/// A call, as far as it matters whose it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// The run.
    pub(super) run: String,
    /// For how long it wants the lease; zero: not at all.
    pub(super) lease: Duration,
}

impl Call {
    pub(super) fn of(invocation: &Invocation) -> Self {
        let words: Vec<&str> = invocation.command.split(' ').collect();
        let behind = |verb: &str, n: usize| {
            let at = words.iter().position(|word| *word == verb)?;
            words.get(at + n).copied()
        };
        let secs = |text: Option<&str>| Duration::from_secs(text.and_then(|t| t.parse().ok()).unwrap_or(0));
        if let Some(run) = ["begin", "lease", "unlease"].iter().find_map(|verb| behind(verb, 1)) {
            return Self { run: run.to_owned(), lease: secs(behind("lease", 2)) };
        }
        let spec = Spec::of(&invocation.stdin);
        Self { run: spec.value("run").unwrap_or_default(), lease: secs(spec.value("lease").as_deref()) }
    }
}

/// What was sent: an archive, in which the job's lines stand as they are.
struct Spec(String);

impl Spec {
    fn of(stdin: &[Piece]) -> Self {
        let text = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        Self(stdin.iter().map(text).collect())
    }

    fn value(&self, key: &str) -> Option<String> {
        let found = self.0.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        found.map(str::to_owned)
    }
}
