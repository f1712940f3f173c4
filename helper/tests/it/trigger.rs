//! Pages that ask for a card as they ask CardContact's web client: by loading an image.

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
    remote_server::{Say, Server},
    support::{PIN, Rig, TestCard, pin, wait_until},
};

const PASSED: &[u8] = include_bytes!("../../src/trigger/passed.png");
const FAILED: &[u8] = include_bytes!("../../src/trigger/failed.png");
const PAGE: &str = "https://portal.example";
const SELECT: [u8; 17] = hex!("00A404000BE82B0601040181C31F020100");
const STATUS: [u8; 4] = hex!("00200081");

/// A helper that pages can reach both ways.
struct Desk {
    rig: Rig,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Desk {
    fn new() -> Self {
        Self::with(Rig::with_card(), "")
    }

    fn with(rig: Rig, reader: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let loopback = runtime.block_on(loopback::bind(0)).unwrap();
        let port = loopback.port;
        let client = WebClient {
            helper: rig.helper.clone(),
            reader: reader.to_owned(),
        };
        runtime.spawn(trigger::serve(loopback, client));
        Self {
            rig,
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

    /// As a browser loads an image of `page`.
    fn load(&self, page: &str, query: &str) -> TcpStream {
        let referer = format!("Referer: {page}/");
        self.send("GET", &format!("/ocf.png?{query}"), &[self.host(), referer])
    }

    fn trigger(&self, query: &str) -> Reply {
        Reply::read(self.load(PAGE, query))
    }

    /// Questions and notices about cards for servers.
    fn shown(&self) -> Vec<Shown> {
        self.rig.user.shown()
    }

    /// The card is logged in, and stays so until somebody touches it.
    fn log_in_beside(&self) -> SmartCardHsm {
        let mut driver = SmartCardHsm::open(self.rig.card().simulator.connect()).unwrap();
        driver.verify_pin(&pin(PIN)).unwrap();
        driver
    }

    fn is_untouched(&self) -> bool {
        self.rig.card().pin_status() == hex!("9000")
    }
}

/// All bytes until the connection was closed.
#[derive(Debug)]
struct Reply(Vec<u8>);

impl Reply {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A connection that is closed on unread bytes is reset.
        let _ = stream.read_to_end(&mut bytes);
        Self(bytes)
    }

    fn is_nothing(&self) -> bool {
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

/// Without query: pages that are made for this write none.
fn address(server: &Server) -> &str {
    server.address.split('?').next().unwrap()
}

fn origin(server: &Server) -> &str {
    address(server).strip_suffix("/rt/hsm").unwrap()
}

fn finished() -> Say {
    Say::Status("204 No Content", "", vec![])
}

fn work(commands: &[&[u8]]) -> Vec<u8> {
    let instructions = commands
        .iter()
        .map(|command| Instruction::Command(command.to_vec()))
        .collect();
    Request { instructions }.encode().unwrap()
}

fn whole_session() -> Server {
    Server::saying(vec![
        Say::Status("200 OK", "", work(&[&SELECT, &STATUS])),
        Say::Work(hex!("AA00").to_vec()),
        finished(),
    ])
}

/// A server that takes a POST and says nothing.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn query(&self) -> String {
        format!("url=http://{}/rt/hsm", self.0.local_addr().unwrap())
    }

    /// The session that is under way.
    fn session(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"POST");
        stream
    }

    fn is_left_alone(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        self.0.accept().is_err()
    }
}

#[test]
fn a_page_is_asked_about_once_and_its_session_runs_to_the_end() {
    let desk = Desk::new();
    let server = whole_session();
    let query = format!("url={}&sessionId=0123ABCD", address(&server));
    let reply = desk.trigger(&query);
    assert!(reply.is_image(PASSED), "{reply:?}");
    let head = reply.head();
    assert!(head.contains(&format!("access-control-allow-origin: {PAGE}")));
    assert!(head.contains("connection: close"));
    let [Shown::Attaching(text)] = &desk.shown()[..] else {
        panic!("{:?}", desk.shown())
    };
    for side in [PAGE, origin(&server), "Simulated reader 1"] {
        assert!(text.contains(side), "{side} in {text}");
    }
    let heard = server.heard();
    assert_eq!(heard.len(), 3);
    for post in &heard {
        assert_eq!(post.line, "POST /rt/hsm HTTP/1.1");
        assert_eq!(post.header("cookie"), Some("JSESSIONID=0123ABCD"));
    }
    assert!(heard[0].body.starts_with(&hex!("E8")));
    assert!(heard[1].body.ends_with(&hex!("230263C3800102")));

    // "Always" holds for this page and this server together.
    let again = whole_session();
    let other_port = format!("url={}", address(&again));
    assert!(desk.trigger(&other_port).is_image(PASSED));
    assert_eq!(desk.shown().len(), 2, "another server is another question");
    assert_eq!(again.heard()[0].header("cookie"), None);
    let port = other_port
        .split(['/', ':'])
        .nth(4)
        .unwrap()
        .parse::<u16>()
        .unwrap();
    let same = Server::saying_at(port, vec![finished()]);
    assert!(desk.trigger(&other_port).is_image(PASSED));
    assert_eq!(desk.shown().len(), 2, "the same ones are not");
    same.heard();
    let same = Server::saying_at(port, vec![finished()]);
    let elsewhere = Reply::read(desk.load("https://evil.example", &other_port));
    assert!(elsewhere.is_image(PASSED));
    assert_eq!(desk.shown().len(), 3, "another page is another question");
    same.heard();
}

#[test]
fn a_session_of_the_browser_is_sent_as_it_is_and_replaced_by_the_servers_own() {
    let desk = Desk::new();
    let cookie = "Set-Cookie: sid=new; Path=/rt\r\n";
    let server = Server::saying(vec![
        Say::Status("200 OK", cookie, hex!("AA00").to_vec()),
        finished(),
    ]);
    let query = format!("sessionId=sid=a=b&url={}", address(&server));
    assert!(desk.trigger(&query).is_image(PASSED));
    let heard = server.heard();
    assert_eq!(heard[0].header("cookie"), Some("sid=a=b"));
    assert_eq!(heard[1].header("cookie"), Some("sid=new"));
}

#[test]
fn a_servers_failure_is_the_other_image_and_the_person_learns_why() {
    let desk = Desk::new();
    let no = Notification {
        id: -1,
        text: "This is no HSM of ours".into(),
        seconds: None,
    };
    let refusal = Request {
        instructions: vec![Instruction::Notify(no)],
    };
    let gone = || Say::Status("504 Gateway Timeout", "", vec![]);
    for (said, words) in [
        (
            vec![Say::Work(refusal.encode().unwrap()), gone()],
            "This is no HSM of ours",
        ),
        (vec![Say::Status("404 Not Found", "", vec![])], "address"),
        (vec![Say::HangUp], "connection"),
    ] {
        let server = Server::saying(said);
        let reply = desk.trigger(&format!("url={}", address(&server)));
        assert!(reply.is_image(FAILED), "{reply:?}");
        server.heard();
        wait_until(|| {
            desk.shown()
                .iter()
                .any(|shown| matches!(shown, Shown::Notice(text) if text.contains(words)))
        });
    }
}

#[test]
fn who_is_declined_gets_no_answer_and_no_card() {
    let desk = Desk::new();
    desk.rig.user.origin(OriginAnswer::No);
    let _driver = desk.log_in_beside();
    let server = Silent::new();
    for _ in 0..3 {
        let reply = desk.trigger(&server.query());
        assert!(reply.is_nothing(), "{reply:?}");
    }
    assert_eq!(desk.shown().len(), 1, "no is no for a while");
    assert!(desk.is_untouched());
    assert!(server.is_left_alone());
}

#[test]
fn once_is_once_and_a_page_that_hides_is_always_asked_about() {
    let desk = Desk::new();
    desk.rig.user.origin(OriginAnswer::ThisTime);
    let server = Server::saying(vec![finished(), finished()]);
    let query = format!("url={}", address(&server));
    assert!(desk.trigger(&query).is_image(PASSED));
    assert!(desk.trigger(&query).is_image(PASSED));
    assert_eq!(desk.shown().len(), 2);
    server.heard();

    desk.rig.user.origin(OriginAnswer::Always);
    let server = Server::saying(vec![finished(), finished()]);
    let target = format!("/x?url={}", address(&server));
    for origins in [vec![], vec!["Origin: null".to_owned()]] {
        let headers = [vec![desk.host()], origins].concat();
        let reply = Reply::read(desk.send("GET", &target, &headers));
        assert!(reply.is_image(PASSED));
        assert!(!reply.head().contains("access-control-allow-origin"));
    }
    assert_eq!(desk.shown().len(), 4);
    server.heard();
}

#[test]
fn a_page_that_may_talk_to_the_helper_must_ask_for_a_card_all_the_same() {
    let desk = Desk::new();
    let server = Server::saying(vec![finished()]);
    let book = countersign_helper::origin::OriginStore::new(desk.rig.config.path());
    book.allow(&origin(&server).parse().unwrap()).unwrap();
    let reply = Reply::read(desk.load(origin(&server), &format!("url={}", address(&server))));
    assert!(reply.is_image(PASSED));
    assert!(matches!(desk.shown()[..], [Shown::Attaching(_)]));
    server.heard();
}

#[test]
fn what_is_no_wish_gets_no_answer() {
    let desk = Desk::new();
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
        assert!(desk.trigger(query).is_nothing(), "{query}");
    }
    // Without any query the image is known to say "failed".
    let reply = Reply::read(desk.send("GET", "/ocf.png", &[desk.host()]));
    assert!(reply.is_image(FAILED), "{reply:?}");
    for method in ["POST", "HEAD", "PUT"] {
        let reply = Reply::read(desk.send(method, &format!("/?{url}"), &[desk.host()]));
        assert!(reply.is_nothing(), "{method}: {reply:?}");
    }
    assert_eq!(desk.shown(), []);
}

