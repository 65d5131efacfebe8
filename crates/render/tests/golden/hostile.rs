//! All that is rendered, of texts that a hostile target would say: nothing in it drives a terminal, and none of it has no end.

use crate::doctor::row;
use crate::page::{Page, assert_harmless};
use crate::plan::plan_saying;
use crate::progress::{tell, terminal};
use crate::recorded::{events_saying, play};
use crate::status::rows_saying;
use snapback_core::event::Event;
use snapback_render::doctor::{Health, Marks, doctor_json, render_doctor};
use snapback_render::plan::{prompt_text, render_plan};
use snapback_render::status::{render_status, status_json};
use snapback_render::{Json, Lines, Subscriber, Summary, Verbosity};
use std::io::Write;

/// The longest page for people that some texts of 64 KiB may come to.
const LONGEST_PAGE: usize = 100_000;

/// Which of the pages shows diffs.
const PLAN: usize = 3;

const PIECES: &[&str] = &[
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\\\",
    "\u{1b}P",
    "\u{9b}31m",
    "\u{9d}",
    "\u{85}",
    "\u{7f}",
    "\u{8}",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{200e}",
    "\u{202e}",
    "\u{2066}",
    "\u{301}",
    "\u{2028}",
    "web9: confirmed",
    "ü✓漢",
    "word ",
];

/// One in ten is as long as a line may be, of one thing over and over.
fn said(random: &mut fastrand::Rng) -> String {
    let count = if random.u8(..10) == 0 { 20_000 } else { random.usize(..20) };
    if count == 20_000 {
        return random.choice(PIECES).unwrap().repeat(count).chars().take(64 * 1024).collect();
    }
    (0..count)
        .map(|_| {
            if random.bool() {
                (*random.choice(PIECES).unwrap()).to_owned()
            } else {
                random.char(..).to_string()
            }
        })
        .collect()
}

fn played<S: Subscriber>(events: &[Event], make: impl FnOnce(Box<dyn Write + Send>) -> S) -> String {
    let page = Page::default();
    play(events, make(page.writer()));
    page.text()
}

#[test]
fn whatever_a_target_says_no_page_drives_the_terminal_or_has_no_end() {
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..200 {
        let said = said(&mut random);
        let events = events_saying(&said);
        let plan = plan_saying(&said);
        let rows = rows_saying(&said);
        let items = [row("web1", &said, Health::Bad, &said, &said)];
        let (screen, mut progress) = terminal(60);
        tell(&mut progress, &events);
        let pages = [
            played(&events, |out| Lines::new(out, Verbosity::Everything)),
            played(&events, |out| Summary::new(out, false)),
            screen.contents(),
            plan.view(false, render_plan),
            plan.view(false, prompt_text),
            render_status(&rows, false, false),
            render_doctor(&items, Marks::Ascii, false, false),
        ];
        for (at, page) in pages.iter().enumerate() {
            assert_harmless(page);
            // A diff is as long as the file; a line of it may be no more than its end.
            let most = LONGEST_PAGE + if at == PLAN { 100 * said.len() } else { 0 };
            assert!(page.len() <= most, "input {n}, page {at}: {} bytes", page.len());
        }
        // Programs get all of it: as long as what was said, and no more.
        for text in [played(&events, Json::new), status_json(&rows).unwrap(), doctor_json(&items).unwrap()] {
            assert_harmless(&text);
            assert!(text.len() <= 50_000 + 300 * said.len(), "input {n}: {} bytes", text.len());
        }
    }
}
