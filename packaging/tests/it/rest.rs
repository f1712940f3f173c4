//! The JSON that `docs/api.md` shows is what the server reads.

use countersign_protocol::{activation::NewActivation, signature::SignRequest};

use crate::documents::read;

#[test]
fn the_bodies_in_the_example_are_valid() {
    let page = read("docs/api.md");
    let bodies: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [activation, signature] = bodies.as_slice() else {
        panic!("{} bodies instead of 2", bodies.len());
    };
    let activation: NewActivation =
        serde_json::from_str(activation).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(activation.reason, "Firmware 4.2.1");
    let signature: SignRequest =
        serde_json::from_str(signature).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(signature.digest.len(), 32);
}
