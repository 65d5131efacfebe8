//! Looking at a host: connect by the first way that works, inspect, and come to `planned` or an end.

use super::{Errand, HostTask};
use crate::local_check::{self, LocalEnv};
use crate::rollout::keeper::LEASE;
use crate::rollout::preflight;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_agent::inspect::{Inspected, KnownTexts};
use snapback_agent::payload;
use snapback_core::change::ChangeKind;
use snapback_core::event::EventKind;
use snapback_core::inspection::Pending;
use snapback_core::job::HostJob;
use snapback_core::lease::{Holder, Lease};
use snapback_core::lifecycle::Input;
use snapback_core::rollout::ConfirmScope;
use snapback_transport::{ConnectError, Session};
use std::time::Duration;
use tokio::time::Instant;

impl HostTask {
    /// Connects and inspects.
    pub(crate) async fn look(&mut self) {
        self.hear(Input::Start);
        if self.connect().await {
            self.hear(Input::Connected);
            self.inspect().await;
        } else {
            self.not_connected();
        }
        if self.state.is_final() {
            self.close_session().await;
            self.tell_end();
        }
    }

    /// Opens a session by the final way, else by the old one.
    pub(super) async fn connect(&mut self) -> bool {
        let mut failures: Vec<ConnectError> = Vec::new();
        let shared = self.shared.clone();
        for n in 0..self.job.ways.len() {
            let way = &self.job.ways[n];
            let _slot = shared.slots.handshake(way, Class::Begin).await;
            let began = Instant::now();
            match shared.connector.open(way).await {
                Ok(session) => {
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.tell(EventKind::HostConnected { way: way.kind, ms });
                    self.session = Some(session);
                    self.way = n;
                    return true;
                }
                Err(error) => failures.push(error),
            }
        }
        self.verdict = Verdict::no_line(&failures);
        false
    }

    async fn inspect(&mut self) {
        let mut install = false;
        loop {
            let Some(session) = self.session.take() else { return self.hear(Input::Lost) };
            let (ending, heard) = self.inspect_over(&*session, install).await;
            self.session = Some(session);
            match ending {
                Ending::NeedAgent if !install => install = true,
                Ending::Whole => return self.judge_inspection(heard),
                other => {
                    self.verdict = Verdict::from_ending(&other);
                    return self.hear(input_of(&other));
                }
            }
        }
    }

    async fn inspect_over(&mut self, session: &dyn Session, install: bool) -> (Ending, Heard) {
        let mut heard = Heard::of(&self.job, self.shared.known_texts.clone());
        let lease = if self.rides { LEASE } else { Duration::ZERO };
        let (spec, contents) = (&self.spec, &self.shared.contents);
        let parts = match payload::for_inspect_and_lease(spec, &self.job, contents, (install, lease)) {
            Ok(parts) => parts,
            Err(error) => return (Ending::Source(error.to_string()), heard),
        };
        let verb: &[&str] = if self.shared.texts { &["inspect", "texts"] } else { &["inspect"] };
        let talk = Talk::payload(self.becoming(), verb, (parts, install), inspect_limit(&self.job));
        let ending = talk.over(session, |answer| heard.hear(answer)).await;
        (ending, heard)
    }

    fn judge_inspection(&mut self, mut heard: Heard) {
        heard.inspected.inspection.pending = heard.pending;
        heard.inspected.inspection.lease = heard.lease.filter(|_| !heard.leased);
        self.inspected = heard.inspected;
        if heard.leased {
            self.leased();
        }
        if let Some(verdict) = heard.refusal {
            self.verdict = verdict;
            return self.hear(Input::TargetRefused);
        }
        if !self.inspected.is_whole() {
            self.verdict = Verdict::failed("the host's answer was cut short");
            return self.hear(Input::Lost);
        }
        let changes = self.inspected.inspection.changes.iter().filter(|c| c.would_change()).count();
        self.tell(EventKind::HostInspected { changes });
        if self.job.protected && changes > 0 {
            self.verdict = Verdict::protected();
            return self.hear(Input::TargetRefused);
        }
        // What would be refused later is known now where it keeps others from being begun.
        let matters = self.shared.course.staged || self.shared.course.confirm_scope == ConfirmScope::Batch;
        match preflight::refusal(&self.job, &self.inspected.inspection, &self.spec).filter(|_| matters) {
            Some(verdict) => {
                self.verdict = verdict;
                self.hear(Input::TargetRefused);
            }
            None => {
                self.holder = self.holder_that_counts();
                match self.holder.take_if(|_| self.errand == Errand::GoBack) {
                    // What undoes waits for nobody.
                    Some(holder) => {
                        self.verdict = Verdict::held(&holder);
                        self.hear(Input::TargetRefused);
                    }
                    None if self.holder.is_none() => self.judge_changes(),
                    None => {}
                }
            }
        }
    }

