//! What must be shown before the confirmation: further connections, and a person's word.

use crate::stage::{Desk, Stage, begin, follow, inspect};
use snapback_core::event::EventKind;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_core::proof::{Mode, Proof};
use snapback_core::way::{Family, Vantage};
use snapback_testkit::scripted::Reply;
use snapback_transport::ConnectErrorKind;
use std::time::Duration;

fn probed() -> Reply {
    Reply::to(" knock ").out("@snapback:{nonce} let_in").out("@snapback:{nonce} end")
}

fn confirmed() -> Reply {
    Reply::to(" confirm ").out("@snapback:{nonce} confirmed already=0").out("@snapback:{nonce} end")
}

fn via(jump: &str, family: Option<Family>) -> Vantage {
    Vantage { jump: (jump != "direct").then(|| jump.to_owned()), family }
}

/// A host that is ready and whose journal goes on.
fn ready_and_on() -> Reply {
    begin().out("@snapback:{nonce} j 4 ready left=60")
}

#[tokio::test(start_paused = true)]
async fn every_probe_and_vantage_point_gets_in_before_the_confirmation() {
    let proof = Proof { probes: 3, via: vec![via("b", Some(Family::V6))], ..Proof::default() };
    let stage = Stage::new().proof(proof);
    stage.ready();
    (0..3).for_each(|_| stage.host(probed()));
    stage.host(confirmed());
    assert_eq!(stage.run().await.result(), HostResult::Confirmed);
    let asked: Vec<_> = stage.fresh();
    let words: Vec<_> = asked.iter().map(|a| a.command.as_deref().unwrap().contains(" knock ")).collect();
    assert_eq!(words, [true, true, true, false], "the confirmation comes last, over its own");
    let mut connections: Vec<_> = asked.iter().map(|a| a.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 4, "each over a connection of its own");
}

#[tokio::test(start_paused = true)]
async fn a_vantage_point_that_does_not_get_in_keeps_the_host_from_being_confirmed_and_is_named() {
    let stage = Stage::new().proof(Proof { probes: 2, via: vec![via("b", None)], ..Proof::default() });
    stage.ready();
    stage.host(probed());
    stage.host(Reply::to(" knock ").not_connected(ConnectErrorKind::Jump).always());
    stage.host(Reply::to(" status").out(&stage.pending("rolling_back")).out("@snapback:{nonce} end"));
    stage.host(follow().out("@snapback:{nonce} j 5 rolled_back late_ms=0 -- x").out("@snapback:{nonce} end"));
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Failed, HostResult::RolledBack));
    assert!(!stage.commands().iter().any(|c| c.contains(" confirm ")), "nothing was confirmed");
    assert!(run.ending().0.contains("via b: "), "{:?}", run.ending());
    let tries = stage.commands().iter().filter(|c| c.contains(" knock ")).count();
    assert!(tries > 10, "tried until the window closed, and the one that got in not again: {tries}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_told_it_is_too_late_ends_the_trying() {
    let stage = Stage::new().proof(Proof { probes: 2, ..Proof::default() });
    stage.ready();
    stage.host(
        Reply::to(" knock ")
            .out("@snapback:{nonce} denied reason=too_late -- the host is rolling_back")
            .out("@snapback:{nonce} end"),
    );
    stage.host(Reply::to(" status").out("@snapback:{nonce} end"));
    stage.host(follow().out("@snapback:{nonce} j 5 rolled_back late_ms=0 -- x").out("@snapback:{nonce} end"));
    assert_eq!(stage.run().await.result(), HostResult::RolledBack);
}

fn manual(desk: Desk) -> Stage {
    Stage::new().proof(Proof { mode: Mode::Manual, ..Proof::default() }).person(desk)
}

