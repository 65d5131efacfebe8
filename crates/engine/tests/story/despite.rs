//! Red checks where a person decides: nobody confirms but who names them.

use crate::stage::{Desk, Stage, begin, follow, inspect};
use snapback_core::check::Where;
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::proof::{Mode, Proof};
use snapback_testkit::scripted::Reply;
use std::time::Duration;

/// A person who says yes to whatever they are asked.
fn manual() -> Stage {
    let yes = Desk::says(Some(true), Duration::ZERO);
    Stage::new().proof(Proof { mode: Mode::Manual, ..Proof::default() }).person(yes)
}

fn red_there() -> Reply {
    begin()
        .out("@snapback:{nonce} j 4 check status=failed n=0 -- bad gateway")
        .out("@snapback:{nonce} j 5 ready left=60")
}

/// Somebody names it elsewhere.
fn then_confirmed(reply: Reply, after: Duration) -> Reply {
    reply
        .wait(after)
        .out("@snapback:{nonce} j 6 despite -- healthz: failed: bad gateway")
        .out("@snapback:{nonce} j 7 confirmed")
        .out("@snapback:{nonce} end")
}

fn is_left_to_a_person(kind: &EventKind) -> bool {
    matches!(kind, EventKind::AwaitingPerson { red, .. } if *red == ["healthz"])
}

#[tokio::test(start_paused = true)]
async fn a_host_with_a_red_check_is_confirmed_by_nobody_but_who_names_it_and_that_is_told() {
    let stage = manual().red_check("healthz", Where::Remote);
    stage.host(inspect(true));
    stage.host(then_confirmed(red_there(), Duration::from_secs(30)));
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Good, HostResult::Confirmed));
    assert!(
        !stage.commands().iter().any(|c| c.contains(" confirm ")),
        "a yes to green checks is none to red"
    );
    assert!(run.told(is_left_to_a_person));
    let state = run.ending().1;
    assert_eq!(state, "the change is in place and confirmed despite healthz: failed: bad gateway");
    let warned = "confirmed despite healthz: failed: bad gateway";
    assert!(run.told(|kind| matches!(kind, EventKind::Warning { text } if text == warned)));
    assert!(stage.recorded().contains(warned));
}

#[tokio::test(start_paused = true)]
async fn a_host_with_a_red_check_that_nobody_names_is_undone_and_the_check_is_why() {
    let stage = manual().red_check("healthz", Where::Remote);
    stage.host(inspect(true));
    stage.host(
        red_there()
            .wait(Duration::from_secs(59))
            .out("@snapback:{nonce} j 6 rolling_back -- not confirmed within 60 s after apply")
            .out("@snapback:{nonce} j 7 rolled_back late_ms=10 -- not confirmed within 60 s after apply")
            .out("@snapback:{nonce} end"),
    );
    stage
        .host(follow().out("@snapback:{nonce} j 7 rolled_back late_ms=10 -- x").out("@snapback:{nonce} end"));
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Failed, HostResult::RolledBack));
    assert_eq!(run.ending().0, "check 'healthz' failed: bad gateway");
    assert!(!stage.commands().iter().any(|c| c.contains(" confirm ")));
}

/// In real time: a command is waited for.
#[tokio::test]
async fn what_is_red_on_the_controller_is_told_to_the_target_until_it_has_written_it_down() {
    let stage = manual().red_check("healthz", Where::Local);
    stage.host(inspect(true));
    stage.host(then_confirmed(begin().out("@snapback:{nonce} j 4 ready left=60"), Duration::from_secs(2)));
    stage.host(Reply::to(" veto ").lost());
    stage.host(Reply::to(" veto ").out("@snapback:{nonce} vetoed").out("@snapback:{nonce} end"));
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(run.told(is_left_to_a_person));
    let vetoes = stage.commands().iter().filter(|c| c.contains(" veto ")).count();
    assert_eq!(vetoes, 2, "an answer that was lost is asked for again, and no more");
    let said = String::from_utf8(stage.asked(" veto ").stdin).unwrap();
    let (token, red) = said.split_once('\n').unwrap();
    assert!(token.len() == 64 && red == "healthz\nfailed: bad gateway\n", "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn where_the_checks_decide_nobody_is_waited_for() {
    let stage = Stage::new().red_check("healthz", Where::Remote);
    stage.host(inspect(true));
    stage.host(
        begin()
            .out("@snapback:{nonce} j 4 check status=failed n=0 -- bad gateway")
            .out("@snapback:{nonce} j 5 rolling_back -- check 'healthz' failed: bad gateway")
            .out("@snapback:{nonce} j 6 rolled_back late_ms=0 -- check 'healthz' failed: bad gateway")
            .out("@snapback:{nonce} end"),
    );
    stage.host(follow().out("@snapback:{nonce} j 6 rolled_back late_ms=0 -- x").out("@snapback:{nonce} end"));
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::RolledBack);
    assert!(!run.told(|kind| matches!(kind, EventKind::AwaitingPerson { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_was_despite_undoes_nothing_while_it_bakes() {
    let bakes = manual().bakes(Duration::from_secs(30));
    bakes.host(inspect(true));
    bakes.host(
        begin()
            .out("@snapback:{nonce} j 4 check status=failed n=0 -- bad gateway")
            .out("@snapback:{nonce} j 5 ready left=60")
            .wait(Duration::from_secs(5))
            .out("@snapback:{nonce} j 6 despite -- shop: failed: bad gateway")
            .out("@snapback:{nonce} j 7 confirmed")
            .out("@snapback:{nonce} end"),
    );
    let refused = "@snapback:{nonce} refused reason=no_space -- full";
    bakes.second(Reply::to(" begin ").out(refused).out("@snapback:{nonce} end"));
    let run = bakes.run().await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(!bakes.commands().iter().any(|c| c.contains(" probe")), "what was decided about isn't asked");
}
