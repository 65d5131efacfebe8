use crate::page::assert_harmless;
use crate::planned::pending;
use crate::recorded::{HOSTILE, host};
use insta::assert_snapshot;
use snapback_core::inspection::Pending;
use snapback_core::lease::{Lease, Origin};
use snapback_render::status::{LastRun, StatusRow, render_status, status_json};

fn row(name: &str) -> StatusRow {
    StatusRow { host: host(name), pending: None, lease: None, items: Vec::new(), last: None, error: None }
}

pub(crate) fn lease() -> Lease {
    Lease {
        run: "01RUN".to_owned(),
        owner: "ci@runner".to_owned(),
        origin: Origin { branch: Some("main".to_owned()), url: Some("https://ci.example.org/7".to_owned()) },
        comment: "new ports".to_owned(),
        age: 42,
        left: 258,
    }
}

fn ended(result: &str, items: &[&str]) -> Option<LastRun> {
    Some(LastRun {
        tx: "01TX".to_owned(),
        result: result.to_owned(),
        ended_age_secs: 7_300,
        owner: "ops@ci".to_owned(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
    })
}

fn fleet() -> Vec<StatusRow> {
    let broken = Pending {
        state: "rollback_failed".to_owned(),
        left: None,
        comment: String::new(),
        ..pending("ops@ci")
    };
    vec![
        StatusRow { last: ended("confirmed", &[]), ..row("web1") },
        StatusRow {
            pending: Some(pending("me@desk")),
            last: ended("rolled_back", &[]),
            ..row("web10.example.org")
        },
        StatusRow {
            pending: Some(broken),
            last: ended("rollback_failed", &["handler failed"]),
            ..row("db1")
        },
        StatusRow { lease: Some(lease()), ..row("web2") },
        row("new1"),
        StatusRow { error: Some("connection refused".to_owned()), ..row("down1") },
    ]
}

#[test]
fn one_aligned_block() {
    assert_snapshot!(render_status(&fleet(), false, false), @"
    HOST               OPEN                                                                                                LAST
    web1               -                                                                                                   confirmed 2h ago by ops@ci (01TX)
    web10.example.org  applied since 5m by me@desk, undoes in 40s, new ports                                               rolled_back 2h ago by ops@ci (01TX)
    db1                rollback_failed since 5m by ops@ci                                                                  rollback_failed 2h ago by ops@ci (01TX)
        handler failed
    web2               held since 42s by ci@runner, at most 4m 18s more: new ports, branch main, https://ci.example.org/7  -
    new1               -                                                                                                   -
    down1              ?                                                                                                   could not be asked: connection refused
    ");
}

#[test]
fn the_same_as_json() {
    let value: serde_json::Value = serde_json::from_str(&status_json(&fleet()).unwrap()).unwrap();
    assert_eq!(value["v"], 1);
    assert_eq!(value["hosts"].as_array().map(Vec::len), Some(6));
    assert_eq!(value["hosts"][1]["pending"]["left"], 40);
    assert_eq!(value["hosts"][3]["lease"]["branch"], "main");
    assert_eq!(value["hosts"][2]["last"]["items"][0], "handler failed");
    assert_eq!(value["hosts"][5]["error"], "connection refused");
}

/// Rows in which every text that isn't ours is this one.
pub(crate) fn rows_saying(said: &str) -> Vec<StatusRow> {
    let mut last = ended(said, &[said]);
    if let Some(last) = &mut last {
        last.owner = said.to_owned();
    }
    let pending = Pending { comment: said.to_owned(), state: said.to_owned(), ..pending(said) };
    vec![
        StatusRow { pending: Some(pending), last, ..row("web1") },
        StatusRow { error: Some(said.to_owned()), ..row("web2") },
        StatusRow {
            lease: Some(Lease { owner: said.to_owned(), comment: said.to_owned(), ..lease() }),
            ..row("web3")
        },
    ]
}

#[test]
fn nothing_a_target_says_drives_the_terminal() {
    let rows = rows_saying(HOSTILE);
    assert_harmless(&render_status(&rows, false, false));
    assert_harmless(&status_json(&rows).unwrap());
    assert_eq!(render_status(&rows, false, false).lines().count(), 5);
}

#[test]
fn colour_changes_no_word_and_no_column() {
    let coloured = render_status(&fleet(), false, true);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(console::strip_ansi_codes(&coloured), render_status(&fleet(), false, false));
}

#[test]
fn of_three_thousand_hosts_those_stand_out_of_which_something_else_is_told() {
    let mut rows: Vec<_> = (0..3_000)
        .map(|at| StatusRow { last: ended("confirmed", &[]), ..row(&format!("web{at:04}")) })
        .collect();
    for (at, row) in rows.iter_mut().enumerate() {
        if let Some(last) = &mut row.last {
            last.ended_age_secs += at as u64;
        }
    }
    rows[7].pending = Some(pending("me@desk"));
    rows[8].last = None;
    for row in &mut rows[2_000..2_100] {
        row.error = Some(format!("{}: connection refused", row.host));
    }
    rows[2_999].last = ended("rollback_failed", &["handler failed"]);
    assert_snapshot!(render_status(&rows, false, false), @"
    HOST                          OPEN                                                   LAST
    web0000 and 2,896 more hosts  -                                                      confirmed 2h ago by ops@ci (01TX)
    web0007                       applied since 5m by me@desk, undoes in 40s, new ports  confirmed 2h ago by ops@ci (01TX)
    web0008                       -                                                      -
    web2000 and 99 more hosts     ?                                                      could not be asked: HOST: connection refused
    web2999                       -                                                      rollback_failed 2h ago by ops@ci (01TX)
        handler failed
    ");
    assert_eq!(render_status(&rows, true, false).lines().count(), 3_002);
}
