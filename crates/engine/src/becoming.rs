//! Becoming root with a password: it is sent when sudo asks for it, and a refused one isn't tried again and again.

use crate::talk::Ending;
use snapback_agent::call::{GO_ON, password_line};
use snapback_core::host::HostName;
use snapback_core::way::Become;
use snapback_transport::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a host that refused the password is left alone: a change that broke its sudo is undone meanwhile.
const REST: Duration = Duration::from_secs(60);

/// So often one host may refuse the password in a run. Accounts are locked after three (`pam_faillock`).
const MOST_REFUSALS: u32 = 2;

/// The password for sudo, for a whole run. Clones share it; the memory is overwritten when the last one goes.
#[derive(Clone)]
pub struct SudoPassword {
    text: Arc<Zeroizing<String>>,
    first: Arc<tokio::sync::Mutex<First>>,
    refusals: Arc<Mutex<BTreeMap<HostName, Refusal>>>,
}

/// What the first host that asked for the password made of it. While one tries it, the others wait.
#[derive(Clone, Debug, Default)]
enum First {
    #[default]
    Untried,
    Taken,
    RefusedBy(HostName),
}

#[derive(Clone, Copy, Debug)]
struct Refusal {
    times: u32,
    last: Instant,
}

impl SudoPassword {
    /// Returns a password that no host has seen yet.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self { text: Arc::new(text), first: Arc::default(), refusals: Arc::default() }
    }

    fn line(&self) -> Secret {
        // With room for all of it: a vector that grows leaves copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(self.text.len() + 2));
        password_line(&self.text, &mut line);
        line
    }

    fn may_try(&self, host: &HostName) -> bool {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.get(host).is_none_or(|r| r.times < MOST_REFUSALS && r.last.elapsed() >= REST)
    }

    fn note_refusal(&self, host: &HostName) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let refusal = refusals.entry(host.clone()).or_insert(Refusal { times: 0, last: now });
        *refusal = Refusal { times: refusal.times + 1, last: now };
    }
}

impl fmt::Debug for SudoPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SudoPassword(..)")
    }
}

/// How one host's agent becomes root.
#[derive(Clone, Debug)]
pub(crate) struct Becoming {
    pub(crate) r#become: Become,
    pub(crate) host: HostName,
    pub(crate) password: Option<SudoPassword>,
}

impl Becoming {
    /// Whether sudo may ask for a password.
    pub(crate) fn asks(&self) -> bool {
        self.password.is_some() && matches!(self.r#become, Become::Auto | Become::Sudo)
    }
}

/// What stands between the connection and the agent: nothing, or sudo asking.
pub(crate) struct Door {
    becoming: Becoming,
    /// Where the password goes; gone once the agent is reached, which lets the rest of what is sent go.
    sender: Option<mpsc::UnboundedSender<Secret>>,
    /// Held while this host is the first to try.
    first: Option<OwnedMutexGuard<First>>,
    knock: Knock,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knock {
    /// Nobody has asked for anything.
    Waiting,
    /// The password was sent.
    Sent,
    /// The agent is reached.
    Open,
}

impl Door {
    pub(crate) fn new(becoming: Becoming, sender: Option<mpsc::UnboundedSender<Secret>>) -> Self {
        Self { becoming, sender, first: None, knock: Knock::Waiting }
    }

    /// Sudo asks: sends the password, or says why not.
    pub(crate) async fn asked(&mut self, complaint: &str) -> Result<(), Ending> {
        if self.knock == Knock::Sent {
            return Err(self.refused(complaint));
        }
        let Some(password) = self.becoming.password.clone() else {
            return Err(self.not_opened("sudo asks for a password"));
        };
        if !password.may_try(&self.becoming.host) {
            return Err(Ending::PasswordRefused(String::from(
                "sudo refused the password there a moment ago",
            )));
        }
        let first = password.first.clone().lock_owned().await;
        match &*first {
            First::RefusedBy(other) => {
                let cause = format!("sudo on {other} refused the password, so it was not tried here");
                return Err(Ending::PasswordRefused(cause));
            }
            First::Untried => self.first = Some(first),
            First::Taken => {}
        }
        // An error means that the line has gone, which is heard in its own way.
        let _ = self.sender.as_ref().map(|sender| sender.send(password.line()));
        self.knock = Knock::Sent;
        Ok(())
    }

