//! Every wrong fleet file under `tests/fixtures/fleets/bad`, and the exact text that a person gets for it.
//!
//! `SNAPBACK_BLESS=1 cargo test -p snapback-fleet --test golden` writes the texts anew; read the difference.

#![allow(clippy::unwrap_used, reason = "a test that can't go on shall stop")]

use snapback_fleet::{LoadRequest, load};
use std::path::{Path, PathBuf};

const BAD: &str = "../../tests/fixtures/fleets/bad";

fn fixtures() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(BAD).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn each_wrong_file_is_told_in_these_words() {
    let bless = std::env::var_os("SNAPBACK_BLESS").is_some();
    let mut wrong = Vec::new();
    for folder in fixtures() {
        let told = match load(&folder.join("fleet.toml"), &LoadRequest::default()) {
            Ok(_) => "it was taken".to_owned(),
            Err(problems) => format!("{}\n", problems.render(false)),
        };
        let golden = folder.join("told.txt");
        if bless {
            std::fs::write(&golden, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}:\n{told}\ninstead of:\n{expected}", folder.display()));
        }
        assert_ne!(told, "it was taken", "{}", folder.display());
    }
    assert!(fixtures().len() > 25, "the fixtures are gone");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_problem_has_its_place_and_the_text_shows_it() {
    for folder in fixtures() {
        let problems = load(&folder.join("fleet.toml"), &LoadRequest::default()).unwrap_err();
        let text = problems.render(false);
        for problem in &problems.0 {
            if folder.ends_with("empty") {
                continue;
            }
            let place =
                problem.place.as_ref().unwrap_or_else(|| panic!("{}: {}", folder.display(), problem.message));
            let (line, column) = place.line_and_column();
            let at = format!("{}:{line}:{column}", place.name());
            assert!(text.contains(&at), "{at} is missing in:\n{text}");
        }
    }
}

#[test]
fn a_fleet_file_that_is_not_there_is_told_with_what_to_do() {
    let problems = load(Path::new("nowhere/fleet.toml"), &LoadRequest::default()).unwrap_err();
    assert_eq!(
        problems.render(false),
        "error: can't read the fleet file nowhere/fleet.toml: No such file or directory (os error 2)\n |\n = help: \
         `deploy init HOST...` writes one to begin with; another one is named as the first argument"
    );
}

#[test]
fn colours_change_the_look_and_not_the_words() {
    let file = Path::new(BAD).join("no-undo/fleet.toml");
    let problems = load(&file, &LoadRequest::default()).unwrap_err();
    let plain = problems.render(false);
    let coloured = problems.render(true);
    assert!(coloured.contains("\u{1b}["));
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains("nothing says how to undo this script"));
}
