//! A host of the model: its content, its transactions, and what happens there by itself.

use super::fault::TargetFault;
use super::transaction::{Asked, Behaviour, Due, Supervisor, Transaction};
use super::world::Sabotage;
use crate::faults::Case;
use snapback_core::target::TargetState;
use std::time::Duration;
use tokio::time::Instant;

/// What a half-applied or half-undone host holds.
const MIXED: &str = "mixed";

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    /// What it holds now.
    pub content: String,
    /// All its transactions, oldest first; a lost record takes them away.
    pub transactions: Vec<Transaction>,
    /// Its record was lost, so nobody undoes any more.
    pub lost: bool,
    /// How the next transaction will go.
    pub behaviour: Behaviour,
    pub(super) has_agent: bool,
    /// Off until then.
    pub(super) down_until: Option<Instant>,
    pub(super) boots: u64,
    pub(super) sabotage: Option<Sabotage>,
    name: String,
}

impl Host {
    pub(super) fn new(name: &str, has_agent: bool, behaviour: Behaviour) -> Self {
        Self {
            content: "old".to_owned(),
            transactions: Vec::new(),
            lost: false,
            behaviour,
            has_agent,
            down_until: None,
            boots: 0,
            sabotage: None,
            name: name.to_owned(),
        }
    }

