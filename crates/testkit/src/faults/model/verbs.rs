//! The agent's verbs, as the model answers them. docs/agent-protocol.md says what they mean.

use super::host::Host;
use super::line::{Answer, Gone};
use super::transaction::{Asked, Transaction};
use super::world::Sabotage;
use sha2::{Digest, Sha256};
use snapback_core::target::TargetState;
use std::io::Read;
use std::time::Duration;
use tokio::time::Instant;

/// One call.
pub(super) struct Call<'a> {
    pub(super) sent: &'a str,
    pub(super) words: &'a [&'a str],
    pub(super) stdin: &'a [u8],
    pub(super) connection: u64,
    pub(super) opened: Instant,
}

/// Answers a call to its end, or until the line is gone.
pub(super) async fn serve(answer: &mut Answer, call: Call<'_>) -> Result<(), Gone> {
    let (world, name) = (answer.world(), answer.host());
    let has_agent = world.with(&name, |host, _| {
        host.has_agent |= call.sent == "install";
        host.has_agent
    });
    if !has_agent {
        return answer.say("need_agent").await;
    }
    let word = |n: usize| call.words.get(n).copied().unwrap_or_default();
    match word(0) {
        "inspect" => inspect(answer, &call).await?,
        "begin" => begin(answer, &call, word(1)).await?,
        "follow" => {
            world.with(&name, Host::contact);
            tell_journal(answer, word(1), word(2), word(3)).await?;
        }
        "rollback" => rollback(answer, &call, (word(1), word(2))).await?,
        "confirm" => confirm(answer, &call, (word(1), word(2))).await?,
        "status" => status(answer).await?,
        "accept" => accept(answer).await?,
        other => panic!("the model knows no verb '{other}'"),
    }
    answer.say("end").await
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn pending(host: &Host) -> Option<String> {
    let tx = host.open()?;
    let left = tx.deadline.filter(|_| tx.is_guarded());
    let left =
        left.map_or("-".to_owned(), |d| d.saturating_duration_since(Instant::now()).as_secs().to_string());
    let age = tx.began.elapsed().as_secs();
    Some(format!(
        "pending tx={} state={} age={age} left={left} owner={} -- ",
        tx.id,
        tx.state.word(),
        tx.asked.owner
    ))
}

async fn inspect(answer: &mut Answer, call: &Call<'_>) -> Result<(), Gone> {
    let wants = read_job(call.stdin).wants;
    let (pending, content) = answer.world().with(&answer.host(), |host, case| {
        host.contact(case);
        (pending(host), host.content.clone())
    });
    answer
        .say("hello version=1 uid=0 backend=systemd hook=systemd volatile=0 free_kib=9 shell=dash -- /s")
        .await?;
    if let Some(line) = pending {
        answer.say(&line).await?;
    }
    answer.say(&format!("script n=0 wanted={}", u8::from(wants == content))).await?;
    answer.say(&format!("state_digest sum={}", sum(content.as_bytes()))).await
}

async fn begin(answer: &mut Answer, call: &Call<'_>, id: &str) -> Result<(), Gone> {
    let asked = read_job(call.stdin);
    let refused = answer.world().with(&answer.host(), |host, case| {
        host.contact(case);
        if let Some(line) = pending(host) {
            return vec![line, "refused reason=locked -- another transaction is open".to_owned()];
        }
        if host.transactions.iter().any(|tx| tx.id == id) {
            return vec![format!("error -- there is a record of {id} already")];
        }
        if asked.state_digest != sum(host.content.as_bytes()) {
            return vec!["refused reason=stale_plan -- the host has changed".to_owned()];
        }
        host.lock(id, call.connection, asked);
        Vec::new()
    });
    for line in &refused {
        answer.say(line).await?;
    }
    if !refused.is_empty() {
        return Ok(());
    }
    let told = tell_journal(answer, id, "0", "ready").await;
    if told.is_err() && answer.world().draw_bool() {
        // The session was ended with its line; where it lives on, it finishes what it began.
        answer.world().with(&answer.host(), |host, _| {
            if let Some(tx) = host.open_mut().filter(|tx| tx.id == id) {
                tx.holder_alive = false;
            }
        });
    }
    told
}

fn find<'a>(host: &'a Host, id: &str) -> Option<&'a Transaction> {
    host.transactions.iter().find(|tx| tx.id == id)
}

/// Tells the journal from a line on, until the transaction is ready (if so wanted) or over.
async fn tell_journal(answer: &mut Answer, id: &str, from: &str, until: &str) -> Result<(), Gone> {
    let (world, name) = (answer.world(), answer.host());
    let mut told: usize = from.parse().unwrap_or(0);
    let mut last_said = false;
    loop {
        let tx = world.with(&name, |host, case| {
            host.contact(case);
            find(host, id).cloned()
        });
        let Some(tx) = tx else {
            return answer.say(&format!("untouched -- this host knows of no transaction {id}")).await;
        };
        for line in tx.journal.iter().skip(told) {
            told += 1;
            answer.say(&format!("j {told} {line}")).await?;
            let word = line.split(' ').next().unwrap_or_default();
            last_said = matches!(word, "confirmed" | "rolled_back" | "rollback_failed" | "discarded");
            if last_said || (word == "ready" && until == "ready") {
                return Ok(());
            }
        }
        if !last_said && (!tx.is_open() || tx.state == TargetState::RollbackFailed) {
            let end = tx.journal.last().cloned().unwrap_or_default();
            return answer.say(&format!("j {told} {end}")).await;
        }
        answer.wait().await?;
    }
}

