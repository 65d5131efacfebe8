use crate::page::assert_harmless;
use crate::planned::{Planned, differ, entry, file, files, inline, pending, present, script};
use crate::recorded::HOSTILE;
use insta::assert_snapshot;
use snapback_core::change::{ChangeKind, EntryKind};
use snapback_core::inspection::{ChangeInspection, PathKind, PathState};
use snapback_render::plan::{PlanCounts, prompt_text, render_plan};

fn page(planned: &Planned) -> String {
    planned.view(false, render_plan)
}

fn symlink(target: &str) -> PathState {
    PathState { kind: PathKind::Symlink, target: Some(target.to_owned()), ..PathState::default() }
}

/// Two hosts of the same plan, one of another, one as wanted, one that did not answer.
fn fleet() -> Planned {
    let entries = || {
        vec![
            file("/etc/shop/fresh.conf", "fresh", 8),
            file("/etc/shop/shop.conf", "new", 30),
            file("/etc/shop/logo.png", "png2", 13_000),
            entry("/etc/shop/conf.d", EntryKind::Dir, 0o750),
            file("/etc/shop/plugin", "fresh", 8),
        ]
    };
    let found = || {
        let dir = PathState { kind: PathKind::Dir, mode: 0o755, ..PathState::default() };
        vec![differ(
            vec![
                (0, PathState::default(), None),
                (1, present("old", 28), Some("port = 80\nhost = a\nlog = on\n")),
                (2, present("png1", 12_000), None),
                (3, dir, None),
                (4, symlink("/opt/plugin"), None),
            ],
            &["/etc/shop/left-over.conf"],
        )]
    };
    let changes = || vec![files(entries(), &["systemctl reload shop"])];
    let nothing = || vec![differ(Vec::new(), &[])];
    Planned::default()
        .text("fresh", "fresh = 1\n")
        .text("new", "port = 8080\nhost = a\nlog = on\n")
        .host("app01", changes(), found())
        .host("app02", changes(), found())
        .host("app03", changes(), nothing())
        .unread("app04", "app04: connection timed out")
        .note("`was` of app03 is no longer used and can go")
}

#[test]
fn a_plan_with_every_kind_of_path_and_a_fold() {
    assert_snapshot!(page(&fleet()), @"
    app01, app02 (2 hosts)
      config (files)
        + create /etc/shop/fresh.conf  (mode 0644, 8 B)
            @@ -0,0 +1 @@
            +fresh = 1
        ~ change /etc/shop/shop.conf
            @@ -1,3 +1,3 @@
            -port = 80
            +port = 8080
             host = a
             log = on
        ~ change /etc/shop/logo.png
            binary or long, 12 kB -> 13 kB
        ~ change /etc/shop/conf.d  mode 0755 -> 0750
        ! REPLACE /etc/shop/plugin: symlink to /opt/plugin -> file  (mode 0644, 8 B)
            @@ -0,0 +1 @@
            +fresh = 1
        - DELETE /etc/shop/left-over.conf
        then RUN  systemctl reload shop
      guard
        systemd; after a reboot the boot hook undoes (systemd)
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 4m 27s
        checks: healthz (local), ntp (remote, only reported), then a fresh ssh connection

    unchanged: app03

    app04: could not be looked at: app04: connection timed out

    note: `was` of app03 is no longer used and can go
    shop: 2 hosts change, 1 unchanged, 1 could not be looked at; over all hosts 2 paths to create, 6 paths to change, 2 paths to REPLACE, 2 paths to DELETE, 2 handlers to RUN
    ");
}

#[test]
fn what_follows_a_failed_undo_is_said() {
    let planned = |hook: &'static str| {
        Planned::default()
            .host("a", vec![script("s", |_| ())], vec![ChangeInspection::Script { as_wanted: false }])
            .but(move |job, inspection| {
                job.last_resort.failsafe = Some(inline("ip link set eth0 up"));
                job.last_resort.reboot = true;
                inspection.guard.boot_hook = hook.to_owned();
            })
    };
    for (hook, said) in [
        (
            "systemd",
            "an undo that fails runs ip link set eth0 up, then REBOOTS the host, once, and goes on with the undo at boot",
        ),
        (
            "none",
            "an undo that fails runs ip link set eth0 up, then does not reboot: nothing here would go on with the undo after it",
        ),
    ] {
        let page = page(&planned(hook));
        assert!(page.contains(said), "{page}");
    }
}

#[test]
fn the_question_names_what_a_yes_means() {
    assert_snapshot!(fleet().view(false, prompt_text), @"
    2 hosts of shop would change: app01, app02
      DELETES: /etc/shop/left-over.conf  [app01, app02]
      REPLACES: /etc/shop/plugin (symlink to /opt/plugin -> file)  [app01, app02]
      RUNS: handler systemctl reload shop  [app01, app02]
    app04: could not be looked at: app04: connection timed out
      deadline: the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)  [app01, app02]
    Change 2 hosts?
    ");
}

