//! Test vectors of wrapped keys, created with other software (Python's cryptography package) from the same description.

use std::sync::LazyLock;

use countersign_cvc::issue::CvcSigner;
use hex_literal::hex;
use proptest::prelude::*;

use super::*;

fn dkek() -> Dkek {
    let bytes: Vec<u8> = (0..32).collect();
    Dkek::new(bytes.try_into().expect("32 bytes"))
}

const NONCE: [u8; 8] = hex!("A1A2A3A4A5A6A7A8");

#[test]
fn the_key_check_value_matches_the_vector() {
    assert_eq!(dkek().kcv(), hex!("630dcd2966c43366"));
}

#[test]
fn a_wrapped_ec_key_is_read_and_written() {
    let blob = hex!(
        "
            630dcd2966c433660c000a04007f000702020202030002707300000000229b18887c38857f697285be2c7c1e6056430f1c1a
            4950da0937cb26c0556bee28b3e3b8f9a346890ace351849b3a5f2fd6f6a76c49b0204147e2f56a1dc1379a8107cd39a0e25
            a7bda827a725679e5b91284291a9ea38576669ae14b5c9283f615caca7abba1589e8d9fe4fe09af9e9d3d0ab693bc7fa0955
            d3f87ac99f12ef9787a6cc0e03e72871f3f735ac755440ad7b7465d5067cb70e38515a870710f19b8eb0311c8b118428ef7a
            dac91d3d6e2128d87e0de0dd4e2df55ec193cc0e626a4a5a32b9f799b05e1f4888d20c0da505853c6ae61589141f5c4b07c8
            7d93415885ecb5d48720e9693c299d3f5de4a3bc3da54012eaa68b7c3e9a0d6ab475ae53bdf4a6dcee64774b2c272b207dc3
            efb95c55ea161cab82c5d1178c523a7688278d58530ac66cfa333f406bae60f5e36734f2c63bd2ffee13af6b8809a04813a2
            a3a8cc671499259857ae82da38e68f
        "
    );
    let scalar = hex!("772E5493D294FDE4B5B2393EDA575861895271FB89A1EA9D366D6312FC309A48");
    let opened = WrappedKey::open(&dkek(), &blob).expect("opens");
    assert_eq!(opened.algorithms.as_deref(), Some(&[0x70, 0x73][..]));
    let Key::Pair(Secret::Ec(key)) = &opened.secret else {
        panic!("an EC key")
    };
    assert_eq!(key.curve(), Curve::BrainpoolP256r1);
    assert_eq!(key.to_bytes().as_slice(), scalar);
    assert_eq!(opened.seal(&dkek(), NONCE), Ok(blob.to_vec()));
}

#[test]
fn a_wrapped_aes_key_is_read_and_written() {
    let blob = hex!(
        "
            630dcd2966c433660f000860864801650304010002101800000000ac824edd889467663f2ca708c067c89b9669fd32d2a3a8
            cd375cfda76562bd7e34e17468f620ddc871c14b0fd4433e60
        "
    );
    let opened = WrappedKey::open(&dkek(), &blob).expect("opens");
    let Key::Aes(key) = &opened.secret else {
        panic!("an AES key")
    };
    assert_eq!(key.as_bytes(), hex!("000102030405060708090A0B0C0D0E0F"));
    assert_eq!(opened.seal(&dkek(), NONCE), Ok(blob.to_vec()));
}

#[test]
fn a_wrapped_rsa_key_with_its_primes_is_read() {
    let blob = hex!(
        "
            630dcd2966c4336606000a04007f00070202020102000000000000711439136fa32e22db6301cbe09e01270b325f65e75776
            61a6939f32c548902e85b3827f8664ed08cfe58176793e8c4bdecfb2f40c7f9c55f701be0a87da840bc3fa33a45af997a2cf
            d5fa462766f3454d732679a869460f61e26a3c28232bc5e37fbc4817b62df9fdf9afb65d10442c65132254add8430fee223d
            8a7fc97caeec3b5979fef756598019fa79b404c9882ccf5d4eb601c21f7a4bd0d09f882c60e256d4fc8f9642096b8412c5eb
            1b7ea6820b9324a809f46457be0c8447a9445d6e955c123c749dcb569e698a676372deb3819ce225372a150980fbfc7dc50e
            51d9f3ba9929a7b1a6a093b678f5146b16257ef246a2a038fecb2099697eb3de277575c9b18c24821db5bd09dbffd11a6a65
            0736b36f97372d1d2ccc585a1471b9b5447c2cc042233a6ce4b2597edb7d15ef3bf79ecd5d79cbbadba412b2b98317db1bb7
            12dca49861158ab4216912e4f3e5d5aa9b1e0164cce7ff044f829dfa61c567b71053f5b66503d522208670baefb95431e7b0
            d9cdf62e959a4290c573ffcb5a944a8a814e4f2d1743999b308131d4a2608243d0ec176c2d46a1cdd9a4397308ae780044a4
            93850d72e647b4096cdc0d221509ec2c681d7bd640abe967be1d0f3f1162e622631e9519cc1cd78232939040884f1bf9114f
            380cfc1256d06e2e9eb73265f9c978945cbce47dc0eb38
        "
    );
    let modulus = hex!(
        "
            b8d6f9f4f3333565d916f9c63cbc3306cb6cf0649d6a39e6c98c9ed7ab41bc81dc0ea6cc9b65178d08122b96b20ab93a594d
            5c7a6b3bac170a0e541a79be8cce55a71c1d3346f923e6736b2dfe3f345ac685e7c38aa2a7f45cdebc63fcf65a8a8b97d0a4
            32da8adae6092a1ac9f1bd3d50d35532b0e6fafa4a17f42231e84701
        "
    );
    let opened = WrappedKey::open(&dkek(), &blob).expect("opens");
    assert_eq!(opened.algorithms, None);
    let Key::Pair(secret) = &opened.secret else {
        panic!("an RSA key")
    };
    let countersign_cvc::PublicKey::Rsa(key) = secret.public_key() else {
        panic!("an RSA key")
    };
    assert_eq!(key.modulus(), modulus);
    // The simulator writes the private exponent instead of the primes, and reads this form too.
    let sealed = opened.seal(&dkek(), NONCE).expect("seals");
    let again = WrappedKey::open(&dkek(), &sealed).expect("opens");
    assert!(matches!(&again.secret, Key::Pair(again) if again.public_key() == secret.public_key()));
}

