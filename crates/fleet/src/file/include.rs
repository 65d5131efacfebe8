//! Reads a fleet file and what it includes.

use super::{Document, syntax};
use crate::place::{At, Place, Source};
use crate::problem::{Problem, Report};
use crate::reader::Reading;
use std::path::{Path, PathBuf};

/// Reads a file and all that it includes, as one document. `None` when nothing sound could be read at all.
pub(crate) fn load_document(path: &Path, report: &Report) -> Option<Document> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) => {
            report.add(cannot_read(path, &why));
            return None;
        }
    };
    let mut loading = Loading { report, open: Vec::new(), seen: Vec::new() };
    loading.read(path, text)
}

fn cannot_read(path: &Path, why: &std::io::Error) -> Problem {
    let problem = Problem::nowhere(format!("can't read the fleet file {}: {why}", path.display()));
    if why.kind() == std::io::ErrorKind::NotFound {
        problem.hint(
            "`deploy init HOST...` writes one to begin with; another one is named as the first argument",
        )
    } else {
        problem
    }
}

struct Loading<'a> {
    report: &'a Report,
    /// The files that are being read, each included by the one before it: real path and name.
    open: Vec<(PathBuf, String)>,
    seen: Vec<PathBuf>,
}

impl Loading<'_> {
    fn read(&mut self, path: &Path, text: String) -> Option<Document> {
        let source = Source::of_file(path, text);
        let real = real(path);
        self.seen.push(real.clone());
        self.open.push((real, source.name.clone()));
        let table = syntax::parse(&source, self.report);
        let document =
            table.map(|table| Document::read(Reading { source: &source, report: self.report }, &table));
        let merged = document.and_then(|document| self.merge(document));
        self.open.pop();
        merged
    }

    /// Puts what a file includes before it. The files are read in order, as the first to include a file has it.
    fn merge(&mut self, mut document: Document) -> Option<Document> {
        let included: Vec<Included> =
            document.include.clone().iter().map(|include| self.include(include)).collect();
        let mut sound = true;
        for part in included.into_iter().rev() {
            match part {
                Included::Read(before) => document.prepend(*before, &|problem| self.report.add(problem)),
                Included::Already => {}
                Included::Unsound => sound = false,
            }
        }
        sound.then_some(document)
    }

    fn include(&mut self, include: &At<String>) -> Included {
        let path = include.place.dir().join(&include.value);
        if let Some(at) = self.open.iter().position(|(open, _)| *open == real(&path)) {
            self.report.add(cycle(&include.place, &self.open[at..]));
            return Included::Unsound;
        }
        if self.seen.contains(&real(&path)) {
            return Included::Already;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => match self.read(&path, text) {
                Some(document) => Included::Read(Box::new(document)),
                None => Included::Unsound,
            },
            Err(why) => {
                let message = format!("can't read the included file {}: {why}", path.display());
                self.report
                    .add(Problem::at(&include.place, message).hint("the path is relative to this file"));
                Included::Unsound
            }
        }
    }
}

enum Included {
    Read(Box<Document>),
    /// Two files include it; once is enough.
    Already,
    /// What is in it can't be known: to go on would only bring problems that aren't there.
    Unsound,
}

fn cycle(place: &Place, open: &[(PathBuf, String)]) -> Problem {
    let mut names: Vec<&str> = open.iter().map(|(_, name)| name.as_str()).collect();
    names.extend(names.first().copied());
    Problem::at(place, format!("files include each other: {}", names.join(" -> ")))
        .hint("take one of these `include` entries out")
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}
