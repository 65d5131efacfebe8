//! What has really happened to simulated hosts.

use super::call::Call;
use super::lease::Lease;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// What is in place on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The state before the run.
    Old,
    /// The change.
    New,
}

/// What has happened so far, seen from outside of everything.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The hosts that were begun, in order.
    pub begun: Vec<String>,
    /// The hosts that were begun to be undone after they were confirmed, in order.
    pub undone: Vec<String>,
    /// The run of each of them.
    pub begun_by: Vec<String>,
    /// How many handshakes were made.
    pub handshakes_made: usize,
    /// How many questions were asked.
    pub calls: usize,
    /// How often a lease was taken or renewed.
    pub leases_taken: usize,
    /// The most sessions that were open at once.
    pub most_open: usize,
    /// The most handshakes that were made at once.
    pub most_handshakes: usize,
    /// The most hosts that were armed and undecided at once.
    pub most_armed: usize,
    /// How long after it was ready each confirmed host was confirmed.
    pub confirmed_after: BTreeMap<String, Duration>,
    /// What was left of its window when each confirmed host was.
    pub confirmed_with: BTreeMap<String, Duration>,
    /// How often somebody knocked before the first host was confirmed, and after.
    pub knocks: [usize; 2],
    /// How often a host was given more time.
    pub extensions: usize,
    /// How long each decided host was armed.
    pub armed_for: BTreeMap<String, Duration>,
    pub(super) open: usize,
    pub(super) handshakes: usize,
    hosts: BTreeMap<String, Tx>,
    /// Those that were armed and not seen decided: few of many.
    armed: BTreeSet<String>,
    pub(super) leases: BTreeMap<String, Lease>,
}

/// A transaction on a host.
#[derive(Clone, Debug)]
struct Tx {
    id: String,
    /// What it found, and what it puts in place.
    was: Value,
    makes: Value,
    stand: Stand,
    armed_at: Instant,
    undoes_at: Instant,
    ready_at: Option<Instant>,
    confirmed_at: Option<Instant>,
    cut_off: Option<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Armed,
    Applied,
    Ready,
    Confirmed,
    RolledBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    UntilUndone,
    ForEver,
}

/// What a host does; what it says to that is returned.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    TellHolder,
    TakeLease,
    LeaseAlong,
    EndLease,
    Begin,
    Apply,
    Extend { by: u64 },
    BeReady,
    CutOff { comes_back: bool },
    RollBack,
    Knock,
    Confirm,
    TellJournal,
}

/// The longest that a simulated host may stay armed.
pub const HARD_CAP: Duration = Duration::from_secs(900);

/// The longest that apply may take on a simulated host.
const APPLY_TIMEOUT: Duration = Duration::from_secs(60);

impl Truth {
    /// Returns what is in place on a host now, its guard's work included.
    #[must_use]
    pub fn value(&self, host: &str) -> Value {
        let Some(tx) = self.hosts.get(host) else { return Value::Old };
        match tx.stand {
            Stand::Confirmed => tx.makes,
            Stand::Applied | Stand::Ready if tx.undoes_at > Instant::now() => tx.makes,
            _ => tx.was,
        }
    }

    /// Returns whether nothing is open on a host.
    #[must_use]
    pub fn is_decided(&self, host: &str) -> bool {
        self.hosts.get(host).is_none_or(|tx| !tx.is_open() || tx.undoes_at <= Instant::now())
    }

    /// Whether its change was confirmed that long ago.
    pub(super) fn is_confirmed_since(&self, host: &str, time: Duration) -> bool {
        let tx = self.hosts.get(host);
        let at = tx.filter(|tx| tx.makes == Value::New).and_then(|tx| tx.confirmed_at);
        at.is_some_and(|at| at.elapsed() >= time)
    }

    /// Whether the change was confirmed, and all that can come is its undo.
    pub(super) fn is_past_its_change(&self, host: &str) -> bool {
        self.hosts.get(host).is_some_and(|tx| match tx.makes {
            Value::New => tx.stand == Stand::Confirmed,
            Value::Old => tx.stand != Stand::Confirmed,
        })
    }

