//! No copy of a PIN remains in freed memory, with or without a secure channel.
//!
//! The allocator of this program searches every block for the PINs when the block is freed.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_card::{
    Atr, InitializeOptions, Locality, Pin, PkaOptions, SmartCardHsm, SoPin, Transport,
    TransportError,
    apdu::{Command, Response, StatusWord},
    secure_messaging::{Channel, is_protected},
};
use countersign_cvc::{
    AnchorKind, Chr, Curve, Date, DeviceChain, EcPublicKey, EcSecretKey, Role, TrustAnchor,
    TrustAnchors, VerifiedDevice,
    issue::{self, NewCertificate},
    tlv::{self, Tag, TlvWriter},
};
use zeroize::Zeroizing;

const PIN: &str = "648219";
const NEW_PIN: &str = "1357908642";
const SO_PIN: &[u8] = b"57621880";
const SECRETS: [&[u8]; 3] = [PIN.as_bytes(), NEW_PIN.as_bytes(), SO_PIN];

struct SearchingAllocator;

/// Freed blocks that contained a PIN.
static FOUND: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: SearchingAllocator = SearchingAllocator;

/// The default `realloc` frees the old block with `dealloc`, so that blocks that grow are searched too.
// SAFETY: all memory comes from the system's allocator, with the layouts of the caller.
unsafe impl GlobalAlloc for SearchingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that the whole block may be read later.
        // SAFETY: the caller guarantees a valid layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is initialised and as long as its layout, and nothing else uses it any longer.
        let content = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        if contains_secret(content) {
            FOUND.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the block was allocated by `alloc` with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

fn contains_secret(bytes: &[u8]) -> bool {
    SECRETS
        .iter()
        .any(|secret| bytes.windows(secret.len()).any(|window| window == *secret))
}

fn key(seed: u8) -> EcSecretKey {
    EcSecretKey::from_bytes(Curve::BrainpoolP256r1, &[seed; 32]).expect("a scalar")
}

/// A device under a root and an issuer of this test.
fn device() -> VerifiedDevice {
    let date = |year| Date {
        year,
        month: 1,
        day: 1,
    };
    let name = |text: &str| text.parse::<Chr>().expect("a name");
    let (root, issuer) = (name("ZZTSTROOT00001"), name("ZZTSTDICA00001"));
    let certificate = |car: &Chr, chr: &Chr, subject: u8, role, signer: u8| {
        let new = NewCertificate {
            car,
            chr,
            key: &key(subject).public_key(),
            role,
            validity: (date(2025), date(2055)),
        };
        issue::certificate(&new, &key(signer)).expect("signs")
    };
    let anchor = certificate(&root, &root, 1, Role::Root, 1);
    let anchor = TrustAnchor::from_certificate("test", AnchorKind::Configured, &anchor);
    let anchors = TrustAnchors::default()
        .with(anchor.expect("a root"))
        .expect("configured");
    let device = certificate(&issuer, &name("ZZSIM00000100001"), 3, Role::Device, 2);
    let issuer = certificate(&root, &issuer, 2, Role::Issuer, 1);
    DeviceChain::from_ef(&[device, issuer].concat())
        .expect("two certificates")
        .verify(&anchors)
        .expect("genuine")
}

/// A card that accepts every command, and counts those that contain a PIN.
#[derive(Default)]
struct AcceptingCard {
    channel: Option<Channel>,
    pins_received: Arc<AtomicUsize>,
}

impl AcceptingCard {
    fn execute(&mut self, command: &Command) -> Response {
        if contains_secret(&command.data) {
            self.pins_received.fetch_add(1, Ordering::SeqCst);
        }
        let data = match command.ins {
            0x86 => self.general_authenticate(&command.data),
            _ => Vec::new(),
        };
        Response {
            data,
            sw: StatusWord::OK,
        }
    }

    fn general_authenticate(&mut self, data: &[u8]) -> Vec<u8> {
        let template = tlv::parse_exact(data).expect("a template");
        let point = tlv::parse_exact(template.value).expect("a point").value;
        let ephemeral = EcPublicKey::new(Curve::BrainpoolP256r1, point).expect("a point");
        let secret = key(3).ecdh(&ephemeral).expect("one curve");
        let nonce = [5; 8];
        let channel = Channel::derive(&secret, &nonce);
        let response = TlvWriter::new()
            .with(Tag(0x81), &nonce)
            .with(Tag(0x82), &channel.token(&ephemeral))
            .wrap(Tag(0x7C));
        self.channel = Some(channel);
        response
    }
}

impl Transport for AcceptingCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let command = Command::parse(command).expect("a command");
        if !is_protected(&command) {
            return Ok(self.execute(&command).encode());
        }
        let mut channel = self.channel.take().expect("a channel");
        let inner = channel.open_command(&command).expect("authentic");
        let response = self.execute(&inner);
        let protected = channel.protect_response(inner.ins, &response);
        self.channel = Some(channel);
        Ok(protected.encode())
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        Ok(Atr(Vec::new()))
    }

    fn name(&self) -> &str {
        "accepting card"
    }

    fn locality(&self) -> Locality {
        Locality::Local
    }
}

fn pin(text: &str) -> Pin {
    Pin::new(Zeroizing::new(text.to_owned())).expect("a PIN")
}

/// Sends every command that contains a PIN; returns how many of them arrived at the card.
fn use_pins(device: Option<&VerifiedDevice>) -> usize {
    let card = AcceptingCard::default();
    let received = Arc::clone(&card.pins_received);
    let mut card = SmartCardHsm::open(card).expect("selects");
    if let Some(device) = device {
        card.open_secure_channel(device).expect("a channel");
    }
    let so_pin = SoPin::from_hex("3537363231383830").expect("16 hex digits");
    card.verify_pin(&pin(PIN)).expect("accepted");
    card.change_pin(&pin(PIN), &pin(NEW_PIN)).expect("accepted");
    card.reset_retry_counter(&so_pin, &pin(NEW_PIN))
        .expect("accepted");
    let options = InitializeOptions::QuorumAndPin {
        pka: PkaOptions::new(2, 3, false).expect("a quorum"),
        pin: &pin(NEW_PIN),
        retry_counter: 3,
    };
    card.initialize(&options, &so_pin).expect("accepted");
    received.load(Ordering::SeqCst)
}

#[test]
fn no_copy_of_a_pin_remains_in_freed_memory() {
    drop(std::hint::black_box(PIN.to_owned()));
    assert_eq!(
        FOUND.swap(0, Ordering::SeqCst),
        1,
        "the allocator finds an unwiped PIN"
    );

    let device = device();
    for (channel, device) in [("no channel", None), ("secure channel", Some(&device))] {
        assert_eq!(use_pins(device), 4, "{channel}");
        assert_eq!(FOUND.load(Ordering::SeqCst), 0, "{channel}");
    }
}
