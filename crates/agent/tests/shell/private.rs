//! What is kept on the target: for its owner alone, and without the token.

use crate::everywhere;
use crate::job::{Files, Work};
use crate::target::{Answers, Begun, Connection, Target};
use snapback_agent::answer::Answer;
use snapback_agent::bundle::agent;
use snapback_agent::call::Sent;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// Every path below a folder, with itself.
fn paths(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(paths(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_is_kept_is_private_and_holds_no_token() {
    everywhere(|t| {
        t.write("a", "old");
        // A folder that was there before, open to all.
        fs::set_permissions(t.state(), fs::Permissions::from_mode(0o777)).unwrap();
        let begun = t.begin(&Work::new().files(Files::new().file(t.dest("a"), "new", 0o644)));
        assert!(begun.answers.is_ready(), "{:#?}", begun.answers);
        assert_eq!(
            fs::metadata(t.state()).unwrap().mode() & 0o777,
            0o700,
            "nobody else can reach what is below"
        );
        for path in paths(&t.tx(&begun.tx, "")) {
            if path.is_file() {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(&begun.token), "{} holds the token", path.display());
            }
        }
        for (pid, line) in t.processes() {
            assert!(!line.contains(&begun.token), "{pid} has the token on its command line: {line}");
        }
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
    });
}

/// The agent run by hand on some state directory, as whoever runs the tests.
fn doctor(t: &Target, state: &Path) -> String {
    let script = t.path().join("agent.sh");
    fs::write(&script, agent().text.as_ref()).unwrap();
    let mut words = t.shell.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(&script).args(["n", state.to_str().unwrap(), "plain", "-", "doctor"]);
    String::from_utf8(command.env("SNAPBACK_SH", t.shell).output().unwrap().stdout).unwrap()
}

#[test]
fn a_state_directory_of_somebody_else_is_refused() {
    everywhere(|t| {
        let ours = fs::metadata(t.state()).unwrap().uid();
        // Only root can give a folder away; for anybody else a folder of root's is somebody else's.
        let (theirs, owner) = if ours == 0 {
            chown(t.state(), Some(65_534), None).unwrap();
            (t.state(), 65_534)
        } else {
            ("/usr".into(), 0)
        };
        let told = doctor(t, &theirs);
        assert!(told.contains(&format!("belongs to user {owner}")), "{told}");
    });
}

/// As root alone can such a folder be made; anybody else is shown one of root's, with no agent in it.
#[test]
fn no_agent_in_a_state_directory_of_somebody_else_is_ever_run() {
    everywhere(|t| {
        let ours = fs::metadata(t.state()).unwrap().uid();
        let planted = t.state().join("agent/0000");
        fs::create_dir_all(&planted).unwrap();
        fs::write(planted.join("agent.sh"), format!("touch {}\n", t.dest("owned"))).unwrap();
        // It is what a verb that brings no agent along falls back to.
        t.verb(&["status"]);
        assert!(t.read("owned").is_some(), "else this test proves nothing");
        fs::remove_file(t.dest("owned")).unwrap();
        let theirs = if ours == 0 {
            chown(t.state(), Some(65_534), None).unwrap();
            t.state()
        } else {
            "/usr".into()
        };
        let answers = t.connect_with_state(&theirs).verb(&["status"]);
        assert!(t.read("owned").is_none(), "somebody else's agent was run");
        let refused =
            |a: &Answer| matches!(a, Answer::Error(text) if text.contains("belongs to another user"));
        assert!(answers.whole().all.iter().any(refused), "{answers:#?}");
    });
}

#[test]
fn a_state_directory_that_everybody_could_replace_is_refused() {
    everywhere(|t| {
        let told = doctor(t, &t.state());
        assert!(!told.contains("could put another"), "{told}");
        fs::set_permissions(t.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let told = doctor(t, &t.state());
        assert!(told.contains("can be written by everybody (mode 777)"), "{told}");
        fs::set_permissions(t.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let told = doctor(t, &t.state());
        assert!(!told.contains("could put another"), "sticky is well: {told}");
        fs::set_permissions(t.path(), fs::Permissions::from_mode(0o700)).unwrap();
    });
}

#[test]
fn a_begin_that_is_played_again_does_nothing() {
    everywhere(|t| {
        t.write("a", "old");
        let work = Work::new().files(Files::new().file(t.dest("a"), "new", 0o644));
        let arming = t.connect();
        let (inspected, _) = arming.inspect(&work);
        let (begun, payload) = Begun::plan(t, &work, &inspected);
        let begin =
            |connection: &Connection<'_>| connection.call(Sent::Payload, &["begin", &begun.tx], &payload);
        assert!(begin(&arming).is_ready());
        // While it is open, and when it is over, with the host as it was when it was planned.
        assert!(refuses(&begin(&t.connect())), "while it is open");
        assert_eq!(t.read("a").unwrap(), "new");
        assert!(t.connect().confirm(&begun).whole().is_confirmed());
        t.settle();
        t.write("a", "old");
        let journal = fs::read_to_string(t.tx(&begun.tx, "journal")).unwrap();
        assert!(refuses(&begin(&t.connect())), "when it is over");
        assert_eq!(t.read("a").unwrap(), "old");
        assert_eq!(fs::read_to_string(t.tx(&begun.tx, "journal")).unwrap(), journal);
        assert!(!t.state().join("current").exists());
        assert_eq!(fs::read_dir(t.state().join("inbox")).unwrap().count(), 0, "what was sent is gone");
    });
}

/// There is a record of it already.
fn refuses(answers: &Answers) -> bool {
    let knows = |a: &Answer| matches!(a, Answer::Error(text) if text.contains("there is a record of"));
    answers.all.iter().any(knows)
}
