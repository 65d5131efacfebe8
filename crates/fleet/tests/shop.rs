//! A fleet file that uses most of what there is, and the jobs that come of it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

use snapback_core::change::{Change, ChangeKind, Command, EntryKind, FilesChange, ScriptChange};
use snapback_core::check::{Probe, Where};
use snapback_core::content::Content;
use snapback_core::job::HostJob;
use snapback_core::way::{Become, KnownHosts, WayKind};
use snapback_fleet::{Fleet, LoadRequest, load};
use std::path::Path;
use std::time::Duration;

fn shop_with(request: &LoadRequest) -> Fleet {
    load(Path::new("../../tests/fixtures/fleets/good/shop/fleet.toml"), request)
        .unwrap_or_else(|p| panic!("{p}"))
}

fn shop() -> Fleet {
    shop_with(&LoadRequest::default())
}

fn job<'a>(fleet: &'a Fleet, host: &str) -> &'a HostJob {
    fleet.jobs.iter().find(|job| job.host.as_str() == host).unwrap()
}

fn files(change: &Change) -> &FilesChange {
    let ChangeKind::Files(files) = &change.kind else { panic!("{} is no files change", change.name) };
    files
}

fn script(change: &Change) -> &ScriptChange {
    let ChangeKind::Script(script) = &change.kind else { panic!("{} is no script", change.name) };
    script
}

