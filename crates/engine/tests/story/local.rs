//! Local changes, by what the host says of its end.

use crate::stage::{Stage, begin, inspect};
use snapback_core::change::Command;
use snapback_core::event::EventKind;
use snapback_core::local_change::LocalChange;
use snapback_core::outcome::{ExitCode, HostResult};
use snapback_testkit::scripted::Reply;
use std::time::Duration;

/// A balancer: it is drained before, and enabled by whichever end.
fn balancer(stage: &mut Stage) {
    let note = |word: &str| Command::Inline(format!("echo {word} >>steps"));
    stage.local.push(LocalChange {
        name: "lb".to_owned(),
        facts: None,
        unless: None,
        apply: note("drain"),
        rollback: Some(note("undrain")),
        after: Some(note("enable")),
        irreversible: false,
        timeout: Duration::from_secs(5),
    });
}

#[tokio::test]
async fn a_broken_host_stays_out_of_the_balancer() {
    let mut stage = Stage::new();
    balancer(&mut stage);
    stage.host(inspect(true));
    stage.host(
        begin()
            .out("@snapback:{nonce} j 4 rolling_back -- no")
            .out("@snapback:{nonce} j 5 rollback_failed -- no")
            .out("@snapback:{nonce} end"),
    );
    stage.host(
        Reply::to(" follow ")
            .out("@snapback:{nonce} j 5 rollback_failed -- no")
            .out("@snapback:{nonce} end")
            .always(),
    );
    let ran = stage.run().await;
    assert_eq!((ran.code, ran.result()), (ExitCode::PersonNeeded, HostResult::RollbackFailed));
    assert_eq!(stage.steps(), "drain\n", "neither undone nor finished");
    let (_, state, next) = ran.ending();
    assert!(state.contains("on the controller: lb not closed"), "{state}");
    assert!(next.ends_with("deploy abort 01RUN"), "{next}");
    assert!(!stage.recorded().contains("\"moment\":\"closed\""));
}

#[tokio::test]
async fn a_host_that_refuses_to_begin_has_them_undone_and_finished() {
    let mut stage = Stage::new();
    balancer(&mut stage);
    stage.host(inspect(true));
    stage.host(
        Reply::to(" begin ")
            .out("@snapback:{nonce} refused reason=stale_plan -- it has changed")
            .out("@snapback:{nonce} end"),
    );
    let ran = stage.run().await;
    assert_eq!((ran.code, ran.result()), (ExitCode::Failed, HostResult::Refused));
    assert_eq!(stage.steps(), "drain\nundrain\nenable\n");
    assert!(ran.told(|kind| matches!(kind, EventKind::LocalFinished { ok: true, .. })));
    assert!(stage.recorded().contains("\"moment\":\"closed\""));
}
