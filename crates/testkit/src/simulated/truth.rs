//! What has really happened to simulated hosts.

use std::collections::BTreeMap;
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
    /// The most sessions that were open at once.
    pub most_open: usize,
    /// The most handshakes that were made at once.
    pub most_handshakes: usize,
    /// The most hosts that were armed and undecided at once.
    pub most_armed: usize,
    /// How long after it was ready each confirmed host was confirmed.
    pub confirmed_after: BTreeMap<String, Duration>,
    pub(super) open: usize,
    pub(super) handshakes: usize,
    hosts: BTreeMap<String, Tx>,
}

/// A transaction on a host.
#[derive(Clone, Debug)]
struct Tx {
    id: String,
    /// What it found, and what it puts in place.
    was: Value,
    makes: Value,
    stand: Stand,
    undoes_at: Instant,
    ready_at: Option<Instant>,
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
    Begin,
    Apply,
    BeReady,
    CutOff { comes_back: bool },
    RollBack,
    Confirm,
    TellJournal,
    TellStatus,
}

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

    pub(super) fn perform(&mut self, (host, id): (&str, &str), deed: Deed, window: Duration) -> Vec<String> {
        self.pass_time(host);
        if matches!(deed, Deed::Begin) {
            return self.begin(host, id);
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
                    tx.stand = Stand::RolledBack;
                }
                Vec::new()
            }
            Deed::Confirm => self.confirm(host),
            Deed::TellJournal => tx.journal(),
            _ => tx.status(),
        }
    }

    fn begin(&mut self, host: &str, id: &str) -> Vec<String> {
        let known = self.hosts.get(host);
        assert!(known.is_none_or(|tx| tx.id != id && !tx.is_open()), "{host} was begun twice");
        let was = self.value(host);
        // The undo of a run has the run's id and a letter.
        let (makes, list) = match id.ends_with('U') {
            true => (Value::Old, &mut self.undone),
            false => (Value::New, &mut self.begun),
        };
        list.push(host.to_owned());
        let undoes_at = Instant::now() + APPLY_TIMEOUT;
        let (id, stand) = (id.to_owned(), Stand::Armed);
        let tx = Tx { id, was, makes, stand, undoes_at, ready_at: None, cut_off: None };
        self.hosts.insert(host.to_owned(), tx);
        let now = Instant::now();
        let armed = self.hosts.values().filter(|tx| tx.is_open() && tx.undoes_at > now).count();
        self.most_armed = self.most_armed.max(armed);
        let limits = format!("apply_timeout={} window=60", APPLY_TIMEOUT.as_secs());
        vec![format!("j 1 armed backend=systemd hook=systemd {limits} -- ")]
    }

    fn confirm(&mut self, host: &str) -> Vec<String> {
        let Some(tx) = self.hosts.get_mut(host) else { return Vec::new() };
        let answer = match tx.stand {
            Stand::Ready => {
                tx.stand = Stand::Confirmed;
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
        let state = match self.stand {
            Stand::Armed => "armed",
            Stand::Applied => "applied",
            Stand::Ready => "ready",
            Stand::Confirmed | Stand::RolledBack => return Vec::new(),
        };
        vec![format!("pending tx={} state={state} age=9 left=- owner=me@here -- ", self.id)]
    }
}