fn text(fleet: &Fleet, job: &HostJob, dest: &str) -> String {
    let entries = job.changes.iter().filter_map(|c| match &c.kind {
        ChangeKind::Files(files) => Some(&files.entries),
        ChangeKind::Script(_) | ChangeKind::Revert(_) => None,
    });
    let entry = entries.flatten().find(|entry| entry.dest == dest).unwrap();
    let EntryKind::File { content, size, .. } = &entry.what else { panic!("{dest} is no file") };
    let Content::Bytes(bytes) = &fleet.contents[content] else { panic!("{dest} is not in memory") };
    assert_eq!(bytes.len() as u64, *size);
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn hosts_are_in_file_order_and_limit_leaves_the_rest_out() {
    let names = |fleet: &Fleet| fleet.jobs.iter().map(|job| job.host.to_string()).collect::<Vec<_>>();
    let all = shop();
    assert_eq!(all.name, "shop");
    assert!(all.dir.is_absolute() && all.dir.ends_with("tests/fixtures/fleets/good/shop"));
    assert_eq!((all.parallel, all.connect_parallel), (10, 5));
    assert_eq!(
        names(&all),
        ["app01.example.org", "app02.example.org", "app03.example.org", "db01.example.org"]
    );
    assert!(all.left_out.is_empty());

    let limit = Some("group:web && !app02*".to_owned());
    let some = shop_with(&LoadRequest { limit, ..LoadRequest::default() });
    assert_eq!(names(&some), ["app01.example.org", "app03.example.org"]);
    let left_out: Vec<&str> = some.left_out.iter().map(|host| host.as_str()).collect();
    assert_eq!(left_out, ["app02.example.org", "db01.example.org"]);
    assert!(some.notes.contains(&"script-2 has no host left after --limit".to_owned()), "{:?}", some.notes);
}

#[test]
fn the_nearest_wins_vars_merge_by_key_and_tags_add_up() {
    let fleet = shop();
    let app = job(&fleet, "app01.example.org");
    let vars: Vec<(&str, &str)> = app.vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(vars, [("http_port", "8080"), ("region", "eu"), ("tls", "true")]);
    let db = job(&fleet, "db01.example.org");
    assert_eq!(db.vars["http_port"], "80");
    assert_eq!((app.r#become, db.r#become), (Become::Sudo, Become::None));
    // `public` comes from the group `web`, and makes its hosts members of the group `all`.
    assert_eq!(app.final_way().unwrap().connect_timeout, secs(15));
}

#[test]
fn var_wins_over_everything_and_keeps_its_type_in_templates() {
    let vars = vec![("http_port".to_owned(), "9090".to_owned()), ("tls".to_owned(), "false".to_owned())];
    let fleet = shop_with(&LoadRequest { vars, ..LoadRequest::default() });
    let app = job(&fleet, "app01.example.org");
    assert_eq!(app.vars["http_port"], "9090");
    assert_eq!(text(&fleet, app, "/etc/shop/shop.conf"), "listen app01.example.org:9090\nregion eu\n");
}

#[test]
fn the_ways_are_the_final_one_and_the_one_of_old() {
    let fleet = shop();
    let home = std::env::home_dir().unwrap();
    let [last, old] = job(&fleet, "app03.example.org").ways.as_slice() else { panic!("not two ways") };
    assert_eq!((last.kind, old.kind), (WayKind::Final, WayKind::Was));
    assert_eq!((last.address.as_deref(), old.address.as_deref()), (Some("10.0.2.13"), Some("10.0.1.13")));
    assert_eq!((last.port, old.port), (Some(2222), Some(22)));
    assert_eq!((last.user.as_deref(), old.user.as_deref()), (Some("deploy"), Some("deploy")));
    assert_eq!(last.identity_file, Some(home.join(".ssh/deploy-2027")));
    assert_eq!(old.identity_file, Some(home.join(".ssh/deploy-2026")));
    assert_eq!(old.proxy_jump.as_deref(), Some("bastion.example.org"));
    assert_eq!(last.known_hosts, KnownHosts::AcceptNew);
    assert_eq!(old.host.as_str(), "app03.example.org");
}

#[test]
fn a_source_tree_becomes_sorted_entries_with_parents_first() {
    let fleet = shop();
    let app = job(&fleet, "app01.example.org");
    let config = files(&app.changes[0]);
    let kind = |what: &EntryKind| match what {
        EntryKind::Dir => "dir".to_owned(),
        EntryKind::File { .. } => "file".to_owned(),
        EntryKind::Symlink { target } => format!("-> {target}"),
    };
    let list: Vec<String> =
        config.entries.iter().map(|e| format!("{} {} {:o}", e.dest, kind(&e.what), e.mode)).collect();
    assert_eq!(
        list,
        [
            "/etc/shop dir 750",
            "/etc/shop-eu.conf -> /etc/shop/shop.conf 777",
            "/etc/shop/bin dir 750",
            "/etc/shop/bin/shopctl file 640",
            "/etc/shop/conf.d dir 750",
            "/etc/shop/conf.d/plain.conf file 640",
            "/etc/shop/current.conf -> conf.d/plain.conf 777",
            "/etc/shop/shop.conf file 640",
            "/usr/local/bin/shopctl file 755",
        ]
    );
    assert_eq!(config.purge, ["/etc/shop"]);
    assert_eq!(config.validate, Some(Command::Inline("shopd --check /etc/shop".to_owned())));
    assert_eq!(config.handlers, [Command::Inline("systemctl reload shop".to_owned())]);
    assert_eq!(
        (config.entries[0].owner.as_deref(), config.entries[0].group.as_deref()),
        (Some("root"), Some("shop"))
    );
}

#[test]
fn templates_are_rendered_for_each_host_and_equal_contents_are_shared() {
    let fleet = shop();
    let [first, third] = ["app01.example.org", "app03.example.org"].map(|host| job(&fleet, host));
    assert_eq!(
        text(&fleet, first, "/etc/shop/shop.conf"),
        "listen app01.example.org:8080\ntls on\nregion eu\n"
    );
    assert_eq!(text(&fleet, third, "/etc/shop/shop.conf"), "listen 10.0.2.13:8080\ntls on\nregion eu\n");
    assert_eq!(text(&fleet, first, "/etc/shop/conf.d/plain.conf"), "plain\n");
    // Three rendered, plain.conf, shopctl (sent to two places), qos.sh.
    assert_eq!(fleet.contents.len(), 6);
}

#[test]
fn commands_are_never_rendered_and_files_are_taken_in() {
    let fleet = shop();
    let qos = script(&job(&fleet, "app01.example.org").changes[1]);
    assert_eq!(
        qos.unless,
        Some(Command::Inline(r#"tc qdisc show dev "$FACT_DEV" | grep -q "{{ not a template }}""#.to_owned()))
    );
    let Command::File { path, content } = &qos.apply else { panic!("apply is inline") };
    assert!(path.is_absolute() && path.ends_with("scripts/qos.sh"));
    assert!(fleet.contents.contains_key(content));
    assert_eq!(qos.watch, ["/etc/qos.d"]);
    assert_eq!((qos.timeout, qos.irreversible), (secs(90), false));
}

#[test]
fn changes_go_to_the_hosts_they_select_and_unnamed_ones_get_names() {
    let fleet = shop();
    let names = |host: &str| job(&fleet, host).changes.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("app01.example.org"), ["config", "qos"]);
    assert_eq!(names("db01.example.org"), ["qos", "script-2"]);
    assert_eq!(fleet.notes, ["script-2 has no `unless`: it runs each time and is never unchanged"]);
}

#[test]
fn checks_get_their_values_defaults_and_places() {
    let fleet = shop();
    let app = job(&fleet, "app03.example.org");
    let names: Vec<&str> = app.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["healthz", "tcp-1", "run-1"]);
    let [healthz, tcp, run] = app.checks.as_slice() else { panic!("not three checks") };
    let Probe::Http(http) = &healthz.probe else { panic!("no http") };
    assert_eq!(http.connect_to.as_deref(), Some("10.0.2.13:8080"));
    assert_eq!((http.status, http.headers["X-From"].as_str()), (200, "app03.example.org"));
    assert_eq!((healthz.runs, healthz.required, healthz.baseline), (Where::Local, true, false));
    assert_eq!((healthz.pace.interval, healthz.pace.timeout), (secs(1), secs(5)));
    assert_eq!((healthz.pace.min_healthy_time, healthz.pace.healthy_deadline), (secs(5), secs(45)));
    assert_eq!(tcp.probe, Probe::Tcp { host: "10.0.2.13".to_owned(), port: 8080 });
    assert_eq!((tcp.runs, tcp.required), (Where::Local, false));
    assert_eq!((run.runs, run.baseline, run.pace.failure_limit), (Where::Remote, true, 2));
    assert_eq!(run.pace.healthy_deadline, secs(30));
}

#[test]
fn the_confirm_window_is_computed_from_the_worst_case_of_each_host() {
    let fleet = shop();
    let app = job(&fleet, "app01.example.org").confirm;
    // settle 3 + (45 + 5) + connect 15 + margin 20
    assert_eq!(app.window, secs(88));
    assert_eq!((app.apply_timeout, app.hard_cap, app.settle), (secs(300), secs(900), secs(3)));
    assert!(app.reorder_kex);
    assert_eq!(job(&fleet, "db01.example.org").confirm.window, secs(73));
}