#[test]
fn other_names_of_this_computer_get_no_answer() {
    let desk = Desk::new();
    let port = desk.port;
    for hosts in [
        vec![format!("Host: evil.example:{port}")],
        vec![format!("Host: 127.0.0.1.nip.example:{port}")],
        vec![format!("Host: 127.0.0.1:{}", port.wrapping_add(1))],
        vec!["Host: 127.0.0.1".to_owned()],
        vec![desk.host(), desk.host()],
        vec!["X: y".to_owned()],
    ] {
        for target in [
            "/?url=https://a.example/",
            "/",
            "http://evil.example/?url=https://a.example/",
        ] {
            let reply = Reply::read(desk.send("GET", target, &hosts));
            assert!(reply.is_nothing(), "{hosts:?} {target}: {reply:?}");
        }
    }
    assert_eq!(desk.shown(), []);
}

#[test]
fn a_page_that_wants_the_pin_verified_is_refused_with_a_note() {
    let desk = Desk::new();
    let server = Silent::new();
    let _driver = desk.log_in_beside();
    for _ in 0..3 {
        let reply = desk.trigger(&format!("{}&pinrequired=129", server.query()));
        assert!(reply.is_image(FAILED), "{reply:?}");
    }
    wait_until(|| !desk.shown().is_empty());
    let [Shown::Notice(text)] = &desk.shown()[..] else {
        panic!("told once, and asked for nothing: {:?}", desk.shown())
    };
    assert!(text.contains("PIN") && text.contains(PAGE));
    assert!(desk.is_untouched());
    assert!(server.is_left_alone());
}

