use crate::page::{Page, assert_harmless};
use crate::recorded::{HOSTILE, hostile_events, play, three_endings};
use serde_json::Value;
use snapback_core::event::{Event, EventKind};
use snapback_render::{Json, Subscriber};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

fn json(events: &[Event]) -> String {
    let page = Page::default();
    play(events, Json::new(page.writer()));
    page.text()
}

#[test]
fn the_last_line_tells_every_host_in_file_order() {
    let text = json(&three_endings());
    assert_eq!(
        text.lines().last(),
        Some(concat!(
            r#"{"v":1,"at_ms":1800000141135,"run":"01RUN","event":"run_finished","#,
            r#""hosts":{"web1":"confirmed","web2":"rolled_back","web10":"unknown"},"exit_code":3,"ms":141135}"#
        ))
    );
}

#[test]
fn every_line_reads_back_as_its_event() {
    let events = hostile_events();
    let text = json(&events);
    let read: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events);
    assert!(text.lines().all(|line| line.starts_with(r#"{"v":1,"#)), "{text}");
}

#[test]
fn a_hostile_text_is_escaped_and_still_the_same_text() {
    let text = json(&hostile_events());
    assert_harmless(&text);
    let values = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(values.into_iter().any(|value| value["text"] == HOSTILE));
}

#[test]
fn the_page_of_the_output_names_every_event_and_field() {
    let page = include_str!("../../../../docs/output.md");
    for line in json(&hostile_events()).lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let name = value["event"].as_str().unwrap();
        let row = page.lines().find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/output.md has no row for the event {name}"));
        let shared = ["v", "at_ms", "run", "host", "event"];
        for field in value.as_object().unwrap().keys().filter(|field| !shared.contains(&field.as_str())) {
            assert!(
                row.contains(&format!("`{field}`")),
                "docs/output.md doesn't say what {field} of {name} is"
            );
        }
    }
}

#[test]
fn hosts_that_were_never_announced_are_still_told() {
    let mut events = three_endings();
    let Some(EventKind::RunFinished { hosts, .. }) = events.last_mut().map(|e| &mut e.kind) else {
        unreachable!()
    };
    hosts.insert("added".to_owned(), snapback_core::outcome::HostResult::NotReached);
    let text = json(&events);
    let last = text.lines().last().unwrap();
    assert!(last.contains(r#""web10":"unknown","added":"not_reached"}"#), "{last}");
}

#[test]
fn each_line_is_flushed_by_itself() {
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<(String, Vec<String>)>>);
    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().0.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            let mut pipe = self.0.lock().unwrap();
            let held = std::mem::take(&mut pipe.0);
            pipe.1.push(held);
            Ok(())
        }
    }
    let pipe = Pipe::default();
    let mut json = Json::new(Box::new(pipe.clone()));
    for event in &three_endings() {
        json.on_event(event).unwrap();
    }
    let flushed = pipe.0.lock().unwrap().1.clone();
    assert_eq!(flushed.len(), three_endings().len());
    assert!(flushed.iter().all(|f| f.ends_with('\n') && f.matches('\n').count() == 1));
}
