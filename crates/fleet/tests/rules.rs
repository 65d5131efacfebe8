//! The rules of the fleet file, one by one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

use snapback_core::change::{ChangeKind, EntryKind, FileEntry};
use snapback_core::content::Content;
use snapback_core::host::HostName;
use snapback_fleet::{Fleet, LoadRequest, Problems, load, starter};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const HOST: &str = "[hosts.\"app01.example.org\"]\n";

/// Writes a fleet file and what lies beside it.
fn folder(fleet: &str, beside: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("fleet.toml", fleet)].iter().chain(beside) {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn load_in(dir: &Path) -> Result<Fleet, Problems> {
    load(&dir.join("fleet.toml"), &LoadRequest::default())
}

fn good(fleet: &str, beside: &[(&str, &str)]) -> Fleet {
    let dir = folder(fleet, beside);
    load_in(dir.path()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn messages(result: Result<Fleet, Problems>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|problem| problem.message).collect()
}

fn bad(fleet: &str, beside: &[(&str, &str)]) -> Vec<String> {
    messages(load_in(folder(fleet, beside).path()))
}

/// Returns what the first host gets of a change with one `[[changes.files]]` entry.
fn entries(entry: &str, beside: &[(&str, &str)]) -> Vec<FileEntry> {
    let fleet = good(&format!("{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\n{entry}"), beside);
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    files.entries.clone()
}

fn dests(entry: &str, beside: &[(&str, &str)]) -> Vec<String> {
    entries(entry, beside).into_iter().map(|entry| entry.dest).collect()
}

#[test]
fn keys_that_begin_with_x_are_the_users_everywhere() {
    let fleet = good(
        r#"
x-top = 1
[x-table]
anything = { goes = [1, 2] }
[defaults]
x-a = 1
was = { x-b = 1 }
vars = { x-c = 1 }
[hosts."x-ray01"]
x-d = 1
[[changes]]
kind = "files"
x-e = 1
[[changes.files]]
content = "x"
dest = "/srv/x"
x-f = 1
[[checks]]
use = "tcp"
x-g = 1
with = { port = 1, x-h = 1 }
[confirm]
x-i = 1
[rollout]
x-j = 1
"#,
        &[],
    );
    assert_eq!(fleet.jobs[0].host.as_str(), "x-ray01");
    assert!(fleet.jobs[0].vars.is_empty());
}

#[test]
fn a_trailing_slash_sends_the_content_and_none_the_folder_itself() {
    let beside = [("tree/a", ""), ("tree/sub/b", "")];
    let content = ["/srv/x", "/srv/x/a", "/srv/x/sub", "/srv/x/sub/b"];
    assert_eq!(dests("source = \"tree/\"\ndest = \"/srv/x\"", &beside), content);
    assert_eq!(dests("source = \"tree/\"\ndest = \"/srv/x/\"", &beside), content);
    let whole = ["/srv/x/tree", "/srv/x/tree/a", "/srv/x/tree/sub", "/srv/x/tree/sub/b"];
    assert_eq!(dests("source = \"tree\"\ndest = \"/srv/x\"", &beside), whole);
    assert_eq!(dests("source = \"tree\"\ndest = \"/srv/x/\"", &beside), whole);
}

#[test]
fn one_file_goes_to_its_dest_or_into_the_folder() {
    let beside = [("a.conf", ""), ("b.conf.j2", "")];
    assert_eq!(dests("source = \"a.conf\"\ndest = \"/srv/x\"", &beside), ["/srv/x"]);
    assert_eq!(dests("source = \"a.conf\"\ndest = \"/srv/x/\"", &beside), ["/srv/x/a.conf"]);
    let rendered = "source = \"b.conf.j2\"\ntemplate = \"*.j2\"\ndest = ";
    assert_eq!(dests(&format!("{rendered}\"/srv/x/\""), &beside), ["/srv/x/b.conf"]);
    assert_eq!(dests(&format!("{rendered}\"/srv/c.j2\""), &beside), ["/srv/c.j2"]);
}

#[test]
fn folders_that_belong_to_the_system_are_not_restated() {
    let beside = [("root/etc/shop/a", ""), ("root/tmp/b", ""), ("root/srv/shop/c", ""), ("sudoers/shop", "")];
    assert_eq!(
        dests("source = \"root/\"\ndest = \"/\"", &beside),
        ["/etc/shop", "/etc/shop/a", "/srv/shop", "/srv/shop/c", "/tmp/b"]
    );
    assert_eq!(dests("source = \"sudoers/\"\ndest = \"/etc/sudoers.d/\"", &beside), ["/etc/sudoers.d/shop"]);
    let stated = entries("source = \"sudoers/\"\ndest = \"/etc/sudoers.d/\"\ndir_mode = \"0750\"", &beside);
    assert_eq!((stated[0].dest.as_str(), stated[0].mode), ("/etc/sudoers.d", 0o750));
}

#[test]
fn modes_have_defaults_and_follow_the_executable_bit() {
    let dir = folder(
        &format!(
            "{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"tree/\"\ndest = \"/srv/x\""
        ),
        &[("tree/run", ""), ("tree/read", "")],
    );
    let run = dir.path().join("tree/run");
    std::fs::set_permissions(run, std::fs::Permissions::from_mode(0o700)).unwrap();
    let fleet = load_in(dir.path()).unwrap();
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    let modes: Vec<u32> = files.entries.iter().map(|entry| entry.mode).collect();
    assert_eq!(modes, [0o755, 0o644, 0o755]);
    let own = entries("content = \"\"\ndest = \"/srv/x\"\nmode = \"4755\"\nowner = 0\ngroup = \"adm\"", &[]);
    assert_eq!(
        (own[0].mode, own[0].owner.as_deref(), own[0].group.as_deref()),
        (0o4755, Some("0"), Some("adm"))
    );
}

#[test]
fn a_large_file_stays_on_disk_and_is_named_absolutely() {
    let dir = folder(
        &format!(
            "{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"big\"\ndest = \"/srv/big\""
        ),
        &[],
    );
    std::fs::write(dir.path().join("big"), vec![1; 1024 * 1024 + 1]).unwrap();
    let fleet = load_in(dir.path()).unwrap();
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    let EntryKind::File { content, size, .. } = &files.entries[0].what else { panic!("no file") };
    assert_eq!(*size, 1_048_577);
    assert!(matches!(&fleet.contents[content], Content::File { path, len: 1_048_577 } if path.is_absolute()));
}

#[test]
fn inline_content_and_dest_are_rendered_and_nothing_is_escaped_or_trimmed() {
    let fleet = good(
        "[hosts.a]\nvars = { page = \"<b>\" }\n[[changes]]\nkind = \"files\"\n[[changes.files]]\n\
         content = \"{{ page }} on {{ host.name }}\\n\"\ndest = \"/srv/{{ host.name }}.html\"",
        &[],
    );
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    assert_eq!(files.entries[0].dest, "/srv/a.html");
    let bytes: Vec<&Content> = fleet.contents.values().collect();
    assert!(matches!(bytes.as_slice(), [Content::Bytes(bytes)] if bytes.as_ref() == b"<b> on a\n"));
}

#[test]
fn included_files_come_first_and_their_paths_start_beside_them() {
    let fleet = good(
        "include = [\"a/one.toml\", \"a/two.toml\"]\n[hosts.last]\n",
        &[
            ("a/one.toml", "include = [\"shared.toml\"]\n[hosts.one]\n"),
            ("a/two.toml", "include = [\"shared.toml\"]\n[hosts.two]\n"),
            (
                "a/shared.toml",
                "[hosts.shared]\n[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"motd\"\ndest = \"/srv/motd\"",
            ),
            ("a/motd", "hello"),
        ],
    );
    let names: Vec<&str> = fleet.jobs.iter().map(|job| job.host.as_str()).collect();
    assert_eq!(names, ["shared", "one", "two", "last"]);
}

#[test]
fn an_exact_name_wins_over_its_range_wherever_it_stands() {
    let fleet =
        good("[hosts.app02]\nport = 2\n[hosts.\"app[01-03]\"]\nport = 1\n[hosts.app03]\nport = 3\n", &[]);
    let ports: Vec<_> = fleet.jobs.iter().map(|job| (job.host.as_str(), job.ways[0].port)).collect();
    assert_eq!(ports, [("app02", Some(2)), ("app01", Some(1)), ("app03", Some(3))]);
}

#[test]
fn a_later_group_wins_over_an_earlier_one_and_a_host_over_both() {
    let fleet = good(
        "[hosts.a]\n[hosts.b]\nport = 3\n[groups.one]\non = \"*\"\nport = 1\nuser = \"one\"\n[groups.two]\non = \"group:one\"\nport = 2\n",
        &[],
    );
    let ways: Vec<_> = fleet.jobs.iter().map(|job| (job.ways[0].port, job.ways[0].user.as_deref())).collect();
    assert_eq!(ways, [(Some(2), Some("one")), (Some(3), Some("one"))]);
}

#[test]
fn a_was_that_says_nothing_new_is_no_second_way() {
    let fleet =
        good("[hosts.a]\nport = 22\nwas = { port = 22 }\n[hosts.b]\nwas = { user = \"root\" }\n", &[]);
    let ways: Vec<usize> = fleet.jobs.iter().map(|job| job.ways.len()).collect();
    assert_eq!(ways, [1, 2]);
}

#[test]
fn relative_and_absolute_paths_on_the_controller_end_up_absolute() {
    let dir = folder(
        "[hosts.a]\nidentity_file = \"keys/id\"\nssh_config = \"./ssh_config\"\n",
        &[("ssh_config", "")],
    );
    let fleet = load_in(dir.path()).unwrap();
    let way = &fleet.jobs[0].ways[0];
    assert_eq!(way.identity_file, Some(dir.path().join("keys/id")));
    assert_eq!(way.ssh_config, Some(dir.path().join("ssh_config")));
    assert_eq!(fleet.dir, dir.path());
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let fleet = good(HOST, &[]);
    assert_eq!((fleet.name.as_str(), fleet.parallel, fleet.connect_parallel), ("fleet", 50, 20));
    let job = &fleet.jobs[0];
    assert_eq!(job.confirm.window.as_secs(), 60);
    assert_eq!(job.ways[0].connect_timeout.as_secs(), 10);
    assert_eq!(fleet.notes, ["there are no changes: this fleet can only be checked"]);
    let last = good(&format!("{HOST}[confirm]\nfailsafe = \"mend\"\nfailsafe_reboot = true\n"), &[]);
    let resort = &last.jobs[0].last_resort;
    assert_eq!((resort.failsafe.as_ref().unwrap().summary().as_str(), resort.reboot), ("mend", true));
    assert!(!good(HOST, &[]).jobs[0].last_resort.reboot, "never unasked");
    let other = good(&format!("{HOST}[confirm]\nkex = \"default\"\nsettle = \"0s\"\n"), &[]);
    assert_eq!((other.jobs[0].confirm.reorder_kex, other.jobs[0].confirm.settle.as_secs()), (false, 0));
}

#[test]
fn two_sources_may_share_a_folder_but_not_a_file() {
    let two = |second: &str| {
        format!(
            "{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"one/\"\ndest = \"/srv/x\"\n\
             [[changes.files]]\nsource = \"{second}/\"\ndest = \"/srv/x\""
        )
    };
    let beside = [("one/a", ""), ("two/b", ""), ("three/a", ""), ("four/a.j2", ""), ("four/a", "")];
    let fleet = good(&two("two"), &beside);
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    let dests: Vec<&str> = files.entries.iter().map(|entry| entry.dest.as_str()).collect();
    assert_eq!(dests, ["/srv/x", "/srv/x/a", "/srv/x/b"]);
    assert_eq!(bad(&two("three"), &beside), ["/srv/x/a is written twice"]);
    let one = "[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"four/\"\ntemplate = \"*.j2\"\ndest = \"/srv/x\"";
    assert_eq!(bad(&format!("{HOST}{one}"), &beside), ["/srv/x/a is written twice"]);
}

#[test]
fn the_same_dest_on_different_hosts_is_no_conflict() {
    let change = |on: &str| {
        format!(
            "[[changes]]\nkind = \"files\"\non = \"{on}\"\n[[changes.files]]\ncontent = \"{on}\"\ndest = \"/srv/x\"\n"
        )
    };
    let hosts = "[hosts.a]\n[hosts.b]\n";
    assert_eq!(good(&format!("{hosts}{}{}", change("a"), change("b")), &[]).jobs.len(), 2);
    let problems =
        load_in(folder(&format!("{hosts}{}{}", change("a"), change("*")), &[]).path()).unwrap_err();
    let hosts: Vec<&str> = problems.0[0].hosts.iter().map(|host| host.as_str()).collect();
    assert_eq!((problems.0[0].message.as_str(), hosts), ("/srv/x is written twice", vec!["a"]));
}

#[test]
fn a_problem_of_some_hosts_names_them() {
    let fleet = "[hosts.a]\nvars = { port = 1 }\n[hosts.b]\n[hosts.c]\n[hosts.d]\n[[changes]]\nkind = \"files\"\n\
                 [[changes.files]]\ncontent = \"{{ port }}\"\ndest = \"/srv/x\"";
    let text = load_in(folder(fleet, &[]).path()).unwrap_err().render(false);
    assert!(text.contains("error: `port` is undefined"), "{text}");
    assert!(text.contains("= note: this is so for b and 2 other hosts"), "{text}");
}

#[test]
fn a_template_that_nothing_renders_is_noted() {
    let fleet = good(
        &format!(
            "{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"a.j2\"\ndest = \"/srv/a\""
        ),
        &[("a.j2", "{{ x }}")],
    );
    assert!(fleet.notes[0].ends_with("a.j2 is sent as it is: no `template` matches it"), "{:?}", fleet.notes);
}

#[test]
fn what_is_wrong_on_the_command_line_is_shown_there() {
    let dir = folder("[hosts.app01]\n[hosts.app02]\n", &[]);
    let request = LoadRequest {
        vars: vec![("http-port".to_owned(), "1".to_owned())],
        limit: Some("app01 || app03".to_owned()),
        ..LoadRequest::default()
    };
    let text = load(&dir.path().join("fleet.toml"), &request).unwrap_err().render(false);
    assert_eq!(
        text,
        "\
error: a variable can't be called `http-port`
 --> --var:1:1
  |
1 | http-port=1
  | ^^^^^^^^^
  |
  = help: use letters, digits and `_`, not beginning with a digit

error: `app03` matches no host
 --> --limit:1:10
  |
1 | app01 || app03
  |          ^^^^^
  |
  = help: did you mean `app01`?"
    );
}

#[test]
fn special_files_links_that_dangle_and_odd_names_are_handled() {
    let dir = folder(
        &format!(
            "{HOST}[[changes]]\nkind = \"files\"\n[[changes.files]]\nsource = \"tree/\"\ndest = \"/srv/x\""
        ),
        &[("tree/a", "")],
    );
    std::os::unix::fs::symlink("/nowhere", dir.path().join("tree/dangling")).unwrap();
    let fleet = load_in(dir.path()).unwrap();
    let ChangeKind::Files(files) = &fleet.jobs[0].changes[0].kind else { panic!("no files change") };
    assert_eq!(files.entries[2].what, EntryKind::Symlink { target: "/nowhere".to_owned() });

    let odd = dir.path().join("tree/line\nbreak");
    std::fs::write(&odd, "").unwrap();
    let told = messages(load_in(dir.path()));
    assert!(told[0].ends_with("its name holds a control character"), "{told:?}");
    std::fs::remove_file(odd).unwrap();

    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("tree/socket")).unwrap();
    let told = messages(load_in(dir.path()));
    assert!(told[0].ends_with("it is neither a file nor a folder nor a link"), "{told:?}");
}

#[test]
fn the_starter_loads_as_it_stands() {
    let hosts: Vec<HostName> = ["app01.example.org", "deploy@10.0.0.1", "fe80::1%eth0"]
        .iter()
        .map(|h| HostName::parse(h).unwrap())
        .collect();
    let fleet = good(&starter(&hosts), &[]);
    let named: Vec<HostName> = fleet.jobs.iter().map(|job| job.host.clone()).collect();
    assert_eq!(named, hosts);
    assert_eq!((fleet.jobs[0].changes.len(), fleet.jobs[0].checks.len()), (1, 1));
    assert!(fleet.notes.is_empty(), "{:?}", fleet.notes);
    assert_eq!(good(&starter(&[]), &[]).jobs.len(), 1);
}

#[test]
fn no_text_makes_it_panic() {
    for text in [
        "\u{feff}[hosts.a]\n",
        "[hosts.a]\r\nport = 22\r\n",
        "é = 1",
        "[hosts.é]",
        "[hosts]\na = 1",
        "hosts = 1",
        "changes = [1]",
        "[[hosts]]",
        "[hosts.a]\nvars = 1",
        "checks = {}",
        "include = \"x\"",
        "[hosts.a.b.c]",
        "\u{0}",
        "[hosts.\"\"]",
        "[hosts.a]\n[hosts.a.was.b]",
        "[[changes]]\nkind = 1",
        "x = \"\\u0000\"",
        "[hosts.\"é[01-02]\"]\nprt = 1",
    ] {
        if let Err(problems) = load_in(folder(text, &[]).path()) {
            assert!(!problems.0.is_empty() && !problems.render(true).is_empty(), "{text:?}");
        }
    }
}
