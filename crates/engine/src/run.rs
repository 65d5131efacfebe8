//! A run, from plan to outcome: look at every host, let the caller ask a person, then work on those that differ.

use crate::becoming::SudoPassword;
use crate::host::{HostTask, Shared};
use crate::person::{Desk, Person};
use crate::record::{HostRecord, Records};
use crate::stream::Events;
use futures::stream::{self, StreamExt};
use snapback_core::content::Contents;
use snapback_core::event::EventKind;
use snapback_core::host::HostName;
use snapback_core::inspection::Inspection;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::lifecycle::{Input, State};
use snapback_core::outcome::{ExitCode, RunFacts, exit_code};
use snapback_transport::Connector;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How many connections are kept open between looking and changing, at about 1.4 MB each: opening one again costs
/// another key exchange.
const KEPT_OPEN: usize = 256;

/// What a run is made of.
pub struct RunParts {
    /// Who runs, and how.
    pub spec: RunSpec,
    /// One job for each host.
    pub jobs: Vec<HostJob>,
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
}

/// A run whose hosts have not been looked at.
pub struct Run {
    shared: Arc<Shared>,
    tasks: Vec<HostTask>,
    halt: Halt,
    began: Instant,
}

/// Stops further hosts from being started; those in flight finish. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Halt(Arc<AtomicBool>);

impl Halt {
    /// Starts no more hosts.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether no more hosts are to be started.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
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
        let connect_slots = parts.spec.connect_parallel;
        let shared = Arc::new(Shared {
            spec: parts.spec,
            contents: parts.contents,
            dir: parts.dir,
            connector: parts.connector,
            events: parts.events,
            records: parts.records,
            password: parts.password,
            texts: parts.texts,
            desk: parts.person.map(Desk::new),
            connecting: tokio::sync::Semaphore::new(connect_slots.max(1)),
        });
        let tasks = jobs.into_iter().map(|job| HostTask::new(shared.clone(), job)).collect();
        Self { shared, tasks, halt: Halt::default(), began: Instant::now() }
    }

    /// Returns the switch that keeps further hosts from being started.
    #[must_use]
    pub fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Looks at every host. Nothing is changed.
    pub async fn plan(mut self) -> Planned {
        let hosts = self.tasks.iter().map(|t| t.job.host.clone()).collect();
        let fleet = self.shared.spec.fleet.clone();
        self.shared.events.run(EventKind::RunStarted { fleet, hosts });
        let halt = self.halt.clone();
        self.each(move |task| {
            let halt = halt.clone();
            Box::pin(async move {
                if halt.is_stopped() {
                    task.hear(Input::Halt);
                    task.tell_end();
                } else {
                    task.look().await;
                }
            })
        })
        .await;
        self.rest_idle_sessions().await;
        Planned { run: self }
    }

    /// Works on all hosts, at most `parallel` at once, started in file order.
    async fn each(&mut self, work: impl for<'t> Fn(&'t mut HostTask) -> futures::future::BoxFuture<'t, ()>) {
        let parallel = self.shared.spec.parallel.max(1);
        let mut done = Vec::with_capacity(self.tasks.len());
        let work = &work;
        let mut running = stream::iter(self.tasks.drain(..).enumerate())
            .map(|(n, mut task)| async move {
                work(&mut task).await;
                (n, task)
            })
            .buffer_unordered(parallel);
        while let Some(finished) = running.next().await {
            done.push(finished);
        }
        drop(running);
        done.sort_by_key(|(n, _)| *n);
        self.tasks.extend(done.into_iter().map(|(_, task)| task));
    }

    /// Hosts whose turn comes much later don't keep a connection open while they wait.
    async fn rest_idle_sessions(&mut self) {
        let kept = self.shared.spec.parallel.max(KEPT_OPEN);
        let waiting = self.tasks.iter_mut().filter(|t| t.state == State::Planned).skip(kept);
        for task in waiting {
            task.close_session().await;
        }
    }

    async fn finish(mut self) -> ExitCode {
        for task in &mut self.tasks {
            task.close_session().await;
        }
        let results: Vec<_> = self.tasks.iter().map(HostTask::result).collect();
        let facts = RunFacts {
            interrupted: self.halt.is_stopped(),
            locked: self.tasks.iter().any(HostTask::is_locked_out),
            stuck: self.tasks.iter().any(HostTask::is_stuck),
        };
        let code = exit_code(&results, facts);
        let hosts = self.tasks.iter().map(|t| (t.job.host.to_string(), t.result())).collect();
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.events.run(EventKind::RunFinished { hosts, exit_code: code as u8, ms });
        code
    }
}

impl Planned {
    /// Returns what is known of each host, in file order.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostFound<'_>> {
        self.run.tasks.iter().map(|t| HostFound { job: &t.job, found: t.found() }).collect()
    }

    /// Returns whether any host would be changed.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.run.tasks.iter().any(|t| t.state == State::Planned)
    }

    /// Ends the run without changing anything: hosts that would change are skipped.
    pub async fn leave(mut self) -> ExitCode {
        for task in self.run.tasks.iter_mut().filter(|t| !t.state.is_final()) {
            task.hear(Input::LeaveOut);
            task.tell_end();
        }
        self.run.finish().await
    }

    /// Changes the hosts that differ.
    ///
    /// # Errors
    /// When the run's record can't be written: then nothing was begun.
    pub async fn apply(mut self) -> io::Result<ExitCode> {
        let records: Vec<HostRecord> = self
            .run
            .tasks
            .iter_mut()
            .filter(|t| t.state == State::Planned)
            .map(HostTask::make_record)
            .collect();
        if !records.is_empty() {
            self.run.shared.records.write(&self.run.shared.spec.run, &records)?;
        }
        let halt = self.run.halt.clone();
        self.run
            .each(move |task| {
                let halt = halt.clone();
                Box::pin(async move {
                    if task.state != State::Planned {
                        return;
                    }
                    if halt.is_stopped() {
                        task.hear(Input::Halt);
                        task.tell_end();
                    } else {
                        task.work().await;
                    }
                })
            })
            .await;
        Ok(self.run.finish().await)
    }
}

impl HostFound<'_> {
    /// Returns the host's name.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.job.host
    }
}
