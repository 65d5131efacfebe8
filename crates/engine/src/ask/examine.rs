//! `doctor`: what would keep a host from being deployed to.

use super::{Asker, Failure, failure};
use crate::host::inspect_limit;
use crate::talk::{Ending, Talk};
use snapback_agent::answer::{Answer, InspectLine};
use snapback_agent::inspect::Inspected;
use snapback_agent::payload;
use snapback_core::content::Contents;
use snapback_core::inspection::Inspection;
use snapback_core::job::{HostJob, RunSpec};
use snapback_core::way::WayKind;
use snapback_transport::Session;

/// What `doctor` found on a host.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Whether each way in worked, in the job's order; the text is the failure.
    pub ways: Vec<(WayKind, Result<(), Failure>)>,
    /// What the host said of itself, if it was reached.
    pub inspection: Option<Inspection>,
    /// The agent's own findings: item, whether it is fine, text.
    pub items: Vec<(String, bool, String)>,
    /// How root was reached, in the agent's word; empty when it wasn't.
    pub root: String,
    /// What keeps the agent from working at all.
    pub trouble: Option<Failure>,
}

impl Asker {
    /// Looks for what would keep a host from being deployed to.
    pub async fn examine(&self, spec: &RunSpec, job: &HostJob, contents: &Contents) -> Findings {
        let mut findings = Findings::default();
        for way in &job.ways {
            let session = match self.connector.open(way).await {
                Ok(session) => session,
                Err(error) => {
                    let failure = Failure { cause: error.message, hint: error.hint };
                    findings.ways.push((way.kind, Err(failure)));
                    continue;
                }
            };
            findings.ways.push((way.kind, Ok(())));
            if findings.inspection.is_none() && findings.trouble.is_none() {
                self.look(&*session, spec, (job, contents), &mut findings).await;
            }
            session.close().await;
        }
        findings
    }

    async fn look(
        &self,
        session: &dyn Session,
        spec: &RunSpec,
        (job, contents): (&HostJob, &Contents),
        findings: &mut Findings,
    ) {
        let mut inspected = Inspected::new(job);
        let parts = match payload::for_inspect(spec, job, contents, true) {
            Ok(parts) => parts,
            Err(error) => {
                findings.trouble = Some(Failure { cause: error.to_string(), hint: String::new() });
                return;
            }
        };
        let mut refused = None;
        let limit = inspect_limit(job);
        let talk = Talk::payload(self.becoming(job), &["inspect"], (parts, true), limit);
        let ending = talk
            .over(session, |answer| match answer {
                Answer::Inspect(line @ InspectLine::Marked(_)) => inspected.hear(&line),
                Answer::Pending(pending) => inspected.inspection.pending = Some(pending),
                Answer::Lease(lease) => inspected.inspection.lease = Some(lease),
                Answer::Inside { how } => findings.root = how,
                Answer::Refused { text, .. } | Answer::Error(text) => refused = Some(text),
                _ => {}
            })
            .await;
        if !matches!(ending, Ending::Whole) {
            findings.trouble = Some(failure(&ending));
            return;
        }
        findings.inspection = Some(inspected.inspection);
        if let Some(text) = refused {
            findings.items.push(("inspect".to_owned(), false, text));
        }
        let talk = Talk::plain(self.becoming(job), &["doctor"], "", limit);
        let items = &mut findings.items;
        talk.over(session, |answer| {
            if let Answer::Doctor { item, ok, text } = answer {
                items.push((item, ok, text));
            }
        })
        .await;
    }
}
