//! Baking: a confirmed host's checks are asked again and again before the run goes on to others.

use super::HostTask;
use crate::local_check;
use crate::rollout::slots::Class;
use crate::talk::{Ending, Talk};
use crate::verdict::Verdict;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use snapback_agent::answer::Answer as Told;
use snapback_agent::payload;
use snapback_core::check::{Answer, Check, Where};
use snapback_core::event::{CheckStatus, EventKind};
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Remote checks are asked no more often than this while baking: each time costs a connection.
const LEAST_BETWEEN_PROBES: Duration = Duration::from_secs(10);

/// Local ones as often as they say, within reason.
const LEAST_BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A required check that failed for good: its name and the answer.
type Failed = (String, Answer);

impl HostTask {
    /// Asks the required checks for so long, or until `over` says that nobody waits any more. The first that fails for
    /// good ends it, is told to `failed`, and the host is undone: once that has begun it is finished.
    pub(crate) async fn bake(
        &mut self,
        time: Duration,
        over: &watch::Sender<bool>,
        failed: impl FnOnce(&Self),
    ) {
        let until = Instant::now() + time;
        let mut is_over = over.subscribe();
        let first = tokio::select! {
            first = self.first_to_fail(until) => first,
            _ = is_over.wait_for(|over| *over) => None,
        };
        let Some((check, answer)) = first else { return };
        let (status, detail) = match answer {
            Answer::Error(why) => (CheckStatus::Error, why),
            Answer::Failed(why) => (CheckStatus::Failed, why),
            Answer::Passed => return,
        };
        let cause = format!("check '{check}' {} while baking: {detail}", status.word());
        self.tell(EventKind::CheckFinished { check, status, detail, required: true });
        failed(self);
        self.go_back(&cause).await;
    }

    async fn first_to_fail(&self, until: Instant) -> Option<Failed> {
        let baked = |check: &&Check| check.required && !self.red_before.contains_key(&check.name);
        let checks: Vec<&Check> = self.job.checks.iter().filter(baked).collect();
        let mut asked = FuturesUnordered::new();
        for check in checks.iter().filter(|check| check.runs == Where::Local) {
            asked.push(futures::future::Either::Left(self.ask_locally(check, until)));
        }
        if checks.iter().any(|check| check.runs == Where::Remote) {
            asked.push(futures::future::Either::Right(self.ask_there(until)));
        }
        while let Some(ended) = asked.next().await {
            if ended.is_some() {
                return ended;
            }
        }
        // A host without a check that could fail only waits.
        sleep_until(until).await;
        None
    }

    async fn ask_locally(&self, check: &Check, until: Instant) -> Option<Failed> {
        let env = self.local_env();
        let mut patience = check.pace.failure_limit;
        loop {
            let next = Instant::now() + check.pace.interval.max(LEAST_BETWEEN_ATTEMPTS);
            let (answer, _) = local_check::attempt(check, &env).await;
            if answer != Answer::Passed {
                match patience.checked_sub(1) {
                    Some(left) => patience = left,
                    None => return Some((check.name.clone(), answer)),
                }
            }
            if next >= until {
                return None;
            }
            sleep_until(next).await;
        }
    }

    /// Asks all remote checks together, over a connection of its own each time.
    async fn ask_there(&self, until: Instant) -> Option<Failed> {
        let remote: Vec<&Check> = self.job.checks.iter().filter(|c| c.runs == Where::Remote).collect();
        let between = remote.iter().map(|c| c.pace.interval).min().unwrap_or_default();
        let mut patience: Vec<u32> = remote.iter().map(|c| c.pace.failure_limit).collect();
        loop {
            let next = Instant::now() + between.max(LEAST_BETWEEN_PROBES);
            for (n, answer) in self.probe(remote.len()).await.into_iter().enumerate() {
                let reported = !remote[n].required || self.red_before.contains_key(&remote[n].name);
                if answer == Answer::Passed || reported {
                    continue;
                }
                match patience[n].checked_sub(1) {
                    Some(left) => patience[n] = left,
                    None => return Some((remote[n].name.clone(), answer)),
                }
            }
            if next >= until {
                return None;
            }
            sleep_until(next).await;
        }
    }

    /// Asks each remote check once. What the host didn't answer is an error.
    async fn probe(&self, checks: usize) -> Vec<Answer> {
        let unasked = |why: String| vec![Answer::Error(why); checks];
        let Some(way) = self.job.final_way() else { return unasked("the host has no way in".to_owned()) };
        let shared = &self.shared;
        let parts = match payload::for_inspect(&self.spec, &self.job, &shared.contents, false) {
            Ok(parts) => parts,
            Err(error) => return unasked(error.to_string()),
        };
        let longest: Duration = self.job.checks.iter().map(|check| check.pace.timeout).sum();
        let limit = way.connect_timeout + longest + Duration::from_secs(30);
        let _slot = shared.slots.handshake(way, Class::Begin).await;
        let answers = RefCell::new(unasked("the host did not say".to_owned()));
        let hear = |told| {
            if let Told::Probed { n, answer } = told
                && let Some(known) = answers.borrow_mut().get_mut(n)
            {
                *known = answer;
            }
        };
        let talk = Talk::payload(self.becoming(), &["probe"], (parts, false), limit);
        match talk.fresh(&*shared.connector, way, true, hear).await {
            Ending::Whole => answers.into_inner(),
            other => unasked(Verdict::from_ending(&other).cause().to_owned()),
        }
    }
}
