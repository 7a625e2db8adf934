//! The keys of an open volume, all in locked memory, and what is sealed and authenticated under them.

use keyward_crypto::{
    aead::{Aad, Purpose, TAG_BYTES},
    derive, mac, random,
    secret::{
        SecretBytes,
        arena::{Arena, ArenaSecret},
    },
    xaes,
};

use crate::{Error, ImageId, layout::BLOCK_BYTES};

/// The version of the format, authenticated everywhere.
pub(crate) const FORMAT: u8 = 1;
/// Bytes of the keyed hash of a page: HMAC-SHA-256, cut.
pub(crate) const PAGE_MAC_BYTES: usize = 27;

/// Where nonces come from. None may ever come twice, not even after a crash or in a copy of the image.
pub trait Nonces: Send + Sync + std::fmt::Debug {
    /// A new nonce.
    fn draw(&self) -> [u8; xaes::NONCE_BYTES];
}

/// Random nonces: with 192 bits, none comes twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNonces;

impl Nonces for SystemNonces {
    fn draw(&self) -> [u8; xaes::NONCE_BYTES] {
        random::public()
    }
}

/// What opens a sealed block, together with its number: nonce and tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) nonce: [u8; xaes::NONCE_BYTES],
    pub(crate) tag: [u8; TAG_BYTES],
}

impl Sealed {
    /// Bytes of a nonce and a tag.
    pub(crate) const BYTES: usize = xaes::NONCE_BYTES + TAG_BYTES;

    /// The nonce, then the tag.
    pub(crate) fn render(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.tag);
    }
}

/// The keys, derived from the data key, which itself is not kept.
pub(crate) struct Keys {
    seal_id: ImageId,
    blocks: ArenaSecret,
    tree: ArenaSecret,
    journal: ArenaSecret,
    superblock: ArenaSecret,
}

/// What a data key of a volume is recognized by. It is not a secret: it tells nothing of the key, and cannot be
/// created without it. It stays the same when the key is wrapped anew.
///
/// # Errors
/// When the key does not have 32 bytes.
pub fn commitment(data_key: &SecretBytes, volume: ImageId) -> Result<[u8; 32], Error> {
    let data_key: &[u8; 32] = data_key
        .expose_array()
        .ok_or(Error::Argument("a data key has 32 bytes"))?;
    let label = b"keyward volume commitment v1";
    Ok(*derive::kbkdf(data_key, label, volume.as_bytes()))
}

impl Keys {
    /// Derives the keys of the volume whose blocks are sealed under this id.
    pub(crate) fn derive(
        data_key: &SecretBytes,
        seal_id: ImageId,
        arena: &Arena,
    ) -> Result<Self, Error> {
        let data_key: &[u8; 32] = data_key
            .expose_array()
            .ok_or(Error::Argument("a data key has 32 bytes"))?;
        let store = |bytes: &[u8]| arena.store_bytes(bytes).map_err(|_| Error::NoLockedMemory);
        let key = |label: &str| derive::kbkdf(data_key, label.as_bytes(), seal_id.as_bytes());
        let blocks = xaes::prepare(&key("keyward volume blocks v1"));
        Ok(Self {
            seal_id,
            blocks: store(&*blocks)?,
            tree: store(&*key("keyward volume tree v1"))?,
            journal: store(&*key("keyward volume journal v1"))?,
            superblock: store(&*key("keyward volume superblock v1"))?,
        })
    }

    /// Seals a block in place.
    pub(crate) fn seal_block(
        &self,
        block: u64,
        nonce: [u8; xaes::NONCE_BYTES],
        bytes: &mut [u8],
    ) -> Result<Sealed, Error> {
        let key = self.blocks.expose_array().ok_or(Error::KeyGone)?;
        let tag = xaes::seal(key, &nonce, &self.aad(block), bytes);
        Ok(Sealed { nonce, tag })
    }

    /// Opens a block into a buffer, which holds zeros if it does not open.
    pub(crate) fn open_block(
        &self,
        block: u64,
        sealed: &Sealed,
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let key = self.blocks.expose_array().ok_or(Error::KeyGone)?;
        xaes::open(
            key,
            &sealed.nonce,
            &self.aad(block),
            ciphertext,
            &sealed.tag,
            out,
        )
        .map_err(|_| Error::BlockDamaged { block })
    }

    /// The keyed hash of a page of the tree at its place.
    pub(crate) fn page_mac(
        &self,
        level: u8,
        index: u64,
        page: &[u8; BLOCK_BYTES],
    ) -> [u8; PAGE_MAC_BYTES] {
        let whole = mac::hmac_sha256(
            self.tree.expose(),
            &[&[FORMAT, level], &index.to_be_bytes(), page],
        );
        let mut cut = [0; PAGE_MAC_BYTES];
        for (to, from) in cut.iter_mut().zip(whole) {
            *to = from;
        }
        cut
    }

    /// The MAC of a record of the journal, over its parts one after another.
    pub(crate) fn record_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac::hmac_sha256(self.journal.expose(), parts)
    }

    /// The MAC of a superblock.
    pub(crate) fn superblock_mac(&self, bytes: &[u8]) -> [u8; 32] {
        mac::hmac_sha256(self.superblock.expose(), &[bytes])
    }

    fn aad(&self, block: u64) -> Aad {
        Aad::with_capacity(Purpose::VolumeBlock, FORMAT, 32)
            .part(self.seal_id.as_bytes())
            .part(&block.to_be_bytes())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}