#[test]
fn a_pages_server_cannot_unlock_the_card_in_any_way() {
    let desk = Desk::new();
    let mut channel = Channel::derive(&[1; 32], &[2; 8]);
    let verify = Command::new(0, 0x20, 0, 0x81).with_data(PIN.as_bytes());
    let sealed = channel.protect_command(&verify).encode();
    let change = Command::new(0, 0x24, 0, 0x81).with_data(*b"648219648219");
    let change = channel.protect_command(&change).encode();
    let plain = verify.with_le(Le::Short).encode();
    let server = Server::saying(vec![
        Say::Work(work(&[&SELECT, &plain, &sealed, &change, &STATUS])),
        finished(),
    ]);
    let before = desk.rig.verify_count();
    assert!(
        desk.trigger(&format!("url={}", address(&server)))
            .is_image(PASSED)
    );
    let heard = server.heard();
    assert!(
        heard[1]
            .body
            .ends_with(&hex!("23026982 23026982 23026982 230263C3 800105")),
        "{:02X?}",
        heard[1].body
    );
    assert_eq!(desk.rig.verify_count(), before);
}

#[test]
fn one_page_at_a_time_and_its_card_is_seen_as_lent() {
    let desk = Desk::new();
    let server = Silent::new();
    let first = desk.load(PAGE, &server.query());
    let session = server.session();

    let second = desk.trigger(&server.query());
    assert!(second.is_nothing(), "{second:?}");
    let Ok(Answer::Cards { readers }) = desk.rig.portal().ask(Operation::ListCards) else {
        panic!()
    };
    assert!(matches!(readers[0].card, CardState::Unusable { .. }));

    // The server hangs up: the first page hears of it, and the card is back.
    drop(session);
    assert!(Reply::read(first).is_image(FAILED));
    let next = Server::saying(vec![finished()]);
    assert!(
        desk.trigger(&format!("url={}", address(&next)))
            .is_image(PASSED)
    );
    next.heard();
}

