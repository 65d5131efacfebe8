//! What is said of a host, beside what is true of it.

use crate::controller::Wish;
use snapback_core::outcome::HostResult;
use snapback_core::target::TargetState;
use snapback_engine::ask::Settled;
use snapback_testkit::faults::model::{Host, Transaction, World};
use std::time::Duration;
use tokio::time::Instant;

fn transaction<'a>(host: &'a Host, run: &str) -> Option<&'a Transaction> {
    host.transactions.iter().find(|tx| tx.id == run)
}

/// What a run says at its end is so at that moment.
pub(crate) fn check_result(world: &World, wish: &Wish, name: &str, result: HostResult) {
    let host = world.host(name);
    let tx = transaction(&host, &wish.run);
    let state = tx.map(|tx| tx.state);
    let holds = match result {
        HostResult::Confirmed => state == Some(TargetState::Confirmed),
        HostResult::RolledBack => state == Some(TargetState::RolledBack),
        HostResult::RollbackFailed => state == Some(TargetState::RollbackFailed),
        HostResult::Unchanged | HostResult::Unreachable | HostResult::Skipped | HostResult::NotReached => {
            state.is_none()
        }
        HostResult::Refused => matches!(state, None | Some(TargetState::Discarded)),
        // Not before the guard must have undone it, even if its supervisor had died.
        HostResult::Unknown => tx
            .and_then(|tx| tx.deadline)
            .is_none_or(|deadline| Instant::now() >= deadline + Duration::from_secs(15)),
    };
    // What confirmed or rolled back before the record was lost was so when it was said, and can't be read here.
    let holds = holds || host.lost;
    world.note(|case| {
        case.expect(holds, || format!("{name}: {} says {result:?}, and the host is {state:?}", wish.run));
    });
}

/// What asking by hand says is so.
pub(crate) fn check_settled(world: &World, name: &str, run: &str, settled: &Settled) {
    let host = world.host(name);
    let Some(tx) = transaction(&host, run) else { return };
    let holds = match settled {
        Settled::Confirmed => tx.state == TargetState::Confirmed,
        Settled::RolledBack(_) => tx.state == TargetState::RolledBack,
        Settled::RollbackFailed(_) => tx.state == TargetState::RollbackFailed,
        Settled::Nothing => !tx.is_open(),
        _ => true,
    };
    let state = tx.state;
    world.note(|case| case.expect(holds, || format!("{name}: by hand {settled:?}, and {run} is {state:?}")));
}

/// Long after everything: all is decided, and each host holds what was confirmed last, whole.
pub(crate) fn check_rest(world: &World, name: &str) {
    let host = world.host(name);
    if host.lost {
        return;
    }
    let mut held = "old".to_owned();
    for tx in &host.transactions {
        world.note(|case| {
            let rests = tx.state.is_done() || tx.state == TargetState::RollbackFailed;
            case.expect(rests, || format!("{name}: {} is still {:?}", tx.id, tx.state));
            case.expect(tx.before == held, || {
                format!("{name}: {} began on {}, not {held}", tx.id, tx.before)
            });
        });
        if tx.state == TargetState::Confirmed {
            held = format!("new by {}", tx.id);
        }
        check_in_time(world, name, tx);
    }
    if host.open().is_none() {
        world.note(|case| {
            case.expect(host.content == held, || format!("{name}: holds '{}', not '{held}'", host.content));
        });
    }
}

/// A confirmation was decided before the deadline.
fn check_in_time(world: &World, name: &str, tx: &Transaction) {
    if tx.state == TargetState::Confirmed {
        let in_time = tx.decided.zip(tx.deadline).is_some_and(|(decided, deadline)| decided < deadline);
        world.note(|case| case.expect(in_time, || format!("{name}: {} was confirmed too late", tx.id)));
    }
}
