//! A run, from plan to outcome: look at every host, let the caller ask a person, then work on those that differ.

use crate::becoming::SudoPassword;
use crate::host::{HostTask, Shared};
use crate::person::{Desk, Person};
use crate::record::{Before, Earlier, Entry, RECORD_VERSION, Records, RunHeader, UNDO};
use crate::rollout::earlier;
use crate::rollout::keeper::{Keeper, Leases};
use crate::rollout::slots::Slots;
use crate::rollout::{Halt, Locking, Release, Signals};
use crate::stream::Events;
use futures::stream::{self, StreamExt};
use snapback_core::content::Contents;
use snapback_core::event::{Event, EventKind, VERSION};
use snapback_core::hook::Hooks;
use snapback_core::host::HostName;
use snapback_core::inspection::Inspection;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::lifecycle::{Input, State};
use snapback_core::outcome::{ExitCode, RunFacts, exit_code};
use snapback_core::rollout::{Course, Ending};
use snapback_transport::Connector;
use std::cell::OnceCell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// How many connections are kept open between looking and changing, at about 1.4 MB each: opening one again costs
/// another key exchange.
pub(crate) const KEPT_OPEN: usize = 256;

/// What a run is made of.
pub struct RunParts {
    /// Who runs, and how.
    pub spec: RunSpec,
    /// One job for each host.
    pub jobs: Vec<HostJob>,
    /// In which batches and by which rules they are carried out.
    pub course: Course,
    /// `--var`, for whoever goes on with the run.
    pub vars: Vec<(String, String)>,
    /// The run that this one goes on with.
    pub continues: Option<Continued>,
    /// The bytes that the jobs name.
    pub contents: Contents,
    /// The folder that local commands run in: that of the fleet file.
    pub dir: PathBuf,
    /// Opens lines.
    pub connector: Arc<dyn Connector>,
    /// Where to tell what happens.
    pub events: Events,
    /// Where the record goes.
    pub records: Records,
    /// The password for sudo, where it asks for one.
    pub password: Option<SudoPassword>,
    /// Whether the plan wants the texts of what would be replaced.
    pub texts: bool,
    /// Who is asked where the mode is manual. Without anybody the guards decide.
    pub person: Option<Arc<dyn Person>>,
    /// How others are dealt with that want the same hosts.
    pub locking: Locking,
}

/// A run that another one goes on with.
#[derive(Clone, Debug, Default)]
pub struct Continued {
    /// Its id.
    pub run: String,
    /// What it had come to; nothing of it where the other one counts for itself.
    pub before: Before,
    /// How the hosts are reached that it had confirmed.
    pub jobs: Vec<HostJob>,
}

/// A run whose hosts have not been looked at.
pub struct Run {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Vec<HostTask>,
    /// Hosts that the run which this one goes on with has confirmed.
    pub(crate) earlier: Vec<(Earlier, HostTask)>,
    pub(crate) before: Before,
    pub(crate) halt: Halt,
    pub(crate) signals: Signals,
    pub(crate) hooks: Hooks,
    /// The host whose failure was one too many.
    pub(crate) broke: OnceCell<HostName>,
    /// Batches whose hosts are confirmed together that were confirmed in part.
    pub(crate) split: Vec<usize>,
    header: RunHeader,
    began: Instant,
    /// Another run holds a host, and was not waited for any longer.
    is_held: bool,
    keeper: Option<Keeper>,
}

/// A run whose hosts have been looked at; nothing has been changed.
pub struct Planned {
    run: Run,
}

/// What is known of a host after it was looked at.
pub struct HostFound<'a> {
    /// Its job.
    pub job: &'a HostJob,
    /// What it said of itself, or why it could not be looked at.
    pub found: Result<&'a Inspection, &'a str>,
}

