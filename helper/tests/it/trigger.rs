//! Pages that request a card as they request it from CardContact's web client, by loading an image.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use countersign_card::{
    PinKind, PinStatus, SmartCardHsm,
    apdu::{Command, Le},
    secure_messaging::Channel,
};
use countersign_helper::{
    loopback,
    prompt::{OriginAnswer, scripted::Shown},
    trigger::{self, WebClient},
};
use countersign_protocol::helper::{Answer, CardState, Operation};
use countersign_ram::{Instruction, Notification, Request};
use hex_literal::hex;

use crate::{
    remote_server::{Server, ServerReply},
    support::{PIN, TestCard, TestHelper, pin, wait_until},
};

const PASSED: &[u8] = include_bytes!("../../src/trigger/passed.png");
const FAILED: &[u8] = include_bytes!("../../src/trigger/failed.png");
const PAGE: &str = "https://portal.example";
const SELECT: [u8; 17] = hex!("00A404000BE82B0601040181C31F020100");
const STATUS: [u8; 4] = hex!("00200081");

/// A helper that serves the WebSocket and the trigger.
struct WebClientHelper {
    helper: TestHelper,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl WebClientHelper {
    fn new() -> Self {
        Self::with(TestHelper::with_card(), "")
    }

    fn with(helper: TestHelper, reader: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let loopback = runtime.block_on(loopback::bind(0)).unwrap();
        let port = loopback.port;
        let client = WebClient {
            helper: helper.helper.clone(),
            reader: reader.to_owned(),
        };
        runtime.spawn(trigger::serve(loopback, client));
        Self {
            helper,
            port,
            _runtime: runtime,
        }
    }

    fn send(&self, method: &str, target: &str, headers: &[String]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let timeout = Some(Duration::from_secs(60));
        stream.set_read_timeout(timeout).unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{}\r\n\r\n",
            headers.join("\r\n")
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    /// Loads the image in the way of a browser that shows `page`.
    fn load(&self, page: &str, query: &str) -> TcpStream {
        let referer = format!("Referer: {page}/");
        self.send("GET", &format!("/ocf.png?{query}"), &[self.host(), referer])
    }

    fn trigger(&self, query: &str) -> Reply {
        Reply::read(self.load(PAGE, query))
    }

    fn shown(&self) -> Vec<Shown> {
        self.helper.user.shown()
    }

    /// Logs the card in with another program. It stays logged in until the helper accesses it.
    fn log_in_elsewhere(&self) -> SmartCardHsm {
        let mut driver = SmartCardHsm::open(self.helper.card().simulator.connect()).unwrap();
        driver.verify_pin(&pin(PIN)).unwrap();
        driver
    }

    fn is_still_logged_in(&self) -> bool {
        self.helper.card().pin_status() == hex!("9000")
    }
}

/// All bytes that were received until the connection was closed.
#[derive(Debug)]
struct Reply(Vec<u8>);

impl Reply {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A connection that is closed with unread bytes is reset.
        let _ = stream.read_to_end(&mut bytes);
        Self(bytes)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn head(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
    }

    fn is_image(&self, image: &[u8]) -> bool {
        let length = format!("content-length: {}", image.len());
        self.head().starts_with("http/1.1 200 ok")
            && self.head().contains(&length)
            && self.0.ends_with(&[b"\r\n\r\n", image].concat())
    }
}

/// The address without its query, because such pages write none.
fn address(server: &Server) -> &str {
    server.address.split('?').next().unwrap()
}

fn origin(server: &Server) -> &str {
    address(server).strip_suffix("/rt/hsm").unwrap()
}

fn finished() -> ServerReply {
    ServerReply::Status("204 No Content", "", vec![])
}

fn work(commands: &[&[u8]]) -> Vec<u8> {
    let instructions = commands
        .iter()
        .map(|command| Instruction::Command(command.to_vec()))
        .collect();
    Request { instructions }.encode().unwrap()
}

fn whole_session() -> Server {
    Server::answering(vec![
        ServerReply::Status("200 OK", "", work(&[&SELECT, &STATUS])),
        ServerReply::Instructions(hex!("AA00").to_vec()),
        finished(),
    ])
}

/// A server that accepts a POST and does not answer.
struct SilentServer(TcpListener);

impl SilentServer {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn query(&self) -> String {
        format!("url=http://{}/rt/hsm", self.0.local_addr().unwrap())
    }

    /// Accepts the helper's POST.
    fn session(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"POST");
        stream
    }

    fn has_no_connection(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        self.0.accept().is_err()
    }
}

#[test]
fn a_page_is_asked_about_once_and_its_session_completes() {
    let web_client = WebClientHelper::new();
    let server = whole_session();
    let query = format!("url={}&sessionId=0123ABCD", address(&server));
    let reply = web_client.trigger(&query);
    assert!(reply.is_image(PASSED), "{reply:?}");
    let head = reply.head();
    assert!(head.contains(&format!("access-control-allow-origin: {PAGE}")));
    assert!(head.contains("connection: close"));
    let [Shown::Attaching(text)] = &web_client.shown()[..] else {
        panic!("{:?}", web_client.shown())
    };
    for side in [PAGE, origin(&server), "Simulated reader 1"] {
        assert!(text.contains(side), "{side} in {text}");
    }
    let received = server.received();
    assert_eq!(received.len(), 3);
    for post in &received {
        assert_eq!(post.line, "POST /rt/hsm HTTP/1.1");
        assert_eq!(post.header("cookie"), Some("JSESSIONID=0123ABCD"));
    }
    assert!(received[0].body.starts_with(&hex!("E8")));
    assert!(received[1].body.ends_with(&hex!("230263C3800102")));

    // "Always" is valid for this page and this server together.
    let again = whole_session();
    let other_port = format!("url={}", address(&again));
    assert!(web_client.trigger(&other_port).is_image(PASSED));
    assert_eq!(
        web_client.shown().len(),
        2,
        "no question about another server"
    );
    assert_eq!(again.received()[0].header("cookie"), None);
    let port = other_port
        .split(['/', ':'])
        .nth(4)
        .unwrap()
        .parse::<u16>()
        .unwrap();
    let same = Server::answering_at(port, vec![finished()]);
    assert!(web_client.trigger(&other_port).is_image(PASSED));
    assert_eq!(
        web_client.shown().len(),
        2,
        "a second question about the same pair"
    );
    same.received();
    let same = Server::answering_at(port, vec![finished()]);
    let elsewhere = Reply::read(web_client.load("https://evil.example", &other_port));
    assert!(elsewhere.is_image(PASSED));
    assert_eq!(
        web_client.shown().len(),
        3,
        "no question about another page"
    );
    same.received();
}

#[test]
fn the_browsers_session_cookie_is_sent_until_the_server_replaces_it() {
    let web_client = WebClientHelper::new();
    let cookie = "Set-Cookie: sid=new; Path=/rt\r\n";
    let server = Server::answering(vec![
        ServerReply::Status("200 OK", cookie, hex!("AA00").to_vec()),
        finished(),
    ]);
    let query = format!("sessionId=sid=a=b&url={}", address(&server));
    assert!(web_client.trigger(&query).is_image(PASSED));
    let received = server.received();
    assert_eq!(received[0].header("cookie"), Some("sid=a=b"));
    assert_eq!(received[1].header("cookie"), Some("sid=new"));
}

#[test]
fn a_failed_session_shows_the_other_image_and_a_notice_with_the_reason() {
    let web_client = WebClientHelper::new();
    let no = Notification {
        id: -1,
        text: "unknown HSM".into(),
        seconds: None,
    };
    let refusal = Request {
        instructions: vec![Instruction::Notify(no)],
    };
    let gone = || ServerReply::Status("504 Gateway Timeout", "", vec![]);
    for (answers, words) in [
        (
            vec![ServerReply::Instructions(refusal.encode().unwrap()), gone()],
            "unknown HSM",
        ),
        (
            vec![ServerReply::Status("404 Not Found", "", vec![])],
            "address",
        ),
        (vec![ServerReply::HangUp], "connection"),
    ] {
        let server = Server::answering(answers);
        let reply = web_client.trigger(&format!("url={}", address(&server)));
        assert!(reply.is_image(FAILED), "{reply:?}");
        server.received();
        wait_until(|| {
            web_client
                .shown()
                .iter()
                .any(|shown| matches!(shown, Shown::Notice(text) if text.contains(words)))
        });
    }
}

#[test]
fn a_denied_page_gets_no_response_and_no_card() {
    let web_client = WebClientHelper::new();
    web_client.helper.user.answer_origins(OriginAnswer::No);
    let _driver = web_client.log_in_elsewhere();
    let server = SilentServer::new();
    for _ in 0..3 {
        let reply = web_client.trigger(&server.query());
        assert!(reply.is_empty(), "{reply:?}");
    }
    assert_eq!(web_client.shown().len(), 1, "more than one question");
    assert!(web_client.is_still_logged_in());
    assert!(server.has_no_connection());
}

#[test]
fn this_time_is_one_session_and_an_unknown_page_is_always_asked_about() {
    let web_client = WebClientHelper::new();
    web_client
        .helper
        .user
        .answer_origins(OriginAnswer::ThisTime);
    let server = Server::answering(vec![finished(), finished()]);
    let query = format!("url={}", address(&server));
    assert!(web_client.trigger(&query).is_image(PASSED));
    assert!(web_client.trigger(&query).is_image(PASSED));
    assert_eq!(web_client.shown().len(), 2);
    server.received();

    web_client.helper.user.answer_origins(OriginAnswer::Always);
    let server = Server::answering(vec![finished(), finished()]);
    let target = format!("/x?url={}", address(&server));
    for origins in [vec![], vec!["Origin: null".to_owned()]] {
        let headers = [vec![web_client.host()], origins].concat();
        let reply = Reply::read(web_client.send("GET", &target, &headers));
        assert!(reply.is_image(PASSED));
        assert!(!reply.head().contains("access-control-allow-origin"));
    }
    assert_eq!(web_client.shown().len(), 4);
    server.received();
}

#[test]
fn permission_to_use_the_helper_does_not_include_attaching() {
    let web_client = WebClientHelper::new();
    let server = Server::answering(vec![finished()]);
    let origins = countersign_helper::origin::OriginStore::new(web_client.helper.config.path());
    origins.allow(&origin(&server).parse().unwrap()).unwrap();
    let reply = Reply::read(web_client.load(origin(&server), &format!("url={}", address(&server))));
    assert!(reply.is_image(PASSED));
    assert!(matches!(web_client.shown()[..], [Shown::Attaching(_)]));
    server.received();
}

#[test]
fn an_invalid_request_gets_no_response() {
    let web_client = WebClientHelper::new();
    let url = "url=https://a.example/rt/hsm";
    for query in [
        "",
        "x=1",
        "url=",
        "url=https%3A%2F%2Fa.example%2Frt%2Fhsm",
        "url=http://a.example/rt/hsm",
        "url=https://a.example/&url=https://b.example/",
        &format!("{url}&sessionId="),
        &format!("{url}&sessionId=a;b"),
    ] {
        assert!(web_client.trigger(query).is_empty(), "{query}");
    }
    // Without a query, CardContact's client shows the failed image.
    let reply = Reply::read(web_client.send("GET", "/ocf.png", &[web_client.host()]));
    assert!(reply.is_image(FAILED), "{reply:?}");
    for method in ["POST", "HEAD", "PUT"] {
        let reply = Reply::read(web_client.send(method, &format!("/?{url}"), &[web_client.host()]));
        assert!(reply.is_empty(), "{method}: {reply:?}");
    }
    assert_eq!(web_client.shown(), []);
}

#[test]
fn other_names_of_this_computer_get_no_response() {
    let web_client = WebClientHelper::new();
    let port = web_client.port;
    for hosts in [
        vec![format!("Host: evil.example:{port}")],
        vec![format!("Host: 127.0.0.1.nip.example:{port}")],
        vec![format!("Host: 127.0.0.1:{}", port.wrapping_add(1))],
        vec!["Host: 127.0.0.1".to_owned()],
        vec![web_client.host(), web_client.host()],
        vec!["X: y".to_owned()],
    ] {
        for target in [
            "/?url=https://a.example/",
            "/",
            "http://evil.example/?url=https://a.example/",
        ] {
            let reply = Reply::read(web_client.send("GET", target, &hosts));
            assert!(reply.is_empty(), "{hosts:?} {target}: {reply:?}");
        }
    }
    assert_eq!(web_client.shown(), []);
}

#[test]
fn a_page_that_requires_the_pin_is_refused_with_a_notice() {
    let web_client = WebClientHelper::new();
    let server = SilentServer::new();
    let _driver = web_client.log_in_elsewhere();
    for _ in 0..3 {
        let reply = web_client.trigger(&format!("{}&pinrequired=129", server.query()));
        assert!(reply.is_image(FAILED), "{reply:?}");
    }
    wait_until(|| !web_client.shown().is_empty());
    let [Shown::Notice(text)] = &web_client.shown()[..] else {
        panic!("expected one notice only: {:?}", web_client.shown())
    };
    assert!(text.contains("PIN") && text.contains(PAGE));
    assert!(web_client.is_still_logged_in());
    assert!(server.has_no_connection());
}

#[test]
fn a_pages_server_cannot_unlock_the_card() {
    let web_client = WebClientHelper::new();
    let mut channel = Channel::derive(&[1; 32], &[2; 8]);
    let verify = Command::new(0, 0x20, 0, 0x81).with_data(PIN.as_bytes());
    let encrypted = channel.protect_command(&verify).encode();
    let change = Command::new(0, 0x24, 0, 0x81).with_data(*b"648219648219");
    let change = channel.protect_command(&change).encode();
    let initialize = Command::new(0x80, 0x50, 0, 0).with_data(vec![0x31; 40]);
    let plain_initialize = initialize.encode();
    let initialize = channel.protect_command(&initialize).encode();
    let plain = verify.with_le(Le::Short).encode();
    let server = Server::answering(vec![
        ServerReply::Instructions(work(&[
            &SELECT,
            &plain,
            &encrypted,
            &change,
            &plain_initialize,
            &initialize,
            &STATUS,
        ])),
        finished(),
    ]);
    let before = web_client.helper.verify_count();
    assert!(
        web_client
            .trigger(&format!("url={}", address(&server)))
            .is_image(PASSED)
    );
    let received = server.received();
    assert!(
        received[1].body.ends_with(&hex!(
            "23026982 23026982 23026982 23026982 23026982 230263C3 800107"
        )),
        "{:02X?}",
        received[1].body
    );
    assert_eq!(web_client.helper.verify_count(), before);
}

#[test]
fn one_page_at_a_time_attaches_a_card_and_the_card_is_listed_as_in_use() {
    let web_client = WebClientHelper::new();
    let server = SilentServer::new();
    let first = web_client.load(PAGE, &server.query());
    let session = server.session();

    let second = web_client.trigger(&server.query());
    assert!(second.is_empty(), "{second:?}");
    let Ok(Answer::Cards { readers }) = web_client.helper.portal().request(Operation::ListCards)
    else {
        panic!()
    };
    assert!(matches!(readers[0].card, CardState::Unusable { .. }));

    // When the server hangs up, the first page sees the failure, and the card is free again.
    drop(session);
    assert!(Reply::read(first).is_image(FAILED));
    let next = Server::answering(vec![finished()]);
    assert!(
        web_client
            .trigger(&format!("url={}", address(&next)))
            .is_image(PASSED)
    );
    next.received();
}

#[test]
fn closing_the_page_ends_its_session() {
    let web_client = WebClientHelper::new();
    let server = SilentServer::new();
    let page = web_client.load(PAGE, &server.query());
    let _session = server.session();
    drop(page);
    // The next session starts at once, although the first server has not answered.
    let next = Server::answering(vec![finished()]);
    assert!(
        web_client
            .trigger(&format!("url={}", address(&next)))
            .is_image(PASSED)
    );
    next.received();
    let mut driver = SmartCardHsm::open(web_client.helper.card().simulator.connect()).unwrap();
    assert!(matches!(
        driver.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { .. })
    ));
}

