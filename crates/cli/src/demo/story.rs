//! The narrator: headings and sentences for people, facts for programs.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::output::Output;

/// What is told, and what is noted.
pub(super) struct Story {
    output: Output,
    facts: RefCell<Vec<Value>>,
    chapter: RefCell<u32>,
}

impl Story {
    pub(super) fn new(output: Output) -> Self {
        Self { output, facts: RefCell::new(Vec::new()), chapter: RefCell::new(0) }
    }

    pub(super) fn output(&self) -> Output {
        self.output
    }

    pub(super) fn title(&self, text: &str) {
        self.output.line(&format!("{text}\n{}", "=".repeat(text.chars().count())));
    }

    /// Begins a step.
    pub(super) fn heading(&self, text: &str) {
        let number = self.chapter.borrow().saturating_add(1);
        self.chapter.replace(number);
        let line = format!("{number}. {text}");
        self.output.line(&format!("\n{line}\n{}", "-".repeat(line.chars().count())));
    }

    pub(super) fn say(&self, text: &str) {
        self.output.line(text.trim_end_matches('\n'));
    }

    /// A refusal with its reason.
    pub(super) fn refused(&self, what: &str, code: &str, sentence: &str) {
        self.output.line(&format!("  REFUSED  {what}\n           {code}: {sentence}"));
        self.note(json!({"refused": what, "reason": code, "sentence": sentence}));
    }

    /// Keeps a fact for the JSON answer.
    pub(super) fn note(&self, fact: Value) {
        self.facts.borrow_mut().push(fact);
    }

    pub(super) fn facts(&self) -> Value {
        Value::Array(self.facts.borrow().clone())
    }
}
