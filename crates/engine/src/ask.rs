//! Asking hosts outside a run: what is pending, roll back, confirm, accept, look for trouble, forget.

mod examine;

use crate::becoming::{Becoming, SudoPassword};
use crate::record::{HostRecord, Records};
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
pub use examine::Findings;
pub use snapback_agent::answer::Held;
use snapback_agent::answer::{Answer, Last};
use snapback_core::inspection::Pending;
use snapback_core::job::HostJob;
use snapback_core::lease::Lease;
use snapback_core::outcome::Health;
use snapback_core::undo::undo_limit;
use snapback_core::way::Way;
use snapback_transport::Connector;
use std::sync::Arc;
use std::time::Duration;

/// Asks hosts one verb each.
#[derive(Clone)]
pub struct Asker {
    /// Opens lines.
    pub connector: Arc<dyn Connector>,
    /// Where the tokens are.
    pub records: Records,
    /// The password for sudo, where it asks for one.
    pub password: Option<SudoPassword>,
}

/// What a host said of its transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The open one.
    pub pending: Option<Pending>,
    /// The run that is about to change the host.
    pub lease: Option<Lease>,
    /// The newest that is over.
    pub last: Option<Last>,
    /// What the open one's failed rollback left broken.
    pub stuck: Vec<String>,
    /// What the last rollback left broken.
    pub broken: Vec<String>,
}

/// How a verb that changes a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Confirmed, durably.
    Confirmed,
    /// The deadline was moved.
    Extended {
        /// By how much; less than asked for where the hard cap is near.
        by: Duration,
        /// What is left until the guard undoes.
        left: Duration,
    },
    /// The old state is back, verified; and what the host's own checks said then.
    RolledBack(Option<Health>),
    /// The undo left these items broken.
    RollbackFailed(Vec<String>),
    /// Nothing is pending there.
    Nothing,
    /// A failed rollback was accepted as it is.
    Accepted,
    /// Every trace of us is gone.
    Forgotten,
    /// What was kept of a run is gone.
    Freed,
    /// The lease is given back.
    Unlocked,
    /// The host said no.
    Denied(String),
}