#[test]
fn counts_are_over_all_hosts() {
    let counts = fleet().view(false, |view| view.counts());
    let expected = PlanCounts {
        changing: 2,
        unchanged: 1,
        unread: 1,
        create: 2,
        change: 6,
        replace: 2,
        delete: 2,
        handlers: 2,
        ..PlanCounts::default()
    };
    assert_eq!(counts, expected);
    assert!(fleet().view(false, |view| view.has_changes()));
}

#[test]
fn scripts_say_how_they_are_undone() {
    let changes = vec![
        script("qos", |s| {
            s.unless = Some(inline("tc qdisc show | grep -q cake"));
            s.rollback = Some(inline("tc qdisc replace dev eth0 root fq"));
            s.watch = vec!["/etc/qos.d".to_owned()];
        }),
        script("migrate", |s| {
            s.apply = inline("\nset -u\nmigrate --up\n");
            s.irreversible = true;
        }),
        script("done", |s| s.unless = Some(inline("true"))),
    ];
    let found = [false, false, true].map(|as_wanted| ChangeInspection::Script { as_wanted });
    let planned = Planned::default().host("db1", changes, found.to_vec()).but(|job, inspection| {
        job.checks.clear();
        inspection.guard.backend = "bare".to_owned();
        inspection.guard.boot_hook = "none".to_owned();
        inspection.guard.state_dir = "/run/snapback".to_owned();
        inspection.guard.volatile_state = true;
        inspection.guard.limits = vec!["ACLs below /etc can't be kept: no getfacl".to_owned()];
    });
    assert_snapshot!(page(&planned), @"
    db1
      qos (script)
        apply  apply-it  (`unless` said no)
        undo   rollback: tc qdisc replace dev eth0 root fq
        undo   watch puts back: /etc/qos.d
      migrate (script)
        apply  set -u (and 1 line more)  (no `unless`: always runs)
        undo   IRREVERSIBLE: nothing undoes this
      as wanted: done
      guard
        bare; NO boot hook: a reboot inside the window would leave the change in place
        VOLATILE: /run/snapback does not survive a reboot, and the record of how to undo goes with it
        the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)
        the undo may take up to 7m 36s, and longer the more it watches (1s for 50 files or 4 MB)
        no checks: a fresh ssh connection alone decides
        not covered: ACLs below /etc can't be kept: no getfacl

    shop: 1 host changes; over all hosts 2 scripts, 1 IRREVERSIBLE
    ");
    assert_snapshot!(planned.view(false, prompt_text), @"
    1 host of shop would change: db1
      CAN'T BE UNDONE: migrate: set -u (and 1 line more)  [db1]
      RUNS: qos: apply-it  [db1]
      WEAK GUARD: NO boot hook: a reboot inside the window would leave the change in place  [db1]
      WEAK GUARD: VOLATILE: /run/snapback does not survive a reboot  [db1]
      deadline: the guard undoes unless apply ends within 5m and it is confirmed within 1m 23s after (armed for 15m at most)  [db1]
    Change 1 host?
    ");
}

#[test]
fn a_secret_is_never_shown() {
    let mut secret = file("/etc/shop/password", "s2", 9);
    if let EntryKind::File { secret, .. } = &mut secret.what {
        *secret = true;
    }
    for now in [(0, present("s1", 8), Some("hunter1\n")), (0, PathState::default(), None)] {
        let planned = Planned::default().text("s2", "hunter22\n").host(
            "app01",
            vec![files(vec![secret.clone()], &[])],
            vec![differ(vec![now], &[])],
        );
        let page = page(&planned);
        assert!(page.contains("    (secret, not shown)\n") && !page.contains("hunter"), "{page}");
    }
}

#[test]
fn modes_and_owners_are_told_from_what_is_to_what_shall_be() {
    let owned = |dest: &str, owner: Option<&str>, group: Option<&str>| {
        let mut entry = file(dest, "same", 1);
        (entry.owner, entry.group) = (owner.map(str::to_owned), group.map(str::to_owned));
        entry
    };
    let mut mode = owned("/a/mode", None, None);
    mode.mode = 0o640;
    let mut both = owned("/a/both", Some("shop"), None);
    both.mode = 0o600;
    let entries = vec![
        mode,
        owned("/a/number", Some("1000"), Some("root")),
        owned("/a/name", Some("shop"), Some("shop")),
        both,
        entry("/a/link", EntryKind::Symlink { target: "/new".to_owned() }, 0),
    ];
    let mut now: Vec<_> = (0..4).map(|n| (n, present("same", 1), None)).collect();
    now.push((4, symlink("/old"), None));
    let planned = Planned::default().host("app01", vec![files(entries, &[])], vec![differ(now, &[])]);
    let page = page(&planned);
    let lines: Vec<_> = page.lines().filter(|line| line.contains("~ change")).collect();
    assert_snapshot!(lines.join("\n"), @"
    ~ change /a/mode  mode 0644 -> 0640
    ~ change /a/number  owner 0:0 -> 1000:root
    ~ change /a/name  owner 0:0 -> shop:shop
    ~ change /a/both  mode 0644 -> 0600, owner shop:* (now 0:0)
    ~ change /a/link  symlink to /old -> /new
    ");
}

#[test]
fn a_locked_host_says_by_whom() {
    let change = || vec![files(vec![file("/a", "new", 4)], &[])];
    let absent = || vec![differ(vec![(0, PathState::default(), None)], &[])];
    let planned = Planned::default()
        .host("app01", change(), absent())
        .but(|_, inspection| inspection.pending = Some(pending("ops@ci")))
        .host("app02", change(), absent())
        .but(|_, inspection| inspection.pending = Some(pending("ops@ci")));
    let told = "app01, app02 (2 hosts): LOCKED by ops@ci since 5m (transaction 01TX, applied, undoes in 40s): new ports\n";
    assert!(page(&planned).contains(told), "{}", page(&planned));
    let question = planned.view(false, prompt_text);
    assert!(question.contains("app01, app02: LOCKED by ops@ci"), "{question}");
    assert_eq!(planned.view(false, |view| view.counts()).locked, 2);
    let protected = Planned::default()
        .host("app01", change(), absent())
        .but(|job, _| job.protected = true)
        .host("app02", change(), absent());
    let told = page(&protected);
    let said =
        "app01: PROTECTED in the fleet file: it differs, and is changed with --allow-protected alone\n";
    assert!(told.contains(said) && told.contains("1 host changes, 1 PROTECTED"), "{told}");
    let question = protected.view(false, prompt_text);
    assert!(question.starts_with("1 host of shop would change: app02"), "{question}");
    let planned = Planned::default()
        .host("app01", change(), absent())
        .but(|_, inspection| inspection.lease = Some(crate::status::lease()));
    let told = "app01: HELD by ci@runner since 42s for run 01RUN, which is about to begin (ends in 4m 18s unless renewed): new ports, branch main, https://ci.example.org/7\n";
    assert!(page(&planned).contains(told), "{}", page(&planned));
}

#[test]
fn when_nothing_would_change_it_says_so() {
    let planned = Planned::default()
        .host("app01", vec![files(Vec::new(), &["restart"])], vec![differ(Vec::new(), &[])])
        .host("app02", Vec::new(), Vec::new());
    assert_snapshot!(page(&planned), @"
    unchanged: app01, app02 (2 hosts)

    shop: no changes, 2 unchanged
    ");
    assert!(!planned.view(false, |view| view.has_changes()));
}

#[test]
fn an_answer_that_does_not_fit_the_plan_is_told_and_never_hidden() {
    let changes = || vec![files(vec![file("/a", "new", 4)], &[]), script("s", |_| {})];
    let stray = vec![differ(vec![(7, PathState::default(), None)], &[])];
    let planned = Planned::default().host("app01", changes(), stray);
    let page = page(&planned);
    assert!(page.contains("! the host names path 7, which this change doesn't have"), "{page}");
    assert!(page.contains("s (script)\n    ! the host said nothing of this change"), "{page}");
}

#[test]
fn thousands_of_hosts_with_one_plan_are_one_block() {
    let mut planned = Planned::default().text("new", "a\n");
    for n in 0..3_000 {
        let changes = vec![files(vec![file("/a", "new", 2)], &[])];
        planned = planned.host(
            &format!("app{n:04}"),
            changes,
            vec![differ(vec![(0, PathState::default(), None)], &[])],
        );
    }
    let page = page(&planned);
    assert!(page.starts_with("app0000, app0001, "), "{page}");
    assert!(page.contains("app0009 and 2,990 more (3,000 hosts)\n"), "{page}");
    assert!(page.lines().count() < 15, "{page}");
}

/// A plan in which every text that isn't ours is this one.
pub(crate) fn plan_saying(said: &str) -> Planned {
    let mut files = files(vec![file(said, "new", 4), file("/b", "new", 4), file("/c", "png", 4)], &[said]);
    if let ChangeKind::Files(files) = &mut files.kind {
        files.validate = Some(inline(said));
    }
    files.name = said.to_owned();
    let changes = vec![files, script(said, |s| s.watch = vec![said.to_owned()])];
    let found = vec![
        differ(
            vec![(0, present("old", 4), Some(said)), (1, symlink(said), None), (2, present("x", 1), None)],
            &[said],
        ),
        ChangeInspection::Script { as_wanted: false },
    ];
    Planned::default()
        .text("new", said)
        .host("app01", changes, found)
        .but(|_, inspection| {
            inspection.pending = Some(pending(said));
            inspection.guard.backend = said.to_owned();
            inspection.guard.boot_hook = said.to_owned();
            inspection.guard.state_dir = said.to_owned();
            inspection.guard.volatile_state = true;
            inspection.guard.limits = vec![said.to_owned()];
        })
        .unread("app02", said)
        .note(said)
}

#[test]
fn nothing_a_target_says_drives_the_terminal() {
    let planned = plan_saying(HOSTILE);
    for text in [page(&planned), planned.view(false, prompt_text)] {
        assert_harmless(&text);
        assert!(text.contains("\\x1b[2J"), "{text}");
    }
}

#[test]
fn colour_changes_no_word() {
    let coloured = fleet().view(true, render_plan);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(console::strip_ansi_codes(&coloured), page(&fleet()));
}
