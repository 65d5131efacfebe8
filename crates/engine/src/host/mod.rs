//! One host in a run. What happens is named as an input, core's `step` decides, and [`HostTask::work`] does what
//! the state it led to asks for.

mod asking;
mod baking;
mod confirming;
mod despite;
mod following;
mod going_back;
mod healing;
mod journal;
mod leasing;
mod lines;
mod local;
mod looking;
mod standing_by;
mod telling;

pub(crate) use looking::inspect_limit;

use crate::becoming::{Becoming, SudoPassword};
use crate::local_change::Steps;
use crate::person::{Desk, Seat};
use crate::record::{HostRecord, Reach, Records};
use crate::rollout::bond::Member;
use crate::rollout::keeper::Leases;
use crate::rollout::lock::Locking;
use crate::rollout::slots::{Armed, Slots};
use crate::stream::Events;
use crate::talk::random_hex;
use crate::verdict::Verdict;
use despite::Red;
use snapback_agent::inspect::{Inspected, KnownTexts};
use snapback_agent::sha256_hex;
use snapback_core::check::Where;
use snapback_core::content::Contents;
use snapback_core::event::EventKind;
use snapback_core::inspection::{Inspection, Pending};
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::lease::Holder;
use snapback_core::lifecycle::{Input, State, step};
use snapback_core::outcome::HostResult;
use snapback_core::proof::Mode;
use snapback_core::rollout::{Budget, Course, Ending, Unreachable};
use snapback_core::undo::undo_limit;
use snapback_core::way::Way;
use snapback_transport::{Connector, Session};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long a host may take to boot that its failed undo has started again.
const BOOT: Duration = Duration::from_secs(180);

/// What all hosts of a run share.
pub(crate) struct Shared {
    pub(crate) spec: Arc<RunSpec>,
    pub(crate) contents: Contents,
    /// What hosts have now, for the plan's diffs.
    pub(crate) known_texts: KnownTexts,
    pub(crate) dir: PathBuf,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) events: Events,
    pub(crate) records: Records,
    pub(crate) password: Option<SudoPassword>,
    pub(crate) texts: bool,
    pub(crate) desk: Option<Arc<Desk>>,
    pub(crate) course: Course,
    pub(crate) slots: Slots,
    pub(crate) locking: Locking,
    /// Those of hosts that are not begun yet.
    pub(crate) leases: Leases,
    /// Who undoes what was confirmed: a transaction of its own on each host.
    pub(crate) undo_spec: Arc<RunSpec>,
    /// How many hosts are undone so at once.
    pub(crate) undo_slots: Semaphore,
}

/// What a host's transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// The change set of the run.
    Change,
    /// To undo what was confirmed. The host's own task hears of its end, and tells it.
    GoBack,
}

/// One host, and all that is known of it.
pub(crate) struct HostTask {
    pub(crate) job: Arc<HostJob>,
    pub(crate) state: State,
    shared: Arc<Shared>,
    /// Who runs: its run is the transaction's id.
    spec: Arc<RunSpec>,
    session: Option<Box<dyn Session>>,
    /// Index into the job's ways: the one that worked last.
    way: usize,
    inspected: Inspected,
    record: Option<HostRecord>,
    verdict: Verdict,
    /// The last line of the journal that was heard.
    heard: u64,
    deadline: Option<Instant>,
    /// The longest that an undo may take, as the target says.
    undo_told: Duration,
    /// The same, for whoever asks a person.
    deadline_told: watch::Sender<Instant>,
    /// Where a person's word will be waited for.
    seat: Option<Seat>,
    /// The local checks have passed, and a person's word is still to come.
    person_is_next: bool,
    /// Required checks that are red, and wait for a person.
    red: Red,
    /// The target has said that it undoes.
    undo_heard: bool,
    /// Local checks that were red before the change, and why.
    red_before: BTreeMap<String, String>,
    /// Whose transaction is open there.
    blocked_by: Option<Pending>,
    /// Whether it puts the change in place or takes it back.
    errand: Errand,
    /// The run that has changed it, and what became of that since.
    changed_by: String,
    since: Option<HostResult>,
    /// Who holds the host, before it is begun.
    holder: Option<Holder>,
    /// The lease is asked for along with the look.
    pub(crate) rides: bool,
    /// It may be armed: a slot for its confirmation is counted on.
    armed: Option<[Option<Armed>; 2]>,
    /// Its local changes that were begun.
    local: Steps,
    /// Those of its batch that it is confirmed with.
    member: Option<Member>,
}

impl HostTask {
    pub(crate) fn new(shared: Arc<Shared>, job: HostJob) -> Self {
        let inspected = Inspected::new(&job);
        let local = Steps::of(job.host.clone(), shared.events.clone());
        Self {
            job: Arc::new(job),
            state: State::Pending,
            spec: shared.spec.clone(),
            errand: Errand::Change,
            changed_by: shared.spec.run.clone(),
            since: None,
            shared,
            session: None,
            way: 0,
            inspected,
            record: None,
            verdict: Verdict::default(),
            heard: 0,
            deadline: None,
            undo_told: Duration::ZERO,
            deadline_told: watch::Sender::new(Instant::now()),
            seat: None,
            person_is_next: false,
            red: Red::default(),
            undo_heard: false,
            red_before: BTreeMap::new(),
            blocked_by: None,
            holder: None,
            rides: false,
            armed: None,
            local,
            member: None,
        }
    }

