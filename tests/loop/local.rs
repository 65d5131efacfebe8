//! Changes with `where = "local"`: made on the controller before a host is begun, undone or finished by how it ended.

use crate::stage::{MOTD, Stage, all_below, await_that, end_of, events};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::Duration;

/// Two local changes that write down what they do, with facts, outputs and all that a command gets.
const STEPS: &str = r#"
[[changes]]
name = "lb"
kind = "script"
where = "local"
facts = "echo weight=7"
apply = 'echo "drain $DEPLOY_HOST $VAR_ROOT" >>steps; echo id=42 >"$DEPLOY_OUTPUT"'
rollback = 'echo "undrain $FACT_WEIGHT $OUTPUT_ID" >>steps'
after = 'echo "enable $OUTPUT_ID" >>steps'
[[changes]]
name = "dns"
kind = "script"
where = "local"
unless = 'test -e dns-is-fine'
apply = 'echo "dns $OUTPUT_ID $FACT_WEIGHT." >>steps; test ! -e dns-fails'
rollback = 'echo "undns" >>steps'
"#;

/// A change that fails on the host.
const FAILS: &str =
    "[[changes]]\nname = \"bad\"\nkind = \"script\"\napply = 'echo broken; exit 3'\nrollback = 'true'\n";

fn steps(stage: &Stage) -> Vec<String> {
    let text = std::fs::read_to_string(stage.path("steps")).unwrap_or_default();
    let root = stage.host().root.display().to_string();
    text.lines().map(|line| line.replace(&root, "ROOT")).collect()
}

fn fresh_steps(stage: &Stage) {
    let _ = std::fs::remove_file(stage.path("steps"));
}

/// The moments of the newest run's record, in order.
fn moments(stage: &Stage) -> Vec<String> {
    let runs = std::fs::read_dir(stage.dir().join("state/snapback/runs")).unwrap().flatten();
    let records =
        runs.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    let text = std::fs::read_to_string(records.max().unwrap()).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let local = lines.filter(|line| line["entry"] == "local");
    local.map(|line| line["moment"].as_str().unwrap().to_owned()).collect()
}

fn run_of(told: &[Value]) -> String {
    told[0]["run"].as_str().unwrap().to_owned()
}

#[test]
fn they_are_made_before_the_host_is_begun_and_finished_once_it_is_confirmed() {
    let stage = Stage::new();
    stage.fleet(&format!("{STEPS}{MOTD}"));
    let plan = stage.deploy(&["plan"]).run().must_exit(0);
    assert!(plan.out.contains("lb (script, where deploy runs)"), "{plan}");
    let told = stage.change_told(0);
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "enable 42"]);
    let at = |kind: &str| told.iter().position(|event| event["event"] == kind).unwrap();
    let armed = at("guard_armed");
    let deeds = events(&told, "local_finished");
    let deeds: Vec<_> =
        deeds.iter().map(|e| (e["change"].as_str().unwrap(), e["deed"].as_str().unwrap())).collect();
    assert_eq!(deeds, [("lb", "apply"), ("dns", "apply"), ("lb", "after")]);
    assert!(at("local_finished") < armed && at("host_inspected") < at("local_started"));
    assert_eq!(
        moments(&stage),
        ["applying", "applied", "applying", "applied", "starting", "ended", "closed"]
    );

    fresh_steps(&stage);
    stage.change_told(0);
    assert!(steps(&stage).is_empty(), "a host that doesn't change needs none of them");
}

#[test]
fn what_is_as_wanted_is_neither_made_nor_undone() {
    let stage = Stage::new();
    stage.write("dns-is-fine", "");
    stage.fleet(&format!("{STEPS}{FAILS}"));
    stage.change_told(1);
    assert_eq!(steps(&stage), ["drain web.test ROOT", "undrain 7 42", "enable 42"]);
}

#[test]
fn a_host_that_fails_has_them_undone_in_reverse_with_their_facts_and_outputs() {
    let stage = Stage::new();
    stage.fleet(&format!("{STEPS}{MOTD}{FAILS}"));
    let told = stage.change_told(1);
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "undns", "undrain 7 42", "enable 42"]);
    assert_eq!(end_of(&told, "web.test")["result"], "rolled_back");
    assert_eq!(moments(&stage).last().unwrap(), "closed");
}

#[test]
fn a_local_change_that_fails_keeps_the_host_untouched_and_is_undone_itself() {
    let stage = Stage::new();
    let before = stage.host().tree();
    stage.write("dns-fails", "");
    stage.fleet(&format!("{STEPS}{MOTD}"));
    let told = stage.change_told(1);
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "undns", "undrain 7 42", "enable 42"]);
    let end = end_of(&told, "web.test");
    assert_eq!((&end["result"], &end["state"]), (&"refused".into(), &"untouched: nothing was armed".into()));
    assert_eq!(end["cause"], "on the controller: the local change dns: exit status 1");
    assert!(events(&told, "uploading").is_empty());
    assert_eq!(stage.host().tree(), before);
}

#[test]
fn one_that_hangs_is_ended_at_its_limit_and_undone() {
    let stage = Stage::new();
    let hangs = "[[changes]]\nname = \"slow\"\nkind = \"script\"\nwhere = \"local\"\ntimeout = \"1s\"\n\
                 apply = '(sleep 3; touch late) & sleep 60'\nrollback = 'echo undone >>steps'\n";
    stage.fleet(&format!("{hangs}{MOTD}"));
    stage.change().run().must_exit(1).must_say("the local change slow: did not end within 1s");
    assert_eq!(steps(&stage), ["undone"]);
    std::thread::sleep(Duration::from_secs(4));
    assert!(!stage.path("late").exists(), "what it had started lived on");
}

