//! What a simulated host does when it is asked something.

use super::truth::Deed;
use std::time::Duration;

/// What becomes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It applies in so many milliseconds, is ready, and can be confirmed.
    Works(u64),
    /// It is as wanted already.
    Unchanged,
    /// Its change fails after so many milliseconds and is undone.
    Fails(u64),
    /// It never answers.
    Unreachable,
    /// It refuses before anything is armed.
    Refuses,
    /// Its change cuts it off until it has undone itself.
    CutOff,
    /// Its change cuts it off for good.
    Lost,
    /// A check on it fails so many seconds after it was confirmed.
    Spoils(u64),
    /// So many milliseconds after it was ready it undoes itself, unless it is confirmed by then: it was started again.
    Restarts(u64),
    /// From the moment on at which it is ready nobody gets in until it has undone itself.
    GoneWhenReady,
    /// The same, from the moment on at which it was given more time with a confirmation in view.
    GoneWhenExtended,
    /// It works at once, and may not be given more time.
    NoMoreTime,
}

/// A step of an answer.
#[derive(Clone, Debug)]
pub(super) enum Reaction {
    Wait(Duration),
    Say(&'static str),
    Do(Deed),
    /// Says the end once it has come.
    Follow,
    Cut,
}

/// What a host is like when it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mood {
    pub(super) fate: Fate,
    /// What becomes of it now: of its change, or of its undo.
    pub(super) now: Fate,
    /// The change is in place.
    pub(super) is_new: bool,
    /// Its check fails.
    pub(super) is_red: bool,
}

/// Returns what a host answers to a command.
pub(super) fn react(mood: Mood, command: &str) -> Vec<Reaction> {
    let Mood { fate, now, is_new, is_red } = mood;
    use Reaction::{Cut, Do, Follow, Say};
    let is = |verb: &str| command.contains(&format!(" {verb}"));
    let mut answer = if is("payload inspect") || is("install inspect") {
        inspect(fate, is_new)
    } else if is("begin ") {
        let mut answer = begin(now);
        if command.ends_with(" done") && !matches!(answer.last(), Some(Cut)) {
            answer.push(Follow);
        }
        answer
    } else if is("extend ") {
        let mut words = command.split(" extend ").last().unwrap_or_default().split(' ');
        let by = words.nth(1).and_then(|by| by.parse().ok()).unwrap_or_default();
        let by = if fate == Fate::NoMoreTime { 0 } else { by };
        let gone = fate == Fate::GoneWhenExtended;
        let cut = gone.then_some(Do(Deed::CutOff { comes_back: true }));
        std::iter::once(Do(Deed::Extend { by })).chain(cut).collect()
    } else if is("lease ") {
        vec![Do(Deed::TakeLease)]
    } else if is("unlease ") {
        vec![Do(Deed::EndLease)]
    } else if is("knock ") {
        vec![Do(Deed::Knock)]
    } else if is("confirm ") {
        vec![Do(Deed::Confirm)]
    } else if is("follow ") {
        if command.ends_with(" done") { vec![Follow] } else { vec![Do(Deed::TellJournal)] }
    } else if is("rollback ") {
        vec![Do(Deed::RollBack), Do(Deed::TellJournal)]
    } else if is("probe") {
        vec![Say(if is_red {
            "probed n=0 status=failed -- it is red now"
        } else {
            "probed n=0 status=passed -- "
        })]
    } else {
        vec![Do(Deed::TellHolder)]
    };
    if !matches!(answer.last(), Some(Reaction::Cut)) {
        answer.push(Say("end"));
    }
    answer
}

/// Whoever asks what there is to undo hears of the path, whoever asks for the change doesn't.
fn inspect(fate: Fate, is_new: bool) -> Vec<Reaction> {
    use Reaction::Say;
    let hello =
        "hello version=1 uid=0 backend=systemd hook=systemd volatile=0 free_kib=9999 shell=dash -- /s";
    let is_wanted = fate == Fate::Unchanged || is_new;
    let mut answer = vec![Say(hello), Reaction::Do(Deed::TellHolder)];
    answer.push(Say(if is_wanted { "script n=0 wanted=1" } else { "script n=0 wanted=0" }));
    if is_new {
        answer.push(Say("revert_path n=0 what=put conflict=0 was=1 now=2 -- /etc/x"));
    }
    answer.push(Say("state_digest sum=abc"));
    // What is as wanted is nobody to be kept from.
    answer.extend((!is_wanted).then_some(Reaction::Do(Deed::LeaseAlong)));
    answer
}

fn begin(fate: Fate) -> Vec<Reaction> {
    use Reaction::{Cut, Do, Say, Wait};
    let after = |ms| Wait(Duration::from_millis(ms));
    let mut answer = vec![Do(Deed::Begin)];
    match fate {
        Fate::Refuses => return vec![Say("refused reason=no_space -- there is no space")],
        Fate::Works(ms) => answer.extend([after(ms), Do(Deed::Apply), Do(Deed::BeReady)]),
        Fate::Spoils(_) | Fate::GoneWhenExtended | Fate::NoMoreTime => {
            answer.extend([Do(Deed::Apply), Do(Deed::BeReady)])
        }
        Fate::Restarts(ms) => {
            answer.extend([Do(Deed::Apply), Do(Deed::BeReady), after(ms), Do(Deed::RollBack)])
        }
        Fate::GoneWhenReady => {
            answer.extend([Do(Deed::Apply), Do(Deed::BeReady), Do(Deed::CutOff { comes_back: true }), Cut]);
        }
        Fate::Fails(ms) => answer.extend([after(ms), Do(Deed::RollBack), Do(Deed::TellJournal)]),
        Fate::CutOff => answer.extend([Do(Deed::Apply), Do(Deed::CutOff { comes_back: true }), Cut]),
        Fate::Lost => answer.extend([Do(Deed::Apply), Do(Deed::CutOff { comes_back: false }), Cut]),
        Fate::Unchanged | Fate::Unreachable => {}
    }
    answer
}