async fn rollback(answer: &mut Answer, call: &Call<'_>, (id, from): (&str, &str)) -> Result<(), Gone> {
    let cause = String::from_utf8_lossy(call.stdin).trim().to_owned();
    let found = answer.world().with(&answer.host(), |host, case| {
        let id = if id == "current" { host.open()?.id.clone() } else { id.to_owned() };
        let tx = find(host, &id)?.clone();
        let now = Instant::now();
        if tx.state == TargetState::Locked {
            host.move_to(TargetState::Discarded, now, case);
        } else if tx.is_guarded() {
            host.decide(&cause, now, case);
        } else if tx.state == TargetState::RollbackFailed && from.is_empty() {
            host.move_to(TargetState::RollingBack, now, case);
        }
        let from = if from.is_empty() { tx.journal.len().to_string() } else { from.to_owned() };
        Some((id, from))
    });
    match found {
        Some((id, from)) => tell_journal(answer, &id, &from, "done").await,
        None => answer.say("untouched -- nothing is pending on this host").await,
    }
}

async fn confirm(answer: &mut Answer, call: &Call<'_>, (id, digest): (&str, &str)) -> Result<(), Gone> {
    let hash = sum(call.stdin);
    let denied = answer.world().with(&answer.host(), |host, case| {
        let now = Instant::now();
        let Some(tx) = find(host, id).cloned() else {
            return Some(("unknown_transaction", format!("this host knows of no transaction {id}")));
        };
        if hash != tx.asked.token_hash {
            return Some(("bad_token", String::new()));
        }
        match tx.state {
            TargetState::Confirmed | TargetState::Confirming => return None,
            TargetState::Ready => {}
            TargetState::Locked | TargetState::Armed | TargetState::Applying | TargetState::Applied => {
                return Some(("not_ready", format!("the host is {}", tx.state.word())));
            }
            state => return Some(("too_late", format!("the host is {}", state.word()))),
        }
        if digest != tx.asked.digest {
            return Some(("wrong_digest", String::new()));
        }
        let young = tx.ready.is_some_and(|ready| call.opened > ready + Duration::from_millis(10));
        if call.connection == tx.arming_connection || !young {
            return Some(("stale_connection", "opened before the host was ready".to_owned()));
        }
        if tx.deadline.is_none_or(|deadline| now >= deadline) {
            host.decide("the confirmation came after the deadline", now, case);
            return Some(("too_late", "the deadline has passed".to_owned()));
        }
        if host.sabotage == Some(Sabotage::HollowConfirm) {
            return Some(("", String::new()));
        }
        host.move_to(TargetState::Confirming, now, case);
        None
    });
    if let Some(("", _)) = denied {
        return answer.say("confirmed already=0").await;
    }
    if let Some((reason, text)) = denied {
        return answer.say(&format!("denied reason={reason} -- {text}")).await;
    }
    loop {
        let state = answer.world().with(&answer.host(), |host, _| find(host, id).map(|tx| tx.state));
        match state {
            Some(TargetState::Confirmed) => return answer.say("confirmed already=0").await,
            Some(_) => answer.wait().await?,
            None => return Err(Gone),
        }
    }
}

async fn status(answer: &mut Answer) -> Result<(), Gone> {
    let (pending, last) = answer.world().with(&answer.host(), |host, case| {
        host.contact(case);
        let last = host.transactions.iter().rev().find(|tx| !tx.is_open());
        let last = last.map(|tx| format!("last tx={} result={} age=1 owner=x -- ", tx.id, tx.state.word()));
        (pending(host), last)
    });
    for line in pending.into_iter().chain(last) {
        answer.say(&line).await?;
    }
    Ok(())
}

async fn accept(answer: &mut Answer) -> Result<(), Gone> {
    let state = answer.world().with(&answer.host(), |host, _| host.open().map(|tx| tx.state));
    match state {
        None => answer.say("untouched -- nothing is pending on this host").await,
        Some(state) => answer.say(&format!("denied reason=not_failed -- the host is {}", state.word())).await,
    }
}

/// Reads what concerns the model from a payload: the spec, and what the change wants, which is the text of `unless`.
fn read_job(archive: &[u8]) -> Asked {
    let mut asked = Asked::default();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut text = String::new();
        match path.as_str() {
            "job/spec" => {
                entry.read_to_string(&mut text).expect("text");
                text.lines()
                    .filter_map(|line| line.split_once(' '))
                    .for_each(|(key, value)| asked.take(key, value));
            }
            "job/c/0/cmd.unless.sh" => {
                entry.read_to_string(&mut text).expect("text");
                asked.wants = text.trim().to_owned();
            }
            _ => {}
        }
    }
    asked
}

impl Asked {
    fn take(&mut self, key: &str, value: &str) {
        let seconds = || Duration::from_secs(value.parse().unwrap_or(0));
        match key {
            "owner" => value.clone_into(&mut self.owner),
            "token" => value.clone_into(&mut self.token_hash),
            "digest" => value.clone_into(&mut self.digest),
            "state_digest" => value.clone_into(&mut self.state_digest),
            "apply_timeout" => self.apply_timeout = seconds(),
            "window" => self.window = seconds(),
            "hard_cap" => self.hard_cap = seconds(),
            _ => {}
        }
    }
}
