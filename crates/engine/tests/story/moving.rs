//! A host that its change moves: the line that armed it dies without a word, and it is found where it is now.

use crate::stage::{Ran, Stage, follow, inspect};
use snapback_core::outcome::HostResult;
use snapback_core::way::WayKind;
use snapback_testkit::scripted::Reply;
use snapback_transport::ConnectErrorKind;
use std::time::Duration;
use tokio::time::Instant;

/// A host that is found by its old way alone, until it has moved.
fn moving() -> Stage {
    let stage = Stage::new().moving();
    stage.host(Reply::to_opening().not_connected(ConnectErrorKind::Refused).by(WayKind::Final));
    stage.host(inspect(true));
    stage
}

fn begun() -> Reply {
    Reply::to(" begin ")
        .out("@snapback:{nonce} j 1 armed backend=systemd hook=systemd apply_timeout=60 window=60 -- ")
        .out("@snapback:{nonce} j 2 applying")
        .out("@snapback:{nonce} j 3 change_started n=0 -- s")
}

fn the_rest() -> Reply {
    follow()
        .out("@snapback:{nonce} inside how=root")
        .out("@snapback:{nonce} j 4 applied left=60")
        .out("@snapback:{nonce} j 5 ready left=60")
        .out("@snapback:{nonce} end")
}

fn confirmed() -> Reply {
    Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=0").out("@snapback:{nonce} end")
}

/// By which ways the journal was asked for, in order.
fn followed(stage: &Stage) -> Vec<WayKind> {
    let follows = |asked: &snapback_testkit::scripted::Asked| {
        asked.command.as_deref().is_some_and(|command| command.contains(" follow "))
    };
    stage.fresh().into_iter().filter(follows).map(|asked| asked.way).collect()
}

async fn played(stage: &Stage) -> (Ran, Duration) {
    let began = Instant::now();
    (stage.run().await, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_host_is_found_by_its_final_way_within_seconds_though_the_old_line_is_silent() {
    let stage = moving();
    stage.host(begun().hangs());
    stage.host(the_rest().by(WayKind::Final));
    stage.host(confirmed());
    let (run, took) = played(&stage).await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(followed(&stage), [WayKind::Final]);
    let asked = stage.asked(" confirm ");
    assert!(asked.fresh && asked.way == WayKind::Final, "what is followed doesn't confirm");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_works_long_before_it_moves_the_host_has_it_looked_for_seldom() {
    let stage = moving();
    // It says nothing for a minute, and then all: it was never cut.
    stage.host(
        begun()
            .wait(Duration::from_secs(55))
            .out("@snapback:{nonce} j 4 applied left=60")
            .out("@snapback:{nonce} j 5 ready left=60")
            .out("@snapback:{nonce} end"),
    );
    stage.host(follow().not_connected(ConnectErrorKind::Refused).by(WayKind::Final).always());
    stage.host(confirmed());
    let (run, _) = played(&stage).await;
    assert_eq!(run.result(), HostResult::Confirmed);
    let looks = followed(&stage);
    assert!((3..=7).contains(&looks.len()) && looks.iter().all(|way| *way == WayKind::Final), "{looks:?}");
}

#[tokio::test(start_paused = true)]
async fn what_both_lines_tell_is_heard_once_and_the_end_of_the_old_one_costs_nothing() {
    let stage = moving();
    stage.host(
        begun()
            .wait(Duration::from_secs(4))
            .out("@snapback:{nonce} j 4 applied left=60")
            .wait(Duration::from_secs(4))
            .lost(),
    );
    stage.host(
        follow()
            .out("@snapback:{nonce} inside how=root")
            .wait(Duration::from_secs(3))
            .out("@snapback:{nonce} j 4 applied left=60")
            .wait(Duration::from_secs(10))
            .out("@snapback:{nonce} j 5 ready left=50")
            .out("@snapback:{nonce} end")
            .by(WayKind::Final),
    );
    stage.host(confirmed());
    let (run, _) = played(&stage).await;
    assert_eq!(run.result(), HostResult::Confirmed);
    let is_applied = |kind: &snapback_core::event::EventKind| {
        matches!(kind, snapback_core::event::EventKind::Applied { .. })
    };
    assert_eq!(run.count(is_applied), 1);
    assert_eq!(followed(&stage).len(), 1, "the line that was found is kept");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stays_where_it_is_has_one_line_however_silent_it_is() {
    let stage = Stage::new();
    stage.host(inspect(true));
    stage.host(
        begun()
            .wait(Duration::from_secs(50))
            .out("@snapback:{nonce} j 4 applied left=60")
            .out("@snapback:{nonce} j 5 ready left=60")
            .out("@snapback:{nonce} end"),
    );
    stage.host(confirmed());
    let (run, _) = played(&stage).await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(followed(&stage).is_empty());
}