/// Why a host could not be asked, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// One sentence.
    pub cause: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Asker {
    /// Asks what is pending and what was last.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn standing(&self, job: &HostJob) -> Result<Standing, Failure> {
        let mut standing = Standing::default();
        let known = self
            .ask(job, &job.ways, (&["status"], ""), |answer| match answer {
                Answer::Pending(pending) => standing.pending = Some(pending),
                Answer::Lease(lease) => standing.lease = Some(lease),
                Answer::Last(last) => standing.last = Some(last),
                Answer::PendingItem(item) => standing.stuck.push(item),
                Answer::LastItem(item) => standing.broken.push(item),
                _ => {}
            })
            .await?;
        Ok(if known { standing } else { Standing::default() })
    }

    /// Rolls back whatever is pending, or this run alone, and hears it to the end.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked, or the line broke before the end was known.
    pub async fn roll_back(&self, job: &HostJob, run: Option<&str>, cause: &str) -> Result<Settled, Failure> {
        self.settle(job, &["rollback", run.unwrap_or("current")], &format!("{cause}\n")).await
    }

    /// Confirms what is pending, or this run alone, with the token of a record, over a fresh connection; despite these
    /// required checks, which must be those that are red there, all of them and no other.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn confirm(
        &self,
        job: &HostJob,
        run: Option<&str>,
        despite: &[String],
    ) -> Result<Settled, Failure> {
        let record = match self.record_for(job, run).await? {
            Ok(record) => record,
            Err(settled) => return Ok(settled),
        };
        let count = despite.len().to_string();
        let verb = ["confirm", record.run.as_str(), record.plan_digest.as_str(), count.as_str()];
        let names: String = despite.iter().map(|name| format!("{name}\n")).collect();
        // Only the final way confirms: what the old one proves is gone when `was` is.
        let ways: Vec<Way> = job.final_way().cloned().into_iter().collect();
        self.settle_by(job, &ways, &verb, &format!("{}\n{names}", record.token)).await
    }

    /// Moves the deadline of what is pending, or of this run alone, with the token of a record, over a fresh connection.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn extend(&self, job: &HostJob, run: Option<&str>, by: Duration) -> Result<Settled, Failure> {
        let record = match self.record_for(job, run).await? {
            Ok(record) => record,
            Err(settled) => return Ok(settled),
        };
        let by = by.as_secs().to_string();
        let verb = ["extend", record.run.as_str(), by.as_str()];
        self.settle_by(job, &job.ways, &verb, &format!("{}\n", record.token)).await
    }

    /// Takes a host whose rollback failed as it is.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn accept(&self, job: &HostJob) -> Result<Settled, Failure> {
        self.settle(job, &["accept"], "").await
    }

    /// Asks what the host holds of confirmed runs.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn history(&self, job: &HostJob) -> Result<Vec<Held>, Failure> {
        let mut held = Vec::new();
        let hear = |answer| {
            if let Answer::Held(one) = answer {
                held.push(one);
            }
        };
        self.ask(job, &job.ways, (&["history"], ""), hear).await?;
        Ok(held)
    }

    /// Gives back the room that a confirmed run takes on the host.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn free(&self, job: &HostJob, run: &str) -> Result<Settled, Failure> {
        self.settle(job, &["free", run], "").await
    }

    /// Takes the lease of a run from the host. What it has begun there is left alone.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn unlock(&self, job: &HostJob, run: &str) -> Result<Settled, Failure> {
        self.settle(job, &["unlease", run], "").await
    }

    /// Removes every trace of us.
    ///
    /// # Errors
    /// [`Failure`] when the host could not be asked.
    pub async fn forget(&self, job: &HostJob) -> Result<Settled, Failure> {
        self.settle(job, &["forget"], "").await
    }

    fn becoming(&self, job: &HostJob) -> Becoming {
        Becoming { r#become: job.r#become, host: job.host.clone(), password: self.password.clone() }
    }

    /// Returns the record of the run, or of the one that the host says is pending; else how that settles it.
    async fn record_for(
        &self,
        job: &HostJob,
        run: Option<&str>,
    ) -> Result<Result<HostRecord, Settled>, Failure> {
        if let Some(run) = run {
            let record = self.records.find(run, &job.host).ok().flatten();
            let none = || Settled::Denied(format!("there is no record of run {run} for this host here"));
            return Ok(record.ok_or_else(none));
        }
        let Some(pending) = self.standing(job).await?.pending else { return Ok(Err(Settled::Nothing)) };
        Ok(self.record_of(&pending, job).map_err(Settled::Denied))
    }

    fn record_of(&self, pending: &Pending, job: &HostJob) -> Result<HostRecord, String> {
        match self.records.find(&pending.tx, &job.host) {
            Ok(Some(record)) => Ok(record),
            Ok(None) | Err(_) => Err(format!(
                "this controller has no record of run {} by {}, so it has no token to confirm it; confirm it where \
                 the run was started, hand its record over with --record, or roll it back",
                pending.tx, pending.owner
            )),
        }
    }

    async fn settle(&self, job: &HostJob, verb: &[&str], stdin: &str) -> Result<Settled, Failure> {
        self.settle_by(job, &job.ways, verb, stdin).await
    }

    async fn settle_by(
        &self,
        job: &HostJob,
        ways: &[Way],
        verb: &[&str],
        stdin: &str,
    ) -> Result<Settled, Failure> {
        use snapback_agent::journal::Entry;
        let mut settled = None;
        let mut broken = Vec::new();
        let known = self
            .ask(job, ways, (verb, stdin), |answer| match answer {
                Answer::Confirmed | Answer::Journal(_, Entry::Confirmed) => {
                    settled = Some(Settled::Confirmed)
                }
                Answer::Extended { by, left } => {
                    let (by, left) = (Duration::from_secs(by), Duration::from_secs(left));
                    settled = Some(Settled::Extended { by, left });
                }
                Answer::Journal(_, Entry::RolledBack { health, .. }) => {
                    settled = Some(Settled::RolledBack(health));
                }
                Answer::Journal(_, Entry::UndoAgain { .. }) => broken.clear(),
                Answer::Journal(_, Entry::UndoItem { ok: false, text }) => broken.push(text),
                Answer::Journal(_, Entry::RollbackFailed { .. }) => {
                    settled = Some(Settled::RollbackFailed(std::mem::take(&mut broken)));
                }
                Answer::Untouched(_) | Answer::Journal(_, Entry::Discarded) => {
                    settled = Some(Settled::Nothing)
                }
                Answer::Accepted => settled = Some(Settled::Accepted),
                Answer::Forgotten => settled = Some(Settled::Forgotten),
                Answer::Freed => settled = Some(Settled::Freed),
                Answer::Unleased => settled = Some(Settled::Unlocked),
                Answer::Denied { text, .. } | Answer::Refused { text, .. } | Answer::Error(text) => {
                    settled = Some(Settled::Denied(text));
                }
                Answer::Confirming => {
                    settled = Some(Settled::Denied("decided, but not carried out yet".to_owned()))
                }
                _ => {}
            })
            .await?;
        match settled {
            _ if !known => Ok(Settled::Nothing),
            Some(settled) => Ok(settled),
            None => Err(Failure {
                cause: "the host did not say how it ended".to_owned(),
                hint: format!("deploy status --limit {}", job.host),
            }),
        }
    }

    /// Asks over a fresh connection, by these ways in turn. Returns whether there is an agent at
    /// all: where there is none, there is no transaction either.
    async fn ask(
        &self,
        job: &HostJob,
        ways: &[Way],
        (verb, stdin): (&[&str], &str),
        mut hear: impl FnMut(Answer),
    ) -> Result<bool, Failure> {
        let mut first = None;
        // `status` answers at once; anything else may follow an undo to its end.
        let limit = if matches!(verb, ["status" | "history"] | ["unlease", _]) {
            Duration::from_secs(30)
        } else {
            job.confirm.hard_cap + undo_limit(job, None)
        };
        for way in ways {
            let talk = Talk::plain(self.becoming(job), verb, stdin, limit);
            match talk.fresh(&*self.connector, way, false, &mut hear).await {
                Ending::Whole => return Ok(true),
                Ending::NeedAgent => return Ok(false),
                // Only what never connected may be tried by another way: anything else has been heard.
                Ending::NoLine(error) if first.is_none() => {
                    first = Some(Failure { cause: error.message, hint: error.hint });
                }
                Ending::NoLine(_) => {}
                other => return Err(failure(&other)),
            }
        }
        Err(first.unwrap_or_default())
    }
}

fn failure(ending: &Ending) -> Failure {
    let verdict = Verdict::from_ending(ending);
    Failure { cause: verdict.cause().to_owned(), hint: verdict.hint().to_owned() }
}
