//! Checks veto: whatever way they fail, the host is as before and the summary says what they said.

use crate::stage::{HOLD, MOTD, Stage, end_of, events, told};
use snapback_testkit::program::Ended;
use std::time::Duration;

/// Runs a change whose host has this check too, and asserts that it was undone for it.
fn is_undone_for(check: &str) -> Ended {
    let stage = Stage::new();
    let before = stage.host().tree();
    stage.fleet(&format!("{MOTD}[[checks]]\nname = \"moon\"\n{check}\n"));
    let ended = stage.change().run().must_exit(1).must_say("1 rolled_back").must_say("the old state is back");
    assert_eq!(stage.host().tree(), before, "{ended}");
    stage.host().await_over();
    ended
}

const SHORT: &str = "timeout = \"1s\"\ninterval = \"200ms\"\nhealthy_deadline = \"800ms\"";

#[test]
fn a_remote_check_that_says_no() {
    is_undone_for(&format!("run = 'echo the moon is down; exit 3'\n{SHORT}"))
        .must_say("check 'moon' failed: exit status 3: the moon is down");
}

#[test]
fn a_local_check_that_says_no() {
    is_undone_for(&format!("where = \"local\"\nrun = 'echo the moon is down; exit 3'\n{SHORT}"))
        .must_say("check 'moon' failed: the moon is down");
}

#[test]
fn a_remote_check_that_hangs() {
    is_undone_for(&format!("run = 'echo waiting; sleep 600'\n{SHORT}"))
        .must_say("check 'moon' error: did not end within 1 s: waiting");
}

#[test]
fn a_local_check_that_hangs() {
    is_undone_for(&format!("where = \"local\"\nrun = 'echo waiting; sleep 600'\n{SHORT}"))
        .must_say("check 'moon' error: did not end within 1s: waiting");
}

#[test]
fn a_remote_check_that_floods() {
    let ended = is_undone_for(&format!("run = 'echo first; exec yes flood'\n{SHORT}")).must_say("flood");
    assert!(ended.err.len() < 20_000, "{} bytes of it", ended.err.len());
}

#[test]
fn a_local_check_that_floods() {
    let ended =
        is_undone_for(&format!("where = \"local\"\nrun = 'exec yes flood'\n{SHORT}")).must_say("flood");
    assert!(ended.err.len() < 20_000, "{} bytes of it", ended.err.len());
}

#[test]
fn a_local_check_against_a_closed_port() {
    let port = snapback_testkit::sshd::free_port();
    is_undone_for(&format!("use = \"tcp\"\nwith = {{ host = \"127.0.0.1\", port = {port} }}\n{SHORT}"))
        .must_say("check 'moon' failed")
        .must_say(&port.to_string());
}

#[test]
fn checks_that_aren_t_required_or_were_red_before_are_only_reported() {
    let stage = Stage::new();
    let check = |name: &str, place: &str, more: &str| {
        format!(
            "[[checks]]\nname = \"{name}\"\nwhere = \"{place}\"\nrun = 'echo red; exit 1'\n{SHORT}\n{more}\n"
        )
    };
    stage.fleet(
        &[
            MOTD,
            &check("remote-optional", "remote", "required = false"),
            &check("local-optional", "local", "required = false"),
            &check("remote-red", "remote", "baseline = true"),
            &check("local-red", "local", "baseline = true"),
        ]
        .concat(),
    );
    let told = stage.change_told(0);
    let status = |name: &str| {
        let checks = events(&told, "check_finished");
        checks.iter().find(|c| c["check"] == name).map(|c| c["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(status("remote-optional").as_deref(), Some("failed"));
    assert_eq!(status("local-optional").as_deref(), Some("failed"));
    assert_eq!(status("remote-red").as_deref(), Some("red_before"));
    assert_eq!(status("local-red").as_deref(), Some("red_before"));
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}

#[test]
fn a_check_that_becomes_green_in_time_is_waited_for() {
    let stage = Stage::new();
    let counting = "[[checks]]\nname = \"third\"\nrun = 'echo . >>\"$VAR_ROOT/asked\"; [ \"$(wc -l <\"$VAR_ROOT/asked\")\" -ge 3 ]'\n\
                    interval = \"200ms\"\nhealthy_deadline = \"3s\"\n";
    stage.fleet(&format!("{MOTD}{counting}"));
    stage.change().run().must_exit(0);
    assert!(stage.host().read("asked").lines().count() >= 3);
}

#[test]
fn a_failed_check_is_one_event_and_its_output_is_kept() {
    let stage = Stage::new();
    stage.fleet(&format!("{MOTD}[[checks]]\nname = \"moon\"\nrun = 'echo one; echo two; exit 3'\n{SHORT}\n"));
    let told = told(&stage.change_json().run());
    assert_eq!(events(&told, "check_finished").len(), 1);
    let output: Vec<_> = events(&told, "output").iter().map(|o| o["line"].clone()).collect();
    assert_eq!(output, ["one", "two"]);
}

#[test]
fn a_local_check_that_outlasts_the_window_does_not_keep_the_end_from_being_told() {
    let stage = Stage::new();
    stage.fleet(&format!("{MOTD}{HOLD}"));
    let ended = stage.change().run().must_exit(1).must_say("1 rolled_back");
    let ended = ended.must_say("the local checks had not ended when the confirm window did");
    assert!(ended.took < Duration::from_secs(20), "{ended}");
}

#[test]
fn checks_that_hold_with_the_old_state_are_said_to_pass() {
    let stage = Stage::new();
    let [remote, local] = [("remote", "$VAR_ROOT"), ("local", "$VAR_ROOT")].map(|(place, root)| {
        format!(
            "[[checks]]\nname = \"{place}\"\nwhere = \"{place}\"\nrun = '! grep -qx new \"{root}/etc/motd\"'\n{SHORT}\n"
        )
    });
    stage.fleet(&format!("{MOTD}{remote}{local}"));
    let told = stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!((&end["result"], &end["health"]), (&"rolled_back".into(), &"healthy".into()), "{end}");
    assert!(end["state"].as_str().unwrap().ends_with("; its checks pass"), "{end}");
    assert_eq!(events(&told, "checked_again").len(), 2);
}

#[test]
fn a_check_that_fails_with_the_old_state_as_well_is_named_and_a_red_baseline_is_not() {
    for place in ["remote", "local"] {
        let stage = Stage::new();
        let check = |name: &str, more: &str| {
            format!(
                "[[checks]]\nname = \"{name}\"\nwhere = \"{place}\"\nrun = 'echo {name} is dark; false'\n{SHORT}\n{more}"
            )
        };
        stage.fleet(&format!("{MOTD}{}{}", check("moon", ""), check("mars", "baseline = true\n")));
        let told = stage.change_told(1);
        let end = end_of(&told, "web.test");
        assert_eq!((&end["result"], &end["health"]), (&"rolled_back".into(), &"failing".into()), "{end}");
        let failing = end["failing"].as_array().unwrap();
        assert!(failing.len() == 1 && failing[0].as_str().unwrap().contains("moon is dark"), "{end}");
        assert!(
            end["state"].as_str().unwrap().contains("STILL FAILING with the old state: check 'moon'"),
            "{end}"
        );
    }
}
