//! AES-SIV-CMAC (RFC 5297) with 256-bit keys and one component of associated data, over RustCrypto's block cipher and counter mode.
//!
//! The crate `aes-siv` does the same for any number of components, but makes the counter mode's round keys anew for every value, and CMAC's
//! subkeys for every call of CMAC: most of what sealing a short value costs. Here both are made once per key. Always holds: the bytes
//! are those of `aes-siv`, which a property shows, and of Wycheproof's and Tink's vectors; what is derived from a key is wiped when
//! dropped. Deliberately not here: the form of sealed bytes ([`super::seal`]).

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::{CtrCore, flavors::Ctr128BE};
use dbl::Dbl;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keyset::KEY_BYTES;

/// The bytes of a synthetic initialisation vector.
pub const SIV_BYTES: usize = 16;

type Block = aes::Block;

/// One key, ready for use.
pub struct Siv {
    /// Of S2V: RFC 5297's K1.
    mac: Aes256,
    /// CMAC's subkeys (RFC 4493): for a last block that is whole, and for one that is padded.
    whole: Zeroizing<Block>,
    padded: Zeroizing<Block>,
    /// Where S2V stands before its component of associated data.
    begun: Zeroizing<Block>,
    /// Of the counter mode: RFC 5297's K2.
    counter: Aes256,
}

impl Siv {
    /// A cipher under `key`: 32 bytes for S2V, then 32 for the counter mode.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let (first, second) = key.split_at(KEY_BYTES / 2);
        let cipher = |half| Aes256::new_from_slice(half).expect("half of 64 bytes is 32");
        let (mac, counter) = (cipher(first), cipher(second));
        let mut subkey = Block::default();
        mac.encrypt_block(&mut subkey);
        let whole = subkey.dbl();
        let mut siv = Self {
            mac,
            whole: Zeroizing::new(whole),
            padded: Zeroizing::new(whole.dbl()),
            begun: Zeroizing::default(),
            counter,
        };
        *siv.begun = siv.cmac(&[0; SIV_BYTES]).dbl();
        siv
    }

    /// Encrypts `text` in place and gives its vector, which authenticates it and `associated`.
    pub fn seal(&self, associated: &[u8], text: &mut [u8]) -> [u8; SIV_BYTES] {
        let vector = self.s2v(associated, text);
        self.count(vector, text);
        vector.into()
    }

    /// Decrypts `text` in place; `false`, with nothing of use in `text`, where it or `associated` is not what `vector` was made of.
    #[must_use]
    pub fn open(&self, associated: &[u8], vector: &[u8; SIV_BYTES], text: &mut [u8]) -> bool {
        self.count((*vector).into(), text);
        let holds: bool = self.s2v(associated, text).ct_eq(vector).into();
        if !holds {
            text.fill(0);
        }
        holds
    }

    /// RFC 5297's S2V over `associated` and `text`, which is as it was afterwards.
    fn s2v(&self, associated: &[u8], text: &mut [u8]) -> Block {
        let mut sum = *self.begun;
        xor(&mut sum, &self.cmac(associated));
        match text.len().checked_sub(SIV_BYTES) {
            Some(end) => {
                xor(&mut text[end..], &sum);
                let vector = self.cmac(text);
                xor(&mut text[end..], &sum);
                vector
            }
            None => {
                sum = sum.dbl();
                xor(&mut sum, text);
                sum[text.len()] ^= 0x80;
                self.cmac(&sum)
            }
        }
    }

    /// RFC 4493's CMAC.
    fn cmac(&self, message: &[u8]) -> Block {
        let mut sum = Block::default();
        let mut rest = message;
        while let Some((block, more)) = rest.split_at_checked(SIV_BYTES).filter(|(_, more)| !more.is_empty()) {
            xor(&mut sum, block);
            self.mac.encrypt_block(&mut sum);
            rest = more;
        }
        xor(&mut sum, rest);
        if rest.len() == SIV_BYTES {
            xor(&mut sum, &self.whole);
        } else {
            sum[rest.len()] ^= 0x80;
            xor(&mut sum, &self.padded);
        }
        self.mac.encrypt_block(&mut sum);
        sum
    }

    /// The counter mode, from `vector` with the highest bits of its last two words cleared, as RFC 5297 has it.
    fn count(&self, mut vector: Block, text: &mut [u8]) {
        vector[8] &= 0x7f;
        vector[12] &= 0x7f;
        CtrCore::<&Aes256, Ctr128BE>::inner_iv_init(&self.counter, &vector).apply_keystream_partial(text.into());
    }
}

/// Adds `other`, which is no longer, to `sum` bit by bit.
fn xor(sum: &mut [u8], other: &[u8]) {
    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum ^= other);
}

#[cfg(test)]
mod tests {
    use aes_siv::KeyInit as _;
    use aes_siv::siv::Aes256Siv;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_another_implementation(
            key: [[u8; KEY_BYTES / 2]; 2],
            associated in prop::collection::vec(any::<u8>(), 0..70),
            text in prop::collection::vec(any::<u8>(), 0..200),
            altered: prop::sample::Index,
        ) {
            let key: [u8; KEY_BYTES] = key.concat().try_into().expect("two halves");
            let siv = Siv::new(&key);
            let mut sealed = text.clone();
            let vector = siv.seal(&associated, &mut sealed);
            let theirs = Aes256Siv::new(&key.into()).encrypt([&associated], &text).expect("one component");
            prop_assert_eq!([&vector[..], &sealed].concat(), theirs);

            let mut opened = sealed.clone();
            prop_assert!(siv.open(&associated, &vector, &mut opened));
            prop_assert_eq!(&opened, &text);
            let mut other = [&vector[..], &associated, &sealed].concat();
            *altered.get_mut(&mut other) ^= 1;
            let (vector, rest) = other.split_first_chunk().expect("a vector");
            let (associated, sealed) = rest.split_at(associated.len());
            prop_assert!(!siv.open(associated, vector, &mut sealed.to_vec()));
        }
    }
}
