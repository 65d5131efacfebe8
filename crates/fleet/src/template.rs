//! Templates: files, and values in the fleet file. What is undefined is an error.

use crate::nearest::{all_of, did_you_mean};
use crate::place::{At, Place, Source};
use crate::problem::Problem;
use crate::reader::VarValue;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What templates of one host can name.
#[derive(Debug)]
pub(crate) struct Context {
    value: Value,
    names: Vec<String>,
}

impl Context {
    /// Returns the variables of a host, and `host.name` and `host.address`.
    pub(crate) fn new(vars: &BTreeMap<String, VarValue>, name: &str, address: &str) -> Self {
        let mut map: BTreeMap<String, Value> =
            vars.iter().map(|(name, var)| (name.clone(), var_value(var))).collect();
        let host = BTreeMap::from([
            ("name".to_owned(), name.to_owned()),
            ("address".to_owned(), address.to_owned()),
        ]);
        map.insert("host".to_owned(), Value::from(host));
        let mut names: Vec<String> = vars.keys().cloned().collect();
        names.extend(["host.name".to_owned(), "host.address".to_owned()]);
        Self { value: Value::from(map), names }
    }

    fn hint(&self, expression: &str) -> String {
        let names = || self.names.iter().map(String::as_str);
        did_you_mean(expression, names())
            .unwrap_or_else(|| format!("add it to `vars`; defined are {}", all_of(names())))
    }
}

fn var_value(var: &VarValue) -> Value {
    match var {
        VarValue::Text(text) => Value::from(text.as_str()),
        VarValue::Number(number) => Value::from(*number),
        VarValue::Flag(flag) => Value::from(*flag),
    }
}

/// A template file that has been compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateId(usize);

/// All template files of a fleet, compiled once.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    sources: Vec<Arc<Source>>,
}

impl Templates {
    /// Returns an empty set.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The targets are configuration files: nothing is to be escaped for HTML because of its name.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // Without it, errors carry no position.
        environment.set_debug(true);
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
        if let Ok(syntax) = syntax.build() {
            environment.set_syntax(syntax);
        }
        Self { environment, sources: Vec::new() }
    }

    /// Compiles a template file.
    pub(crate) fn add(&mut self, path: &Path, text: String) -> Result<TemplateId, Box<Problem>> {
        let source = Source::of_file(path, text);
        let id = TemplateId(self.sources.len());
        self.sources.push(Arc::clone(&source));
        self.environment
            .add_template_owned(id.0.to_string(), source.text.clone())
            .map_err(|error| Problem::at(&in_file(&source, &error), describe(&error)))?;
        Ok(id)
    }

    /// Renders a template file.
    pub(crate) fn render(&self, id: TemplateId, context: &Context) -> Result<String, Box<Problem>> {
        let source = &self.sources[id.0];
        let rendered =
            self.environment.get_template(&id.0.to_string()).and_then(|t| t.render(&context.value));
        rendered.map_err(|error| problem(&error, &in_file(source, &error), context))
    }

    /// Renders a value of the fleet file.
    pub(crate) fn value(&self, text: &At<String>, context: &Context) -> Result<String, Box<Problem>> {
        if !["{{", "{%", "{#"].iter().any(|mark| text.value.contains(mark)) {
            return Ok(text.value.clone());
        }
        self.environment.render_named_str("value", &text.value, &context.value).map_err(|error| {
            let place = error.range().map_or_else(|| text.place.clone(), |range| text.part(range));
            problem(&error, &place, context)
        })
    }
}

fn problem(error: &minijinja::Error, place: &Place, context: &Context) -> Box<Problem> {
    if error.kind() == ErrorKind::UndefinedError {
        let expression = place.written();
        let problem = Problem::at(place, format!("`{expression}` is undefined"));
        return Box::new(problem.hint(context.hint(expression)));
    }
    Box::new(Problem::at(place, describe(error)))
}

fn describe(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("template: {}: {detail}", error.kind()),
        None => format!("template: {}", error.kind()),
    }
}

/// Returns the place of an error in a template file: the expression, or else the whole line.
fn in_file(source: &Arc<Source>, error: &minijinja::Error) -> Place {
    let range = error.range().or_else(|| error.line().map(|line| line_range(&source.text, line)));
    Place::new(source, range.unwrap_or(0..0))
}

fn line_range(text: &str, line: usize) -> Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let len = text[start..].lines().next().map_or(0, str::len);
    start..start + len
}
