//! Which hosts are armed and until when, for whoever must leave before their end.

use crate::quantity::{count, limit};
use crate::subscriber::Subscriber;
use crate::told::clock_time;
use snapback_core::event::{Event, EventKind};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many lines there are at most: whoever leaves has a screen to read.
const MOST_LINES: usize = 20;

/// The hosts that have been begun and have not ended, as far as was heard. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Armed {
    hosts: Arc<Mutex<Vec<(String, Stand)>>>,
}

/// How such a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// What it needs is being sent; it may be armed by now.
    Begun,
    /// Armed; apply goes on, and the window begins at its end.
    Applying {
        /// When it has undone itself at the latest, in milliseconds since the Unix epoch.
        by_ms: u64,
    },
    /// Applied; it undoes itself then unless confirmed.
    Waiting {
        /// In milliseconds since the Unix epoch.
        by_ms: u64,
    },
    /// It is undoing itself already.
    RollingBack,
}

impl Armed {
    /// Returns a line for each such host, in the order in which they were begun; nothing when there is none. Of many
    /// the first few have one, and the others one together.
    #[must_use]
    pub fn lines(&self, now_ms: u64) -> Vec<String> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let named = if hosts.len() > MOST_LINES { MOST_LINES - 1 } else { hosts.len() };
        let (named, rest) = hosts.split_at(named);
        let mut lines: Vec<_> =
            named.iter().map(|(host, stand)| format!("{host} {}", stand.words(now_ms))).collect();
        if !rest.is_empty() {
            lines.push(together(rest, now_ms));
        }
        lines
    }

    fn stand_of(&self, host: &str) -> Option<Stand> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().find(|(name, _)| name == host).map(|(_, stand)| *stand)
    }

    fn set(&self, host: &str, stand: Option<Stand>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let at = hosts.iter().position(|(name, _)| name == host);
        match (at, stand) {
            (Some(at), Some(stand)) => hosts[at].1 = stand,
            (Some(at), None) => drop(hosts.remove(at)),
            (None, Some(stand)) => hosts.push((host.to_owned(), stand)),
            (None, None) => {}
        }
    }
}

impl Stand {
    fn by_ms(self) -> Option<u64> {
        match self {
            Self::Applying { by_ms } | Self::Waiting { by_ms } => Some(by_ms),
            Self::Begun | Self::RollingBack => None,
        }
    }

    fn words(self, now_ms: u64) -> String {
        match self {
            Self::Begun => "was just begun: it is untouched, or armed and rolls itself back".to_owned(),
            Self::Applying { by_ms } => {
                format!("is armed: it rolls itself back {} at the latest", when(by_ms, now_ms))
            }
            Self::Waiting { by_ms } => {
                format!("is armed: it rolls itself back {} unless confirmed", when(by_ms, now_ms))
            }
            Self::RollingBack => "is rolling back already".to_owned(),
        }
    }
}

/// What all of them have in common: by when it is over.
fn together(hosts: &[(String, Stand)], now_ms: u64) -> String {
    let latest = hosts.iter().filter_map(|(_, stand)| stand.by_ms()).max();
    let by = latest.map_or_else(String::new, |by_ms| {
        format!(
            "; what is armed of them rolls itself back {} at the latest, unless confirmed",
            when(by_ms, now_ms)
        )
    });
    format!("and {}{by}", count(hosts.len(), "more host"))
}

/// In how long, and at what time of day.
fn when(by_ms: u64, now_ms: u64) -> String {
    let left = Duration::from_millis(by_ms.saturating_sub(now_ms));
    format!("in {}, at {}", limit(left), clock_time(by_ms))
}

impl Subscriber for Armed {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let Some(host) = event.host.as_ref() else { return Ok(()) };
        let by_ms = |secs: u64| event.at_ms.saturating_add(secs.saturating_mul(1000));
        let stand = match event.kind {
            EventKind::Uploading { .. } => Some(Stand::Begun),
            EventKind::GuardArmed { apply_timeout, window, .. } => {
                Some(Stand::Applying { by_ms: by_ms(apply_timeout.saturating_add(window)) })
            }
            EventKind::Applied { left }
            | EventKind::Ready { left }
            | EventKind::AwaitingPerson { left, .. }
            | EventKind::AwaitingBatch { left } => Some(Stand::Waiting { by_ms: by_ms(left) }),
            // Before apply has ended it says nothing of the window.
            EventKind::Extended { left, .. } => match self.stand_of(host.as_str()) {
                Some(Stand::Waiting { .. }) => Some(Stand::Waiting { by_ms: by_ms(left) }),
                Some(Stand::Applying { by_ms: now }) => Some(Stand::Applying { by_ms: now.max(by_ms(left)) }),
                _ => return Ok(()),
            },
            EventKind::RollbackStarted { .. } => Some(Stand::RollingBack),
            EventKind::HostFinished { .. } => None,
            _ => return Ok(()),
        };
        self.set(host.as_str(), stand);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::host::HostName;
    use snapback_core::outcome::HostResult;

    const NOON_MS: u64 = 12 * 3_600_000;

    fn hear(armed: &mut Armed, host: &str, kind: EventKind) {
        let host = Some(HostName::parse(host).unwrap());
        armed.on_event(&Event { v: 1, at_ms: NOON_MS, run: "r".to_owned(), host, kind }).unwrap();
    }

    fn guard_armed() -> EventKind {
        EventKind::GuardArmed {
            backend: "bare".to_owned(),
            boot_hook: "none".to_owned(),
            apply_timeout: 20,
            window: 60,
        }
    }

    #[test]
    fn each_host_is_named_with_its_deadline_until_it_has_ended() {
        let mut armed = Armed::default();
        assert!(armed.lines(NOON_MS).is_empty());
        hear(&mut armed, "a", EventKind::Uploading { bytes: 1 });
        hear(&mut armed, "b", guard_armed());
        hear(&mut armed, "c", EventKind::Applied { left: 60 });
        hear(&mut armed, "d", EventKind::RollbackStarted { cause: "x".to_owned() });
        assert_eq!(
            armed.clone().lines(NOON_MS + 5000),
            [
                "a was just begun: it is untouched, or armed and rolls itself back",
                "b is armed: it rolls itself back in 1m 15s, at 12:01:20Z at the latest",
                "c is armed: it rolls itself back in 55s, at 12:01:00Z unless confirmed",
                "d is rolling back already",
            ]
        );
        for host in ["a", "b", "c", "d"] {
            let (cause, state, next) = (String::new(), String::new(), String::new());
            hear(
                &mut armed,
                host,
                EventKind::HostFinished {
                    result: HostResult::Confirmed,
                    cause,
                    state,
                    next,
                    health: None,
                    failing: Vec::new(),
                },
            );
        }
        assert!(armed.lines(NOON_MS).is_empty());
    }

    #[test]
    fn of_hundreds_the_first_have_a_line_each_and_the_others_one_together() {
        let mut armed = Armed::default();
        for at in 0..500 {
            hear(&mut armed, &format!("h{at}"), EventKind::Applied { left: 60 + at });
        }
        let lines = armed.lines(NOON_MS);
        assert_eq!(lines.len(), 20);
        assert_eq!(lines[18], "h18 is armed: it rolls itself back in 1m 18s, at 12:01:18Z unless confirmed");
        assert_eq!(
            lines[19],
            "and 481 more hosts; what is armed of them rolls itself back in 9m 19s, at 12:09:19Z at the latest, unless confirmed"
        );
    }
}
