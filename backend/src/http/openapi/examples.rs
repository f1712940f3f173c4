//! Examples of bodies and problems, in `examples.json`.

use std::sync::LazyLock;

use countersign_protocol::problem::{Problem, ProblemCode};
use serde_json::{Map, Value};

/// Bodies by the name of their type, and details of problems by code.
static EXAMPLES: LazyLock<Examples> = LazyLock::new(|| {
    // The text is part of the program, and a test reads it.
    serde_json::from_str(include_str!("examples.json")).unwrap_or_default()
});

#[derive(Default, serde::Deserialize)]
struct Examples {
    bodies: Map<String, Value>,
    problems: Map<String, Value>,
}

/// The example of a type of body.
pub fn example(name: &str) -> Option<&'static Value> {
    EXAMPLES.bodies.get(name)
}

/// The example of a problem.
pub fn problem(code: ProblemCode) -> Problem {
    let detail = EXAMPLES.problems.get(code.as_str());
    let detail = detail.and_then(Value::as_str).unwrap_or_default();
    Problem {
        request_id: Some("0193c5a7-6a51-7c42-9d3f-2f8f1c0b7e11".to_owned()),
        ..Problem::new(code, detail)
    }
}

/// The names of the types that have an example.
pub fn example_names() -> impl Iterator<Item = &'static str> {
    EXAMPLES.bodies.keys().map(String::as_str)
}
