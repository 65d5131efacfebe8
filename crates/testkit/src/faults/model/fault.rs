//! What can be done to a line, and to a target.

use fastrand::Rng;
use snapback_transport::ConnectErrorKind;
use std::time::Duration;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// No connection, for this reason.
    NotConnected(ConnectErrorKind),
    /// The line is cut before the target has read the question.
    CutBefore,
    /// The line is cut after so many lines of the answer; the target goes on. With 0 the whole answer is lost.
    CutAfter(u32),
    /// Nothing more comes after so many lines, and nothing is closed.
    SilentAfter(u32),
    /// Each line is late.
    Late(Duration),
}

const KINDS: [ConnectErrorKind; 6] = [
    ConnectErrorKind::Refused,
    ConnectErrorKind::Timeout,
    ConnectErrorKind::ChangedHostKey,
    ConnectErrorKind::Auth,
    ConnectErrorKind::Lost,
    ConnectErrorKind::NoRoute,
];

impl LineFault {
    /// Draws one.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..10) {
            0..3 => Self::NotConnected(KINDS[rng.usize(..KINDS.len())]),
            3 => Self::CutBefore,
            4 => Self::CutAfter(0),
            5..7 => Self::CutAfter(rng.u32(1..9)),
            7 | 8 => Self::SilentAfter(rng.u32(0..9)),
            _ => Self::Late(Duration::from_millis(rng.u64(50..12_000))),
        }
    }

    /// Returns its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConnected(ConnectErrorKind::Refused) => "line: connection refused",
            Self::NotConnected(ConnectErrorKind::Timeout) => "line: connection times out",
            Self::NotConnected(ConnectErrorKind::ChangedHostKey) => "line: another host key",
            Self::NotConnected(ConnectErrorKind::Auth) => "line: key not taken",
            Self::NotConnected(ConnectErrorKind::Lost) => "line: reset while connecting",
            Self::NotConnected(_) => "line: no route",
            Self::CutBefore => "line: cut before the question arrives",
            Self::CutAfter(0) => "line: the answer is lost",
            Self::CutAfter(_) => "line: cut in mid answer",
            Self::SilentAfter(_) => "line: silent",
            Self::Late(_) => "line: late answers",
        }
    }
}

/// What happens to a host while a transaction is open there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFault {
    /// It is off for so long, then boots.
    Reboot(Duration),
    /// Its supervisor dies.
    SupervisorKilled,
    /// Its supervisor hangs.
    SupervisorStuck,
    /// Supervisor and backup die.
    GuardKilled,
    /// The session that began dies.
    SessionKilled,
    /// Its state directory is lost.
    RecordLost,
}

impl TargetFault {
    /// Draws one.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..20) {
            0..6 => Self::Reboot(Duration::from_millis(rng.u64(500..60_000))),
            6 => Self::Reboot(Duration::from_secs(rng.u64(60..1800))),
            7..11 => Self::SupervisorKilled,
            11..14 => Self::SupervisorStuck,
            14..16 => Self::GuardKilled,
            16..19 => Self::SessionKilled,
            _ => Self::RecordLost,
        }
    }

    /// Returns its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reboot(_) => "target: reboot",
            Self::SupervisorKilled => "target: supervisor killed",
            Self::SupervisorStuck => "target: supervisor stuck",
            Self::GuardKilled => "target: supervisor and backup killed",
            Self::SessionKilled => "target: session killed",
            Self::RecordLost => "target: record lost",
        }
    }
}