#[test]
fn an_undo_that_fails_needs_a_person_and_is_done_later_by_abort() {
    let stage = Stage::new();
    let body = STEPS
        .replace("rollback = 'echo \"undns\" >>steps'", "rollback = 'echo undns >>steps; test -e mended'");
    stage.fleet(&format!("{body}{FAILS}"));
    let told = stage.change_told(3);
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "undns", "undrain 7 42", "enable 42"]);
    let (end, run) = (end_of(&told, "web.test"), run_of(&told));
    assert_eq!(
        (&end["result"], &end["next"]),
        (&"rolled_back".into(), &format!("deploy abort {run}").into())
    );
    assert!(end["state"].as_str().unwrap().contains("on the controller: `rollback` of dns: exit status 1"));
    fresh_steps(&stage);
    let not_yet = stage.deploy(&["abort", &run]).run().must_exit(3);
    assert!(not_yet.err.contains("NOT closed"), "{not_yet}");
    stage.write("mended", "");
    stage.deploy(&["abort", &run]).run().must_exit(0).must_say("local changes closed: lb, dns");
    assert_eq!(steps(&stage), ["undns", "undns"], "what was done well is not done again");
    stage.deploy(&["abort", &run]).run().must_exit(2).must_say("is over");
}

/// A run that is killed while its second local change is made: nothing was sent to the host.
fn killed_before_arming(stage: &Stage) -> String {
    let held = STEPS.replace(
        "test ! -e dns-fails'",
        "echo half=1 >\"$DEPLOY_OUTPUT\"; touch begun; sleep 30; echo late >>steps'",
    );
    let held = held.replace("echo \"undns\"", "echo \"undns $OUTPUT_HALF\"");
    stage.fleet(&format!("{held}{MOTD}"));
    let mut running = stage.change_json().start();
    running.await_that("the second one has begun", || stage.path("begun").exists());
    let run = serde_json::from_str::<Value>(running.said().lines().next().unwrap()).unwrap();
    running.signal(Signal::SIGKILL);
    drop(running);
    run["run"].as_str().unwrap().to_owned()
}

const UNDONE: [&str; 5] = ["drain web.test ROOT", "dns 42 .", "undns 1", "undrain 7 42", "enable 42"];

#[test]
fn a_controller_that_is_killed_before_arming_has_them_undone_by_abort() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let run = killed_before_arming(&stage);
    assert_eq!(steps(&stage), UNDONE[..2]);
    let warning =
        format!("run {run} has left changes on the controller for web.test, neither undone nor finished");
    for seen in ["status", "plan"] {
        stage.deploy(&[seen]).run().must_exit(0).must_say(&warning).must_say(&format!("deploy abort {run}"));
    }
    stage.deploy(&["abort", &run]).run().must_exit(0).must_say("web.test: local changes closed: lb, dns");
    assert_eq!(steps(&stage), UNDONE);
    stage.deploy(&["status"]).run().must_exit(0).must_not_say("neither undone");
    let left = all_below(&stage.dir().join("state/snapback/runs"));
    assert!(left.is_empty(), "the step of the killed controller still runs: {left:?}");
    assert_eq!(stage.host().tree(), before);
    stage.deploy(&["abort", &run]).run().must_exit(2);
    assert_eq!(steps(&stage), UNDONE, "twice is once");
}

#[test]
fn resume_undoes_them_before_it_goes_on() {
    let stage = Stage::new();
    killed_before_arming(&stage);
    stage.fleet(&format!("{STEPS}{MOTD}"));
    stage.deploy(&["resume", "--yes", "--volatile-guard"]).run().must_exit(0).must_say("1 confirmed");
    let all = [&UNDONE[..], &["drain web.test ROOT", "dns 42 .", "enable 42"][..]].concat();
    assert_eq!(steps(&stage), all);
}

#[test]
fn a_controller_that_is_killed_while_the_host_waits_has_them_undone_once_it_is_rolled_back() {
    let stage = Stage::new();
    stage.fleet(&format!("{STEPS}{MOTD}{}", crate::stage::HOLD));
    let mut running = stage.change_json().start();
    running.await_said("\"event\":\"ready\"");
    let run = serde_json::from_str::<Value>(running.said().lines().next().unwrap()).unwrap();
    running.signal(Signal::SIGKILL);
    drop(running);
    stage.host().await_over();
    let run = run["run"].as_str().unwrap();
    stage.deploy(&["abort", run]).run().must_exit(0).must_say("local changes closed");
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "undns", "undrain 7 42", "enable 42"]);
}

#[test]
fn a_host_that_confirmed_although_the_controller_died_has_them_finished_only() {
    let stage = Stage::new();
    let slow = STEPS.replace("after = 'echo", "after = 'test -e go || sleep 30; echo");
    stage.fleet(&format!("{slow}{MOTD}"));
    let mut running = stage.change_json().start();
    running.await_said("\"deed\":\"after\"");
    let run = serde_json::from_str::<Value>(running.said().lines().next().unwrap()).unwrap();
    running.signal(Signal::SIGKILL);
    drop(running);
    stage.let_go();
    await_that("the host is over", Duration::from_secs(20), || !stage.host().is_open());
    let run = run["run"].as_str().unwrap();
    stage.deploy(&["abort", run]).run().must_exit(0).must_say("local changes closed");
    assert_eq!(steps(&stage), ["drain web.test ROOT", "dns 42 .", "enable 42"]);
    assert_eq!(stage.host().read("etc/motd"), "new\n");
}
