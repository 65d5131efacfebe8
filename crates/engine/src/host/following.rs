//! From `begin` until it is decided: the journal is followed over whatever line there is, local checks run beside
//! it, and each thing heard becomes an input.

use super::lines::Another;
use super::standing_by::changed;
use super::{Errand, HostTask};
use crate::local_check::{self, CheckReport};
use crate::rollout::bond::Member;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use snapback_agent::answer::Answer;
use snapback_agent::payload::{self, TxSpec};
use snapback_agent::sha256_hex;
use snapback_core::check::Where;
use snapback_core::event::EventKind;
use snapback_core::lifecycle::{Input, State};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What is heard while a host is followed.
pub(super) enum Heard {
    /// The agent said something.
    Answer(Answer),
    /// The line that was followed has ended.
    LineEnded(Ending),
    /// The agent said it over another line.
    Elsewhere(Answer),
    /// Nobody answers yet where the host is to be found in the end.
    NotThereYet,
    /// A local check came to its verdict.
    Check(CheckReport),
    /// All local checks have.
    ChecksDone,
    /// A person has said yes or no; nothing when there was no answer.
    Person(Option<bool>),
}

/// The things that go on beside each other while a host is followed; they end with it. The line that began is not
/// among them: it ends by itself and closes its session in order.
pub(super) struct Beside {
    pub(super) sender: mpsc::UnboundedSender<Heard>,
    pub(super) another: Another,
    checks: Option<JoinHandle<()>>,
    person: Option<JoinHandle<()>>,
    /// Tells the target what is red here.
    veto: Option<JoinHandle<()>>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        for task in self.checks.iter().chain(&self.person).chain(&self.veto) {
            task.abort();
        }
    }
}

impl HostTask {
    /// Follows until the state asks for something else.
    pub(super) async fn follow(&mut self) {
        let (sender, mut heard) = mpsc::unbounded_channel();
        if !self.begin_line(&sender) {
            return;
        }
        let another = Another::none();
        let mut beside = Beside { sender, another, checks: None, person: None, veto: None };
        let mut news = self.member.as_ref().map(Member::news);
        while self.is_followed() {
            self.keep_pact().await;
            if !self.is_followed() {
                break;
            }
            if self.state == State::Checking && beside.checks.is_none() {
                beside.checks = Some(self.start_checks(&beside.sender));
            }
            if self.person_is_next && self.state == State::TargetReady && beside.person.is_none() {
                beside.person = Some(self.ask_person(&beside.sender));
            }
            let by = self.followed_until();
            let stands_by_until = self.stands_by_until().unwrap_or(by).min(by);
            let looks_at = self.looks_elsewhere_at(&beside.another);
            // What was said in time counts, even if it is heard late.
            tokio::select! {
                biased;
                next = heard.recv() => match next {
                    Some(Heard::LineEnded(ending)) => self.line_ended(ending, &mut beside).await,
                    Some(other) => self.take(other, &mut beside),
                    None => self.hear(Input::Lost),
                },
                () = changed(&mut news) => {}
                () = tokio::time::sleep_until(looks_at.unwrap_or(by)), if looks_at.is_some() => {
                    beside.another.sought(self.look_elsewhere(&beside.sender));
                }
                () = tokio::time::sleep_until(stands_by_until), if stands_by_until < by => {}
                () = tokio::time::sleep_until(by) => self.overdue(),
            }
        }
    }

    /// Until when following may lead somewhere. Past the deadline a ready target can't be confirmed: then it is asked
    /// at once.
    fn followed_until(&self) -> Instant {
        match (self.state, self.deadline) {
            (State::TargetReady | State::Passed, Some(deadline)) => deadline,
            _ => self.undone_by(),
        }
    }

    fn overdue(&mut self) {
        self.because_too_late();
        self.hear(Input::DeadlinePassed);
    }

    /// What was still waited for when the window ended.
    pub(super) fn because_too_late(&mut self) {
        let why = match self.state {
            State::TargetReady if self.person_is_next => "nobody said yes within the confirm window",
            State::TargetReady => "the local checks had not ended when the confirm window did",
            State::Passed => "the others of its batch had not passed when it could not stay armed any longer",
            _ => return,
        };
        self.verdict.because(why);
    }

    /// Sends `begin` over the open session, which ends with it. Returns whether it is under way.
    fn begin_line(&mut self, sender: &mpsc::UnboundedSender<Heard>) -> bool {
        let talk = match self.begin_talk() {
            Ok(talk) => talk,
            Err(reason) => {
                self.verdict = Verdict::local(&reason);
                self.hear(Input::TargetRefused);
                return false;
            }
        };
        let Some(session) = self.session.take() else {
            self.hear(Input::Lost);
            return false;
        };
        let sender = sender.clone();
        tokio::spawn(async move {
            let told = sender.clone();
            let ending = talk.over(&*session, move |a| drop(told.send(Heard::Answer(a)))).await;
            drop(sender.send(Heard::LineEnded(ending)));
            session.close().await;
        });
        true
    }

    fn begin_talk(&self) -> Result<Talk, String> {
        let record = self.record.as_ref().ok_or("the run's record is missing")?;
        let tx = TxSpec {
            token_hash: sha256_hex(format!("{}\n", record.token).as_bytes()),
            plan_digest: record.plan_digest.clone(),
            state_digest: self.inspected.inspection.state_digest.clone(),
            red_waits: self.red_waits(),
            ..TxSpec::default()
        };
        let shared = &self.shared;
        let parts = payload::for_begin(&self.spec, &self.job, &shared.contents, &tx, &self.inspected)
            .map_err(|e| e.to_string())?;
        self.tell(EventKind::Uploading { bytes: payload::size(&parts) });
        let limit = self.heard_by().saturating_duration_since(Instant::now());
        let verb = ["begin", &self.spec.run, self.heard_until()];
        Ok(Talk::payload(self.becoming(), &verb, (parts, false), limit))
    }

