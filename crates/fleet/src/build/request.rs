//! What the command line adds to the fleet file.

use crate::file::var_name_problem;
use crate::hosts::{Chooser, Host};
use crate::place::{At, Place, Source};
use crate::problem::Report;
use crate::reader::VarValue;
use snapback_core::host::HostName;
use std::collections::BTreeSet;

/// Lets `--var` win over everything.
pub(super) fn apply_vars(vars: &[(String, String)], hosts: &mut [Host], report: &Report) {
    for (name, value) in vars {
        let source = Source::of_argument("--var", &format!("{name}={value}"));
        let at = At { value: name.clone(), place: Place::new(&source, 0..name.len()) };
        if let Some(problem) = var_name_problem(&at) {
            report.add(problem);
            continue;
        }
        for host in &mut *hosts {
            host.keys.vars.insert(name.clone(), typed(value));
        }
    }
}

/// Returns the value as it would have been meant in the file: a template must not find `"false"` to be true.
fn typed(text: &str) -> VarValue {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => VarValue::Number(number),
        _ if text == "true" || text == "false" => VarValue::Flag(text == "true"),
        _ => VarValue::Text(text.to_owned()),
    }
}

/// Returns the positions of the hosts that are to be worked on.
pub(super) fn limit(limit: Option<&str>, chooser: &Chooser<'_>) -> Vec<usize> {
    let Some(limit) = limit else { return (0..chooser.hosts.len()).collect() };
    let source = Source::of_argument("--limit", limit);
    let selector = At { value: limit.to_owned(), place: Place::whole(&source) };
    chooser.choose(&selector).unwrap_or_default()
}

/// Leaves only the hosts with these names. Returns a note for each that is no longer there.
pub(super) fn only(names: &[HostName], hosts: &[Host], chosen: &mut Vec<usize>) -> Vec<String> {
    let wanted: BTreeSet<&HostName> = names.iter().collect();
    chosen.retain(|at| wanted.contains(&hosts[*at].name));
    let there: BTreeSet<&HostName> = hosts.iter().map(|host| &host.name).collect();
    wanted
        .difference(&there)
        .map(|name| format!("{name} is no longer in the fleet file, and is left out"))
        .collect()
}