impl Run {
    /// Returns a run that has done nothing yet.
    #[must_use]
    pub fn new(parts: RunParts) -> Self {
        let jobs = parts.jobs;
        let slots = Slots::new(parts.spec.connect_parallel);
        let continues = parts.continues.as_ref().map(|continued| continued.run.clone());
        let Continued { before, jobs: jobs_before, .. } = parts.continues.unwrap_or_default();
        let header = RunHeader {
            v: RECORD_VERSION,
            run: parts.spec.run.clone(),
            fleet: parts.spec.fleet.clone(),
            owner: parts.spec.owner.clone(),
            comment: parts.spec.comment.clone(),
            at_ms: now_ms(),
            hosts: jobs.iter().map(|job| job.host.clone()).collect(),
            course: parts.course.clone(),
            vars: parts.vars,
            continues,
            before: before.clone(),
        };
        let signals = parts.records.signals(&parts.spec.run);
        let shared = Arc::new(Shared {
            undo_spec: Arc::new(undo_spec(&parts.spec)),
            undo_slots: Semaphore::new(parts.spec.parallel.max(1)),
            spec: Arc::new(parts.spec),
            contents: parts.contents,
            known_texts: Default::default(),
            dir: parts.dir,
            connector: parts.connector,
            events: parts.events,
            records: parts.records,
            password: parts.password,
            texts: parts.texts,
            desk: parts.person.map(Desk::new),
            course: parts.course,
            slots,
            locking: parts.locking,
            leases: Leases::default(),
        });
        let earlier = earlier::tasks(&shared, &before.confirmed, jobs_before);
        let tasks = jobs.into_iter().map(|job| HostTask::new(shared.clone(), job)).collect();
        Self {
            shared,
            tasks,
            earlier,
            before,
            halt: Halt::default(),
            signals,
            hooks: Hooks::default(),
            broke: OnceCell::new(),
            split: Vec::new(),
            header,
            began: Instant::now(),
            is_held: false,
            keeper: None,
        }
    }

    /// Has the user's own commands run at the turns of the run.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// Returns the switch that keeps further hosts from being started.
    #[must_use]
    pub fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Returns what gives hosts back to others that this run has kept for itself and not begun.
    #[must_use]
    pub fn release(&self) -> Release {
        Release(Arc::downgrade(&self.shared))
    }

    /// Looks at every host. Nothing is changed.
    pub async fn plan(mut self) -> Planned {
        let hosts = self.tasks.iter().map(|t| t.job.host.clone()).collect();
        let fleet = self.shared.spec.fleet.clone();
        self.shared.events.run(EventKind::RunStarted { fleet, hosts });
        let halt = self.halt.clone();
        let kept = self.kept_open();
        self.prepare_leases();
        let looking = self.tasks.iter_mut().enumerate().map(|(at, task)| {
            let (halt, kept) = (&halt, &kept);
            async move {
                if halt.is_stopped() {
                    task.hear(Input::Halt);
                    task.tell_end();
                    return;
                }
                task.look().await;
                if kept.binary_search(&at).is_err() {
                    task.close_session().await;
                }
            }
        });
        let parallel = self.shared.spec.parallel.max(1);
        stream::iter(looking).buffer_unordered(parallel).collect::<()>().await;
        self.is_held = !self.free_all().await;
        if !self.is_held {
            // Where nothing will be changed nobody is in the way.
            self.tasks.iter_mut().filter(|task| task.holder().is_some()).for_each(HostTask::overlook_holder);
        }
        Planned { run: self }
    }

    /// Of several hosts that are changed side by side each is kept until its turn; where the plan is agreed to already,
    /// from the look on.
    fn prepare_leases(&mut self) {
        if self.shared.locking == Locking::Off || self.tasks.len() < 2 {
            return;
        }
        self.keeper = Some(Keeper::start(self.shared.clone()));
        if matches!(self.shared.locking, Locking::AtOnce { .. }) {
            let first = self.shared.course.batches.first().filter(|_| !self.shared.course.begins_at_gate);
            let first = first.map(|batch| batch.hosts.clone()).filter(|hosts| hosts.len() > 1);
            for at in first.unwrap_or_default() {
                self.tasks[at].rides = true;
            }
        }
    }

    /// The hosts whose turn comes first keep their connections from looking to changing; the others don't keep one
    /// open while they wait.
    fn kept_open(&self) -> Vec<usize> {
        let most = self.shared.spec.parallel.max(KEPT_OPEN);
        let first = self.shared.course.batches.first().filter(|_| !self.shared.course.begins_at_gate);
        first.map(|batch| batch.hosts.iter().copied().take(most).collect()).unwrap_or_default()
    }

    /// Writes the record down as far as it is known: what was to be done, whose end is known already, and the tokens
    /// of those that may be begun.
    fn begin_record(&mut self) -> io::Result<()> {
        // The plan has been shown.
        self.tasks.iter_mut().for_each(HostTask::forget_texts);
        self.shared.known_texts.clear();
        let run = self.shared.spec.run.clone();
        let mut first = vec![Entry::Run(self.header.clone())];
        first.extend(self.tasks.iter().filter_map(|task| {
            let (kind, host) = (task.end()?, Some(task.job.host.clone()));
            Some(Entry::Event(Event { v: VERSION, at_ms: now_ms(), run: run.clone(), host, kind }))
        }));
        let planned = self.tasks.iter_mut().filter(|task| task.state == State::Planned);
        first.extend(planned.map(|task| Entry::Host(task.make_record())));
        let log = self.shared.records.begin(&run, &first)?;
        self.shared.events.record_to(log);
        Ok(())
    }