#[test]
fn a_page_that_leaves_takes_its_session_with_it() {
    let desk = Desk::new();
    let server = Silent::new();
    let page = desk.load(PAGE, &server.query());
    let _session = server.session();
    drop(page);
    // At once, though the server has still not answered.
    let next = Server::saying(vec![finished()]);
    assert!(
        desk.trigger(&format!("url={}", address(&next)))
            .is_image(PASSED)
    );
    next.heard();
    let mut driver = SmartCardHsm::open(desk.rig.card().simulator.connect()).unwrap();
    assert!(matches!(
        driver.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { .. })
    ));
}

#[test]
fn a_card_that_approves_is_not_taken_away() {
    let desk = Desk::with(Rig::with_card().enrolled(), "");
    let rig = &desk.rig;
    let mut portal = rig.portal();
    let task = rig.server.approve(rig.card().key, &[1; 8]);
    portal.ask(Operation::Approve { task }).unwrap();
    let server = Silent::new();
    assert!(desk.trigger(&server.query()).is_image(FAILED));
    assert!(server.is_left_alone());
    let again = rig.server.approve(rig.card().key, &[2; 8]);
    portal.ask(Operation::ApproveAgain { task: again }).unwrap();
}

#[test]
fn the_reader_can_be_chosen() {
    let cards = vec![TestCard::brainpool(1), TestCard::brainpool(2)];
    let desk = Desk::with(Rig::start(cards), "Simulated reader 2");
    let server = Server::saying(vec![finished()]);
    assert!(
        desk.trigger(&format!("url={}", address(&server)))
            .is_image(PASSED)
    );
    let [Shown::Attaching(text)] = &desk.shown()[..] else {
        panic!()
    };
    assert!(text.contains("Simulated reader 2"));
    server.heard();
    let nobody = Desk::with(Rig::without_cards(), "");
    let server = Silent::new();
    assert!(nobody.trigger(&server.query()).is_image(FAILED));
    assert!(server.is_left_alone());
}

#[test]
fn browsers_may_ask_whether_a_page_may_ask() {
    let desk = Desk::new();
    let headers = [
        desk.host(),
        format!("Origin: {PAGE}"),
        "Access-Control-Request-Method: GET".to_owned(),
        "Access-Control-Request-Private-Network: true".to_owned(),
    ];
    let reply = Reply::read(desk.send("OPTIONS", "/?url=https://a.example/", &headers));
    let head = reply.head();
    assert!(head.starts_with("http/1.1 204 "), "{head}");
    assert!(head.contains(&format!("access-control-allow-origin: {PAGE}")));
    assert!(head.contains("access-control-allow-private-network: true"));
    assert_eq!(desk.shown(), []);
}

#[test]
fn requests_have_a_size_and_a_time() {
    let desk = Desk::new();
    let long = format!("/?url=https://a.example/{}", "x".repeat(100_000));
    let reply = Reply::read(desk.send("GET", &long, &[desk.host()]));
    assert!(!reply.is_image(PASSED) && !reply.is_image(FAILED));
    let mut slow = TcpStream::connect(("127.0.0.1", desk.port)).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    slow.write_all(b"GET /?url=").unwrap();
    let began = Instant::now();
    let closed = slow.read(&mut [0]);
    assert!(closed.is_ok() && began.elapsed() < Duration::from_secs(25));
    assert_eq!(desk.shown(), []);
}