    /// The guard: past its deadline an undecided host undoes itself, whoever looks.
    pub(super) fn pass_time(&mut self, host: &str) {
        if let Some(tx) = self.hosts.get_mut(host)
            && tx.is_open()
            && tx.undoes_at <= Instant::now()
        {
            self.armed_for.insert(host.to_owned(), tx.undoes_at - tx.armed_at);
            tx.stand = Stand::RolledBack;
        }
    }

    pub(super) fn count_session(&mut self) {
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
    }

    pub(super) fn is_cut_off(&self, host: &str) -> bool {
        self.hosts.get(host).is_some_and(|tx| match tx.cut_off {
            Some(Cut::ForEver) => true,
            Some(Cut::UntilUndone) => tx.stand != Stand::RolledBack,
            None => false,
        })
    }

    pub(super) fn perform(
        &mut self,
        host: &str,
        deed: Deed,
        (window, call): (Duration, &Call),
    ) -> Vec<String> {
        self.pass_time(host);
        match deed {
            Deed::Begin => return self.begin(host, call),
            Deed::TakeLease => return self.take_lease(host, call),
            Deed::LeaseAlong => {
                let said = self.take_lease(host, call).into_iter();
                return said.filter(|line| !line.starts_with("refused")).collect();
            }
            Deed::EndLease => return self.end_lease(host, &call.run),
            Deed::TellHolder => {
                let status = self.hosts.get(host).map(Tx::status).unwrap_or_default();
                return status.into_iter().chain(self.tell_lease(host, &call.run)).collect();
            }
            _ => {}
        }
        let now = Instant::now();
        let Some(tx) = self.hosts.get_mut(host) else { return vec!["untouched -- nothing".to_owned()] };
        match deed {
            Deed::Apply if tx.is_open() => {
                (tx.stand, tx.undoes_at) = (Stand::Applied, now + window);
                vec!["j 2 applying".to_owned(), format!("j 3 applied left={}", window.as_secs())]
            }
            Deed::BeReady if tx.is_open() => {
                (tx.stand, tx.ready_at) = (Stand::Ready, Some(now));
                vec![format!("j 4 ready left={}", window.as_secs())]
            }
            Deed::CutOff { comes_back } => {
                tx.cut_off = Some(if comes_back { Cut::UntilUndone } else { Cut::ForEver });
                Vec::new()
            }
            Deed::RollBack => {
                if tx.is_open() {
                    self.armed_for.insert(host.to_owned(), now - tx.armed_at);
                    tx.stand = Stand::RolledBack;
                }
                Vec::new()
            }
            Deed::Extend { by } => {
                self.extensions += usize::from(tx.is_open());
                tx.extend(by)
            }
            Deed::Knock => {
                self.knocks[usize::from(!self.confirmed_after.is_empty())] += 1;
                vec!["let_in".to_owned()]
            }
            Deed::Confirm => self.confirm(host),
            Deed::TellJournal => tx.journal(),
            _ => tx.status(),
        }
    }

    /// The transaction that is open.
    pub(super) fn tell_pending(&self, host: &str) -> Option<String> {
        self.hosts.get(host)?.status().into_iter().find(|line| line.starts_with("pending "))
    }

    /// Whether the host has a transaction of this run.
    pub(super) fn is_of(&self, host: &str, run: &str) -> bool {
        self.hosts.get(host).is_some_and(|tx| tx.id == run)
    }