#[tokio::test(start_paused = true)]
async fn a_person_says_yes_and_only_then_a_fresh_connection_confirms() {
    let stage = manual(Desk::says(Some(true), Duration::from_secs(20)));
    stage.host(inspect(true));
    stage.host(ready_and_on().hangs());
    stage.host(confirmed());
    let began = tokio::time::Instant::now();
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::Confirmed);
    assert!(began.elapsed() >= Duration::from_secs(20), "it was confirmed before the answer");
    assert!(run.told(|k| matches!(k, EventKind::AwaitingPerson { left: 55..=60, .. })));
    assert!(stage.asked(" confirm ").fresh);
    assert!(stage.asked(" begin ").command.unwrap().contains("01RUN done"), "the journal is followed on");
}

#[tokio::test(start_paused = true)]
async fn a_person_says_no_and_the_host_is_rolled_back_at_once() {
    let stage = manual(Desk::says(Some(false), Duration::from_secs(5)));
    stage.host(inspect(true));
    stage.host(ready_and_on().hangs());
    stage.host(
        Reply::to(" rollback ")
            .out("@snapback:{nonce} j 5 rolled_back late_ms=0 -- a person said no")
            .out("@snapback:{nonce} end"),
    );
    let began = tokio::time::Instant::now();
    let run = stage.run().await;
    assert_eq!((run.result(), run.ending().0), (HostResult::RolledBack, "a person said no".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_guard_decides() {
    let stage = manual(Desk::says(None, Duration::ZERO));
    stage.host(inspect(true));
    stage.host(
        ready_and_on()
            .wait(Duration::from_secs(59))
            .out("@snapback:{nonce} j 5 rolling_back -- not confirmed within 60 s after apply")
            .out("@snapback:{nonce} j 6 rolled_back late_ms=10 -- not confirmed within 60 s after apply")
            .out("@snapback:{nonce} end"),
    );
    stage
        .host(follow().out("@snapback:{nonce} j 6 rolled_back late_ms=10 -- x").out("@snapback:{nonce} end"));
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::RolledBack);
    assert!(!stage.commands().iter().any(|c| c.contains(" confirm ")));
}

#[tokio::test(start_paused = true)]
async fn confirmed_from_elsewhere_while_a_person_is_asked() {
    let stage = manual(Desk::says(None, Duration::ZERO));
    stage.host(inspect(true));
    stage.host(
        ready_and_on()
            .wait(Duration::from_secs(30))
            .out("@snapback:{nonce} j 5 extended by=600 left=630")
            .wait(Duration::from_secs(300))
            .out("@snapback:{nonce} j 6 confirmed")
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!((run.code, run.result()), (ExitCode::Good, HostResult::Confirmed));
    assert!(run.told(|k| *k == EventKind::Extended { by: 600, left: 630 }));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_undoes_itself_while_local_checks_run_is_told_at_once() {
    let stage = Stage::new().slow_local_check(Duration::from_secs(40));
    stage.host(inspect(true));
    stage.host(ready_and_on().lost());
    stage.host(follow().not_connected(ConnectErrorKind::Refused));
    stage.host(
        follow()
            .out("@snapback:{nonce} j 5 rolled_back late_ms=0 -- the host was started again")
            .out("@snapback:{nonce} end"),
    );
    let began = tokio::time::Instant::now();
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::RolledBack);
    assert_eq!(run.ending().0, "the host was started again");
    // After an undo the checks are asked once more, briefly; the one that was under way would have taken forty.
    assert!(began.elapsed() < Duration::from_secs(20), "it was told after {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_clock_is_a_moment_ahead_does_not_hide_that_local_checks_had_not_ended() {
    let stage = Stage::new().slow_local_check(Duration::from_secs(40));
    stage.host(inspect(true));
    let cause = "not confirmed within 3 s after apply";
    stage.host(ready_and_on().out(&format!("@snapback:{{nonce}} j 5 rolling_back -- {cause}")).lost());
    stage.host(
        follow()
            .out(&format!("@snapback:{{nonce}} j 6 rolled_back late_ms=0 -- {cause}"))
            .out("@snapback:{nonce} end"),
    );
    let run = stage.run().await;
    assert_eq!(run.result(), HostResult::RolledBack);
    assert_eq!(run.ending().0, "the local checks had not ended when the confirm window did");
}