    /// How far the journal is followed: to its end where the target may be ready long before it is confirmed, so that
    /// a reboot or a rollback meanwhile is heard at once.
    pub(super) fn heard_until(&self) -> &'static str {
        let waits = self.is_manual()
            || self.member.is_some()
            || self.job.checks.iter().any(|c| c.runs == Where::Local);
        if waits { "done" } else { "ready" }
    }

    /// How long a line may be listened to at the most, however far the deadline may be extended meanwhile.
    pub(super) fn heard_by(&self) -> Instant {
        self.undone_by().max(Instant::now() + self.job.confirm.hard_cap)
    }

    /// Waits for a person's word. A host that has no one to ask is confirmed from elsewhere, or by nobody.
    fn ask_person(&mut self, sender: &mpsc::UnboundedSender<Heard>) -> JoinHandle<()> {
        if !self.red.is_empty() {
            self.leave_to_person();
            return tokio::spawn(async {});
        }
        let left = self.deadline_told.borrow().saturating_duration_since(Instant::now());
        self.tell(EventKind::AwaitingPerson { left: left.as_secs(), red: Vec::new() });
        let answer = self.seat.take().map(|seat| seat.wait(&self.job.host, self.deadline_told.subscribe()));
        let sender = sender.clone();
        tokio::spawn(async move {
            let said = match answer {
                Some(answer) => answer.await.ok(),
                None => None,
            };
            drop(sender.send(Heard::Person(said)));
        })
    }

    fn start_checks(&self, sender: &mpsc::UnboundedSender<Heard>) -> JoinHandle<()> {
        let sender = sender.clone();
        let (job, env, red) = (self.job.clone(), self.local_env(), self.red_before.clone());
        let settle = self.job.confirm.settle;
        tokio::spawn(async move {
            tokio::time::sleep(settle).await;
            local_check::run_all(&job.checks, &env, &red, |r| drop(sender.send(Heard::Check(r)))).await;
            drop(sender.send(Heard::ChecksDone));
        })
    }

    fn take(&mut self, heard: Heard, beside: &mut Beside) {
        match heard {
            Heard::Answer(answer) => {
                beside.another.heard_something();
                self.take_answer(answer);
            }
            Heard::Elsewhere(answer) => {
                beside.another.found();
                self.take_answer(answer);
            }
            Heard::NotThereYet => beside.another.not_there(),
            Heard::Check(report) => self.take_report(report, beside),
            // A person's word is the last of the local checks.
            Heard::ChecksDone if self.is_manual() => self.person_is_next = true,
            Heard::ChecksDone | Heard::Person(Some(true)) => self.hear(Input::LocalChecksPassed),
            Heard::Person(Some(false)) => {
                self.verdict = Verdict::failed("a person said no");
                self.hear(Input::LocalChecksFailed);
            }
            Heard::Person(None) => {}
            Heard::LineEnded(_) => {}
        }
    }

    fn take_report(&mut self, report: CheckReport, beside: &mut Beside) {
        if self.errand == Errand::GoBack {
            self.take_check_back(&report.name, report.status, &report.detail);
            let CheckReport { name: check, status, detail, .. } = report;
            return self.tell(EventKind::CheckedAgain { check, status, detail, required: true });
        }
        self.tell(EventKind::CheckFinished {
            check: report.name.clone(),
            status: report.status,
            detail: report.detail.clone(),
            required: report.required,
        });
        if report.vetoes() {
            for line in report.output_tail {
                self.tell(EventKind::Output { step: format!("check.{}", report.name), line });
            }
            if self.red_waits() {
                let told = self.red_here(report.name, report.status, &report.detail);
                // It tells all that is red.
                if let Some(before) = beside.veto.replace(told) {
                    before.abort();
                }
                return;
            }
            let word = report.status.word();
            self.verdict = Verdict::failed(&format!("check '{}' {word}: {}", report.name, report.detail));
            self.hear(Input::LocalChecksFailed);
        }
    }

    /// A line that ends when all was said has been heard out; any other end is a line lost.
    async fn line_ended(&mut self, ending: Ending, beside: &mut Beside) {
        if !self.is_followed() {
            return;
        }
        if self.state == State::Beginning {
            return self.begin_ended(&ending);
        }
        if beside.another.is_found() {
            // The host has moved, and what it says is heard where it is now.
            return;
        }
        if matches!(ending, Ending::Whole) && matches!(self.state, State::Checking | State::TargetReady) {
            // The target has said `ready` or worse; the input for it was heard before.
            return;
        }
        self.hear(Input::Lost);
        if self.is_followed() {
            self.tell(EventKind::LineLost { during: self.state.word() });
            beside.another.sought(self.follow_again(&beside.sender));
        }
    }

    /// `begin` brought neither a refusal nor `armed`.
    fn begin_ended(&mut self, ending: &Ending) {
        match ending {
            Ending::UnpackFailed(_)
            | Ending::NoBecome { .. }
            | Ending::PasswordRefused(_)
            | Ending::NeedAgent => {
                self.verdict = Verdict::from_ending(ending);
                self.hear(Input::TargetRefused);
            }
            _ => {
                self.verdict = Verdict::from_ending(ending);
                self.hear(Input::Lost);
            }
        }
    }
}
