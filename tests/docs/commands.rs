//! Commands that pages name exist, with their flags.

use crate::pages::{page, pages, top};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

fn help_of(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_deploy")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "deploy {arguments:?} --help fails");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that `deploy --help` names, each with its own help.
fn subcommands() -> BTreeMap<String, String> {
    let help = help_of(&[]);
    let (_, list) = help.split_once("\nCommands:\n").expect("a list of commands");
    let rows = list.lines().take_while(|line| line.starts_with("  "));
    let names =
        rows.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(|name| (name.to_owned(), help_of(&[name]))).collect()
}

/// What a page shows to be typed: `deploy ...` in running text and at the beginning of lines of blocks.
fn typed(path: &str) -> Vec<String> {
    let page = page(path);
    let blocks = ["", "sh", "text", "toml"].into_iter().flat_map(|language| page.blocks(language));
    let indented = page.text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    let lines: Vec<String> = blocks.flat_map(|b| b.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    // Behind two blanks stands what it does.
    let bare = |line: String| line.trim_start_matches("$ ").split("  ").next().unwrap().to_owned();
    let lines = lines.into_iter().chain(indented).map(bare);
    lines.chain(page.marked_as_code()).filter(|text| text.starts_with("deploy ")).collect()
}

fn assert_exists(path: &str, command: &str, known: &BTreeMap<String, String>) {
    let words: Vec<&str> = command.split(" && ").next().unwrap().split_whitespace().skip(1).collect();
    let Some(first) = words.first() else { return };
    let is_name = first.chars().all(|c| c.is_ascii_lowercase());
    let help = match known.get(*first) {
        Some(help) => help.clone(),
        None => {
            assert!(!is_name, "{path}: `{command}`: deploy has no command `{first}`");
            help_of(&[])
        }
    };
    for flag in words.iter().filter_map(|word| word.strip_prefix("--")).filter(|flag| !flag.is_empty()) {
        let flag = flag.split('=').next().unwrap();
        assert!(help.contains(&format!("--{flag}")), "{path}: `{command}`: there is no flag --{flag}");
    }
}

#[test]
fn every_command_on_a_page_exists() {
    let known = subcommands();
    assert!(known.contains_key("plan") && known.contains_key("doctor"), "{known:?}");
    let mut seen = 0;
    for page in pages() {
        for command in typed(&page.path) {
            assert_exists(&page.path, &command, &known);
            seen += 1;
        }
    }
    assert!(seen > 10, "the commands are gone");
}

#[test]
fn the_readme_names_every_command() {
    let readme = page("README.md").text;
    for name in subcommands().keys() {
        assert!(readme.contains(&format!("deploy {name}")), "README.md doesn't mention deploy {name}");
    }
}

#[test]
fn the_tasks_of_the_readme_exist() {
    let tasks = fs::read_to_string(top().join("crates/xtask/src/main.rs")).unwrap();
    for page in pages() {
        for rest in page.text.split("cargo xtask ").skip(1) {
            let task: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            let (first, others) = task.split_at(1);
            let variant = format!("\n    {}{others}", first.to_uppercase());
            assert!(tasks.contains(&variant), "{}: there is no cargo xtask {task}", page.path);
        }
    }
}