    /// A record that could not be written to its end is worth a warning and no failure: the hosts are as they are
    /// told to be.
    fn end_record(&self) {
        if let Some(Err(error)) = self.shared.events.take_record().map(|log| log.close()) {
            tracing::warn!(%error, "the run's record could not be written to its end: retry and resume don't know all of it");
        }
    }

    /// Closes what is open and returns the code that follows from how the hosts ended.
    async fn exit_code(&mut self, ending: Ending) -> ExitCode {
        self.give_back().await;
        for task in &mut self.tasks {
            task.close_session().await;
        }
        let results: Vec<_> = self.ended().map(HostTask::result).collect();
        let facts = RunFacts {
            interrupted: self.halt.is_stopped(),
            locked: self.tasks.iter().any(HostTask::is_locked_out),
            stuck: self.tasks.iter().any(HostTask::is_stuck),
            split: self.split.iter().any(|batch| self.is_split(*batch)),
            rest_is_left: matches!(ending, Ending::AsAsked | Ending::OverBudgetBeforeStart),
        };
        exit_code(&results, facts)
    }

    /// The hosts of the run, and those of an earlier one that it has undone.
    fn ended(&self) -> impl Iterator<Item = &HostTask> {
        let undone = self.earlier.iter().map(|(_, task)| task).filter(|task| task.was_undone());
        self.tasks.iter().chain(undone)
    }

    fn finish(self, code: ExitCode) -> ExitCode {
        let hosts = self.ended().map(|t| (t.job.host.to_string(), t.result())).collect();
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.events.run(EventKind::RunFinished { hosts, exit_code: code as u8, ms });
        self.end_record();
        code
    }
}

impl Planned {
    /// Returns what is known of each host, in file order.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostFound<'_>> {
        self.run.tasks.iter().map(|t| HostFound { job: &t.job, found: t.found() }).collect()
    }

    /// Returns whether any host would be changed, or undone.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let is_planned = self.run.tasks.iter().any(|t| t.state == State::Planned);
        self.is_held() || is_planned || !self.to_undo().is_empty()
    }

    /// Returns whether another run holds a host: then nothing will be changed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.run.is_held
    }

    /// Returns the hosts that were confirmed in the run which this one goes on with, and are taken back to before it
    /// whatever becomes of the others.
    #[must_use]
    pub fn to_undo(&self) -> Vec<&HostName> {
        let is_over = self.is_over_budget();
        let run = &self.run;
        let undone = run
            .earlier
            .iter()
            .filter(|(earlier, _)| earlier.due.is_some() || is_over && run.is_covered(earlier));
        undone.map(|(earlier, _)| &earlier.host).collect()
    }

    /// Returns whether more hosts have failed already than may: then nothing will be changed.
    #[must_use]
    pub fn is_over_budget(&self) -> bool {
        self.run.shared.course.budget.is_exceeded(self.run.failures())
    }

    /// Ends the run without changing anything: hosts that would change are skipped.
    pub async fn leave(mut self) -> ExitCode {
        for task in self.run.tasks.iter_mut().filter(|t| !t.state.is_final()) {
            task.hear(Input::LeaveOut);
            task.tell_end();
        }
        let code = self.run.exit_code(Ending::Complete).await;
        self.run.finish(code)
    }

    /// Changes the hosts that differ.
    ///
    /// # Errors
    /// When the run's record can't be written: then nothing was begun.
    pub async fn apply(mut self) -> io::Result<ExitCode> {
        self.run.begin_record()?;
        let ending = if self.run.is_held || !self.run.secure_first().await {
            let ending = self.run.end_held();
            self.run.call_off(ending)
        } else {
            match self.run.before_deploy().await {
                None => self.run.roll_out().await,
                Some(ending) => self.run.call_off(ending),
            }
        };
        let code = self.run.exit_code(ending).await;
        self.run.after_deploy(ending, code).await;
        Ok(self.run.finish(code))
    }
}

impl HostFound<'_> {
    /// Returns the host's name.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.job.host
    }
}

fn undo_spec(spec: &RunSpec) -> RunSpec {
    let comment = format!("undoes what run {} had confirmed", spec.run);
    RunSpec { run: format!("{}{UNDO}", spec.run), comment, ..spec.clone() }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
