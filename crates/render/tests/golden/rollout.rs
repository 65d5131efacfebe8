use crate::planned::{Planned, files};
use snapback_core::inspection::ChangeInspection;
use snapback_core::rollout::{Budget, ConfirmScope, Course, RollbackScope, Sequence, Share, sequence};
use snapback_render::plan::{prompt_text, render_plan};
use std::time::Duration;

#[test]
fn a_staged_rollout_shows_its_batches_and_rules() {
    let course = Course {
        batches: sequence(4, &Sequence { canary: vec![0], serial: vec![Share::Hosts(2)] }, |_, _| false),
        staged: true,
        budget: Budget::AtMost(1),
        bake: Duration::from_secs(120),
        gate: true,
        progress_deadline: Some(Duration::from_secs(600)),
        ..Course::in_one_batch(4)
    };
    let mut planned = Planned::default().course(course);
    for name in ["a", "b", "c", "d"] {
        planned = planned.host(name, Vec::new(), Vec::new());
    }
    let page = planned.view(false, render_plan);
    let rules = "  bake: the checks go on for 2m before the next batch begins\n  gate: after the canary it waits for \
                 `deploy promote`, 1h at the longest\n  stops when more than 1 of 4 hosts have failed or can't be \
                 reached\n  a failure undoes the failed host alone\n  stops when no host of a batch has come to its end for 10m\n";
    let batches = "rollout in 3 batches\n  batch 1 (canary), 1 host: a\n  batch 2, 2 hosts: b, c\n  batch 3, 1 host: d\n";
    assert!(page.contains(&format!("{batches}{rules}")), "{page}");
    let question = planned.view(false, prompt_text);
    assert!(question.contains(&format!("  canary: a\n{rules}")), "{question}");
}

#[test]
fn what_a_failure_undoes_is_on_the_page_and_in_the_question() {
    for (scope, told) in [
        (RollbackScope::Batch, "also undoes what was confirmed in the failed host's batch\n"),
        (RollbackScope::Run, "also undoes all that the run has confirmed\n"),
    ] {
        let course = Course {
            staged: true,
            budget: Budget::AtMost(0),
            rollback_scope: scope,
            ..Course::in_one_batch(2)
        };
        let planned = Planned::default().course(course);
        let planned = planned.host("a", Vec::new(), Vec::new()).host("b", Vec::new(), Vec::new());
        let rule = format!("  a failure that stops it {told}");
        for text in [planned.view(false, render_plan), planned.view(false, prompt_text)] {
            assert!(text.contains(&rule), "{text}");
        }
    }
}

#[test]
fn hosts_that_are_confirmed_as_one_are_told_so_with_the_longest_that_one_may_wait_armed() {
    let course = Course { confirm_scope: ConfirmScope::Batch, ..Course::in_one_batch(2) };
    let planned =
        Planned::default().course(course).host("a", Vec::new(), Vec::new()).host("b", Vec::new(), Vec::new());
    let rule = "  confirmed as one: all hosts of a batch stay armed until all have passed, 7m 23s at the longest; one that \
                fails before the first is confirmed undoes them all\n";
    let page = planned.view(false, render_plan);
    assert!(page.contains(&format!("rollout in 1 batch\n  batch 1, 2 hosts: a, b\n{rule}")), "{page}");
    let question = planned.view(false, prompt_text);
    assert!(question.contains(rule), "{question}");
    let alone = Course { confirm_scope: ConfirmScope::Batch, ..Course::in_one_batch(1) };
    let page = Planned::default().course(alone).host("a", Vec::new(), Vec::new()).view(false, render_plan);
    assert!(!page.contains("confirmed as one"), "{page}");
}

#[test]
fn what_is_taken_back_first_is_on_the_page_and_asked_for() {
    let undone = || Planned::default().undone("a").undone("b");
    let told = "UNDONE first, after they were confirmed: a, b (2 hosts)";
    for text in [undone().view(false, render_plan), undone().view(false, prompt_text)] {
        assert!(text.contains(told), "{text}");
    }
    assert!(undone().view(false, prompt_text).ends_with("\nUndo 2 hosts?"));
    let found = ChangeInspection::Files { differ: Vec::new(), delete: vec!["/x".to_owned()] };
    let both = undone().host("c", vec![files(Vec::new(), &[])], vec![found]).view(false, prompt_text);
    assert!(both.ends_with("\nUndo 2 hosts, then change 1 host?"), "{both}");
}
