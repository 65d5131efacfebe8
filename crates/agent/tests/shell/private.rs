//! What is kept on the target: for its owner alone, and without the token.

use crate::everywhere;
use crate::job::{Files, Work};
use snapback_agent::answer::Answer;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

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

#[test]
fn a_state_directory_of_somebody_else_is_refused() {
    everywhere(|t| {
        if chown(t.state(), Some(65_534), None).is_err() {
            // Only root can give a folder away; then nobody else's folder can come to be there either.
            return;
        }
        let (_, answers) = t.inspect(&Work::new().files(Files::new().file(t.dest("a"), "new", 0o644)));
        let refused = |a: &Answer| matches!(a, Answer::Error(text) if text.contains("belongs to user 65534"));
        assert!(answers.whole().all.iter().any(refused), "{answers:#?}");
        chown(t.state(), Some(0), None).unwrap();
    });
}
