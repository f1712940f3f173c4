//! Records that a card stores with a key: PKCS#15 description, certificate, control parameters.

use countersign_cvc::{
    PublicKey,
    tlv::{self, Tag, TlvError, TlvWriter},
};

use super::{KeyKind, KeySpec};

const SEQUENCE: Tag = Tag(0x30);
const INTEGER: Tag = Tag(0x02);
const BIT_STRING: Tag = Tag(0x03);
const OCTET_STRING: Tag = Tag(0x04);
const UTF8_STRING: Tag = Tag(0x0C);

/// Writes the PKCS#15 description of a private key in the form that other software reads.
pub(super) fn description(spec: &KeySpec, reference: u8) -> Vec<u8> {
    let (tag, usage, bits): (_, &[u8], _) = match spec.kind {
        // sign, derive
        KeyKind::Ec(curve) => (Tag(0xA0), &[0x07, 0x20, 0x80], curve.bits()),
        // decrypt, sign, sign-recover, unwrap
        KeyKind::Rsa(bits) => (SEQUENCE, &[0x02, 0x74], usize::from(bits)),
    };
    let bits = u16::try_from(bits).unwrap_or(0).to_be_bytes();
    let value = TlvWriter::new()
        .with_raw(&TlvWriter::new().with(OCTET_STRING, &[]).wrap(SEQUENCE))
        .with(INTEGER, &bits)
        .wrap(SEQUENCE);
    TlvWriter::new()
        .with_raw(
            &TlvWriter::new()
                .with(UTF8_STRING, spec.label.as_bytes())
                .wrap(SEQUENCE),
        )
        .with_raw(
            &TlvWriter::new()
                .with(OCTET_STRING, &[reference])
                .with(BIT_STRING, usage)
                .wrap(SEQUENCE),
        )
        .with(Tag(0xA1), &value)
        .wrap(tag)
}

/// Reads label and identifier from a PKCS#15 key description.
pub(super) fn parse_description(data: &[u8]) -> Option<(String, Vec<u8>)> {
    let (outer, _) = tlv::parse_one(data).ok()?;
    let parts = tlv::parse_all(outer.value).ok()?;
    let fields = |index: usize| {
        parts
            .get(index)
            .and_then(|part| tlv::parse_all(part.value).ok())
    };
    let label = tlv::find(&fields(0)?, UTF8_STRING)
        .map(|label| String::from_utf8_lossy(label.value).into_owned())
        .unwrap_or_default();
    let id = tlv::find(&fields(1)?, OCTET_STRING)
        .map(|id| id.value.to_vec())
        .unwrap_or_default();
    Some((label, id))
}

/// Control parameters that a card reports when a key is selected.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct ControlParameters {
    pub uses_left: Option<u32>,
    pub algorithms: Option<Vec<u8>>,
    pub domain: Option<u8>,
}

/// Reads the control parameters from the response to SELECT. A counter at its maximum means that the key has no use limit.
pub(super) fn parse_control_parameters(template: &[u8]) -> Result<ControlParameters, TlvError> {
    let (template, _) = tlv::parse_one(template)?;
    let fields = tlv::parse_all(template.value)?;
    let fields = tlv::parse_all(tlv::expect(&fields, Tag(0xA5))?.value)?;
    let counter = tlv::find(&fields, Tag(0x90)).and_then(|counter| counter.value.try_into().ok());
    let domain = tlv::find(&fields, Tag(0x92)).and_then(|domain| domain.value.first());
    Ok(ControlParameters {
        uses_left: counter
            .map(u32::from_be_bytes)
            .filter(|left| *left != u32::MAX),
        algorithms: tlv::find(&fields, Tag(0x91)).map(|list| list.value.to_vec()),
        domain: domain.copied(),
    })
}

/// Reads an X.509 certificate and its public key (RFC 5280, section 4.1).
pub(super) fn x509(data: &[u8]) -> Option<(Vec<u8>, PublicKey)> {
    let (certificate, _) = tlv::parse_one(data).ok()?;
    if certificate.tag != SEQUENCE {
        return None;
    }
    let parts = tlv::parse_all(certificate.value).ok()?;
    let fields = tlv::parse_all(parts.first()?.value).ok()?;
    let version = usize::from(fields.first()?.tag == Tag(0xA0));
    // The key follows serial number, signature algorithm, issuer, validity and subject.
    let key = PublicKey::from_spki_der(fields.get(version + 5)?.raw).ok()?;
    Some((certificate.raw.to_vec(), key))
}

#[cfg(test)]
mod tests {
    use countersign_cvc::Curve;
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn descriptions_match_those_of_other_software() {
        let spec = KeySpec {
            kind: KeyKind::Ec(Curve::BrainpoolP256r1),
            label: "auth".into(),
            chr: "ZZCUSTOD100001".parse().expect("a name"),
            algorithms: None,
            use_counter: None,
        };
        let ec = description(&spec, 1);
        assert_eq!(
            ec,
            hex!("A01E 3006 0C0461757468 3008 040101 0303072080 A10A 3008 30020400 02020100")
        );
        // Written by OpenSC.
        let opensc = hex!(
            "A027 300C 0C03656331 030206C0 040101 300B 040110 0303073080 020101 A10A 3008 30020400 02020100"
        );
        assert_eq!(parse_description(&opensc), Some(("ec1".into(), vec![0x10])));
        assert_eq!(parse_description(&ec), Some(("auth".into(), vec![0x01])));
    }

    #[test]
    fn counter_algorithms_and_domain_are_read_from_a_key_object() {
        let template = hex!("6216 81020000 8301CC A50D 9004000003E7 91027073 920101");
        assert_eq!(
            parse_control_parameters(&template),
            Ok(ControlParameters {
                uses_left: Some(999),
                algorithms: Some(vec![0x70, 0x73]),
                domain: Some(1),
            })
        );
        // A length in a longer form than necessary, and a counter at its maximum.
        let template = hex!("620D A5810A 9004FFFFFFFF 91027073");
        assert_eq!(
            parse_control_parameters(&template).map(|parameters| parameters.uses_left),
            Ok(None)
        );
        assert!(parse_control_parameters(&hex!("6204 81020000")).is_err());
    }

    proptest! {
        #[test]
        fn any_file_content_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_description(&bytes);
            let _ = x509(&bytes);
            let _ = parse_control_parameters(&bytes);
        }
    }
}
