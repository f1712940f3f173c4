//! What can be requested can be approved: the largest manifest fits into every message on its way.

use countersign_protocol::{
    activation::{ActivationState, NewPurpose},
    digest::Sha256Digest,
    dsse::canonical,
    limits::{MANIFEST_BYTES, MAX_FILES, MESSAGE_BYTES},
    manifest::{Manifest, ManifestError, ManifestFile},
    purpose::Scope,
};
use countersign_server::activation::{ActivationError, Approved};
use countersign_simulator::Profile;

use crate::test_server::{ANNA, CARLA, DOUG, TestServer};

/// As many files as possible whose names make the manifest exactly this long.
fn files(bytes: usize) -> Vec<ManifestFile> {
    let file = |number: usize, name: String| ManifestFile {
        name: format!("{number:05}{name}"),
        digest: Sha256Digest::of(&number.to_be_bytes()).into(),
    };
    let with = |length: usize| -> Vec<_> {
        (0..MAX_FILES)
            .map(|number| file(number, "a".repeat(length)))
            .collect()
    };
    let short = canonical(&with(0)).len();
    let each = (bytes - short) / MAX_FILES;
    let mut files = with(each);
    let rest = bytes - short - each * MAX_FILES;
    for file in files.iter_mut().take(rest) {
        file.name.push('b');
    }
    assert_eq!(canonical(&files).len(), bytes);
    files
}

#[tokio::test]
async fn the_largest_manifest_can_be_approved_and_a_larger_one_is_not_accepted() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let sign = |files: Manifest| NewPurpose::Sign {
        keys: vec!["ec".into()],
        scope: Scope::Manifest { files },
    };
    let too_large = files(MANIFEST_BYTES + 1);
    let refused = Manifest::new(too_large.clone()).map(|_| "accepted");
    assert_eq!(refused, Err(ManifestError::TooLarge(MANIFEST_BYTES + 1)));
    // A client that does not check sends it nevertheless.
    let unchecked = Manifest::try_from(too_large).expect("readable");
    let refused = test.request(DOUG, sign(unchecked), None).await;
    assert!(
        matches!(refused, Err(ActivationError::Invalid(_))),
        "accepted"
    );

    let largest = Manifest::new(files(MANIFEST_BYTES)).expect("a manifest");
    let id = test
        .request(DOUG, sign(largest), None)
        .await
        .expect("requested")
        .id();
    let terms = test.view(&id).await.terms;
    for index in [ANNA, CARLA] {
        let task = test.task(index, &id).await.expect("a task");
        let message = serde_json::to_vec(&task).expect("JSON").len();
        assert!(message <= MESSAGE_BYTES, "{message} bytes");
        let signed = test.people[index].approve(&task);
        let message = serde_json::to_vec(&signed).expect("JSON").len();
        assert!(message <= MESSAGE_BYTES, "{message} bytes");
        let custodian = test.people[index].custodian();
        let counted = test.server.activations.approve(&terms, &custodian, signed);
        assert_eq!(counted.await.expect("approved"), Approved::Counted);
    }
    let view = test.view(&id).await;
    assert!(
        matches!(view.state, ActivationState::Open { .. }),
        "not open"
    );
    test.shutdown().await;
}