    /// The agent is reached, in this way.
    pub(crate) fn opened(&mut self, how: &str) {
        self.knock = Knock::Open;
        if let Some(sender) = self.sender.take().filter(|_| how == "sudo_ask") {
            let _ = sender.send(GO_ON.to_vec().into());
        }
        if let Some(mut first) = self.first.take() {
            *first = First::Taken;
        }
    }

    /// What it means that the command ended by itself; nothing, once the agent was reached.
    pub(crate) fn closed(&mut self, complaint: &str) -> Option<Ending> {
        match self.knock {
            Knock::Open => None,
            Knock::Sent => Some(self.refused(complaint)),
            Knock::Waiting if complaint.is_empty() => None,
            Knock::Waiting => {
                let named = !matches!(self.becoming.r#become, Become::Auto | Become::None);
                (named || self.becoming.asks()).then(|| self.not_opened(complaint))
            }
        }
    }

    fn not_opened(&self, why: &str) -> Ending {
        Ending::NoBecome { uid: None, why: why.to_owned() }
    }

    fn refused(&mut self, complaint: &str) -> Ending {
        let host = self.becoming.host.clone();
        if let Some(password) = &self.becoming.password {
            password.note_refusal(&host);
        }
        if let Some(mut first) = self.first.take() {
            *first = First::RefusedBy(host);
        }
        let said = if complaint.is_empty() { String::new() } else { format!(" ({complaint})") };
        Ending::PasswordRefused(format!("sudo refused the password there{said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(password: &SudoPassword, host: &str) -> (Door, mpsc::UnboundedReceiver<Secret>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let password = Some(password.clone());
        let becoming = Becoming { r#become: Become::Sudo, host: HostName::parse(host).unwrap(), password };
        (Door::new(becoming, Some(sender)), receiver)
    }

    fn password() -> SudoPassword {
        SudoPassword::new(String::from("s3cret").into())
    }

    #[tokio::test]
    async fn it_is_sent_when_asked_and_only_once() {
        let password = password();
        let (mut door, mut heard) = door(&password, "a");
        assert!(heard.try_recv().is_err());
        door.asked("").await.unwrap();
        assert_eq!(heard.try_recv().unwrap().as_slice(), b"ps3cret\n");
        let again = door.asked("Sorry, try again.").await;
        assert!(matches!(again, Err(Ending::PasswordRefused(why)) if why.contains("Sorry")));
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_the_first_host_refused_is_tried_nowhere_else() {
        let password = password();
        let (mut first, _heard) = door(&password, "a");
        first.asked("").await.unwrap();
        let (mut second, mut heard) = door(&password, "b");
        let waiting = tokio::spawn(async move { second.asked("").await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished(), "the second waits for what becomes of the first");
        assert!(first.closed("sudo: 1 incorrect password attempt").is_some());
        let ending = waiting.await.unwrap();
        assert!(matches!(ending, Err(Ending::PasswordRefused(why)) if why.contains("sudo on a ")));
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_password_that_one_host_took_is_sent_to_the_others_at_once() {
        let password = password();
        let (mut first, _heard) = door(&password, "a");
        first.asked("").await.unwrap();
        first.opened("sudo_ask");
        assert!(first.closed("noise").is_none());
        let (mut one, mut heard) = door(&password, "b");
        one.asked("").await.unwrap();
        let (mut other, mut heard_too) = door(&password, "c");
        other.asked("").await.unwrap();
        assert!(heard.try_recv().is_ok() && heard_too.try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_first_try_whose_line_broke_leaves_the_turn_to_the_next() {
        let password = password();
        let (mut first, _heard) = door(&password, "a");
        first.asked("").await.unwrap();
        drop(first);
        let (mut second, _heard) = door(&password, "b");
        second.asked("").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_refused_it_rests_and_is_given_up_after_the_second_time() {
        let password = password();
        *password.first.lock().await = First::Taken;
        let refuse = async || {
            let (mut door, _heard) = door(&password, "a");
            let tried = door.asked("").await.is_ok();
            if tried {
                door.closed("");
            }
            tried
        };
        assert!(refuse().await);
        assert!(!refuse().await);
        tokio::time::sleep(REST).await;
        assert!(refuse().await);
        tokio::time::sleep(REST * 10).await;
        assert!(!refuse().await);
    }

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?}", password()), "SudoPassword(..)");
    }
}
