//! What is data goes to standard output, and nothing else does.

use crate::stage::{MOTD, Stage, end_of, events, told};
use serde_json::json;

#[test]
fn json_is_one_event_a_line_and_ends_with_the_results() {
    let stage = Stage::new();
    // What it prints must not find its way between the events.
    let noisy =
        "[[changes]]\nkind = \"script\"\napply = 'echo {; echo \"not json\" >&2'\nirreversible = true\n";
    stage.fleet(&format!("{MOTD}{noisy}"));
    let told = stage.change_told(0);
    assert!(told.iter().all(|event| event["v"] == 1), "{told:#?}");
    let last = told.last().unwrap();
    assert_eq!(last["event"], "run_finished");
    assert_eq!((&last["exit_code"], &last["hosts"]), (&json!(0), &json!({ "web.test": "confirmed" })));
    assert_eq!(events(&told, "run_started").len(), 1);
}

#[test]
fn json_of_a_failure_says_why_what_state_and_what_next() {
    let stage = Stage::new();
    stage.fleet(&format!("{MOTD}[[checks]]\nrun = 'echo no; exit 1'\nhealthy_deadline = \"500ms\"\n"));
    let told = stage.change_told(1);
    let end = end_of(&told, "web.test");
    assert_eq!(end["result"], "rolled_back");
    assert!(end["cause"].as_str().unwrap().contains("exit status 1: no"), "{end}");
    assert!(end["state"].as_str().unwrap().contains("the old state is back"), "{end}");
    assert_eq!(told.last().unwrap()["exit_code"], 1);
}

#[test]
fn people_read_standard_error_and_standard_output_stays_empty() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    let ended = stage.change().run().must_exit(0);
    assert_eq!(ended.out, "");
    assert!(ended.err.contains("guard") || ended.err.contains("armed"), "{ended}");
}

#[test]
fn plan_and_status_as_json_are_json_alone() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    for arguments in [["plan", "--output", "json"], ["status", "--output", "json"]] {
        let ended = stage.deploy(&arguments).run().must_exit(0);
        assert!(!told(&ended).is_empty(), "{ended}");
    }
}