    fn begin(&mut self, host: &str, call: &Call) -> Vec<String> {
        assert!(!self.is_of(host, &call.run), "{host} was begun twice");
        if let Some(open) = self.tell_pending(host) {
            return vec![open, "refused reason=locked -- another transaction is open".to_owned()];
        }
        if let Some(lease) = self.tell_lease(host, &call.run) {
            return vec![lease, "refused reason=leased -- another run is about to change it".to_owned()];
        }
        self.leases.remove(host);
        let was = self.value(host);
        // The undo of a run has the run's id and a letter.
        let makes = if call.run.ends_with('U') {
            self.undone.push(host.to_owned());
            Value::Old
        } else {
            self.begun.push(host.to_owned());
            self.begun_by.push(call.run.clone());
            Value::New
        };
        let now = Instant::now();
        let undoes_at = now + APPLY_TIMEOUT;
        let (id, stand) = (call.run.clone(), Stand::Armed);
        let tx = Tx {
            id,
            was,
            makes,
            stand,
            armed_at: now,
            undoes_at,
            ready_at: None,
            confirmed_at: None,
            cut_off: None,
        };
        self.hosts.insert(host.to_owned(), tx);
        let is_armed = |tx: &Tx| tx.is_open() && tx.undoes_at > now;
        self.armed.insert(host.to_owned());
        self.armed.retain(|host| self.hosts.get(host).is_some_and(is_armed));
        self.most_armed = self.most_armed.max(self.armed.len());
        let limits = format!("apply_timeout={} window=60", APPLY_TIMEOUT.as_secs());
        vec![format!("j 1 armed backend=systemd hook=systemd {limits} -- ")]
    }

    fn confirm(&mut self, host: &str) -> Vec<String> {
        let Some(tx) = self.hosts.get_mut(host) else { return Vec::new() };
        let answer = match tx.stand {
            Stand::Ready => {
                tx.stand = Stand::Confirmed;
                let now = Instant::now();
                tx.confirmed_at = Some(now);
                self.confirmed_with.insert(host.to_owned(), tx.undoes_at - now);
                self.armed_for.insert(host.to_owned(), now - tx.armed_at);
                let after = tx.ready_at.map(|at| at.elapsed()).unwrap_or_default();
                self.confirmed_after.insert(host.to_owned(), after);
                "confirmed already=0"
            }
            Stand::Confirmed => "confirmed already=1",
            Stand::Armed | Stand::Applied => "denied reason=not_ready -- it is not ready",
            Stand::RolledBack => "denied reason=too_late -- it is rolled back",
        };
        vec![answer.to_owned()]
    }
}

impl Tx {
    fn is_open(&self) -> bool {
        matches!(self.stand, Stand::Armed | Stand::Applied | Stand::Ready)
    }

    fn journal(&self) -> Vec<String> {
        let end = match self.stand {
            Stand::RolledBack => "j 6 rolled_back late_ms=0 -- it was not confirmed",
            Stand::Confirmed => "j 6 confirmed",
            _ => return Vec::new(),
        };
        vec!["j 5 rolling_back -- it failed".to_owned(), end.to_owned()]
            .into_iter()
            .filter(|line| self.stand == Stand::RolledBack || !line.contains("rolling"))
            .collect()
    }

    fn status(&self) -> Vec<String> {
        let id = &self.id;
        let pending = |state: &str| format!("pending tx={id} state={state} age=9 left=- owner=me@here -- ");
        let last = |result: &str| format!("last tx={id} result={result} age=9 owner=me@here -- ");
        vec![match self.stand {
            Stand::Armed => pending("armed"),
            Stand::Applied => pending("applied"),
            Stand::Ready => pending("ready"),
            Stand::Confirmed => last("confirmed"),
            Stand::RolledBack => last("rolled_back"),
        }]
    }

    /// Moves the deadline, as far as the cap; only a host that is ready may be confirmed, and that is in view here.
    fn extend(&mut self, by: u64) -> Vec<String> {
        let room = (self.armed_at + HARD_CAP).saturating_duration_since(self.undoes_at);
        let by = Duration::from_secs(by).min(room);
        vec![match self.stand {
            Stand::Ready if by.is_zero() => {
                "denied reason=at_cap -- it may not stay armed any longer".to_owned()
            }
            Stand::Ready => {
                self.undoes_at += by;
                let left = self.undoes_at.saturating_duration_since(Instant::now());
                format!("extended by={} left={}", by.as_secs(), left.as_secs())
            }
            Stand::Armed | Stand::Applied => "denied reason=not_ready -- it is not ready".to_owned(),
            Stand::Confirmed | Stand::RolledBack => "denied reason=too_late -- it is decided".to_owned(),
        }]
    }
}
