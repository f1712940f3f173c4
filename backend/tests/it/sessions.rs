//! How long sessions of the portal last.

use std::time::Duration;

use axum::http::StatusCode;
use countersign_protocol::{audit::AuditEvent, event::Event, problem::ProblemCode};
use countersign_server::events::Change;
use countersign_simulator::Profile;
use time::OffsetDateTime;

use crate::{
    http::{code, log_in, send, set_cookie},
    listening::Ear,
    tls::stage::{listen, token_for},
    world::World,
};

const MINUTE: time::Duration = time::Duration::MINUTE;

/// When the only session ends; `None`: there is none.
async fn end(world: &World) -> Option<OffsetDateTime> {
    sqlx::query_scalar("SELECT expiry_date FROM tower_sessions")
        .fetch_optional(world.app.store.pool())
        .await
        .expect("read")
}

/// As if the only session had last been used so long ago that it ends after this.
async fn ends_in(world: &World, time: time::Duration) -> OffsetDateTime {
    let end = OffsetDateTime::now_utc() + time;
    sqlx::query("UPDATE tower_sessions SET expiry_date = ?")
        .bind(end)
        .execute(world.app.store.pool())
        .await
        .expect("changed");
    end
}

#[tokio::test]
async fn a_session_that_is_used_lasts() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let cookie = log_in(&mut world, &router, 3).await;
    let me = [("cookie", cookie.as_str())];

    ends_in(&world, 20 * MINUTE).await;
    let used = send(&router, "GET", "/session", &me, None).await;
    assert_eq!(used.status(), StatusCode::OK);
    let later = OffsetDateTime::now_utc() + 50 * MINUTE;
    for _ in 0..500 {
        if end(&world).await > Some(later) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let extended = end(&world).await;
    assert!(extended > Some(later), "{extended:?}");

    // Nothing is written for each of many requests.
    send(&router, "GET", "/session", &me, None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(end(&world).await, extended);

    // One that has ended stays so.
    let ended = ends_in(&world, -MINUTE).await;
    let late = send(&router, "GET", "/session", &me, None).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(end(&world).await <= Some(ended));

    // The next log-in clears it away.
    log_in(&mut world, &router, 2).await;
    let left: Vec<OffsetDateTime> = sqlx::query_scalar("SELECT expiry_date FROM tower_sessions")
        .fetch_all(world.app.store.pool())
        .await
        .expect("read");
    assert!(left.iter().all(|end| *end > ended), "{left:?}");
    world.app.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_cleared_away_keeps_nobody_out() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    log_in(&mut world, &router, 3).await;
    ends_in(&world, -MINUTE).await;
    sqlx::query(
        "CREATE TRIGGER in_the_way BEFORE DELETE ON tower_sessions BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .execute(world.app.store.pool())
    .await
    .expect("made");
    let cookie = log_in(&mut world, &router, 2).await;
    let me = send(&router, "GET", "/session", &[("cookie", &cookie)], None).await;
    assert_eq!(me.status(), StatusCode::OK);
    world.app.shutdown().await;
}

/// A token would fill the log with log-outs.
#[tokio::test]
async fn only_sessions_are_logged_out() {
    let world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let created = token_for(&world, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    let generation = world.app.store.people_generation();
    let out = send(&router, "DELETE", "/session", &token, None).await;
    assert_eq!(code(out).await, ProblemCode::NotAllowed);
    assert_eq!(world.app.store.people_generation(), generation);
    let audit = world.audit().await;
    assert!(!audit.contains(&AuditEvent::LoggedOut), "{audit:?}");
    world.app.shutdown().await;
}

/// The browser has to keep it for longer than the server does without a use.
#[tokio::test]
async fn the_cookie_outlives_an_hour() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let cookie = set_cookie(&mut world, &router, 3).await;
    let (_, age) = cookie.split_once("Max-Age=").expect("an age");
    let age = age.split(';').next().and_then(|age| age.parse().ok());
    assert_eq!(age, Some(12 * 3600));
    let unused = OffsetDateTime::now_utc() + 60 * MINUTE;
    assert!(end(&world).await <= Some(unused));
    world.app.shutdown().await;
}

/// A log-out comes between a request and what is written for it. Nor does the request wait for the database.
#[tokio::test]
async fn no_use_brings_a_session_back() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let cookie = log_in(&mut world, &router, 3).await;
    ends_in(&world, 20 * MINUTE).await;
    let mut busy = world.app.store.write().await.expect("a change");
    let me = [("cookie", cookie.as_str())];
    let request = send(&router, "GET", "/session", &me, None);
    let used = tokio::time::timeout(Duration::from_secs(5), request).await;
    assert_eq!(used.expect("at once").status(), StatusCode::OK);
    sqlx::query("DELETE FROM tower_sessions")
        .execute(busy.connection())
        .await
        .expect("deleted");
    busy.commit().await.expect("committed");
    // Behind what waits to be written.
    let turn = world.app.store.write().await.expect("a change");
    turn.commit().await.expect("committed");
    assert_eq!(end(&world).await, None);
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_alone_is_no_use() {
    let mut world = World::with_people(Profile::VENDOR).await;
    let router = crate::world::router(&world.app).await;
    let server = listen(&world.app).await;
    let cookie = log_in(&mut world, &router, 3).await;
    let mut ear = Ear::with_session(server, &cookie);
    let end_before = ends_in(&world, 20 * MINUTE).await;
    // The caller is looked up again for what is sent.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.app.store.publish(Change::Everything);
    assert_eq!(ear.next(), Some(Event::Resync));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(end(&world).await, Some(end_before));
    world.app.shutdown().await;
}
