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

/// By how many lines a program has its terminal go up, each time.
fn upwards(said: &str) -> Vec<usize> {
    let orders = said.split("\u{1b}[").skip(1);
    orders.filter_map(|order| order.split_once('A')?.0.parse().ok()).collect()
}

#[test]
fn on_a_terminal_the_hosts_at_work_and_a_line_of_counts_stay_at_the_bottom_and_go_at_the_end() {
    let stage = Stage::of(&["a.test", "b.test"]);
    stage.fleet(&format!("{MOTD}[rollout]\ncanary = 1\n"));
    let mut running = stage.change().env("TERM", "xterm").on_a_terminal().start();
    running.await_said("batch 1 of 2 (canary a.test): 0 of 1 host ended");
    let ended = running.end().must_exit(0);
    let said = console::strip_ansi_codes(&ended.err).into_owned();
    for told in ["looked at 0 of 2 hosts", "1/2  1 done, ", "batch 2 of 2, 1 host: b.test", "2 confirmed in "]
    {
        assert!(said.contains(told), "{told}: {said}");
    }
    let ups = upwards(&ended.err);
    assert!(!ups.is_empty() && ups.iter().all(|lines| *lines < 24), "{ups:?}");
}

#[test]
fn a_terminal_that_cant_be_drawn_on_gets_plain_lines() {
    let stage = Stage::new();
    stage.fleet(MOTD);
    let running = stage.change().env("TERM", "dumb").on_a_terminal().start();
    let ended = running.end().must_exit(0);
    assert!(ended.err.contains("Z web.test  confirmed") && !ended.err.contains('\u{1b}'), "{ended}");
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