#[test]
fn a_card_in_a_pin_session_is_not_attached() {
    let web_client = WebClientHelper::with(TestHelper::with_card().enrolled(), "");
    let helper = &web_client.helper;
    let mut portal = helper.portal();
    let task = helper.server.approve(helper.card().key, &[1; 8]);
    portal.request(Operation::Approve { task }).unwrap();
    let server = SilentServer::new();
    assert!(web_client.trigger(&server.query()).is_image(FAILED));
    assert!(server.has_no_connection());
    let again = helper.server.approve(helper.card().key, &[2; 8]);
    portal
        .request(Operation::ApproveAgain { task: again })
        .unwrap();
}

#[test]
fn the_reader_can_be_chosen() {
    let cards = vec![TestCard::with_ec_key(1), TestCard::with_ec_key(2)];
    let web_client = WebClientHelper::with(TestHelper::start(cards), "Simulated reader 2");
    let server = Server::answering(vec![finished()]);
    assert!(
        web_client
            .trigger(&format!("url={}", address(&server)))
            .is_image(PASSED)
    );
    let [Shown::Attaching(text)] = &web_client.shown()[..] else {
        panic!()
    };
    assert!(text.contains("Simulated reader 2"));
    server.received();
    let empty = WebClientHelper::with(TestHelper::without_cards(), "");
    let server = SilentServer::new();
    assert!(empty.trigger(&server.query()).is_image(FAILED));
    assert!(server.has_no_connection());
}

