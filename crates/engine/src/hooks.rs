//! Hooks: what the user runs on the controller at the turns of a run. Only the one that goes before the first change
//! may stop anything; the others are told what happened, and what becomes of them changes nothing.

use crate::host::HostTask;
use crate::local_check::tail::clean;
use crate::local_command::{LocalEnv, Order, run};
use crate::run::Run;
use serde::Serialize;
use snapback_core::event::EventKind;
use snapback_core::hook::Hook;
use snapback_core::host::HostName;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::rollout::Ending;
use std::time::Duration;
use tokio::time::sleep;

/// The version of what hooks read. Fields are only ever added within a version.
const VERSION: u32 = 1;

/// How often it is looked whether the run was interrupted while the first hook runs.
const LOOK: Duration = Duration::from_millis(100);

/// What a hook is told of the run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Turn {
    hook: Hook,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<Ending>,
}

/// What a hook reads on its standard input.
#[derive(Debug, Serialize)]
struct Page<'a> {
    v: u32,
    #[serde(flatten)]
    turn: Turn,
    run: &'a str,
    fleet: &'a str,
    owner: &'a str,
    comment: &'a str,
    hosts: Vec<HostLine<'a>>,
}

/// One host of it. What has not ended has no result.
#[derive(Debug, Serialize)]
struct HostLine<'a> {
    host: &'a HostName,
    result: Option<HostResult>,
    cause: String,
    state: String,
    next: String,
}

impl Run {
    /// Runs `pre_deploy`. Returns why the run ends here, if it does: then nothing was changed.
    pub(crate) async fn before_deploy(&mut self) -> Option<Ending> {
        let turn = Turn { hook: Hook::PreDeploy, batch: None, exit_code: None, ending: None };
        let halt = self.halt.clone();
        let interrupted = async {
            while !halt.is_stopped() {
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            ended = self.run_hook(turn) => ended.err().map(|_| Ending::PreDeployFailed),
            () = interrupted => Some(Ending::Interrupted),
        }
    }

    /// Runs `on_rollback` when hosts of this batch were rolled back.
    pub(crate) async fn after_batch(&self, batch: usize) {
        let Some(planned) = self.shared.course.batches.get(batch) else { return };
        let undone = |task: &&HostTask| {
            matches!(task.result(), HostResult::RolledBack | HostResult::RollbackFailed)
                && task.state.is_final()
        };
        if planned.hosts.iter().filter_map(|at| self.tasks.get(*at)).any(|task| undone(&task)) {
            self.on_rollback(Some(planned.number)).await;
        }
    }

    /// Runs `on_rollback` when hosts of this batch were undone that had been confirmed; without a batch, of any.
    pub(crate) async fn after_undo(&self, batch: Option<usize>) {
        let planned = batch.and_then(|batch| self.shared.course.batches.get(batch));
        let counts = |at: &usize| planned.is_none_or(|planned| planned.hosts.binary_search(at).is_ok());
        if self.tasks.iter().enumerate().any(|(at, task)| task.was_undone() && counts(&at)) {
            self.on_rollback(planned.map(|planned| planned.number)).await;
        }
    }

    async fn on_rollback(&self, batch: Option<usize>) {
        let turn = Turn { hook: Hook::OnRollback, batch, exit_code: None, ending: None };
        // Told as a warning; it changes nothing.
        let _ = self.run_hook(turn).await;
    }

    /// Runs `post_deploy` or `on_failure`, by how the run has ended.
    pub(crate) async fn after_deploy(&self, ending: Ending, code: ExitCode) {
        let hook = if code == ExitCode::Good { Hook::PostDeploy } else { Hook::OnFailure };
        let turn = Turn { hook, batch: None, exit_code: Some(code as u8), ending: Some(ending) };
        // Told as a warning; the cause and the exit code stay what they are.
        let _ = self.run_hook(turn).await;
    }

    /// Runs a hook, if there is one. A failure is told here.
    async fn run_hook(&self, turn: Turn) -> Result<(), ()> {
        let word = turn.hook.word();
        let Some(command) = self.hooks.commands.get(&turn.hook) else { return Ok(()) };
        let env = self.hook_env(turn);
        let events = self.shared.events.clone();
        let mut tell = move |line: &str| {
            events.run(EventKind::Output { step: format!("hook.{word}"), line: clean(line) });
        };
        let stdin = Some(self.hook_page(turn));
        let ended = run(Order { command, env: &env, stdin, limit: self.hooks.timeout }, &mut tell).await;
        ended.map_err(|failed| {
            let text = format!("the hook {word} failed: {}", failed.why);
            self.shared.events.run(EventKind::Warning { text });
        })
    }

    fn hook_env(&self, turn: Turn) -> LocalEnv {
        let spec = &self.shared.spec;
        let texts = [
            ("DEPLOY_HOOK", turn.hook.word().to_owned()),
            ("DEPLOY_RUN", spec.run.clone()),
            ("DEPLOY_FLEET", spec.fleet.clone()),
            ("DEPLOY_OWNER", spec.owner.clone()),
            ("DEPLOY_COMMENT", spec.comment.clone()),
        ];
        let batch = turn.batch.map(|batch| ("DEPLOY_BATCH", batch.to_string()));
        let code = turn.exit_code.map(|code| ("DEPLOY_EXIT_CODE", code.to_string()));
        let all = texts.into_iter().chain(batch).chain(code);
        LocalEnv {
            cwd: self.shared.dir.clone(),
            vars: all.map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    fn hook_page(&self, turn: Turn) -> Vec<u8> {
        let spec = &self.shared.spec;
        let page = Page {
            v: VERSION,
            turn,
            run: &spec.run,
            fleet: &spec.fleet,
            owner: &spec.owner,
            comment: &spec.comment,
            hosts: self.tasks.iter().map(host_line).collect(),
        };
        let mut text = serde_json::to_vec(&page).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

fn host_line(task: &HostTask) -> HostLine<'_> {
    let host = &task.job.host;
    match task.end() {
        Some(EventKind::HostFinished { result, cause, state, next, .. }) => {
            HostLine { host, result: Some(result), cause, state, next }
        }
        _ => {
            let (cause, state, next) = (String::new(), String::new(), String::new());
            HostLine { host, result: None, cause, state, next }
        }
    }
}
