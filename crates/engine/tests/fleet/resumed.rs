//! A run whose controller was killed or interrupted, and the one that resumes it.

use crate::theatre::{Kill, Part, RUN, Ran, Theatre, paused};
use snapback_core::host::HostName;
use snapback_core::outcome::HostResult;
use snapback_engine::Continued;
use snapback_engine::record::{Records, RunRecord};
use snapback_testkit::simulated::{Simulated, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// After so long every guard has decided.
const GUARDS: Duration = Duration::from_secs(1200);

impl Theatre {
    /// Its controller is killed at some moment, if it hasn't come to its end by then; once the guards have decided what
    /// was open, another one resumes it. The last lines of its record may be lost with it, but for those that are
    /// waited for.
    pub(crate) fn play_and_resume(&self, kill: Kill, lost: usize) -> Ran {
        paused().block_on(async {
            let hosts = self.hosts();
            let first = self.perform(&hosts, Part { kill, ..Part::whole(self) }).await;
            tokio::time::sleep(GUARDS).await;
            let ran = match self.record() {
                Some(_) if first.is_none() => {
                    self.lose_lines(lost);
                    self.resume(&hosts, &self.record().unwrap()).await
                }
                Some(record) => self.resume(&hosts, &record).await,
                None => self.perform(&hosts, Part::whole(self)).await.unwrap(),
            };
            tokio::time::sleep(GUARDS).await;
            Ran { truth: hosts.truth(), decided: self.decided(&hosts), ..ran }
        })
    }

    /// The record, once its writer has written all.
    fn record(&self) -> Option<RunRecord> {
        loop {
            match Records::in_state_dir(self.dir.path()).open("shop", None) {
                Ok(record) if record.is_running => std::thread::sleep(Duration::from_millis(1)),
                found => return found.ok(),
            }
        }
    }

    /// The last that was told of each host, over both runs.
    pub(crate) fn last_results(&self) -> BTreeMap<usize, HostResult> {
        let records = Records::in_state_dir(self.dir.path());
        let runs = [RUN, "02RUN"].into_iter().filter_map(|run| records.of_run(run).ok());
        let all = runs.flat_map(|record| record.results());
        all.map(|(host, result)| (at(&host), result)).collect()
    }

    fn lose_lines(&self, lost: usize) {
        let path = Records::in_state_dir(self.dir.path()).path(RUN);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let is_waited_for = |line: &&str| !line.starts_with(r#"{"entry":"event""#);
        let kept = lines.iter().rposition(is_waited_for).map_or(0, |at| at + 1);
        // It takes longer to reach a host than to write down that its turn has come.
        let began = lines.iter().rposition(|line| line.contains(r#""event":"batch_started""#));
        let kept = kept.max(began.map_or(lines.len(), |at| at + 1)).max(lines.len().saturating_sub(lost));
        std::fs::write(&path, lines[..kept].concat()).unwrap();
    }

    /// As `deploy resume` does it, but that nothing is open any more.
    async fn resume(&self, hosts: &Simulated, record: &RunRecord) -> Ran {
        let is_new = |host: &HostName| hosts.look(|truth| truth.value(host.as_str())) == Value::New;
        let settled: Vec<HostName> = record.maybe_open().into_iter().filter(is_new).collect();
        let mut left = record.to_resume();
        left.retain(|host| !settled.contains(host));
        let before = record.before(&settled, &left);
        left.retain(|host| !before.is_due(host));
        let jobs = before.confirmed.iter().map(|earlier| self.job(at(&earlier.host))).collect();
        let continues = Some(Continued { run: RUN.to_owned(), before, jobs });
        let course = record.course_over(&left, &settled);
        let (run, kill) = ("02RUN", Kill::Never);
        let part = Part { run, kill, course, continues, hosts: left.iter().map(at).collect() };
        self.perform(hosts, part).await.unwrap()
    }
}

/// The position of a host.
fn at(host: &HostName) -> usize {
    host.as_str()[1..].parse().unwrap()
}