    /// Returns the transaction that holds the lock.
    #[must_use]
    pub fn open(&self) -> Option<&Transaction> {
        self.transactions.last().filter(|tx| tx.is_open())
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Transaction> {
        self.transactions.last_mut().filter(|tx| tx.is_open())
    }

    /// Returns the word of the state that a fault strikes now.
    #[must_use]
    pub fn struck_in(&self) -> &'static str {
        match self.transactions.last().map(|tx| tx.state) {
            None | Some(TargetState::Discarded) => "before arming",
            Some(TargetState::Locked) => "locked",
            Some(state) => state.word(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down_until.is_none()
    }

    /// Lets happen what was due until now.
    pub(super) fn advance(&mut self, case: &mut Case) {
        let now = Instant::now();
        while let Some((at, due)) = self.next_due() {
            if at > now {
                return;
            }
            match due {
                None => self.boot(at, case),
                Some(due) => self.happen(at, due, case),
            }
        }
    }

    /// When something comes next.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.next_due().map(|(at, _)| at)
    }

    fn next_due(&self) -> Option<(Instant, Option<Due>)> {
        match self.down_until {
            Some(until) => Some((until, None)),
            None => self.open().and_then(Transaction::next).map(|(at, due)| (at, Some(due))),
        }
    }

    fn happen(&mut self, at: Instant, due: Due, case: &mut Case) {
        match due {
            Due::Move(state) => self.move_to(state, at, case),
            Due::Decide(cause) => self.decide(cause, at, case),
            Due::UndoEnds => self.end_undo(at, case),
            Due::Strike => self.strike_due(at, case),
        }
    }

    fn strike_due(&mut self, at: Instant, case: &mut Case) {
        let Some(tx) = self.open_mut() else { return };
        let began = tx.began;
        let Some(n) = tx.behaviour.faults.iter().position(|(after, _)| began + *after <= at) else { return };
        let (_, fault) = tx.behaviour.faults.remove(n);
        self.strike(fault, at, case);
    }

    /// Lets a fault strike.
    pub(super) fn strike(&mut self, fault: TargetFault, at: Instant, case: &mut Case) {
        case.strike(self.struck_in(), fault.name());
        match fault {
            TargetFault::Reboot(off) => {
                self.down_until = Some(at + off);
                self.boots += 1;
            }
            TargetFault::RecordLost => {
                self.lost = true;
                self.transactions.clear();
                self.has_agent = false;
            }
            _ => {
                let Some(tx) = self.open_mut() else { return };
                match fault {
                    TargetFault::SupervisorStuck if tx.supervisor == Supervisor::Alive => {
                        tx.supervisor = Supervisor::Stuck;
                    }
                    TargetFault::SupervisorKilled => tx.supervisor = Supervisor::Dead(at),
                    TargetFault::GuardKilled => {
                        tx.supervisor = Supervisor::Dead(at);
                        tx.backup_alive = false;
                    }
                    TargetFault::SessionKilled => tx.holder_alive = false,
                    _ => {}
                }
            }
        }
    }

    /// The boot hook: what is armed and unconfirmed is undone, what was decided is carried out.
    fn boot(&mut self, at: Instant, case: &mut Case) {
        self.down_until = None;
        let Some(tx) = self.open_mut() else { return };
        tx.holder_alive = false;
        tx.supervisor = Supervisor::Dead(at);
        tx.backup_alive = false;
        tx.since = at;
        tx.carried = true;
        if tx.is_guarded() {
            self.decide("the host was started again before the change was confirmed", at, case);
        }
    }

    /// Moves the open transaction, if that is legal, and changes the host as that state does.
    pub(super) fn move_to(&mut self, state: TargetState, at: Instant, case: &mut Case) {
        let name = self.name.clone();
        let Some(tx) = self.open_mut() else {
            return case.violate(format!("{name}: no transaction for {state:?}"));
        };
        let legal = tx.state.next().contains(&state);
        case.expect(legal, || format!("{name}: {} went from {:?} to {state:?}", tx.id, tx.state));
        tx.state = state;
        tx.since = at;
        let left = |tx: &Transaction| tx.deadline.unwrap_or(at).saturating_duration_since(at).as_secs();
        match state {
            TargetState::Armed => tx.arm(at),
            TargetState::Applying => tx.journal.push("applying".to_owned()),
            TargetState::Applied => {
                tx.deadline = Some((at + tx.asked.window).min(tx.armed.unwrap_or(at) + tx.asked.hard_cap));
                tx.journal.push(format!("applied left={}", left(tx)));
            }
            TargetState::Ready => {
                tx.ready = Some(at);
                tx.journal.push(format!("ready left={}", left(tx)));
            }
            TargetState::Confirming | TargetState::RollingBack => {
                tx.decided = Some(at);
                tx.carried = true;
            }
            TargetState::Confirmed => tx.journal.push("confirmed".to_owned()),
            TargetState::RolledBack => tx.journal.push(format!("rolled_back late_ms=0 -- {}", tx.cause)),
            TargetState::RollbackFailed => tx.journal.push(format!("rollback_failed -- {}", tx.cause)),
            TargetState::Discarded => tx.journal.push("discarded".to_owned()),
            TargetState::Locked => {}
        }
        let (before, wants) = (tx.before.clone(), tx.asked.wants.clone());
        match state {
            TargetState::Applying | TargetState::RollbackFailed => self.content = MIXED.to_owned(),
            TargetState::Applied => self.content = wants,
            TargetState::RolledBack => self.content = before,
            _ => {}
        }
    }

    /// Decides for rollback, if nothing is decided.
    pub(super) fn decide(&mut self, cause: &str, at: Instant, case: &mut Case) {
        let unguarded = self.sabotage == Some(Sabotage::NoGuard);
        let Some(tx) = self.open_mut() else { return };
        if unguarded {
            // Whoever should decide now has gone without a word.
            tx.supervisor = Supervisor::Dead(at);
            tx.backup_alive = false;
        } else if tx.is_guarded() {
            cause.clone_into(&mut tx.cause);
            tx.journal.push(format!("rolling_back -- {cause}"));
            self.move_to(TargetState::RollingBack, at, case);
        }
    }

    fn end_undo(&mut self, at: Instant, case: &mut Case) {
        let Some(tx) = self.open_mut() else { return };
        if tx.behaviour.failing_undos == 0 {
            return self.move_to(TargetState::RolledBack, at, case);
        }
        tx.behaviour.failing_undos -= 1;
        tx.journal.push("undo_item ok=0 -- /etc/x: differs".to_owned());
        case.strike("rolling_back", "target: the undo fails");
        self.move_to(TargetState::RollbackFailed, at, case);
    }

    /// What every visit does first: what has no living guard is resolved.
    pub(super) fn contact(&mut self, case: &mut Case) {
        let now = Instant::now();
        let Some(tx) = self.open_mut() else { return };
        tx.carried |= !matches!(tx.state, TargetState::RollbackFailed);
        match (tx.state, tx.supervisor) {
            (TargetState::Locked, _) if !tx.holder_alive => self.move_to(TargetState::Discarded, now, case),
            (_, Supervisor::Dead(_)) => self.decide("its supervisor was gone (contact)", now, case),
            (_, Supervisor::Stuck) if tx.deadline.is_some_and(|d| now > d + Duration::from_secs(10)) => {
                self.decide("the supervisor was stuck past the deadline", now, case);
            }
            _ => {}
        }
    }

    pub(super) fn lock(&mut self, id: &str, connection: u64, asked: Asked) {
        let now = Instant::now();
        self.transactions.push(Transaction {
            id: id.to_owned(),
            state: TargetState::Locked,
            before: self.content.clone(),
            since: now,
            deadline: None,
            decided: None,
            asked,
            behaviour: std::mem::replace(&mut self.behaviour, Behaviour::calm()),
            began: now,
            armed: None,
            ready: None,
            arming_connection: connection,
            holder_alive: true,
            supervisor: Supervisor::Alive,
            backup_alive: true,
            carried: false,
            journal: Vec::new(),
            cause: String::new(),
        });
    }
}

impl Transaction {
    fn arm(&mut self, at: Instant) {
        self.armed = Some(at);
        self.deadline = Some(at + self.asked.apply_timeout);
        self.journal.push(format!(
            "armed backend=systemd hook=systemd apply_timeout={} window={} -- ",
            self.asked.apply_timeout.as_secs(),
            self.asked.window.as_secs()
        ));
    }
}
