//! The naive way, as one would write it first: every record becomes a tree, marked values are replaced in it, and the tree is written
//! out again; once for the protected topic, once for the view. The cipher is made anew for every value, or kept.
//!
//! It knows one layout and three names, refuses nothing, and looks at no duplicate keys, numbers out of range or hostile depth. What it
//! makes of a good record is byte for byte what sivcar makes of it.

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::orders::MARKED;

/// Protects events with one key.
pub struct Naive {
    id: u32,
    key: [u8; 64],
    /// `None`: a cipher is made for every value.
    kept: Option<Aes256Siv>,
}

/// What goes out for one event.
#[derive(Debug, PartialEq, Eq)]
pub struct Both {
    pub protected: Vec<u8>,
    pub shown: Vec<u8>,
    /// The record key of the view's.
    pub key: String,
}

impl Naive {
    /// With the key `id`; `keep` keeps its cipher.
    pub fn new(id: u32, key: [u8; 64], keep: bool) -> Self {
        let kept = keep.then(|| Aes256Siv::new((&key).into()));
        Self { id, key, kept }
    }

    /// The protected event and the masked one.
    pub fn protect(&mut self, key: &[u8], event: &[u8]) -> Both {
        let mut protected: Value = serde_json::from_slice(event).expect("a document");
        let mut shown = protected.clone();
        for name in MARKED {
            let value = protected["client"][name].as_str().expect("a string").to_owned();
            protected["client"][name] = self.token(&format!("exact:acme/{name}"), value.as_bytes()).into();
            shown["client"][name] = "***".into();
        }
        shown["client"]["id"] = "***".into();
        let [protected, shown] = [protected, shown].map(|tree| serde_json::to_vec(&tree).expect("written"));
        Both { protected, shown, key: self.token("view:acme/debug", key) }
    }

    fn token(&mut self, associated: &str, value: &[u8]) -> String {
        let mut fresh;
        let cipher = match &mut self.kept {
            Some(kept) => kept,
            None => {
                fresh = Aes256Siv::new((&self.key).into());
                &mut fresh
            }
        };
        let sealed = cipher.encrypt([associated.as_bytes()], value).expect("one header");
        let mut bytes = vec![1];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(sealed);
        format!("siv:{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}
