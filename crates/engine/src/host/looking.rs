//! Looking at a host: connect by the first way that works, inspect, and come to `planned` or an end.

use super::HostTask;
use crate::local_check::{self, LocalEnv};
use crate::rollout::preflight;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_agent::inspect::Inspected;
use snapback_agent::payload;
use snapback_core::change::ChangeKind;
use snapback_core::event::EventKind;
use snapback_core::inspection::Pending;
use snapback_core::job::HostJob;
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
        let mut heard = Heard { inspected: Inspected::new(&self.job), refusal: None, pending: None };
        let parts = match payload::for_inspect(&self.spec, &self.job, &self.shared.contents, install) {
            Ok(parts) => parts,
            Err(error) => return (Ending::Source(error.to_string()), heard),
        };
        let verb: &[&str] = if self.shared.texts { &["inspect", "texts"] } else { &["inspect"] };
        let talk = Talk::payload(self.becoming(), verb, (parts, install), inspect_limit(&self.job));
        let ending = talk.over(session, |answer| heard.hear(answer)).await;
        (ending, heard)
    }

    fn judge_inspection(&mut self, mut heard: Heard) {
        heard.inspected.settle();
        heard.inspected.inspection.pending = heard.pending;
        self.inspected = heard.inspected;
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
        // What would be refused later is known now where it keeps others from being begun.
        let matters = self.shared.course.staged || self.shared.course.scope == ConfirmScope::Batch;
        match preflight::refusal(&self.inspected.inspection, &self.spec).filter(|_| matters) {
            Some(verdict) => {
                self.verdict = verdict;
                self.hear(Input::TargetRefused);
            }
            None if changes == 0 => self.hear(Input::InspectedSame),
            None => self.hear(Input::InspectedDiffers),
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
}

impl Heard {
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Inspect(line) => self.inspected.hear(&line),
            Answer::Pending(pending) => self.pending = Some(pending),
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
        Ending::Whole | Ending::Cut(_) | Ending::NoLine(_) => Input::Lost,
    }
}
