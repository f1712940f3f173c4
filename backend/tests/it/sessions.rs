//! Lifetime of the portal's sessions.

use std::time::Duration;

use axum::http::StatusCode;
use countersign_protocol::{audit::AuditEvent, event::Event, problem::ProblemCode};
use countersign_server::events::Change;
use countersign_simulator::Profile;
use time::OffsetDateTime;

use crate::{
    events::EventSocket,
    http::{code, log_in, send, set_cookie},
    test_server::{CARLA, DOUG, TestServer, listen},
    tls::server::token_for,
};

const MINUTE: time::Duration = time::Duration::MINUTE;

/// End of the only session, if there is one.
async fn end(test: &TestServer) -> Option<OffsetDateTime> {
    sqlx::query_scalar("SELECT expiry_date FROM tower_sessions")
        .fetch_optional(test.server.store.pool())
        .await
        .expect("read")
}

/// Changes the only session so that it ends after this time.
async fn ends_in(test: &TestServer, time: time::Duration) -> OffsetDateTime {
    let end = OffsetDateTime::now_utc() + time;
    sqlx::query("UPDATE tower_sessions SET expiry_date = ?")
        .bind(end)
        .execute(test.server.store.pool())
        .await
        .expect("changed");
    end
}

#[tokio::test]
async fn a_used_session_is_extended() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let me = [("cookie", cookie.as_str())];

    ends_in(&test, 20 * MINUTE).await;
    let used = send(&router, "GET", "/session", &me, None).await;
    assert_eq!(used.status(), StatusCode::OK);
    let later = OffsetDateTime::now_utc() + 50 * MINUTE;
    for _ in 0..500 {
        if end(&test).await > Some(later) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let extended = end(&test).await;
    assert!(extended > Some(later), "{extended:?}");

    // Soon after that, another use is not written to the database.
    send(&router, "GET", "/session", &me, None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(end(&test).await, extended);

    // An ended session stays ended.
    let ended = ends_in(&test, -MINUTE).await;
    let late = send(&router, "GET", "/session", &me, None).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(end(&test).await <= Some(ended));

    // The next log-in deletes it.
    log_in(&mut test, &router, CARLA).await;
    let left: Vec<OffsetDateTime> = sqlx::query_scalar("SELECT expiry_date FROM tower_sessions")
        .fetch_all(test.server.store.pool())
        .await
        .expect("read");
    assert!(left.iter().all(|end| *end > ended), "{left:?}");
    test.shutdown().await;
}

#[tokio::test]
async fn a_failure_to_delete_expired_sessions_does_not_prevent_log_ins() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    log_in(&mut test, &router, DOUG).await;
    ends_in(&test, -MINUTE).await;
    sqlx::query(
        "CREATE TRIGGER in_the_way BEFORE DELETE ON tower_sessions BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .execute(test.server.store.pool())
    .await
    .expect("made");
    let cookie = log_in(&mut test, &router, CARLA).await;
    let me = send(&router, "GET", "/session", &[("cookie", &cookie)], None).await;
    assert_eq!(me.status(), StatusCode::OK);
    test.shutdown().await;
}

/// A token has no session, and could fill the audit log with log-outs.
#[tokio::test]
async fn an_api_token_cannot_log_out() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    let generation = test.server.store.people_generation();
    let out = send(&router, "DELETE", "/session", &token, None).await;
    assert_eq!(code(out).await, ProblemCode::NotAllowed);
    assert_eq!(test.server.store.people_generation(), generation);
    let audit = test.audit().await;
    assert!(!audit.contains(&AuditEvent::LoggedOut), "{audit:?}");
    test.shutdown().await;
}

/// The browser must keep the cookie longer than the server keeps an unused session.
#[tokio::test]
async fn the_cookie_lasts_longer_than_an_idle_session() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let cookie = set_cookie(&mut test, &router, DOUG).await;
    let (_, age) = cookie.split_once("Max-Age=").expect("an age");
    let age = age.split(';').next().and_then(|age| age.parse().ok());
    assert_eq!(age, Some(12 * 3600));
    let unused = OffsetDateTime::now_utc() + 60 * MINUTE;
    assert!(end(&test).await <= Some(unused));
    test.shutdown().await;
}

/// A log-out can happen between a request and the background write that extends its session. The request does not wait for the write.
#[tokio::test]
async fn using_a_deleted_session_does_not_restore_it() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    ends_in(&test, 20 * MINUTE).await;
    let mut busy = test.server.store.write().await.expect("a change");
    let me = [("cookie", cookie.as_str())];
    let request = send(&router, "GET", "/session", &me, None);
    let used = tokio::time::timeout(Duration::from_secs(5), request).await;
    assert_eq!(used.expect("at once").status(), StatusCode::OK);
    sqlx::query("DELETE FROM tower_sessions")
        .execute(busy.connection())
        .await
        .expect("deleted");
    busy.commit().await.expect("committed");
    // This write is queued after the background write.
    let later = test.server.store.write().await.expect("a change");
    later.commit().await.expect("committed");
    assert_eq!(end(&test).await, None);
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_does_not_extend_its_session() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let address = listen(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let mut socket = EventSocket::with_session(address, &cookie);
    let end_before = ends_in(&test, 20 * MINUTE).await;
    // After a second, the caller is looked up again before an event is sent.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    test.server.store.publish(Change::Everything);
    assert_eq!(socket.next(), Some(Event::Resync));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(end(&test).await, Some(end_before));
    test.shutdown().await;
}
