//! What must hold in every state.

use crate::checked::Space;
use crate::forget::may_have_asked;
use crate::world::{Broken, CAP, Content, Done, GRACE, Guard, Power, Turn, World};
use snapback_core::lifecycle::State;
use snapback_core::outcome::HostResult;
use stateright::Property;

pub(crate) fn promises() -> Vec<Property<Space>> {
    vec![
        Property::always(NEVER_BOTH, never_both),
        Property::always(CONFIRMED_IS_CONFIRMED, confirmed_is_confirmed),
        Property::always(ROLLED_BACK_IS_OLD, rolled_back_is_old),
        Property::always(UNTOUCHED_IS_UNTOUCHED, untouched_is_untouched),
        Property::always(LOCK_OUT_ENDS, lock_out_ends),
        Property::always(UNCONFIRMED_IS_UNDONE, unconfirmed_is_undone),
        Property::always(NOBODY_IS_LOCKED_FOR_EVER, nobody_is_locked_for_ever),
        Property::always(NOBODY_ELSE_CONFIRMS, nobody_else_confirms),
        Property::always(LOSERS_ARE_TOLD, |_, w: &World| w.broken != Some(Broken::Told)),
    ]
}

pub(crate) const NEVER_BOTH: &str = "never both confirmed and undone";
pub(crate) const CONFIRMED_IS_CONFIRMED: &str = "what is reported confirmed is confirmed, and new";
pub(crate) const ROLLED_BACK_IS_OLD: &str = "what is reported rolled back is over, and old";
pub(crate) const UNTOUCHED_IS_UNTOUCHED: &str = "what is reported untouched is never changed";
pub(crate) const LOCK_OUT_ENDS: &str = "a lock-out ends by the deadline";
pub(crate) const UNCONFIRMED_IS_UNDONE: &str = "unconfirmed is undone by the deadline";
pub(crate) const NOBODY_IS_LOCKED_FOR_EVER: &str = "nobody is locked for ever";
pub(crate) const NOBODY_ELSE_CONFIRMS: &str = "only who began it confirms";
pub(crate) const LOSERS_ARE_TOLD: &str = "losers are told what won";
pub(crate) const TARGET_TABLE: &str = "the target moves by core's table";
pub(crate) const NOTHING_THAT_MATTERS: &str = "nothing is forgotten that matters";
pub(crate) const CONTROLLER_TABLE: &str = "the controller hears what core's table answers";

/// All of them.
pub(crate) const PROMISES: [&str; 11] = [
    NEVER_BOTH,
    CONFIRMED_IS_CONFIRMED,
    ROLLED_BACK_IS_OLD,
    UNTOUCHED_IS_UNTOUCHED,
    LOCK_OUT_ENDS,
    UNCONFIRMED_IS_UNDONE,
    NOBODY_IS_LOCKED_FOR_EVER,
    NOBODY_ELSE_CONFIRMS,
    LOSERS_ARE_TOLD,
    TARGET_TABLE,
    CONTROLLER_TABLE,
];

fn never_both(_: &Space, w: &World) -> bool {
    w.tx.iter().all(|tx| tx.carried != (true, true))
}

fn confirmed_is_confirmed(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = w.controller[n].state == State::Finished(HostResult::Confirmed) || tx.told_confirmed;
        !reported || (tx.turn == Some(Turn::Confirm) && tx.content == Content::New)
    })
}

fn rolled_back_is_old(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = w.controller[n].state == State::Finished(HostResult::RolledBack);
        !reported || (tx.done == Some(Done::RolledBack) && tx.content == Content::Old)
    })
}

fn untouched_is_untouched(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let tx = &w.tx[n];
        let reported = match w.controller[n].state {
            State::Finished(result) => !matches!(
                result,
                HostResult::Confirmed
                    | HostResult::RolledBack
                    | HostResult::RollbackFailed
                    | HostResult::Unknown
            ),
            _ => false,
        };
        !reported || (tx.dirty_since.is_none() && tx.carried == (false, false) && tx.armed.is_none())
    })
}

/// Both parts of the guard were killed or frozen in this boot: then it is the next contact or the next boot that undoes.
fn is_unguarded(w: &World, t: usize) -> bool {
    w.tx[t].guards_out >= 2
}

/// By when what is on the host since then must be undone. What comes late, of a session that was slow to begin, is undone
/// at once.
fn undone_by(w: &World, t: usize, since: u8) -> u8 {
    w.deadline(t).unwrap_or(since + CAP).max(since).min(since + CAP) + GRACE
}

fn lock_out_ends(_: &Space, w: &World) -> bool {
    (0..2).all(|t| {
        let tx = &w.tx[t];
        let out = w.bad[t] && w.power == Power::Up && !tx.undo_failed_once && !is_unguarded(w, t);
        let since = tx.dirty_since.filter(|_| out);
        // One that is confirmed ends no more.
        since.is_none_or(|since| w.now <= undone_by(w, t, since) && tx.done != Some(Done::Confirmed))
    })
}

fn unconfirmed_is_undone(_: &Space, w: &World) -> bool {
    (0..2).all(|t| {
        let tx = &w.tx[t];
        if tx.content == Content::Old || tx.undo_failed_once || w.power != Power::Up {
            return true;
        }
        match (tx.done, tx.turn) {
            (Some(Done::Confirmed), _) => tx.content == Content::New,
            (Some(_), _) => false,
            (None, Some(Turn::Confirm)) => true,
            (None, _) => is_unguarded(w, t) || w.now <= undone_by(w, t, tx.dirty_since.unwrap_or_default()),
        }
    })
}

/// A lock is held by somebody who lives, or a contact moves it, or a person was told that the undo failed.
fn nobody_is_locked_for_ever(space: &Space, w: &World) -> bool {
    let Some(t) = w.lock.map(usize::from).filter(|_| w.power == Power::Up) else { return true };
    let tx = &w.tx[t];
    let carried = tx.carrier.is_some_and(|by| w.lives(t, by));
    let watched = match tx.supervisor {
        Guard::Alive => true,
        // It is taken for one that lives, until it is late.
        Guard::Frozen => tx.carrier.is_none() && tx.turn.is_none() && !w.is_stuck(t, None),
        Guard::None | Guard::Dead => false,
    };
    if tx.session.is_alive() || watched || carried || tx.undo_failed {
        return true;
    }
    let mut visited = w.clone();
    visited.contact(space.broken);
    visited != *w
}

/// A confirmation was asked for by a controller that had heard `ready`, over a connection younger than that.
fn nobody_else_confirms(_: &Space, w: &World) -> bool {
    (0..2).all(|n| {
        let asked = may_have_asked(w.controller[n].state);
        w.tx[n].turn != Some(Turn::Confirm) || asked
    })
}