    /// Takes an input. What the table doesn't know is told as a warning and changes nothing: the target decides
    /// about itself in any case.
    pub(crate) fn hear(&mut self, input: Input) {
        self.undo_heard |= input == Input::TargetRollingBack;
        match step(self.state, input) {
            Ok(next) => {
                tracing::debug!(host = %self.job.host, state = ?self.state, ?input, ?next);
                self.state = next;
            }
            Err(illegal) => tracing::warn!(host = %self.job.host, "{illegal}"),
        }
    }

    /// Carries a planned host to its end.
    pub(crate) async fn work(&mut self) {
        self.baseline().await;
        if self.is_called_off() {
            return;
        }
        // A session that was given up while the host waited is opened again before anything is sent.
        if self.session.is_none() && !self.connect().await {
            self.not_connected();
            self.tell_batch();
            return self.tell_end();
        }
        // Hosts that wait for each other can't wait for one another's slots: their windows are extended instead.
        if self.member.is_none() {
            self.armed = Some(self.shared.slots.arm(&self.job).await);
        }
        if self.is_called_off() {
            return;
        }
        let input = self.change_here().await;
        self.hear(input);
        if self.is_manual() {
            self.seat = self.shared.desk.as_ref().map(Desk::enter);
        }
        while !self.state.is_final() {
            if matches!(self.state, State::RollingBack | State::Asking) {
                // It won't be confirmed any more, so another one may be armed.
                self.armed = None;
                self.tell_batch();
            }
            match self.state {
                State::Passed if self.member.is_none() => self.hear(Input::Cleared),
                State::Confirming => self.confirm().await,
                State::RollingBack => self.roll_back().await,
                State::Asking => self.ask().await,
                _ => {
                    self.follow().await;
                    self.seat = None;
                }
            }
        }
        self.armed = None;
        self.tell_batch();
        self.close_session().await;
        self.check_again().await;
        self.close_here().await;
        self.tell_end();
    }

    /// The run ended before the host's turn.
    pub(crate) fn leave(&mut self, ending: Ending) {
        self.leave_with(Verdict::not_reached(ending));
    }

    fn leave_with(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.hear(Input::Halt);
        self.tell_end();
    }

    /// No way in worked, and nothing was sent.
    fn not_connected(&mut self) {
        match self.shared.course.unreachable {
            Unreachable::Skip if self.errand == Errand::Change => {
                self.verdict.left_out();
                self.hear(Input::LeaveOut);
            }
            _ => self.hear(Input::ConnectFailed),
        }
    }

    /// Makes the token and what else must be on disk before `begin` is sent.
    pub(crate) fn make_record(&mut self) -> HostRecord {
        let plan = serde_json::to_vec(&*self.job).unwrap_or_default();
        let state = self.inspected.inspection.state_digest.as_bytes();
        let record = HostRecord {
            run: self.spec.run.clone(),
            fleet: self.spec.fleet.clone(),
            host: self.job.host.clone(),
            token: random_hex(32),
            plan_digest: sha256_hex(&[plan.as_slice(), state].concat()),
            reach: Some(Reach {
                ways: self.job.ways.clone(),
                r#become: self.job.r#become,
                confirm: self.job.confirm,
            }),
        };
        self.record = Some(record.clone());
        record
    }

    pub(crate) async fn close_session(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    pub(crate) fn forget_texts(&mut self) {
        self.inspected.inspection.forget_texts();
    }

    pub(crate) fn found(&self) -> Result<&Inspection, &str> {
        if self.inspected.is_whole() { Ok(&self.inspected.inspection) } else { Err(self.verdict.cause()) }
    }

    pub(crate) fn result(&self) -> HostResult {
        match self.state {
            State::Finished(result) => self.since.unwrap_or(result),
            _ => HostResult::Unknown,
        }
    }

    /// It counts against the budget.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.is_final() && Budget::counts(self.result())
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.verdict.is_stuck()
    }

    pub(crate) fn is_locked_out(&self) -> bool {
        self.verdict.is_lock()
    }

    fn becoming(&self) -> Becoming {
        let (r#become, host) = (self.job.r#become, self.job.host.clone());
        Becoming { r#become, host, password: self.shared.password.clone() }
    }

    fn tell(&self, kind: EventKind) {
        self.shared.events.host(&self.job.host, kind);
    }

    fn is_manual(&self) -> bool {
        self.job.proof.mode == Mode::Manual
    }

    /// The guard undoes in so many seconds.
    fn undoes_in(&mut self, left: u64) {
        let deadline = Instant::now() + Duration::from_secs(left);
        self.deadline = Some(deadline);
        self.deadline_told.send_replace(deadline);
    }

    fn way(&self) -> Option<&Way> {
        self.job.ways.get(self.way)
    }

    /// By when the target must have decided and carried it out, by the controller's clock: its deadline, fifteen
    /// seconds if its supervisor died, and the limits of what an undo may run.
    fn undone_by(&self) -> Instant {
        let confirm = &self.job.confirm;
        let decided =
            self.deadline.unwrap_or_else(|| Instant::now() + confirm.apply_timeout + confirm.window);
        // The target's own figure knows what is watched.
        let planned = undo_limit(&self.job, Some(&self.inspected.inspection));
        let mut undo = planned.max(self.undo_told);
        if self.job.last_resort.reboot {
            // It boots, and tries again.
            undo = undo * 2 + BOOT;
        }
        // And whoever undoes asks the remote checks again before it says so.
        let checks = self.job.checks.iter().filter(|c| c.runs == Where::Remote);
        let asked = checks.map(|c| c.pace.healthy_deadline + c.pace.timeout).max().unwrap_or_default();
        decided + Duration::from_secs(15) + undo + asked
    }
}
