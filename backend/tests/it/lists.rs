//! Lists and events of activations when many wait.

use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    event::Event,
    purpose::{Purpose, Scope},
};
use countersign_server::views::Who;
use countersign_simulator::Profile;

use crate::{
    http::{json, log_in, send},
    test_server::{ANNA, TestServer, router},
};

fn listed(view: &ActivationView) -> usize {
    match &view.terms.purpose {
        Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } => files.files().len(),
        other => panic!("no files: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_in_use_leads_the_list_and_the_list_has_no_files() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let anna = log_in(&mut test, &router, ANNA).await;
    let session = [("cookie", anna.as_str())];
    let open = test.request_signatures("ec", &["a", "b", "c"]).await;
    test.open(&open).await;
    for number in 0..201 {
        test.request_signatures("ec", &[number.to_string().as_str(), "x"])
            .await;
    }
    for path in ["/activations", "/activations?state=all"] {
        let list: Vec<ActivationView> =
            json(send(&router, "GET", path, &session, None).await).await;
        assert_eq!(list.len(), 200);
        assert_eq!(list[0].id(), open, "{path}");
        assert_eq!((listed(&list[0]), list[0].omitted_files), (1, 2));
        let queued = list[1..].iter();
        for (one, next) in queued.clone().zip(queued.skip(1)) {
            assert_eq!(one.state, ActivationState::Queued);
            assert!(one.terms.requested_at >= next.terms.requested_at);
            let notice = one.notice.as_deref().expect("what it waits for");
            assert!(notice.contains(open.as_str()), "{notice}");
        }
    }
    let path = format!("/activations/{open}");
    let whole: ActivationView = json(send(&router, "GET", &path, &session, None).await).await;
    assert_eq!((listed(&whole), whole.omitted_files), (3, 0));

    let who = Who::Person(test.anna().person.id.clone());
    let mut events = test.server.announcements.subscribe(who).expect("a place");
    test.request_signatures("ec", &["d", "e"]).await;
    let view = loop {
        let announced = events.next().await.expect("an event");
        let event: Event = serde_json::from_slice(&announced.json).expect("JSON");
        assert_eq!(event, announced.event);
        if let Event::Activation { activation } = event {
            break activation;
        }
    };
    assert_eq!((listed(&view), view.omitted_files), (1, 1));
    test.shutdown().await;
}