    /// What is as wanted under somebody's open transaction may be undone by its guard any moment, and is not done; from
    /// whoever only is about to begin nothing is wanted then.
    fn holder_that_counts(&self) -> Option<Holder> {
        let found = &self.inspected.inspection;
        Holder::of(found).filter(|holder| matches!(holder, Holder::Open(_)) || !found.is_unchanged())
    }

    /// Comes to an end or to `planned` by what was found.
    pub(crate) fn judge_changes(&mut self) {
        let same = self.inspected.inspection.is_unchanged();
        self.hear(if same { Input::InspectedSame } else { Input::InspectedDiffers });
    }

    /// Somebody held the host when it was looked at: what was found then may be another thing by now.
    pub(super) async fn look_again(&mut self) {
        let was_open = self.session.is_some();
        if !was_open && !self.connect().await {
            return self.not_connected();
        }
        self.inspect().await;
        if self.state.is_final() {
            self.tell_end();
        }
        if !was_open || self.state.is_final() {
            self.close_session().await;
        }
    }

    /// Local baseline checks, before anything is sent. Remote ones are the target's own.
    pub(super) async fn baseline(&mut self) {
        let env = self.local_env();
        self.red_before = local_check::baseline(&self.job.checks, &env).await;
    }

    pub(super) fn local_env(&self) -> LocalEnv {
        let address = self.job.final_way().and_then(|w| w.address.clone());
        let mut vars = vec![
            ("DEPLOY_HOST".to_owned(), self.job.host.to_string()),
            ("DEPLOY_ADDRESS".to_owned(), address.unwrap_or_else(|| self.job.host.to_string())),
            ("DEPLOY_RUN".to_owned(), self.shared.spec.run.clone()),
        ];
        vars.extend(
            self.job.vars.iter().map(|(name, value)| (format!("VAR_{}", name.to_uppercase()), value.clone())),
        );
        LocalEnv { cwd: self.shared.dir.clone(), vars }
    }
}

/// The longest an inspection may take: what it runs, and half a minute for the rest.
pub(crate) fn inspect_limit(job: &HostJob) -> Duration {
    let commands = job.changes.iter().map(|change| match &change.kind {
        ChangeKind::Files(_) => Duration::ZERO,
        ChangeKind::Revert(revert) => revert.timeout,
        ChangeKind::Script(script) => {
            let asked = u32::from(script.facts.is_some()) + u32::from(script.unless.is_some());
            script.timeout * asked
        }
    });
    commands.sum::<Duration>() + Duration::from_secs(30)
}

/// What an inspection says, as it is heard.
struct Heard {
    inspected: Inspected,
    refusal: Option<Verdict>,
    pending: Option<Pending>,
    lease: Option<Lease>,
    leased: bool,
}

impl Heard {
    fn of(job: &HostJob, known: KnownTexts) -> Self {
        let inspected = Inspected::new(job).sharing(known);
        Self { inspected, refusal: None, pending: None, lease: None, leased: false }
    }

    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Inspect(line) => self.inspected.hear(&line),
            Answer::Pending(pending) => self.pending = Some(pending),
            Answer::Lease(lease) => self.lease = Some(lease),
            Answer::Leased => self.leased = true,
            Answer::Refused { reason, text } => {
                self.refusal = Some(Verdict::refused(&reason, &text, self.pending.as_ref()));
            }
            Answer::Error(text) => self.refusal = Some(Verdict::agent_error(&text)),
            _ => {}
        }
    }
}

/// A line that fails before `begin` leaves the host untouched; an answer of no is a refusal.
fn input_of(ending: &Ending) -> Input {
    match ending {
        Ending::NoBecome { .. }
        | Ending::PasswordRefused(_)
        | Ending::UnpackFailed(_)
        | Ending::Source(_)
        | Ending::NeedAgent => Input::TargetRefused,
        Ending::Whole | Ending::Cut(_) | Ending::Flooded(_) | Ending::NoLine(_) => Input::Lost,
    }
}
