//! Bodies of the REST interface.

use countersign_protocol::{
    activation::{Decline, NewActivation, NewPurpose, SignedApproval},
    dsse::canonical,
    hsm::InitialiseHsm,
    signature::SignRequest,
};
use serde::{Serialize, de::DeserializeOwned};

/// A body that is understood means the same after it was written again, and nothing of it is lost.
pub fn run(data: &[u8]) {
    if let Some(activation) = again::<NewActivation>(data)
        && let NewPurpose::Sign { scope, .. } = &activation.purpose
    {
        let _ = canonical(scope);
    }
    again::<SignRequest>(data);
    again::<SignedApproval>(data);
    again::<InitialiseHsm>(data);
    again::<Decline>(data);
}

fn again<T: DeserializeOwned + Serialize>(data: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(data).ok()?;
    let written = canonical(&value);
    let read: T = serde_json::from_slice(&written).expect("the writer's own text");
    assert_eq!(canonical(&read), written);
    Some(value)
}

pub fn seeds() -> Vec<Vec<u8>> {
    // The examples of the API's documentation, which tests keep valid.
    let examples = include_str!("../../../../backend/src/http/openapi/examples.json");
    let examples: serde_json::Value = serde_json::from_str(examples).expect("examples");
    let mut seeds = Vec::new();
    collect(&examples, &mut seeds);
    seeds
}

fn collect(value: &serde_json::Value, into: &mut Vec<Vec<u8>>) {
    if let serde_json::Value::Object(members) = value {
        into.push(value.to_string().into_bytes());
        members.values().for_each(|value| collect(value, into));
    }
}
