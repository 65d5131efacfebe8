//! The user's own commands on the controller at the turns of a run.

use crate::stage::{MOTD, Stage, await_that, end_of, events};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Hooks that each write down what they read, and their part of the environment.
const NOTING: &str = r#"
[hooks]
pre_deploy = 'cat >pre.json; env | grep ^DEPLOY_ | sort >pre.env; pwd >pre.pwd'
post_deploy = 'cat >post.json'
on_failure = 'cat >failure.json; echo "$DEPLOY_EXIT_CODE" >failure.code'
on_rollback = 'cat >rollback.json; echo "$DEPLOY_BATCH" >rollback.batch'
"#;

/// A change that fails on the host.
const FAILS: &str = "[[changes]]\nkind = \"script\"\napply = 'echo broken; exit 3'\nrollback = 'true'\n";

fn read(stage: &Stage, name: &str) -> String {
    std::fs::read_to_string(stage.path(name)).unwrap_or_else(|error| format!("({name}: {error})"))
}

fn page(stage: &Stage, name: &str) -> Value {
    let text = read(stage, name);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn they_are_told_what_happened_when_all_goes_well() {
    let stage = Stage::new();
    stage.fleet(&format!("{NOTING}{MOTD}"));
    stage.change_told(0);
    let pre = page(&stage, "pre.json");
    assert_eq!((&pre["v"], &pre["hook"], &pre["fleet"]), (&1.into(), &"pre_deploy".into(), &"loop".into()));
    assert_eq!((&pre["hosts"][0]["host"], &pre["hosts"][0]["result"]), (&"web.test".into(), &Value::Null));
    let env = read(&stage, "pre.env");
    for line in ["DEPLOY_FLEET=loop", "DEPLOY_HOOK=pre_deploy", "DEPLOY_RUN=0", "DEPLOY_OWNER=tester@"] {
        assert!(env.contains(line), "{line} is missing in {env}");
    }
    let folder = std::fs::canonicalize(stage.path("")).unwrap();
    assert_eq!(read(&stage, "pre.pwd").trim(), folder.display().to_string());
    let post = page(&stage, "post.json");
    assert_eq!((&post["hosts"][0]["result"], &post["exit_code"]), (&"confirmed".into(), &0.into()));
    assert!(!stage.path("failure.json").exists() && !stage.path("rollback.json").exists());

    std::fs::remove_file(stage.path("pre.json")).unwrap();
    stage.change_told(0);
    assert!(!stage.path("pre.json").exists(), "nothing is changed, so there is nothing to go before");
}

#[test]
fn they_are_told_of_a_rollback_and_a_failure_with_the_cause() {
    let stage = Stage::new();
    stage.fleet(&format!("{NOTING}{MOTD}{FAILS}"));
    stage.change_told(1);
    let (rollback, failure) = (page(&stage, "rollback.json"), page(&stage, "failure.json"));
    assert_eq!((&rollback["batch"], read(&stage, "rollback.batch").as_str()), (&1.into(), "1\n"));
    for page in [&rollback, &failure] {
        assert_eq!(page["hosts"][0]["result"], "rolled_back");
        let cause = page["hosts"][0]["cause"].as_str().unwrap();
        assert!(cause.contains("broken"), "{cause}");
    }
    assert_eq!((&failure["ending"], read(&stage, "failure.code").as_str()), (&"complete".into(), "1\n"));
    assert!(!stage.path("post.json").exists());
}

#[test]
fn a_pre_deploy_that_fails_stops_the_run_before_anything_is_changed() {
    let stage = Stage::new();
    let before = stage.host().tree();
    let no = "pre_deploy = 'printf \"no \\033[2Jfreeze\\n\"; exit 4'\non_failure = 'cat >failure.json'\n";
    stage.fleet(&format!("[hooks]\n{no}{MOTD}"));
    let told = stage.change_told(6);
    let warning = &events(&told, "warning")[0]["text"];
    assert_eq!(*warning, "the hook pre_deploy failed: exit status 4: no \\x1b[2Jfreeze");
    let output = &events(&told, "output")[0];
    assert_eq!((&output["step"], &output["line"]), (&"hook.pre_deploy".into(), &"no \\x1b[2Jfreeze".into()));
    let end = end_of(&told, "web.test");
    assert_eq!(
        (&end["result"], &end["cause"]),
        (&"not_reached".into(), &"the hook pre_deploy failed".into())
    );
    assert_eq!(end["state"], "untouched");
    assert!(events(&told, "uploading").is_empty());
    assert_eq!(stage.host().tree(), before);
    assert_eq!(page(&stage, "failure.json")["ending"], "pre_deploy_failed");
    stage.change().run().must_exit(6).must_say("no \\x1b[2Jfreeze").must_say("then run deploy again");
}

#[test]
fn a_hook_that_fails_later_never_hides_the_cause_nor_changes_the_code() {
    let stage = Stage::new();
    let broken = "[hooks]\npost_deploy = 'exit 1'\non_failure = 'echo pager down; exit 1'\non_rollback = { file = \"gone.sh\" }\n";
    stage.write("gone.sh", "#!/bin/sh\n");
    stage.fleet(&format!("{broken}{MOTD}"));
    stage.change().run().must_exit(0).must_say("the hook post_deploy failed: exit status 1");
    stage.fleet(&format!("{broken}{FAILS}"));
    let ended = stage.change().run().must_exit(1);
    let ended = ended.must_say("the hook on_failure failed: exit status 1: pager down");
    // It isn't executable.
    ended.must_say("the hook on_rollback failed: could not start").must_say("exit status 3: broken");
}

#[test]
fn a_hook_that_hangs_is_ended_at_its_limit_with_all_that_it_started() {
    let stage = Stage::new();
    let hangs = "[hooks]\ntimeout = \"1s\"\npost_deploy = '(sleep 4; touch late) & sleep 60'\n";
    stage.fleet(&format!("{hangs}{MOTD}"));
    let began = Instant::now();
    stage.change().run().must_exit(0).must_say("the hook post_deploy failed: did not end within 1s");
    std::thread::sleep(Duration::from_secs(6).saturating_sub(began.elapsed()) + Duration::from_secs(4));
    assert!(!stage.path("late").exists(), "what it had started lived on");
}

#[test]
fn an_interrupt_ends_pre_deploy_and_nothing_is_changed() {
    let stage = Stage::new();
    let before = stage.host().tree();
    stage.fleet(&format!("[hooks]\npre_deploy = 'touch begun; sleep 30; touch late'\n{MOTD}"));
    let mut running = stage.change().start();
    running.await_that("the hook has begun", || stage.path("begun").exists());
    running.signal(Signal::SIGINT);
    let asked = Instant::now();
    running.end().must_exit(130).must_say("1 not_reached");
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    assert_eq!(stage.host().tree(), before);
}

#[test]
fn whoever_leaves_at_once_leaves_no_hook_behind() {
    let stage = Stage::new();
    stage.fleet(&format!("[hooks]\npre_deploy = 'touch begun; echo $$ >pid; sleep 30; touch late'\n{MOTD}"));
    let mut running = stage.change().start();
    running.await_that("the hook has begun", || read(&stage, "pid").trim().parse::<i32>().is_ok());
    running.signal(Signal::SIGTERM);
    running.end().must_exit(130);
    let process = format!("/proc/{}", read(&stage, "pid").trim());
    await_that("the hook is gone", Duration::from_secs(5), || !std::path::Path::new(&process).exists());
}
