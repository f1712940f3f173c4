//! BER-TLV, as cards and RAMOverHTTP clients send it.

use countersign_cvc::tlv::{Tag, TlvWriter, encode, parse_all, parse_exact, parse_one};

/// What is parsed covers the input without a gap, and is parsed again from its encoding.
pub fn run(data: &[u8]) {
    if let Ok((first, rest)) = parse_one(data) {
        assert_eq!([first.raw, rest].concat(), data, "a byte was lost");
        let again = encode(first.tag, first.value);
        let parsed = parse_exact(&again).expect("the writer's own encoding");
        assert_eq!((parsed.tag, parsed.value), (first.tag, first.value));
    }
    if let Ok(objects) = parse_all(data) {
        let raw: Vec<u8> = objects
            .iter()
            .flat_map(|object| object.raw)
            .copied()
            .collect();
        assert_eq!(raw, data, "a byte was lost");
        for object in objects {
            let _ = parse_all(object.value);
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let inner = TlvWriter::new()
        .with(Tag(0x5F29), &[0])
        .with(Tag(0x42), b"DECVCA00001")
        .with(Tag(0x86), &[4; 65])
        .wrap(Tag(0x7F4E));
    vec![
        encode(Tag(0x80), b"x"),
        encode(Tag(0x7F21), &inner),
        [encode(Tag(0x22), &[0; 200]), encode(Tag(0xC0), &[0x3B; 24])].concat(),
    ]
}