#[test]
fn a_preflight_is_answered_without_a_prompt() {
    let web_client = WebClientHelper::new();
    let headers = [
        web_client.host(),
        format!("Origin: {PAGE}"),
        "Access-Control-Request-Method: GET".to_owned(),
        "Access-Control-Request-Private-Network: true".to_owned(),
    ];
    let reply = Reply::read(web_client.send("OPTIONS", "/?url=https://a.example/", &headers));
    let head = reply.head();
    assert!(head.starts_with("http/1.1 204 "), "{head}");
    assert!(head.contains(&format!("access-control-allow-origin: {PAGE}")));
    assert!(head.contains("access-control-allow-private-network: true"));
    assert_eq!(web_client.shown(), []);
}

#[test]
fn requests_are_limited_in_size_and_time() {
    let web_client = WebClientHelper::new();
    let long = format!("/?url=https://a.example/{}", "x".repeat(100_000));
    let reply = Reply::read(web_client.send("GET", &long, &[web_client.host()]));
    assert!(!reply.is_image(PASSED) && !reply.is_image(FAILED));
    let mut slow = TcpStream::connect(("127.0.0.1", web_client.port)).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    slow.write_all(b"GET /?url=").unwrap();
    let began = Instant::now();
    let closed = slow.read(&mut [0]);
    assert!(closed.is_ok() && began.elapsed() < Duration::from_secs(25));
    assert_eq!(web_client.shown(), []);
}
