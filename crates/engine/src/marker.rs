//! Page markers: sealed to store, account, Region, operation and filter, so that a marker can only be
//! used to continue the list that it was issued for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward_crypto::{
    aead::{self, Aad, NONCE_BYTES, Purpose},
    random,
};

use crate::{context::Context, fault::Internal};

const VERSION: u8 = 2;

/// Why a marker cannot be created or read.
#[derive(Debug)]
pub enum MarkerError {
    /// This operation gave no such marker for this filter, account and Region.
    Invalid,
    /// The failure is on our side.
    Internal(Internal),
}

impl Context<'_> {
    /// The marker that continues after `position`.
    ///
    /// # Errors
    /// Never; the key's length is checked when the server starts.
    pub fn seal_marker(
        &self,
        operation: &str,
        filter: &str,
        position: &str,
    ) -> Result<String, MarkerError> {
        let nonce: [u8; NONCE_BYTES] = random::array();
        let key = self.marker_key()?;
        let sealed = aead::seal(
            key,
            nonce,
            &self.marker_aad(operation, filter),
            position.as_bytes(),
        );
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position of a marker.
    ///
    /// # Errors
    /// [`MarkerError::Invalid`] unless this operation gave it for this filter, account and
    /// Region.
    pub fn open_marker(
        &self,
        operation: &str,
        filter: &str,
        marker: &str,
    ) -> Result<String, MarkerError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(marker)
            .map_err(|_| MarkerError::Invalid)?;
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(MarkerError::Invalid);
        };
        let (nonce, sealed) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(MarkerError::Invalid)?;
        let aad = self.marker_aad(operation, filter);
        let position = aead::open(self.marker_key()?, *nonce, &aad, sealed)
            .map_err(|_| MarkerError::Invalid)?;
        String::from_utf8(position.expose().to_vec()).map_err(|_| MarkerError::Invalid)
    }

    fn marker_key(&self) -> Result<&[u8; 32], MarkerError> {
        let key = self.shared.marker_key.expose_array();
        key.ok_or_else(|| MarkerError::Internal(Internal::new("the marker key has not 32 bytes")))
    }

    fn marker_aad(&self, operation: &str, filter: &str) -> Aad {
        Aad::new(Purpose::PageMarker, VERSION)
            .part(self.directory().store_id().as_bytes())
            .part(self.partition().as_str().as_bytes())
            .part(self.account().as_str().as_bytes())
            .part(self.region.as_str().as_bytes())
            .part(operation.as_bytes())
            .part(filter.as_bytes())
    }
}
