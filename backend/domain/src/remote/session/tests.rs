use std::sync::Arc;

use countersign_ram::ClientMessage;
use hex_literal::hex;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

fn session() -> Arc<RamSession> {
    let first = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
    match ClientMessage::parse(&first).unwrap() {
        ClientMessage::Initiation(initiation) => {
            Arc::new(RamSession::new(&initiation, [127, 0, 0, 1].into()))
        }
        ClientMessage::Answer(_) => panic!("an initiation"),
    }
}

fn answer(bytes: &[u8]) -> Option<Answer> {
    match ClientMessage::parse(bytes).unwrap() {
        ClientMessage::Answer(answer) => Some(answer),
        ClientMessage::Initiation(_) => panic!("an answer"),
    }
}

fn bytes(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Work(request) => request.encode().unwrap(),
        Reply::Gone => panic!("gone"),
    }
}

/// Executes instructions on another thread, as the thread that uses the card does.
fn execute(
    session: &Arc<RamSession>,
    instructions: Vec<Instruction>,
) -> tokio::task::JoinHandle<Result<Vec<Outcome>, Ending>> {
    let session = session.clone();
    tokio::task::spawn_blocking(move || session.execute(instructions, TIMEOUT))
}

#[tokio::test]
async fn a_recorded_session_of_cardcontacts_client_has_the_same_bytes() {
    let session = session();
    let executed = execute(
        &session,
        vec![
            Instruction::Command(hex!("00A404000BE82B0601040181C31F020100").to_vec()),
            Instruction::Command(hex!("00200081").to_vec()),
        ],
    );
    assert_eq!(
        bytes(session.post(None, None).await),
        hex!("AA19221100A404000BE82B0601040181C31F020100220400200081")
    );
    // The next instruction is sent only after the client has answered the first ones.
    let reset = {
        let session = session.clone();
        async move {
            let outcomes = executed.await.unwrap().unwrap();
            (outcomes, execute(&session, vec![Instruction::Reset]))
        }
    };
    let reset = tokio::spawn(reset);
    let work = session
        .post(
            answer(&hex!(
                "AB24231B6F17820178840BE82B0601040181C31F020185050000000305900023026A88800102"
            )),
            None,
        )
        .await;
    assert_eq!(bytes(work), hex!("AA02C000"));
    let (outcomes, reset) = reset.await.unwrap();
    assert_eq!(outcomes.len(), 2);
    session.notify(0, "Signed");
    let work = session
        .post(
            answer(&hex!(
                "AB1DC0183BFE1800008131FE458031815448534D31738021408107FA800100"
            )),
            None,
        )
        .await;
    assert_eq!(bytes(work), hex!("AA0DE00B0201000C065369676E6564"));
    assert!(matches!(
        reset.await.unwrap().unwrap().as_slice(),
        [Outcome::Atr(_)]
    ));
    session.end(Ending::Refused("Failed".into()));
    let work = session.post(answer(&hex!("AB03800100")), None).await;
    assert_eq!(bytes(work), hex!("AA0DE00B0201FF0C064661696C6564"));
    // Some clients post again after the failure.
    let work = session.post(answer(&hex!("AB03800100")), None).await;
    assert_eq!(work, Reply::Gone);
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_gets_an_empty_request_before_it_gives_up() {
    let session = session();
    let begun = tokio::time::Instant::now();
    assert_eq!(bytes(session.post(None, None).await), hex!("AA00"));
    let held = begun.elapsed();
    assert!(
        held >= HOLD_TIME && held < Duration::from_secs(40),
        "{held:?}"
    );
    assert_eq!(
        bytes(session.post(answer(&hex!("AB03800100")), None).await),
        hex!("AA00")
    );
    assert_eq!(session.ending(), None);
}

#[tokio::test]
async fn a_held_post_whose_connection_breaks_ends_the_session() {
    let session = session();
    let held = tokio::spawn({
        let session = session.clone();
        async move { session.post(None, None).await }
    });
    tokio::task::yield_now().await;
    held.abort();
    let _ = held.await;
    assert!(matches!(session.ending(), Some(Ending::Lost(_))));
    let executed = execute(&session, vec![Instruction::Reset]).await.unwrap();
    assert!(executed.is_err());
}

#[tokio::test]
async fn the_thread_notices_a_connection_that_breaks_during_an_instruction() {
    let session = session();
    let connection = Arc::new(());
    let executed = execute(&session, vec![Instruction::Reset]);
    session.post(None, Some(Arc::downgrade(&connection))).await;
    drop(connection);
    // The thread does not wait for its timeout.
    let begun = Instant::now();
    assert!(matches!(executed.await.unwrap(), Err(Ending::Lost(_))));
    assert!(begun.elapsed() < TIMEOUT);
}

#[tokio::test]
async fn an_answer_that_does_not_match_its_instructions_ends_the_session() {
    for wrong in [
        &hex!("AB03800100")[..],
        &hex!("AB0B2302900023029000800102")[..],
    ] {
        let session = session();
        let executed = execute(&session, vec![Instruction::Command(vec![0, 0x84, 0, 0, 8])]);
        session.post(None, None).await;
        let work = session.post(answer(wrong), None).await;
        assert!(matches!(work, Reply::Work(_)), "the client is not notified");
        assert!(executed.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn two_posts_at_once_end_the_session() {
    let session = session();
    let held = tokio::spawn({
        let session = session.clone();
        async move { session.post(None, None).await }
    });
    tokio::task::yield_now().await;
    session.post(answer(&hex!("AB03800100")), None).await;
    held.await.unwrap();
    assert!(session.ending().is_some());
}