#[test]
fn a_key_wrapped_with_another_dkek_is_refused() {
    let key = WrappedKey {
        secret: Key::Aes(AesKey::new(&[1; 16]).expect("a key")),
        algorithms: None,
    };
    let sealed = key.seal(&dkek(), NONCE).expect("seals");
    let other = Dkek::new([1; 32]);
    assert!(WrappedKey::open(&other, &sealed).is_err());
}

/// Wraps arbitrary numbers with a right checksum.
fn sealed(kind: u8, numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut plain = NONCE.to_vec();
    plain.extend_from_slice(&[4, 0]);
    for number in numbers {
        write(&mut plain, number).expect("short");
    }
    let mut out = dkek().kcv().to_vec();
    out.push(kind);
    out.extend_from_slice(&[0; 8]);
    let key = (*dkek().encryption_key()).into();
    let cipher = cbc::Encryptor::<aes::Aes256>::new(&key, &IV.into());
    out.extend_from_slice(&cipher.encrypt_padded_vec::<Iso7816>(&plain));
    let checksum = mac(&dkek(), &out).finalize().into_bytes();
    [out.as_slice(), &checksum].concat()
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::vec(any::<u8>(), 64..66),
        prop::collection::vec(any::<u8>(), 127..130),
        Just(vec![1, 0, 1]),
        Just(vec![0; 40]),
        Just(vec![0xFF; 128]),
    ]
}

static RSA_KEY: LazyLock<PrivateKey> = LazyLock::new(|| match Secret::generate_rsa(1024) {
    Ok(Secret::Rsa(key)) => *key,
    _ => panic!("an RSA key"),
});

fn plain_rsa() -> Vec<Vec<u8>> {
    let d = RSA_KEY.d().to_be_bytes_trimmed_vartime().to_vec();
    vec![d, RSA_KEY.n_bytes().to_vec(), RSA_KEY.e_bytes().to_vec()]
}

fn rsa_with_primes() -> Vec<Vec<u8>> {
    let primes = RSA_KEY.primes().iter();
    let primes: Vec<_> = primes
        .map(|prime| prime.as_ref().to_be_bytes_trimmed_vartime().to_vec())
        .collect();
    let unused = vec![1];
    vec![
        unused.clone(),
        unused.clone(),
        primes[0].clone(),
        unused,
        primes[1].clone(),
        RSA_KEY.n_bytes().to_vec(),
        RSA_KEY.e_bytes().to_vec(),
    ]
}

proptest! {
    // An attacker who has the DKEK can send arbitrary numbers.
    #[test]
    fn arbitrary_numbers_never_panic(kind in prop::sample::select(vec![RSA, RSA_CRT, EC, AES, 0]), numbers in prop::collection::vec(number(), 0..8)) {
        let _ = WrappedKey::open(&dkek(), &sealed(kind, &numbers));
    }

    #[test]
    fn a_key_with_a_wrong_number_is_refused(at in 0usize..7, wrong in number()) {
        for (kind, mut numbers) in [(RSA, plain_rsa()), (RSA_CRT, rsa_with_primes())] {
            prop_assert!(WrappedKey::open(&dkek(), &sealed(kind, &numbers)).is_ok());
            // In the form with primes, the numbers that follow from them are not read, and another exponent gives a valid key.
            let checked = if kind == RSA { vec![0, 1, 2] } else { vec![2, 4, 5] };
            let at = checked[at % checked.len()];
            prop_assume!(numbers[at] != wrong);
            numbers[at] = wrong.clone();
            prop_assert!(WrappedKey::open(&dkek(), &sealed(kind, &numbers)).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(blob in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(WrappedKey::open(&dkek(), &blob).is_err());
    }
}
