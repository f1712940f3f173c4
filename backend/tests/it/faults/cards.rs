//! A card, or the machine that it is plugged into, answers garbage or nothing.

use std::sync::{Arc, Mutex};

use countersign_card::{Transport, TransportError};
use countersign_protocol::{activation::ActivationState, hsm::HsmState, mechanism::Mechanism};
use countersign_simulator::Profile;

use super::health::{Lost, lock_request, nothing_is_half_done};
use crate::{
    ram_client::Client,
    remote::start_test_server,
    test_server::{ANNA, BEN, TestServer, request_for},
};

const SELECT: u8 = 0xA4;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;
const SIGN: u8 = 0x68;

/// The data that replaces the response. The card executes the command in any case.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Garbage,
    /// Not even a status word.
    Empty,
    OnlySuccess,
    OnlyError,
    TooMuch,
    CutOff,
}

const ANSWERS: [Answer; 6] = [
    Answer::Garbage,
    Answer::Empty,
    Answer::OnlySuccess,
    Answer::OnlyError,
    Answer::TooMuch,
    Answer::CutOff,
];

impl Answer {
    fn of(self, mut response: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Garbage => (0..response.len() as u32)
                .map(|number| (number * 73 + 41) as u8)
                .collect(),
            Self::Empty => Vec::new(),
            Self::OnlySuccess => vec![0x90, 0x00],
            Self::OnlyError => vec![0x6F, 0x00],
            Self::TooMuch => [vec![0xA5; 4000], vec![0x90, 0x00]].concat(),
            Self::CutOff => {
                response.truncate(response.len() / 2);
                response
            }
        }
    }
}

/// The instruction whose next response is replaced.
type Armed = Arc<Mutex<Option<(u8, Answer)>>>;

/// Attaches the HSM over the network, through a machine that replaces responses.
async fn start() -> (TestServer, Client, Armed) {
    let (mut test, address) = start_test_server(Profile::VENDOR, |_| {}).await;
    let armed = Armed::default();
    let trigger = armed.clone();
    let interceptor = Box::new(
        move |card: &mut dyn Transport, command: &[u8]| -> Result<Vec<u8>, TransportError> {
            let response = card.transmit(command)?;
            let mut armed = trigger.lock().expect("no panic");
            Ok(match *armed {
                Some((instruction, answer)) if command.get(1) == Some(&instruction) => {
                    *armed = None;
                    answer.of(response)
                }
                _ => response,
            })
        },
    );
    let client = Client::attach(address, "/rt/hsm", test.hsm.connect(), interceptor);
    test.make_ready().await;
    (test, client, armed)
}

/// The HSM is locked unless there is a lease, and another request works.
async fn works_again(test: &mut TestServer, case: &str) {
    for id in test.active().await {
        let terms = test.view(&id).await.terms;
        // It may end by itself in the meantime.
        let _ = test
            .server
            .activations
            .lock(&terms, lock_request(test))
            .await;
        test.wait_for(&id, |view| view.state.is_ended()).await;
    }
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
    assert!(!test.hsm.is_open(), "{case}");
    assert!(test.server.activations.leases().open().is_empty(), "{case}");
    let id = test.request_signatures("ec", &[case]).await;
    test.open(&id).await;
    test.sign(&id, "1", &request_for(case, Mechanism::EcdsaSha256))
        .await
        .expect("signed");
    test.wait_for(&id, |view| view.state.is_ended()).await;
    test.wait_for_hsm(|view| view.state == HsmState::Locked)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_whose_response_is_garbage_opens_nothing() {
    let (mut test, _client, armed) = start().await;
    for answer in ANSWERS {
        let id = test.request_any_content("ec", 600, 10).await;
        test.approve(ANNA, &id).await;
        let task = test.task(BEN, &id).await.expect("a task");
        let signed = test.people[BEN].approve(&task);
        let custodian = test.people[BEN].custodian();
        let terms = test.view(&id).await.terms;
        *armed.lock().expect("no panic") = Some((EXTERNAL_AUTHENTICATE, answer));
        let approved = test.server.activations.approve(&terms, &custodian, signed);
        let approved = approved.await;
        assert!(approved.is_err(), "{answer:?}: {approved:?}");
        assert!(armed.lock().expect("no panic").is_none());
        let view = test.view(&id).await;
        assert!(
            !matches!(view.state, ActivationState::Open { .. }),
            "{answer:?}"
        );
        // The card counts both approvals, so the server must have it forget them.
        test.wait_for_hsm(|_| !test.hsm.is_open()).await;
        works_again(&mut test, &format!("approval {answer:?}")).await;
    }
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_whose_response_is_garbage_is_no_signature_and_counts() {
    let (mut test, _client, armed) = start().await;
    for answer in ANSWERS {
        let id = test.request_any_content("ec", 600, 10).await;
        test.open(&id).await;
        let made = test.hsm.apdu_counts().signatures;
        *armed.lock().expect("no panic") = Some((SIGN, answer));
        let request = request_for("a", Mechanism::EcdsaSha256);
        let signed = test.sign(&id, "1", &request).await;
        assert!(signed.is_err(), "{answer:?}: {signed:?}");
        assert_eq!(test.hsm.apdu_counts().signatures, made + 1);
        // The same request is not carried out again.
        let again = test.sign(&id, "1", &request).await;
        assert!(again.is_err(), "{answer:?}: {again:?}");
        assert_eq!(test.hsm.apdu_counts().signatures, made + 1);
        works_again(&mut test, &format!("signature {answer:?}")).await;
    }
    nothing_is_half_done(&test, Lost::Some).await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_whose_response_is_garbage_leaves_nothing_open() {
    let (mut test, _client, armed) = start().await;
    for answer in ANSWERS {
        let id = test.request_any_content("ec", 600, 10).await;
        test.open(&id).await;
        let terms = test.view(&id).await.terms;
        *armed.lock().expect("no panic") = Some((SELECT, answer));
        let locked = test.server.activations.lock(&terms, lock_request(&test));
        // The end is stored even if the lock could not be proven at once.
        let _ = locked.await;
        test.wait_for(&id, |view| view.state.is_ended()).await;
        works_again(&mut test, &format!("log-out {answer:?}")).await;
    }
    nothing_is_half_done(&test, Lost::None).await;
    test.shutdown().await;
}
